"""Who runs next: admission by CPUs, memory and GPUs, fair between users, first come first served within one.

This module owns the choice as a pure function of the queue. A job that waits too long gets a time at which it starts at
the latest, known from the limits of time of what runs; what would delay it has to wait (backfilling, as batch systems
do it: Mu'alem and Feitelson, IEEE TPDS 12(6), 2001). It never starts anything and never looks at a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from operator import attrgetter
from types import MappingProxyType

from labd.model.engine import Capacity
from labd.model.jobs import Job, State
from labd.scheduling.timeline import ROUNDING, Amount, Timeline

PATIENCE = 600.0
"""Seconds after which a job that did not fit the free part of the machine is promised a time."""
LONGEST_WAIT = 86400.0
"""Seconds after which its promise goes before those of all others, whatever its owner used before."""
PROMISES = 8
"""So many jobs can have a promise at once, one of each user."""
_NUMBER = attrgetter("id")


@dataclass(frozen=True)
class Admission:
    """A job that may start now, and the GPU devices it gets."""

    job: Job
    gpu_ids: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What `admit` decided."""

    admissions: list[Admission]
    promised: list[int]  # jobs that get the next places, the first first
    since: Mapping[int, float]  # job → when it first did not fit; of each user the first such job


def order(queued: Sequence[Job], usage: Mapping[str, float], promised: Sequence[int] = ()) -> list[Job]:
    """`queued` in the order in which the jobs would start if nothing else came.

    Those `promised` a time are first. Then users take turns, and who used least of late (`usage`) goes first.
    """
    place = {job_id: number for number, job_id in enumerate(promised)}
    ranked: list[tuple[int, int, float, int, Job]] = []
    for user, jobs in _by_user(queued).items():
        used = usage.get(user, 0.0)
        ranked += [(place.get(job.id, len(place)), turn, used, job.id, job) for turn, job in enumerate(jobs)]
    # No two have the same number, so jobs are never compared.
    return [entry[-1] for entry in sorted(ranked)]


def admit(
    queued: Sequence[Job],
    admitted: Sequence[Job],
    delivering: Collection[tuple[str, str]],
    capacity: Capacity,
    usage: Mapping[str, float],
    per_user: Callable[[str], int],
    now: float,
    since: Mapping[int, float] = MappingProxyType({}),
    grace: float = 10.0,
) -> Choice:
    """The queued jobs that may start now, next to those `admitted`, which end `grace` seconds after their time is over.

    A project runs one job at a time: its outbox shows one job, so it is busy while one is `delivering` too. A user runs
    as many as `per_user` says, at most. A job that fits may pass one that does not. When that one has waited PATIENCE
    seconds, it is promised the earliest time at which it fits for certain, and only what does not delay it may pass.
    Who waits for a place of their own user or project is promised nothing. `since` is that of the last choice; without
    it, patience only begins anew.
    """
    by_user = _by_user(queued)
    places = _Places(admitted, delivering, capacity, per_user, now, grace, by_user)
    still = [(job, since[job.id]) for job in queued if job.id in since]
    for job in _to_promise(still, usage, now):
        places.admit_or_promise(job)
    places.admit_in_turns(usage)
    started = {admission.job.id for admission in places.admissions}
    waiting = {job.id: at for job, at in still if job.id not in started}
    waiting |= {job.id: waiting.get(job.id, now) for job in places.passed.values()}
    return Choice(places.admissions, places.promised, waiting)


def _by_user(queued: Sequence[Job]) -> dict[str, list[Job]]:
    """Each user's jobs, the oldest first."""
    jobs: dict[str, list[Job]] = {}
    for job in sorted(queued, key=_NUMBER):
        if job.user in jobs:
            jobs[job.user].append(job)
        else:
            jobs[job.user] = [job]
    return jobs


def _to_promise(waiting: Sequence[tuple[Job, float]], usage: Mapping[str, float], now: float) -> list[Job]:
    """Those of the `waiting` (with the time since when) that are promised a time, in the order in which they get it."""

    def rank(entry: tuple[Job, float]) -> tuple[bool, float, int]:
        job, since = entry
        is_late = now - since > LONGEST_WAIT
        return not is_late, since if is_late else usage.get(job.user, 0.0), job.id

    chosen: dict[str, Job] = {}
    for job, _ in sorted((entry for entry in waiting if now - entry[1] > PATIENCE), key=rank):
        chosen.setdefault(job.user, job)
    return list(chosen.values())[:PROMISES]


