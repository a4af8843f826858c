"""Which job a request means: by its number, or by the name of its project; and the upload of that name.

This module owns what holds where a name can be both, what is said where there is an upload and no job of it, and what a
researcher hears of the jobs of others: the same as of jobs that there are not. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from labd.common.errors import NotFoundError
from labd.daemon.outbox.arrivals import Upload
from labd.model.jobs import Job
from labd.model.request_arguments import Target
from labd.storage.store import Store

Uploads = Callable[[str | None, str], Sequence[Upload]]
"""Gives the uploads of a user (None: of everybody) to a project of that name that are no jobs (yet)."""
_DROP = "Nothing of it runs. To be rid of it, remove the folder inbox/{} with WinSCP or sftp, or send it again."


class Found(NamedTuple):
    """What is meant, and a sentence on what else could have been; "" for nothing."""

    job: Job | None  # None where there is nothing but the upload
    upload: Upload | None  # of the project; None where a job was asked for by its number
    also: str


class FoundJob(NamedTuple):
    """The job that is meant, and a sentence on what else there is; "" for nothing."""

    job: Job
    also: str


def find(store: Store, target: Target, user: str | None, uploads: Uploads) -> Found:
    """The job of that number, or else the latest of the project of that name and its upload, among those of `user`.

    `user` None is the administrator, whose all of them are. Raises NotFoundError where there is nothing.
    """
    project = target.project
    latest = next(iter(store.jobs(user, project, limit=1)), None)
    there = sorted(uploads(latest.user if latest else user, project), key=lambda upload: -upload.since)
    if numbered := _numbered(store, target.number, user):
        also = f"{project} is also the name of a project: `{project}/` means that." if latest or there else ""
        return Found(numbered, None, also)
    if latest or there:
        others = ", ".join(upload.user for upload in there[1:])
        return Found(latest, there[0] if there else None, f"{others} sent one of that name, too." if others else "")
    is_number = target.text.isdecimal()
    raise NotFoundError(
        f"There is no job {target.text}." if is_number else f"There is no project `{project}` that had a job.",
        "`labd jobs` lists the jobs there are.",
    )


def find_job(store: Store, target: Target, user: str | None, uploads: Uploads, is_to_end: bool = False) -> FoundJob:
    """As `find`, where a job is needed; `is_to_end`: it is to be cancelled.

    Raises NotFoundError where there is none, which says what there is of an upload.
    """
    job, upload, also = find(store, target, user, uploads)
    if upload is None:
        assert job is not None
        return FoundJob(job, also)
    text = upload.text.removesuffix(".")
    if job is None:
        hint = _DROP.format(upload.project) if is_to_end else upload.hint
        raise NotFoundError(f"{upload.project} has no job yet: {text}.", hint)
    if upload.is_arriving or upload.is_refused:
        also = f"{upload.project} has a newer upload, which is no job yet: {text}."
    return FoundJob(job, also)


def _numbered(store: Store, number: int | None, user: str | None) -> Job | None:
    if number is None:
        return None
    try:
        job = store.job(number)
    except NotFoundError:
        return None
    return job if user in (None, job.user) else None
