"""Which job a request means: by its number, or by the name of its project.

This room owns what holds where a name can be both, and what a researcher hears of the jobs of others: the same as of
jobs that there are not. It changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from labd.errors import NotFoundError
from labd.jobs import Job
from labd.request_arguments import Target
from labd.store import Store


class Found(NamedTuple):
    """The job that is meant, and a sentence on what else could have been; "" for nothing."""

    job: Job
    also: str


def find(store: Store, target: Target, user: str | None) -> Found:
    """The job of that number, or else the latest of the project of that name, among those of `user`.

    `user` None is the administrator, whose all of them are. Raises NotFoundError.
    """
    latest = next(iter(store.jobs(user, target.project, limit=1)), None)
    if numbered := _numbered(store, target.number, user):
        project = target.project
        return Found(numbered, f"{project} is also the name of a project: `{project}/` means that." if latest else "")
    if latest:
        return Found(latest, "")
    is_number = target.text.isdecimal()
    raise NotFoundError(
        f"There is no job {target.text}." if is_number else f"There is no project `{target.project}` that had a job.",
        "`labd jobs` lists the jobs there are.",
    )


def _numbered(store: Store, number: int | None, user: str | None) -> Job | None:
    if number is None:
        return None
    try:
        job = store.job(number)
    except NotFoundError:
        return None
    return job if user in (None, job.user) else None
