"""Whether the client of an SSH connection is still there.

This room owns the look into the kernel's table of TCP connections (proc(5), /proc/net/tcp). A client that is killed
closes its connection first, and sshd its session because of that; one that is done closes its session (RFC 4254, 5.3,
SSH_MSG_CHANNEL_EOF) and waits for the answer. Measured with OpenSSH 9.2: the table tells them apart at the moment at
which the session's program ends, while sshd takes up to 50 ms to close all that it has opened.
"""

from __future__ import annotations

import os
import select
import socket
import sys

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED = b"01"


def is_connected(connection: str) -> bool:
    """Whether the client of `connection` (ssh(1), SSH_CONNECTION) can be reached.

    Where that names no TCP connection, whether somebody still reads our standard output.
    """
    try:
        client, client_port, server, server_port = connection.split()
        ends = _written(server, server_port), _written(client, client_port)
        return any(_is_established(table, *ends) for table in _TABLES)
    except (OSError, ValueError):
        return _is_read()


def _written(address: str, port: str) -> tuple[bytes, bytes]:
    """`address` and `port` as they stand in the tables: words of four bytes as numbers of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address.partition("%")[0])
    words = (int.from_bytes(packed[place : place + 4], sys.byteorder) for place in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words).encode(), f"{int(port):04X}".encode()


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


def _is_read() -> bool:
    output = select.poll()
    output.register(1, 0)  # an error or a hang-up is always told (poll(2))
    return not output.poll(0)
