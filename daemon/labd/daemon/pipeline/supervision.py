"""Watching over a running program: its log, its mirror in the outbox, its limits, its end.

This module owns what happens between a program's start and its end, every few seconds and at once when it ends. It
never starts a program, and never judges its end.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from labd.accounts.accounts import Account
from labd.common.errors import LabdError
from labd.common.log import get
from labd.common.retry import Retry
from labd.common.units import human_duration
from labd.daemon.outbox.job_folder import written
from labd.daemon.outbox.receipt import Manifest, hash_outputs
from labd.daemon.pipeline.log_follower import LogFollower
from labd.daemon.pipeline.run_log import RunLog
from labd.daemon.pipeline.threads import after, is_at_work
from labd.daemon.pipeline.writing_limits import WritingLimits
from labd.model.config import Output
from labd.model.engine import Condition, Engine, EngineError, Phase
from labd.model.jobs import Job, State
from labd.privsep.workers import Workers
from labd.storage.database import DatabaseError

_ENGINE_RETRY = 2.0
_HASH_SHARE = 10
_FIRST_TICK = 0.5
_OPENING = 3600.0
_LOST = (
    "The server's disk was full while your program ran: lines may be missing in run.log, or be broken. Run it again to "
    "have all of them."
)


@dataclass(frozen=True)
class Delivered:
    """What was done of the delivery when a program had ended."""

    mirrored: bool = False  # whether the outbox has all of /output that it can have
    outputs: Manifest | None = None  # all of /output; None when it could not be read
    notes: tuple[str, ...] = ()  # what there is to say of it


class Mirror(Protocol):
    """Where the results of one job can be seen while it runs."""

    def prepare(self) -> None:
        """Put away what the outbox has of an earlier job. Raises LabdError."""

    def mirror(self, delivery: Path, live: bool = False) -> tuple[str, ...]:
        """Make the outbox what `delivery` is; notes on what it cannot have. Raises LabdError."""


@dataclass
class Supervision:
    """One program being watched over, by the thread that called `until_end`."""

    job: Job
    engine: Engine
    workers: Workers
    account: Account
    outbox: Mirror
    delivery: Path
    settings: Output
    stop: Callable[[State, str], object]
    tell: Callable[[], None]

    def __post_init__(self) -> None:
        self._mirroring: threading.Thread | None = None
        self._hashing: threading.Thread | None = None
        self._looking: threading.Thread | None = None
        self._has_ended = self._is_over = False
        self._lock = threading.Lock()
        self._end = Delivered()
        self.lacks: tuple[str, ...] = ()
        """What there is to say of lines that run.log may not have, once the program has ended."""
        self._hash_due = 0.0
        self._troubled = False
        self._stopping = Retry()
        self._limits = WritingLimits(
            self.workers,
            self.settings,
            written(self.delivery.parent),
            lambda: self.engine.processes(self.job.id),
        )
        self._log = LogFollower(self.engine, self.job.id, self._open_log)

    def until_end(self, started: float) -> Condition:
        """Watch until the program has ended, whatever happens to Docker meanwhile, and how it did.

        `started` is when it started, in seconds since the epoch. run.log is complete on return, and the final mirror
        of /output on its way.
        """
        assert self.job.grant is not None
        self._mirroring = after(None, self._prepare)
        deadline = started + self.job.grant.timeout
        # The first line is what people wait for.
        next_tick = time.time() + min(_FIRST_TICK, self.settings.interval)
        is_asked_to_stop = False
        while True:
            pause = min(next_tick, self._limits.due, deadline) - time.time()
            ended = self.engine.wait(self.job.id, max(0.0, pause))
            if ended and (condition := self._ended()):
                return condition
            if time.time() >= deadline and not is_asked_to_stop:
                is_asked_to_stop = True
                limit = human_duration(self.job.grant.timeout)
                self.stop(State.TIMED_OUT, f"it ran for {limit}, the time it was given")
                deadline = float("inf")
            if time.time() >= self._limits.due and not is_at_work(self._looking):
                # Until it has ended, which says when the next one is due.
                self._limits.due = float("inf")
                self._looking = after(None, self._look)
            if time.time() >= next_tick:
                self._tick()
                next_tick = time.time() + self.settings.interval

    def finish(self) -> Delivered:
        """Wait for the mirror and the hashing that began when the program ended; what they came to."""
        for thread in (self._mirroring, self._hashing):
            if thread is not None:
                thread.join()
        return self._end

    def _ended(self) -> Condition | None:
        """How the program ended; None when it did not, or when Docker cannot tell yet."""
        if not self._has_ended:
            self._has_ended = True
            # Docker takes tens of milliseconds to notice the end: enough to put the results in place.
            self._looking = after(self._looking, self._look_at_all)
            self._mirroring = after(self._mirroring, self._mirror_exactly, self._looking)
            self._hashing = after(self._hashing, self._hash_all, self._looking)
        try:
            condition = self.engine.poll(self.job.id)
            if condition.phase is Phase.RUNNING:
                self.finish()
                self._has_ended, self._end = False, Delivered()
                return None
            if self._looking is not None:
                self._looking.join()
            reason = self._log.finish()
            self.lacks = (f"run.log is not whole ({reason}).",) if reason else (_LOST,) * condition.lost_output
            return condition
        except EngineError as error:
            get().warning("waiting for Docker", reason=error.message)
            threading.Event().wait(_ENGINE_RETRY)
            return None

    def _tick(self) -> None:
        """Beside the wait for the end, which must not be late."""
        self.engine.usage(self.job.id)
        self._log.follow()
        self.tell()
        if not is_at_work(self._mirroring):
            self._mirroring = after(None, self._mirror)
        if time.time() >= self._hash_due and not is_at_work(self._hashing):
            self._hashing = after(None, self._hash_settled)

    def _prepare(self) -> None:
        try:
            self.outbox.prepare()
        except LabdError as error:
            get().warning("outbox not up to date", reason=error.message)
            self._troubled = True

    def _look(self) -> None:
        """Stop the program if it has written too much."""
        if (reason := self._limits.broken()) and not self._is_over:
            try:
                self.stop(State.OUTPUT_TOO_LARGE, reason)
                self._is_over = True
            except DatabaseError as error:
                # It may be this program that has filled the disk: the next look stops it.
                if self._stopping.failed(error):
                    get().warning("a program that writes too much cannot be stopped yet", reason=str(error))

    def _look_at_all(self) -> None:
        """Judge what the program that has ended wrote, and see that its owner can read all of it."""
        if reason := self._limits.broken_at_the_end():
            self.stop(State.OUTPUT_TOO_LARGE, reason)
        if self._limits.is_closed:
            with contextlib.suppress(LabdError):
                self.workers.do(
                    self.account.identity, "open_up", timeout=_OPENING, folder=str(self.delivery / "output")
                )

    def _mirror(self) -> None:
        try:
            self.outbox.mirror(self.delivery, live=True)
            self._troubled = False
        except LabdError as error:
            if not self._troubled:
                get().warning("outbox not up to date", reason=error.message)
            self._troubled = True

    def _mirror_exactly(self) -> None:
        try:
            notes = self.outbox.mirror(self.delivery)
            with self._lock:
                self._end = replace(self._end, mirrored=True, notes=(*self._end.notes, *notes))
        except LabdError as error:
            get().warning("outbox not up to date", reason=error.message)

    def _hash_settled(self) -> None:
        """Hash what has stopped changing, so that little is left for the end."""
        began = time.time()
        self._hash(began - self.settings.interval)
        self._hash_due = time.time() + _HASH_SHARE * (time.time() - began)

    def _hash_all(self) -> None:
        outputs = self._hash(float("inf"))
        with self._lock:
            self._end = replace(self._end, outputs=outputs)

    def _hash(self, settled: float) -> Manifest | None:
        try:
            return hash_outputs(self.workers, self.account.identity, self.delivery.parent, settled)
        except LabdError as error:
            get().warning("output cannot be read", reason=error.message)
            return None

    def _open_log(self) -> RunLog:
        identity = self.account.identity
        return RunLog(self.delivery / "run.log", self.settings.log, identity.uid, identity.gid)
