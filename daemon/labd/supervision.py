"""Watching over a running program: its log, its mirror in the outbox, its limits, its end.

This room owns what happens between a program's start and its end, every few seconds and at once when it ends. It never
starts a program, and never judges its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labd.accounts import Account
from labd.config import Output
from labd.engine import Condition, Engine, EngineError, Phase
from labd.errors import LabdError
from labd.hands import Hands
from labd.jobs import Job, State
from labd.log import get
from labd.receipt import Manifest, hash_files
from labd.run_log import RunLog
from labd.units import human_duration, human_size

_ENGINE_RETRY = 2.0
_HASH_SHARE = 10
_LOG_START = 256
_FIRST_TICK = 0.5
_FLUSH = 0.2


class Mirror(Protocol):
    """Where the results of one job can be seen while it runs."""

    def prepare(self) -> None:
        """Put away what the outbox has of an earlier job. Raises LabdError."""

    def mirror(self, delivery: Path, live: bool = False) -> None:
        """Make the outbox what `delivery` is. Raises LabdError."""


@dataclass
class Supervision:
    """One program being watched over, by the thread that called `until_end`."""

    job: Job
    engine: Engine
    hands: Hands
    account: Account
    outbox: Mirror
    delivery: Path
    settings: Output
    stop: Callable[[State, str], object]
    tell: Callable[[], None]

    def __post_init__(self) -> None:
        self._mirroring: threading.Thread | None = None
        self._hashing: threading.Thread | None = None
        self._has_ended = self._is_exact = self._is_hashed = False
        self._outputs: Manifest = {}
        self._hash_due = 0.0
        self._log: RunLog | None = None
        self._reader: threading.Thread | None = None
        self._troubled = False

    def until_end(self, started: float) -> Condition:
        """Watch until the program has ended, whatever happens to Docker meanwhile, and how it did.

        `started` is when it started, in seconds since the epoch. run.log is complete on return, and the final mirror
        of /output on its way.
        """
        assert self.job.grant is not None
        self._mirroring = _after(None, self._prepare)
        deadline = started + self.job.grant.timeout
        # The first line is what people wait for.
        next_tick = time.time() + min(_FIRST_TICK, self.settings.interval)
        told_to_stop = False
        while True:
            ended = self.engine.wait(self.job.id, max(0.0, min(next_tick, deadline) - time.time()))
            if ended and (condition := self._ended()):
                return condition
            if time.time() >= deadline and not told_to_stop:
                told_to_stop = True
                limit = human_duration(self.job.grant.timeout)
                self.stop(State.TIMED_OUT, f"it ran for {limit}, the time it was given")
                deadline = float("inf")
            if time.time() >= next_tick:
                self._tick()
                next_tick = time.time() + self.settings.interval

    def finish(self) -> tuple[bool, Manifest | None]:
        """Wait for the mirror and the hashing that began when the program ended.

        Whether the mirror is exact, and the manifest of /output, or None if that could not be read.
        """
        for thread in (self._mirroring, self._hashing):
            if thread is not None:
                thread.join()
        return self._is_exact, self._outputs if self._is_hashed else None

    def _ended(self) -> Condition | None:
        """How the program ended; None when it did not, or when Docker cannot tell yet."""
        if not self._has_ended:
            self._has_ended = True
            # Docker takes tens of milliseconds to notice the end: enough to put the results in place.
            self._mirroring = _after(self._mirroring, self._mirror_exactly)
            self._hashing = _after(self._hashing, self._hash_all)
        try:
            condition = self.engine.poll(self.job.id)
            if condition.phase is Phase.RUNNING:
                self.finish()
                self._has_ended = self._is_exact = self._is_hashed = False
                return None
            self._finish_log()
            return condition
        except EngineError as error:
            get().warning("waiting for Docker", job=self.job.id, reason=error.message)
            threading.Event().wait(_ENGINE_RETRY)
            return None

    def _tick(self) -> None:
        """Beside the wait for the end, which must not be late."""
        self.engine.usage(self.job.id)
        self._follow_log()
        self.tell()
        if self._mirroring is None or not self._mirroring.is_alive():
            self._mirroring = _after(None, self._mirror)
        if time.time() >= self._hash_due and (self._hashing is None or not self._hashing.is_alive()):
            self._hashing = _after(None, self._hash_settled)

    def _prepare(self) -> None:
        try:
            self.outbox.prepare()
        except LabdError as error:
            get().warning("outbox not up to date", job=self.job.id, reason=error.message)
            self._troubled = True

    def _mirror(self) -> None:
        try:
            self.outbox.mirror(self.delivery, live=True)
            self._troubled = False
        except LabdError as error:
            if not self._troubled:
                get().warning("outbox not up to date", job=self.job.id, reason=error.message)
            self._troubled = True

    def _mirror_exactly(self) -> None:
        try:
            self.outbox.mirror(self.delivery)
            self._is_exact = True
        except LabdError as error:
            get().warning("outbox not up to date", job=self.job.id, reason=error.message)

    def _hash_settled(self) -> None:
        """Hash what has stopped changing, so that little is left for the end; and see how much there is."""
        began = time.time()
        size = self._hash(began - self.settings.interval)
        self._hash_due = time.time() + _HASH_SHARE * (time.time() - began)
        if size > self.settings.max_bytes:
            limit = human_size(self.settings.max_bytes)
            self.stop(State.OUTPUT_TOO_LARGE, f"/output grew to {human_size(size)}; the limit is {limit}")

    def _hash_all(self) -> None:
        self._hash(float("inf"))

    def _hash(self, settled: float) -> int:
        output = self.delivery / "output"
        try:
            self._outputs, size = hash_files(self.hands, self.account.identity, output, self._outputs, settled)
            self._is_hashed = self._has_ended
            return size
        except LabdError as error:
            get().warning("output cannot be read", job=self.job.id, reason=error.message)
            return 0

    # run.log: followed from the first tick on, and read as a whole at the end. Docker's stream loses lines while Docker
    # turns its own file over, and ends when Docker restarts. What Docker has at the end is whole, but for the beginning
    # of a very long output, and that the follower has.

    def _follow_log(self) -> None:
        if self._reader is None or not self._reader.is_alive():
            before = self._retire_log()
            self._log = self._open_log()
            self._reader = threading.Thread(target=self._read_log, args=(self._log, before), daemon=True)
            self._reader.start()
        elif self._log:
            self._log.flush()

    def _read_log(self, log: RunLog, before: bytes) -> None:
        """Follow the output into `log`; `before` is the beginning that an earlier stream had."""
        try:
            flushed = 0.0
            for chunk in _with_beginning(log, before, self.engine.logs(self.job.id, follow=True)):
                log.feed(chunk)
                if time.monotonic() - flushed > _FLUSH:
                    log.flush()
                    flushed = time.monotonic()
        except EngineError as error:
            get().warning("run.log is behind", job=self.job.id, reason=error.message)

    def _finish_log(self) -> None:
        before = self._retire_log()
        log = self._open_log()
        for whole in _with_beginning(log, before, self.engine.logs(self.job.id, follow=False)):
            log.feed(whole)
        log.flush()

    def _retire_log(self) -> bytes:
        """Keep a reader that is late from writing run.log; the beginning that it had."""
        if self._log is None:
            return b""
        self._log.retire()
        return self._log.head

    def _open_log(self) -> RunLog:
        identity = self.account.identity
        return RunLog(self.delivery / "run.log", self.settings.log, identity.uid, identity.gid)


def _with_beginning(log: RunLog, before: bytes, output: Iterator[bytes]) -> Iterator[bytes]:
    """`output`, after giving `log` the beginning `before` if Docker has dropped it."""
    for number, chunk in enumerate(output):
        start = min(len(before), len(chunk), _LOG_START)
        if number == 0 and before[:start] != chunk[:start]:
            log.begin_with(before)
        yield chunk


def _after(before: threading.Thread | None, work: Callable[[], None]) -> threading.Thread:
    """A thread that does `work` when `before` has ended."""

    def run() -> None:
        if before is not None:
            before.join()
        work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