class _Places:
    """What can be had, now and later, while one choice is made. It only becomes less."""

    def __init__(
        self,
        admitted: Sequence[Job],
        delivering: Collection[tuple[str, str]],
        capacity: Capacity,
        per_user: Callable[[str], int],
        now: float,
        grace: float,
        by_user: Mapping[str, Sequence[Job]],
    ) -> None:
        self._now, self._grace, self._per_user, self._by_user = now, grace, per_user, by_user
        self._running = Counter(job.user for job in admitted)
        self._busy = {*delivering, *((job.user, job.project) for job in admitted)}
        self._most: dict[str, int] = {}
        self._firsts: dict[str, Mapping[str, int]] = {}
        held = {gpu for job in admitted for gpu in job.gpu_ids}
        self._gpus = [gpu for gpu in capacity.gpus if gpu not in held]
        free = Amount(capacity.cpus, capacity.memory, len(capacity.gpus))
        ends = []
        for job in admitted:
            assert job.grant is not None
            # A device that the configuration gives no more does not come back either.
            gpus = sum(gpu in capacity.gpus for gpu in job.gpu_ids)
            amount = Amount(job.grant.cpus, job.grant.memory, gpus)
            free = free.less(amount)
            ends.append((self._end(job), amount))
        self._timeline = Timeline(free, now, ends)
        self._refused: set[tuple[float, int, int, float]] = set()
        self._promised_to: set[str] = set()
        self.admissions: list[Admission] = []
        self.promised: list[int] = []
        self.passed: dict[str, Job] = {}  # of each user the first job that did not fit

    def admit_or_promise(self, job: Job) -> None:
        """Have `job` start, or see to it that nothing delays it; neither when it waits for its own user or project."""
        if not self._may_run(job) or self._admit(job):
            return
        need, duration = _need(job), self._duration(job)
        start = self._timeline.earliest(need, duration)
        if start is not None:  # else the machine has become too small for it
            self._timeline.take(need, start, start + duration)
            self._promised_to.add(job.user)
            self.promised.append(job.id)

    def admit_in_turns(self, usage: Mapping[str, float]) -> None:
        """Have all start that can, in the fair order."""
        turns = [(0, usage.get(user, 0.0), jobs[0].id, user) for user, jobs in self._by_user.items()]
        heapify(turns)
        while turns:
            turn, used, _, user = heappop(turns)
            jobs = self._by_user[user]
            if self._is_full(user) or (found := self._next(jobs, turn)) is None:
                continue
            if found == turn:
                self._admit(jobs[turn])
                found += 1
            if found < len(jobs):
                heappush(turns, (found, used, jobs[found].id, user))

    def _next(self, jobs: Sequence[Job], turn: int) -> int | None:
        """The first of `jobs` from `turn` on that may fit. In a long queue, most time is spent here."""
        free, refused = self._timeline.now, self._refused
        most_cpus, most_memory, most_gpus = free.cpus + ROUNDING, free.memory, free.gpus
        for number in range(turn, len(jobs)):
            shape = jobs[number].grant.shape  # type: ignore[union-attr]
            cpus, memory, gpus, _ = shape
            if cpus <= most_cpus and memory <= most_memory and gpus <= most_gpus and shape not in refused:
                return number
            if jobs[number].user not in self.passed:
                self._pass(jobs[number])
        return None

    def _admit(self, job: Job) -> bool:
        assert job.grant is not None
        need, end = _need(job), self._now + self._duration(job)
        if not self._may_run(job):
            return False
        if job.grant.shape in self._refused or not self._timeline.fits(need, self._now, end):
            self._refused.add(job.grant.shape)
            self._pass(job)
            return False
        self._timeline.take(need, self._now, end)
        self._running[job.user] += 1
        self._busy.add((job.user, job.project))
        self.admissions.append(Admission(job, tuple(self._gpus[: need.gpus])))
        del self._gpus[: need.gpus]
        return True

    def _pass(self, job: Job) -> None:
        if job.user not in self.passed and self._may_run(job):
            self.passed[job.user] = job

    def _may_run(self, job: Job) -> bool:
        """Whether neither its user's limit nor another job of its project is in the way of `job`."""
        if job.user not in self._firsts:
            self._firsts[job.user] = {other.project: other.id for other in reversed(self._by_user[job.user])}
        is_first = self._firsts[job.user][job.project] == job.id
        return is_first and (job.user, job.project) not in self._busy and not self._is_full(job.user)

    def _is_full(self, user: str) -> bool:
        """Whether `user` runs as many jobs as they may, counting the one that is promised a time."""
        if user not in self._most:
            self._most[user] = self._per_user(user)
        return self._running[user] + (user in self._promised_to) >= self._most[user]

    def _duration(self, job: Job) -> float:
        assert job.grant is not None
        return job.grant.timeout + self._grace

    def _end(self, job: Job) -> float:
        """When `job` gives back what it holds, at the latest. One that is late does so soon."""
        started = job.started if job.state is State.RUNNING and job.started else self._now
        return max(started + self._duration(job), self._now + max(self._grace, 1.0))


def _need(job: Job) -> Amount:
    assert job.grant is not None
    return Amount(job.grant.cpus, job.grant.memory, job.grant.gpus)
