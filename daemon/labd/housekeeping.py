"""Housekeeping: what a killed daemon left behind, and what is older than it needs to be.

This room owns the removal of things that no active job needs: containers and folders of ended jobs, old snapshots,
unused images, idle helpers; and it notices accounts that were changed by hand. All of it can be cut off and done again.
"""

from __future__ import annotations

import time

from labd import job_folder
from labd.delivery import clean_up
from labd.errors import LabdError, NotFoundError
from labd.lab import Lab
from labd.log import get


def keep_house(lab: Lab) -> None:
    """Do all of it; what fails is logged and left for the next time."""
    lab.refresh_accounts()
    active = {job.id for job in lab.store.active()}
    for chore in (_containers, _folders, _images):
        try:
            chore(lab, active)
        except LabdError as error:
            get().warning("housekeeping", reason=error.message)
    if not active:
        lab.hands.trim()


def _containers(lab: Lab, active: set[int]) -> None:
    for job_id in lab.engine.jobs() - active:
        try:
            clean_up(lab, lab.store.job(job_id))
        except NotFoundError:
            lab.engine.remove(job_id)
    if not active:
        lab.engine.rest()


def _folders(lab: Lab, active: set[int]) -> None:
    """Folders of jobs that were withdrawn, runs that were not cleaned up, snapshots that nobody asks for any more."""
    kept = {basis for job_id in active for job in [lab.store.job(job_id)] for basis in (job.snapshot, job.exact)}
    latest: dict[tuple[str, str], list[int]] = {}
    folders = {int(folder.name): folder for folder in (lab.config.paths.state / "jobs").iterdir()}
    for job_id in sorted(folders, reverse=True):
        folder = folders[job_id]
        if job_id in active:
            continue
        try:
            job = lab.store.job(job_id)
        except NotFoundError:
            job_folder.remove(lab.hands, folder)
            continue
        if (folder / "scratch").exists():
            job_folder.remove_run(lab.hands, folder)
        newer = latest.setdefault((job.user, job.project), [])
        newer.append(job_id)
        is_basis = lab.store.project(job.user, job.project).snapshot == job_id
        if len(newer) > lab.config.retention.history + 1 and job_id not in kept and not is_basis:
            job_folder.remove(lab.hands, folder)


def _images(lab: Lab, active: set[int]) -> None:
    if not active and lab.store.environments():
        lab.images.prune(time.time())
