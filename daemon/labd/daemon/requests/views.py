"""What may be told of the lab as a whole: the queue, the machine, the researchers.

This module owns what one researcher gets to know about the jobs of others: that they are there, and what they hold, but
not whose they are. It is pure; all that is told is handed in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from labd.accounts.accounts import Accounts
from labd.model.config import Config
from labd.model.engine import Capacity
from labd.model.jobs import ADMITTED, Job, State

Json = dict[str, Any]


def queue_lines(active: Sequence[Job], queued: Sequence[Job], user: str | None) -> list[Json]:
    """The jobs that run, then those that wait in the order in which they would start, as `user` may see them.

    `user` None is the administrator, who sees all. `place` is 0 for a job that runs.
    """
    running = [job for job in active if job.state in ADMITTED]
    return [_line(job, 0, user) for job in running] + [
        _line(job, place, user) for place, job in enumerate(queued, start=1)
    ]


def _line(job: Job, place: int, user: str | None) -> Json:
    is_mine = user in (None, job.user)
    return {
        "place": place,
        "state": job.state.value,
        "since": job.changed,
        "cpus": job.grant.cpus if job.grant else None,
        "memory": job.grant.memory if job.grant else None,
        "gpus": job.grant.gpus if job.grant else None,
        "mine": is_mine,
        "job": job.id if is_mine else None,
        "project": job.project if is_mine else None,
        "user": job.user if is_mine else None,
    }


def machine(capacity: Capacity, active: Sequence[Job]) -> Json:
    """What the machine has for jobs, what of it is taken, and its load over the last minute (getloadavg(3))."""
    grants = [job.grant for job in active if job.state in ADMITTED and job.grant]
    return {
        "cpus": capacity.cpus,
        "cpus_used": sum(grant.cpus for grant in grants),
        "memory": capacity.memory,
        "memory_used": sum(grant.memory for grant in grants),
        "gpus": len(capacity.gpus),
        "gpus_used": sum(grant.gpus for grant in grants),
        "load": round(os.getloadavg()[0], 2),
    }


def counts(active: Sequence[Job]) -> Json:
    """How many jobs run and how many wait."""
    return {
        "running": sum(job.state in ADMITTED for job in active),
        "queued": sum(job.state is State.QUEUED for job in active),
    }


def researchers(
    accounts: Accounts,
    active: Sequence[Job],
    jobs: Mapping[str, int],
    seen: Mapping[str, float],
    inboxes: Mapping[str, int],
) -> list[Json]:
    """All researchers, with the numbers of their `jobs`, when they were `seen`, and the bytes in their `inboxes`."""
    return [
        {
            "user": name,
            "comment": account.settings.comment,
            "disabled": account.settings.disabled,
            "shell": account.settings.shell,
            "last_seen": seen.get(name),
            "jobs": jobs.get(name, 0),
            "active": sum(job.user == name for job in active),
            "inbox": inboxes.get(name),
        }
        for name, account in accounts.items()
    ]


def settings(config: Config) -> Json:
    """What of `config` a researcher needs to check a project beforehand: no account, and nothing about builds."""
    known = {name: value for name, value in asdict(config).items() if name not in ("accounts", "build")}
    known["paths"] = {name: str(path) for name, path in known["paths"].items()}
    return known
