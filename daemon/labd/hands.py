"""labd's hands in researchers' folders: processes that do one thing at a time as the researcher.

This room owns the pool of `hands_worker` processes and the limit of time for each request. A worker that does not
answer in time (a hung network home) is ended and replaced; nobody else waits for it. It never touches a researcher's
path itself.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from labd.commands import converse
from labd.errors import LabdError
from labd.log import get

_KEPT_WORKERS = 3


class HandsError(LabdError):
    """A file could not be handled."""

    def __init__(self, message: str, errno: int = 0, file: str = "") -> None:
        super().__init__(message)
        self.errno = errno
        self.file = file


@dataclass(frozen=True)
class Identity:
    """As whom file work is done."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def prefix(self) -> list[str]:
        """A command line that becomes this identity for good and then runs what follows (setpriv(1))."""
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", groups, "--inh-caps=-all", "--"]


class Hands:
    """The pool. Any thread may ask; each request has a worker for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def do(self, identity: Identity | None, action: str, *, timeout: float = 30.0, **arguments: Any) -> Any:
        """What `action` of the worker returns, done as `identity` (None: as labd itself) within `timeout` seconds.

        Raises HandsError with the reason that the system gave.
        """
        worker = self._take()
        who = (identity.uid, identity.gid, identity.groups) if identity else None
        request = {"identity": who, "action": action, "arguments": arguments}
        try:
            answer = _ask(worker, json.dumps(request).encode() + b"\n", time.monotonic() + timeout)
        except BaseException:
            _end(worker)
            raise
        self._give_back(worker)
        if "trace" in answer:
            get().error("a defect of labd in work on files", action=action, trace=answer["trace"])
        if "error" in answer:
            raise HandsError(answer["error"], answer["errno"], answer["file"])
        return answer["value"]

    def trim(self, keep: int = 1) -> None:
        """End idle workers until `keep` are left: each holds 10 MB."""
        with self._lock:
            idle, self._idle = self._idle[keep:], self._idle[:keep]
        for worker in idle:
            _end(worker)

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return converse([sys.executable, "-I", "-m", "labd.hands_worker"])

    def _give_back(self, worker: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if len(self._idle) < _KEPT_WORKERS:
                self._idle.append(worker)
                return
        _end(worker)


def _ask(worker: subprocess.Popen[bytes], request: bytes, deadline: float) -> Any:
    assert worker.stdin is not None and worker.stdout is not None
    try:
        worker.stdin.write(request)
        worker.stdin.flush()
        answer = bytearray()
        poll = select.poll()
        poll.register(worker.stdout, select.POLLIN | select.POLLHUP)
        while not answer.endswith(b"\n"):
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise HandsError("The researcher's folder does not answer.")
            chunk = worker.stdout.read1(1 << 20)  # type: ignore[attr-defined]
            if not chunk:
                raise HandsError("The helper for file work ended unexpectedly.")
            answer += chunk
    except BrokenPipeError:
        raise HandsError("The helper for file work ended unexpectedly.") from None
    return json.loads(answer)


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()
