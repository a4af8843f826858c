"""One connection at the daemon's socket: who is at its other end, what they ask, and the lines that they get.

This module owns the bytes of one connection and the kernel's word on who asks (SO_PEERCRED, unix(7)). It never waits
for a request, never waits without end for somebody who does not read, and never knows what is asked.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

from labd.common.errors import LabdError, RequestError

LONGEST = 65536  # bytes of a request
_UNREAD = 60.0  # seconds that an answer may lie there without a byte of it being read


class GoneError(Exception):
    """Who asked is not there any more, or does not read."""


def as_line(error: LabdError) -> dict[str, Any]:
    """`error` as the last line of an answer."""
    return {"error": error.message, "hint": error.hint, "exit": int(error.exit_code)}


class Connection:
    """A connection that was accepted."""

    def __init__(self, accepted: socket.socket) -> None:
        """Take over `accepted`. Raises OSError."""
        accepted.setblocking(False)
        credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, self.uid, _ = struct.unpack("3i", credentials)
        self._socket, self._received = accepted, bytearray()
        # Held while a line of the answer is made. Those of one researcher are made one at a time: many at once would
        # leave the others little of the interpreter.
        self.turn = threading.Lock()

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """Take what has arrived: the request when it is whole, None while it is not, b"" when nobody asks anything.

        A request is a line, or all that comes before the other end stops sending; what follows it is not read. Raises
        RequestError for one that is too long, OSError.
        """
        try:
            arrived = self._socket.recv(LONGEST)
        except BlockingIOError:
            return None
        self._received += arrived
        line, end, _ = self._received.partition(b"\n")
        if len(line) >= LONGEST:
            raise RequestError(f"A request has fewer than {LONGEST} bytes, and this one has more.")
        # What ends a line is part of it: an empty line is a request, too, though a wrong one.
        return bytes(line + end) if end or not arrived else None

    def send(self, line: dict[str, Any]) -> None:
        """Send one line. Raises GoneError."""
        rest = memoryview(json.dumps(line).encode() + b"\n")
        try:
            self._socket.settimeout(_UNREAD)
            while rest:
                rest = rest[self._socket.send(rest) :]
        except OSError:
            raise GoneError from None

    def turn_away(self, error: LabdError) -> None:
        """Send why there is no answer, if there is somebody to read it; never waits."""
        with contextlib.suppress(OSError):
            self._socket.send(json.dumps(as_line(error)).encode() + b"\n")

    def pause(self, seconds: float) -> None:
        """Within an answer, wait. Raises GoneError as soon as nobody is at the other end."""
        with self.waiting():
            self.check(seconds)

    def check(self, seconds: float = 0.0) -> None:
        """Raise GoneError when nobody is at the other end, or nobody is any more within so many seconds."""
        watch = select.poll()
        watch.register(self._socket, 0)  # a hang-up is always told (poll(2))
        if watch.poll(1000 * seconds):
            raise GoneError

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Within an answer, around what waits for something: others have their turn meanwhile."""
        self.turn.release()
        try:
            yield
        finally:
            self.turn.acquire()

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            # The other end would be told of a connection that was reset if anything of theirs were left unread.
            self._socket.setblocking(False)
            self._socket.recv(LONGEST)
        self._socket.close()
