"""Worker processes in researchers' folders: they that do one thing at a time as the researcher.

This module owns the pool of `worker` processes and the limit of time for each request. A worker that does not
answer in time (a hung network home) is ended and replaced; nobody else waits for it. It never touches a researcher's
path itself.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from labd.common.commands import converse
from labd.common.errors import LabdError
from labd.common.log import get

_KEPT_WORKERS = 3
_ENDING = 2.0  # seconds in which a killed worker has to be gone
_LARGEST = 64 << 20  # bytes of an answer
_ENDED = "The helper for file work ended unexpectedly."


class WorkerError(LabdError):
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


class Workers:
    """The pool. Any thread may ask; each request has a worker for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []
        self._stuck: list[subprocess.Popen[bytes]] = []  # killed, but not gone yet

    def do(self, identity: Identity | None, action: str, *, timeout: float = 30.0, **arguments: Any) -> Any:
        """What `action` of the worker returns, done as `identity` (None: as labd itself) within `timeout` seconds.

        Raises WorkerError with the reason that the system gave.
        """
        worker = self._take()
        who = (identity.uid, identity.gid, identity.groups) if identity else None
        request = {"identity": who, "action": action, "arguments": arguments}
        try:
            answer = _ask(worker, json.dumps(request).encode() + b"\n", time.monotonic() + timeout)
        except BaseException:
            self._end(worker)
            raise
        self._give_back(worker)
        if "trace" in answer:
            get().error("a defect of labd in work on files", action=action, trace=answer["trace"])
        if "error" in answer:
            raise WorkerError(answer["error"], answer["errno"], answer["file"])
        return answer["value"]

    def trim(self, keep: int = 1) -> None:
        """End idle workers until `keep` are left: each holds 10 MB."""
        with self._lock:
            idle, self._idle = self._idle[keep:], self._idle[:keep]
            self._stuck = [worker for worker in self._stuck if worker.poll() is None]
        for worker in idle:
            self._end(worker)

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.poll() is None:
                    return worker
                _close_pipes(worker)
        try:
            return converse([sys.executable, "-I", "-m", "labd.privsep.worker"])
        except OSError as error:
            raise WorkerError(
                f"The helper for file work cannot be started: {error.strerror}.", error.errno or 0
            ) from None

    def _give_back(self, worker: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if len(self._idle) < _KEPT_WORKERS:
                self._idle.append(worker)
                return
        self._end(worker)

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        if not _end(worker):
            with self._lock:
                self._stuck.append(worker)


def _ask(worker: subprocess.Popen[bytes], request: bytes, deadline: float) -> Any:
    """What `worker` answers to `request` before `deadline`, a time.monotonic(). Raises WorkerError."""
    assert worker.stdin is not None and worker.stdout is not None
    try:
        _send(worker.stdin.fileno(), request, deadline)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            _await(worker.stdout.fileno(), select.POLLIN | select.POLLHUP, deadline)
            chunk = os.read(worker.stdout.fileno(), 1 << 20)
            if not chunk:
                raise WorkerError(_ENDED)
            answer += chunk
            if len(answer) > _LARGEST:
                raise WorkerError("The answer of the helper for file work is larger than any that makes sense.")
        return json.loads(answer)
    except (BrokenPipeError, ValueError):
        raise WorkerError(_ENDED) from None


def _send(descriptor: int, request: bytes, deadline: float) -> None:
    # A large request does not fit into the pipe: whoever reads it slowly must not hold us up for ever.
    os.set_blocking(descriptor, False)
    rest = memoryview(request)
    while rest:
        _await(descriptor, select.POLLOUT, deadline)
        rest = rest[os.write(descriptor, rest) :]


def _await(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise WorkerError("The researcher's folder does not answer.", errno.ETIMEDOUT)


def _end(worker: subprocess.Popen[bytes]) -> bool:
    """Kill `worker`; whether it is gone. One that the kernel waits for in a file system that hangs cannot be ended."""
    # What it has started goes with it: an rsync that nobody waits for would go on writing.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    _close_pipes(worker)
    try:
        worker.wait(_ENDING)
    except subprocess.TimeoutExpired:
        return False
    return True


def _close_pipes(worker: subprocess.Popen[bytes]) -> None:
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
