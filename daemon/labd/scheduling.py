"""Who runs next: admission by CPUs, memory and GPUs, fair between users, first come first served within one.

This room owns the choice as a pure function of the queue. It never starts anything and never looks at a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from labd.jobs import Grant, Job

PATIENCE = 600.0
"""Seconds after which a job that fits the machine but not the free part of it is no longer passed by others."""


@dataclass(frozen=True)
class Capacity:
    """What the machine gives to jobs, or what of it is free."""

    cpus: float
    memory: int  # bytes
    gpus: tuple[str, ...]  # device ids

    def fits(self, grant: Grant) -> bool:
        return grant.cpus <= self.cpus + 1e-9 and grant.memory <= self.memory and grant.gpus <= len(self.gpus)

    def without(self, job: Job) -> Capacity:
        """What is left when `job` holds what it was granted."""
        assert job.grant is not None
        gpus = tuple(gpu for gpu in self.gpus if gpu not in job.gpu_ids)
        return Capacity(self.cpus - job.grant.cpus, self.memory - job.grant.memory, gpus)


@dataclass(frozen=True)
class Admission:
    """A job that may start now, and the GPU devices it gets."""

    job: Job
    gpu_ids: tuple[str, ...]


def order(queued: Sequence[Job], usage: Mapping[str, float]) -> list[Job]:
    """`queued` in the order in which the jobs would start if nothing else came.

    `usage` is what each user consumed lately, in CPU-seconds: who used least goes first; users take turns after that.
    """
    turns: Counter[str] = Counter()
    ranked = []
    for job in sorted(queued, key=lambda job: job.id):
        ranked.append((turns[job.user], usage.get(job.user, 0.0), job.id, job))
        turns[job.user] += 1
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:3])]


def admit(
    queued: Sequence[Job],
    admitted: Sequence[Job],
    delivering: Collection[tuple[str, str]],
    capacity: Capacity,
    usage: Mapping[str, float],
    per_user: Callable[[str], int],
    now: float,
) -> list[Admission]:
    """The queued jobs that may start now, next to those `admitted`.

    A project runs one job at a time: its outbox shows one job, so it is busy while one is `delivering` too. A user runs
    as many as `per_user` says, at most. A job that fits may pass one that does not, until that one has waited PATIENCE
    seconds: then nothing passes, and room is made for it.
    """
    free = capacity
    for job in admitted:
        free = free.without(job)
    running = Counter(job.user for job in admitted)
    busy = {*delivering, *((job.user, job.project) for job in admitted)}
    chosen: list[Admission] = []
    for job in order(queued, usage):
        assert job.grant is not None
        key = (job.user, job.project)
        if running[job.user] >= per_user(job.user) or key in busy:
            busy.add(key)
            continue
        if not free.fits(job.grant):
            if now - job.created > PATIENCE:
                break
            busy.add(key)
            continue
        gpu_ids = free.gpus[: job.grant.gpus]
        free = Capacity(free.cpus - job.grant.cpus, free.memory - job.grant.memory, free.gpus[job.grant.gpus :])
        running[job.user] += 1
        busy.add(key)
        chosen.append(Admission(job, gpu_ids))
    return chosen
