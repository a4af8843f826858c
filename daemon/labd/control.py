"""The socket at which the command line and the gateway ask: one JSON document a line, in both directions.

This room owns the connection and who is at its other end: the kernel's word (SO_PEERCRED, unix(7)), never the
message's. It never knows what is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from labd.errors import Exit, LabdError
from labd.log import get

_LONGEST = 65536
_PATIENCE = 60.0

Answer = Callable[[dict[str, Any], int], Iterator[dict[str, Any]]]


class Control:
    """A thread that accepts, and one for each connection."""

    def __init__(self, path: Path, answer: Answer) -> None:
        """Listen at `path`; `answer` gets a request and the uid of who asks, and yields the lines of the reply."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._path = path
        self._server = _Server(str(path), answer)
        # Everybody may ask; what they may know is decided by who they are.
        os.chmod(path, 0o666)

    def start(self) -> None:
        """Accept connections from now on."""
        threading.Thread(target=self._server.serve_forever, name="control", daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(path, _Connection)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.connection.settimeout(_PATIENCE)
        credentials = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        # Who asked may be gone before the answer.
        with contextlib.suppress(OSError):
            try:
                asked = self.rfile.readline(_LONGEST)
                if not asked:
                    return  # somebody only looked whether we are there
                request = json.loads(asked)
                for line in self.server.answer(request, uid):
                    self._send(line)
            except LabdError as error:
                self._send({"error": error.message, "hint": error.hint, "exit": int(error.exit_code)})
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                get().warning("request not understood", uid=uid, reason=repr(error))
                self._send({"error": "labd did not understand the request.", "hint": "", "exit": int(Exit.USAGE)})

    def _send(self, line: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(line).encode() + b"\n")
