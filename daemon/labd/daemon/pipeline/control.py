"""What is asked of jobs that are there: to be cancelled, or to be run once more.

This module owns what can be asked of whom, and how many jobs one researcher can have. It never runs a job.
"""

from __future__ import annotations

import time

from labd.common.errors import NotFoundError, UnavailableError
from labd.common.log import about, get
from labd.daemon.pipeline.lab import Lab, request_stop
from labd.model.jobs import Job, State

_MOST_ACTIVE = 1000  # jobs of one user that have not ended


def cancel(lab: Lab, user: str, project: str, reason: str) -> list[Job]:
    """Stop the project's active jobs; those that were. Raises NotFoundError when there are none."""
    jobs = active(lab, user, project)
    if not jobs:
        raise NotFoundError(f"{project} has no job that is queued or running.")
    return [request_stop(lab, job, State.CANCELLED, reason) for job in jobs]


def rerun(
    lab: Lab, user: str, project: str, job_id: int | None = None, mark: int = 0, exact: bool = False
) -> Job | None:
    """Run the project's latest snapshot, or that of one job, once more; with `exact` in that job's environment.

    `mark` tells one RERUN file from another: None when the one with this mark has been obeyed already. Raises
    NotFoundError when there is no snapshot, or no environment, UnavailableError when the user has enough to do.
    """
    store = lab.store
    if mark and mark == store.project(user, project).rerun:
        return None
    check_number(lab, user)
    if exact and job_id and not store.job(job_id).image:
        raise NotFoundError(
            f"Job {job_id} never had an environment: its program did not run.",
            "Name another job by its number (`labd jobs` lists them), or leave out --exact.",
        )
    for job in [store.job(job_id)] if job_id else store.jobs(user, project):
        with lab.snapshots:
            has_snapshot = (lab.folder(job.snapshot) / "snapshot").exists()
            again = store.create_rerun(job, mark, time.time(), exact) if has_snapshot else None
        if again:
            with about(again.id, user):
                get().info("rerun", of=job.id)
            return again
    raise NotFoundError(f"{project} has no snapshot to run again.", "Upload it first.")


def check_number(lab: Lab, user: str) -> None:
    """Raise UnavailableError when `user` has as many jobs as labd takes of one at a time."""
    if sum(job.user == user for job in lab.store.active()) >= _MOST_ACTIVE:
        raise UnavailableError(
            f"You have {_MOST_ACTIVE:,} jobs that have not ended, and labd takes no more at a time.",
            "Cancel some, or wait until some have ended.",
        )


def active(lab: Lab, user: str, project: str) -> list[Job]:
    """The project's jobs that have not ended."""
    return [job for job in lab.store.active() if (job.user, job.project) == (user, project)]
