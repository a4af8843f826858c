"""Whether the client of an SSH connection is still there.

This module owns the look at the connection, and at sshd's process for it (proc(5), /proc/net/tcp and /proc/PID/stat). A
client that is done closes its session (RFC 4254, 5.3, SSH_MSG_CHANNEL_EOF) and waits for the answer. One that is killed
closes its connection first, and sshd its session because of that. One that is silent for long (ClientAliveInterval)
leaves a connection that looks well, but sshd's process ends, and closes the session by that. Both show at the moment at
which the session's program ends (measured with OpenSSH 9.2); sshd takes up to 50 ms to close all that it has opened.
"""

from __future__ import annotations

import os
import select
import sys

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED = b"01"
_EXITING = 4  # PF_EXITING of linux/sched.h, set before the files of a process are closed
_PARENT, _FLAGS = 1, 6  # after the name, in /proc/PID/stat


class Client:
    """The client of this session."""

    def __init__(self, connection: str, sshd: int | None = None) -> None:
        """`connection` is what sshd says of it (ssh(1), SSH_CONNECTION), `sshd` its process, if it is known."""
        self._connection = connection
        self._sshd = find_sshd() if sshd is None else sshd

    def is_there(self, again: float = 0.0) -> bool:
        """Whether it can be reached: now, and still so in `again` seconds.

        Where sshd names no TCP connection, whether somebody still reads our standard output.
        """
        return self._is_connected() and (not again or (_is_read(again) and self._is_connected()))

    def _is_connected(self) -> bool:
        if self._sshd and _is_ending(self._sshd):
            return False
        try:
            client, client_port, server, server_port = self._connection.split()
            ends = _written(server, server_port), _written(client, client_port)
            return any(_is_established(table, *ends) for table in _TABLES)
        except (OSError, ValueError):
            return _is_read()


def find_sshd() -> int:
    """The process of sshd that started this session; 0 when it cannot be found. It makes the session (setsid(2))."""
    try:
        return int(_stat(os.getsid(0))[_PARENT])
    except OSError:
        return 0


def _is_ending(process: int) -> bool:
    try:
        stat = _stat(process)
    except OSError:
        return True
    return stat[0] in (b"Z", b"X") or bool(int(stat[_FLAGS]) & _EXITING)


def _stat(process: int) -> list[bytes]:
    """What the kernel says of `process`, from its state on. Raises OSError."""
    with open(f"/proc/{process}/stat", "rb") as file:
        # Its name comes first, in brackets, and may hold anything.
        return file.read().rpartition(b") ")[2].split()


def _written(address: str, port: str) -> tuple[bytes, bytes]:
    """`address` and `port` as they stand in the tables: words of four bytes as numbers of this machine."""
    packed = _packed(address)
    words = (int.from_bytes(packed[place : place + 4], sys.byteorder) for place in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words).encode(), f"{int(port):04X}".encode()


def _packed(address: str) -> bytes:
    if ":" not in address:
        return bytes(map(int, address.split(".")))
    # It takes as long to import as all the rest.
    import socket

    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])


def _is_established(table: str, local: tuple[bytes, bytes], remote: tuple[bytes, bytes]) -> bool:
    if not os.path.exists(table):
        return False
    with open(table, "rb") as file:
        for line in file:
            fields = line.split(None, 4)
            # An IPv4 connection may stand among those of IPv6, with its address at the end of a longer one.
            if len(fields) > 4 and _is(fields[1], local) and _is(fields[2], remote):
                return fields[3] == _ESTABLISHED
    return False


def _is(end: bytes, wanted: tuple[bytes, bytes]) -> bool:
    address, _, port = end.partition(b":")
    return port == wanted[1] and address.endswith(wanted[0])


def _is_read(wait: float = 0.0) -> bool:
    output = select.poll()
    output.register(1, 0)  # an error or a hang-up is always told (poll(2))
    return not output.poll(wait * 1000)
