"""The socket at which the command line and the gateway ask: one JSON document a line, in both directions.

This module owns how many may ask at a time and how long a request may take to arrive: everybody on the machine can
connect. One thread accepts and reads; a request that is whole gets a thread until it is answered. It never knows what
is asked.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from labd.common.errors import LabdError, RequestError, UnavailableError
from labd.common.log import get
from labd.daemon.requests.connection import Connection
from labd.daemon.requests.replies import Answer, reply

_BACKLOG = 128
_ARRIVAL = 10.0  # seconds that a request has to arrive whole
_MOST = 256  # connections of all researchers together
_MOST_OF_ONE = 16
_MOST_OF_ADMINISTRATOR = 64  # beside those of the others, so that they never keep the administrator out
_LEAVING = 1.0  # seconds that somebody who was turned away has to read why
_MOST_LEAVING = 64
# Who connects without end is not served without end: so many connections, and then a rest in seconds.
_REST_AFTER, _REST = 50, 0.01
_RETRY = 0.5  # seconds
_TELL_AGAIN = 60.0  # seconds


def _everybody(uid: int) -> None:
    """Let everybody ask."""


class Control:
    """A thread that accepts, and one for each request until it is answered."""

    def __init__(self, path: Path, answer: Answer, check: Callable[[int], None] = _everybody) -> None:
        """Listen at `path`.

        `answer` gets a request and the connection that it came by, and yields the lines of the reply. `check` gets
        the uid of who connects, is quick, and raises LabdError for one who may ask nothing.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._path, self._answer, self._check = path, answer, check
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        # Everybody may ask; what they may know is decided by who they are.
        os.chmod(path, 0o666)
        self._listener.listen(_BACKLOG)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._asking: dict[Connection, float] = {}  # whose request is not whole yet → when it has to be
        self._leaving: dict[Connection, float] = {}  # who were turned away → when they are not waited for any more
        self._open: Counter[int] = Counter()  # connections of each uid that were not turned away
        self._turns: dict[int, threading.Lock] = {}  # of each researcher who has any
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._taken, self._told = 0, 0.0
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def close(self) -> None:
        """Accept no more."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the selector
        if self._thread.is_alive():
            self._thread.join(_RETRY + _REST)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    # The thread that accepts and reads

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                self._wait()
            except Exception:
                # Without this thread nobody could ask any more: it goes on whatever happens to one connection.
                get().exception("trouble at the socket")
                self._closing.wait(_RETRY)
        for connection in [*self._asking, *self._leaving]:
            connection.close()
        self._selector.close()

    def _wait(self) -> None:
        """Wait until something happens, and deal with it."""
        due = min([*self._asking.values(), *self._leaving.values()], default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic())
        for key, _ in self._selector.select(timeout):
            if isinstance(key.fileobj, Connection):
                self._receive(key.fileobj)
            elif not self._closing.is_set():
                self._accept()
        now = time.monotonic()
        for connection in [connection for connection, until in self._leaving.items() if until <= now]:
            self._drop(connection)
        for connection in [connection for connection, until in self._asking.items() if until <= now]:
            connection.turn_away(RequestError(f"The request did not arrive within {_ARRIVAL:g} seconds."))
            self._drop(connection)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            self._cannot_accept(error)
            return
        self._taken += 1
        if self._taken % _REST_AFTER == 0:
            time.sleep(_REST)
        self._take(Connection(accepted))

    def _take(self, connection: Connection) -> None:
        """Wait for the request of `connection`, or turn it away."""
        self._selector.register(connection, selectors.EVENT_READ)
        try:
            self._check(connection.uid)
            self._count(connection)
        except LabdError as error:
            self._turn_away(connection, error)
        except Exception:
            self._selector.unregister(connection)
            connection.close()
            raise
        else:
            self._asking[connection] = time.monotonic() + _ARRIVAL

    def _cannot_accept(self, error: OSError) -> None:
        """Go on a little later: most often all descriptors are taken (EMFILE), and some will be free again."""
        if time.monotonic() - self._told > _TELL_AGAIN:
            self._told = time.monotonic()
            get().warning("nobody can ask at the moment", reason=error.strerror)
        self._closing.wait(_RETRY)

    def _count(self, connection: Connection) -> None:
        """Count one more connection. Raises UnavailableError when that is too many."""
        uid, administrators = connection.uid, {0, os.getuid()}
        with self._lock:
            most = _MOST_OF_ADMINISTRATOR if uid in administrators else _MOST_OF_ONE
            if self._open[uid] >= most:
                raise UnavailableError(
                    f"You have {most} questions open at labd, and it takes no more of you at a time.",
                    "End one of them, such as `logs -f`, and ask again.",
                )
            others = self._open.total() - sum(self._open[administrator] for administrator in administrators)
            if uid not in administrators and others >= _MOST:
                raise UnavailableError("Too many people ask labd at the moment.", "Ask again in a minute.")
            self._open[uid] += 1
            if uid not in administrators:
                connection.turn = self._turns.setdefault(uid, connection.turn)

    def _turn_away(self, connection: Connection, error: LabdError) -> None:
        """Say why, and leave the connection open until it was seen: what they send would fail at a closed one."""
        connection.turn_away(error)
        while len(self._leaving) >= _MOST_LEAVING:
            self._drop(next(iter(self._leaving)))
        self._leaving[connection] = time.monotonic() + _LEAVING

    def _receive(self, connection: Connection) -> None:
        if connection not in self._asking:
            self._drop(connection)
            return
        try:
            request = connection.receive()
        except OSError:
            request = b""
        except RequestError as error:
            connection.turn_away(error)
            request = b""
        if request:
            self._selector.unregister(connection)
            del self._asking[connection]
            self._start(connection, request)
        elif request is not None:
            self._drop(connection)

    def _start(self, connection: Connection, request: bytes) -> None:
        thread = threading.Thread(target=self._reply, args=(connection, request), name="answer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there can be no more threads
            connection.turn_away(UnavailableError("labd has too much to do at the moment.", "Ask again in a minute."))
            self._forget(connection)

    def _drop(self, connection: Connection) -> None:
        """End a connection whose request is not answered, unless that was done before."""
        if self._leaving.pop(connection, None) is not None:
            self._selector.unregister(connection)
            connection.close()
        elif self._asking.pop(connection, None) is not None:
            self._selector.unregister(connection)
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._open[connection.uid] -= 1
            if not self._open[connection.uid]:
                del self._open[connection.uid]
                self._turns.pop(connection.uid, None)
        connection.close()

    # The thread of a request

    def _reply(self, connection: Connection, request: bytes) -> None:
        try:
            reply(self._answer, connection, request)
        finally:
            self._forget(connection)
