"""The threads in which jobs are taken further, and what becomes of a job that meets trouble.

This module owns who is at work on which job. A job has one thread at most, and none while it waits: for its turn, or
for another try. It knows nothing of a job's steps.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from labd.common.background import BackgroundWork
from labd.common.errors import LabdError, NotFoundError, TransitionError, in_short
from labd.common.log import about, about_nothing, get
from labd.common.retry import Retry
from labd.daemon.pipeline import stages
from labd.daemon.pipeline.lab import Lab
from labd.model.jobs import Job, State

_FIRST_PAUSE = 2.0  # seconds until a job that met trouble is tried again, at first
_ATTEMPTS = 3  # of a step that meets a defect of labd
_RECEIVING, _DELIVERING = 4, 8  # jobs whose snapshots are taken, or results delivered, at a time
_PASSES = (OSError, MemoryError)
"""Of a full disk, say: no reason to give a job up."""


class JobThreads:
    """The threads of one lab's jobs."""

    def __init__(self, lab: Lab, admit: Callable[[], None], wake: Callable[[], None]) -> None:
        """`admit` has the queue looked at, `wake` the loop; both are called from the jobs' threads."""
        # What they do is about other jobs, too.
        self._lab, self._admit, self._wake = lab, about_nothing(admit), about_nothing(wake)
        self._lock = threading.Lock()
        self._working: set[int] = set()
        self._defects: Counter[int] = Counter()  # job → how often its step met a defect of labd
        self._closing = threading.Event()
        self._background = {
            State.RECEIVED: BackgroundWork("receiving", _RECEIVING, per_user=2),
            State.DELIVERING: BackgroundWork("delivering", _DELIVERING, per_user=4),
        }

    def start_all(self) -> None:
        """Have all jobs taken further that are not at work and not waiting."""
        for job in self._lab.store.active():
            # A job of somebody who is no longer known waits until they are, or somebody cancels it.
            if job.state is not State.QUEUED and (job.user in self._lab.accounts or job.stopping):
                self.start(job)

    def start(self, job: Job) -> None:
        """Have `job` taken further, unless it is at work, or waits for another try."""
        trouble = self._lab.troubles.get(job.id)
        with self._lock:
            is_paused = trouble is not None and time.monotonic() < trouble.due
            if job.id in self._working or self._closing.is_set() or is_paused:
                return
            self._working.add(job.id)
        try:
            if pool := self._background.get(job.state):
                pool.put(job.user, job.id, lambda: self._work(job, job.state))
            else:
                threading.Thread(target=self._work, args=(job,), name=f"job-{job.id}", daemon=True).start()
        except RuntimeError:  # the machine has no thread left
            self._leave(job.id)
            raise

    def next_try(self) -> float:
        """When a job that met trouble is tried again, by time.monotonic()."""
        self._forget()
        troubles = self._lab.troubles
        with self._lock:
            return min((troubles[job_id].due for job_id in troubles.keys() - self._working), default=float("inf"))

    def close(self) -> None:
        """Take no job further. What is under way is mended by the next daemon."""
        self._closing.set()
        for pool in self._background.values():
            pool.close()

    def _work(self, job: Job, stage: State | None = None) -> None:
        """Take `job` as far as it goes, or out of `stage`. What goes wrong is no other job's business."""
        with about(job.id, job.user):
            self._take_further(job.id, stage)

    def _take_further(self, job_id: int, stage: State | None) -> None:
        try:
            while not self._closing.is_set():
                job = self._lab.store.job(job_id)
                if job.state is State.QUEUED or job.state.is_outcome or stage not in (None, job.state):
                    break
                stages.advance(self._lab, job)
                self._lab.troubles.pop(job_id, None)
                self._lab.waiting.pop(job_id, None)
                self._defects.pop(job_id, None)
                # The job may be first in the queue: then it goes on at once.
                self._admit()
        except NotFoundError:
            pass  # withdrawn
        except Exception as error:
            self._hold_up(job_id, error)
        finally:
            self._leave(job_id)
            self._wake()

    def _forget(self) -> None:
        """Keep nothing in mind of jobs that have ended, and no trouble of those that wait for their turn."""
        lab = self._lab
        known = {*self._defects, *lab.troubles, *lab.waiting, *lab.stop_events, *lab.watched, *lab.growing}
        # Asked after that, or a job that has just come would be taken for one that has ended.
        active = {job.id: job.state for job in lab.store.active()}
        for job_id in known:
            if active.get(job_id, State.QUEUED) is State.QUEUED:
                lab.troubles.pop(job_id, None)
                lab.waiting.pop(job_id, None)
            if job_id not in active:
                self._defects.pop(job_id, None)
                lab.stop_events.pop(job_id, None)
                lab.watched.pop(job_id, None)
                lab.growing.discard(job_id)

    def _leave(self, job_id: int) -> None:
        with self._lock:
            self._working.discard(job_id)

    def _hold_up(self, job_id: int, error: Exception) -> None:
        """Note why a job is held up, and when it is tried again."""
        trouble = self._lab.troubles.setdefault(job_id, Retry(_FIRST_PAUSE))
        is_new = trouble.failed(error)
        if isinstance(error, TransitionError):
            return  # somebody else took it further in this moment, and its state says how it goes on
        words, event = _explained(error)
        self._lab.waiting[job_id] = words
        if is_new and isinstance(error, LabdError):
            get().warning(event, reason=error.message)
        elif is_new and isinstance(error, _PASSES):
            get().error(event, reason=str(error))
        elif is_new:
            get().exception(event)
        if not isinstance(error, (LabdError, *_PASSES)):
            self._defects[job_id] += 1
            if self._defects[job_id] >= _ATTEMPTS:
                stages.give_up(self._lab, job_id)
        self._lab.announce(self._lab.store.job(job_id))


def _explained(error: Exception) -> tuple[str, str]:
    """What STATUS and the log say of a job that `error` keeps from going on."""
    if isinstance(error, LabdError):
        words = f"held up: {error.message} It is tried again by itself. {error.hint}".rstrip()
        return words, "job held up, trying again"
    if isinstance(error, _PASSES):
        words = f"held up by a trouble of the server ({in_short(error)}); it is tried again by itself"
        return words, "job held up by a trouble of the server, trying again"
    words = "held up by an error of labd's own; it is tried again by itself"
    return words, "job held up by a defect of labd, trying again"
