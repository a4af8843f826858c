"""The queue at work: which jobs wait, in which order, and which of them may start now.

This module owns the admission of jobs: it asks `queue`, which is pure, and commits what that chose. It never
starts a program.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping

from labd.common.errors import NotFoundError, TransitionError
from labd.daemon.pipeline.lab import Lab
from labd.daemon.pipeline.licence import Licences
from labd.model.jobs import ADMITTED, Job, State
from labd.scheduling import fair_share
from labd.scheduling.queue import admit, order

_USAGE_AGE = 10.0  # seconds for which what users have used is fresh enough
_PLACES = 2.0  # seconds between two changes of all places in STATUS


class Admission:
    """The queue of one lab. Any thread may ask."""

    def __init__(self, lab: Lab, wake: Callable[[], None]) -> None:
        """`wake` is called, also from other threads, when a job that was held may start."""
        self._lab = lab
        self._lock = threading.RLock()
        self._licences = Licences(lab.config.licences, lab.languages, lab.store.events, wake, lab.announce)
        self._usage: tuple[float, Mapping[str, float]] = (0.0, {})
        self._promised: list[int] = []
        self._waiting_since: Mapping[int, float] = {}
        self._places_announced_at = 0.0
        self._places: tuple[object, Mapping[int, int]] = (None, {})

    def queue(self) -> list[Job]:
        """The jobs that wait, in the order in which they would start."""
        queued = [job for job in self._lab.store.active() if job.state is State.QUEUED]
        return order(queued, self._recent_usage(), self._promised) if queued else []

    def admit(self) -> None:
        """Give those that may start now what they were granted."""
        with self._lock:
            active = self._lab.store.active()
            queued = [job for job in active if job.state is State.QUEUED and job.user in self._lab.accounts]
            held = self._licences.held(queued)
            if not queued:
                return
            choice = admit(
                queued,
                [job for job in active if job.state in ADMITTED],
                held | {(job.user, job.project) for job in active if job.state is State.DELIVERING},
                self._lab.machine,
                self._recent_usage(),
                lambda user: self._lab.config_for(user).user.running,
                time.time(),
                self._waiting_since,
                self._lab.config.job.grace,
            )
            self._promised, self._waiting_since = choice.promised, choice.since
            for admission in choice.admissions:
                # It may have been cancelled since the queue was read.
                with contextlib.suppress(TransitionError, NotFoundError):
                    self._lab.store.move(admission.job, State.BUILDING, time.time(), gpu_ids=admission.gpu_ids)
        if choice.admissions and time.monotonic() - self._places_announced_at > _PLACES:
            self._places_announced_at = time.monotonic()
            for job in queued:
                self._lab.announce(job)

    def place(self, job: Job | None) -> tuple[int, int, str]:
        """The place of `job` in the queue (1 is next, 0: it is not in it), how many jobs run now, what it waits for."""
        if job is None or job.state.is_outcome:
            return 0, 0, ""
        if job.state is not State.QUEUED:
            return 0, 0, self._lab.waiting.get(job.id, "")
        running = sum(other.state in ADMITTED for other in self._lab.store.active())
        return self._places_now().get(job.id, 0), running, self._licences.reason(job.id)

    def _places_now(self) -> Mapping[int, int]:
        """Job → its place. Who asks for one asks for many: the order is made anew only when it can be another one."""
        usage = self._recent_usage()
        queued = [job for job in self._lab.store.active() if job.state is State.QUEUED]
        basis = ([job.id for job in queued], self._promised, self._usage[0])
        if basis != self._places[0]:
            ordered = order(queued, usage, self._promised)
            self._places = (basis, {job.id: place for place, job in enumerate(ordered, start=1)})
        return self._places[1]

    def close(self) -> None:
        """Ask no licence server any more."""
        self._licences.close()

    def _recent_usage(self) -> Mapping[str, float]:
        """What each user used of late; fresh enough for a fair order."""
        counted, usage = self._usage
        if time.monotonic() - counted > _USAGE_AGE:
            now, half_life = time.time(), self._lab.config.user.half_life
            runs = self._lab.store.runs(now - fair_share.FORGOTTEN * half_life)
            usage = fair_share.usage(runs, self._lab.machine, half_life, now)
            self._usage = (time.monotonic(), usage)
        return usage
