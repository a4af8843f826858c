"""The first step of a job: its upload is frozen, and what the job gets is settled.

This module owns the way from RECEIVED to QUEUED. As each step, it may be cut off after any line, and does the same
again without harm when it is repeated.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path

from labd.common.errors import NotFoundError, ProjectError
from labd.common.log import get
from labd.daemon.outbox import job_folder
from labd.daemon.pipeline import exact, project_options
from labd.daemon.pipeline.lab import Lab, end, fault, request_stop, stop_event, stopped
from labd.daemon.pipeline.project_options import read_dependencies
from labd.intake import snapshot
from labd.model.jobs import UNPROVEN_NOTES, Job, Signal, State
from labd.projects import language as choosing
from labd.scheduling.granting import grant


def receive(lab: Lab, job: Job) -> Job | None:
    """Take the snapshot and read job.toml. None when it was no job after all: the upload moved, or nothing changed."""
    if stop_event(lab, job).is_set():
        return stopped(lab, lab.store.job(job.id))
    folder = job_folder.make(lab.config.paths.state, job.id, lab.accounts[job.user])
    fault("received")
    if job.signal is not Signal.RERUN:
        try:
            taken = _take_snapshot(lab, job, folder)
        except snapshot.MovedError:
            _withdraw(lab, job, accepted="")
            return None
        except snapshot.UnreadableError as error:
            return end(lab, job, State.REJECTED, error.message, error.hint)
        if not taken.changed:
            _withdraw(lab, job, lab.store.project(job.user, job.project).accepted)
            return None
        fault("snapshot-taken")
        job = replace(job, notes=(*job.notes, *taken.notes))
    if note := _unproven(lab, job):
        job = replace(job, notes=(note, *job.notes))
    try:
        options, code = project_options.options(lab, job), lab.folder(job.snapshot) / "snapshot" / "code"
        if job.exact:
            (language, version), advice = exact.chosen(lab, job), ""
            asked = read_dependencies(lab, job, language, version)
        else:
            language = choosing.choose(lab.languages, lab.config, options, os.listdir(code))
            version, advice, asked = project_options.settle(lab, job, language, options)
        granted = grant(options, language, version, lab.config_for(job.user), lab.machine)
    except ProjectError as error:
        return end(lab, job, State.REJECTED, error.message, error.hint)
    fault("before-queued")
    _supersede(lab, job)
    notes = (
        *job.notes,
        *choosing.warnings(language.template, version),
        *project_options.unread(lab, job, language, asked),
        *asked.remarks,
        *filter(None, [advice]),
    )
    job = lab.store.queue(job, time.time(), grant=granted, notes=tuple(dict.fromkeys(notes)))
    lab.announce(job)
    return stopped(lab, job) if job.stopping else job


def _unproven(lab: Lab, job: Job) -> str:
    """What is to be said of how its upload ended, also of one that was taken for an earlier job."""
    signal = job.signal
    if signal is Signal.RERUN:
        with contextlib.suppress(NotFoundError):
            signal = lab.store.job(job.snapshot).signal
    return UNPROVEN_NOTES.get(signal, "")


def _take_snapshot(lab: Lab, job: Job, folder: Path) -> snapshot.Taken:
    account = lab.accounts[job.user]
    remembered = lab.store.project(job.user, job.project)
    previous = lab.folder(remembered.snapshot) / "snapshot"
    return snapshot.take(
        lab.workers,
        account,
        account.inbox / job.project / lab.root(account, job.project),
        folder / "snapshot",
        previous if remembered.snapshot and previous.exists() else None,
        unmoved=lambda: lab.fingerprint(account, job.project) == remembered.accepted,
        counts_anyway=not _ran_last(lab, job, remembered.snapshot),
    )


def _ran_last(lab: Lab, job: Job, basis: int) -> bool:
    """Whether the job of the project before `job` had the snapshot of job `basis`.

    If not, it was rejected, say: what is as before that is the correction, and has to run.
    """
    before = [other for other in lab.store.jobs(job.user, job.project, limit=2) if other.id != job.id]
    return bool(before) and before[0].snapshot == basis


def _supersede(lab: Lab, job: Job) -> None:
    """An upload that went on growing was not complete: `job`, which has all of it, takes the place of its job."""
    for older in lab.store.active():
        if older.id in lab.growing and (older.user, older.project) == (job.user, job.project) and older.id != job.id:
            request_stop(lab, older, State.CANCELLED, f"more files arrived, and job {job.id} has them")


def _withdraw(lab: Lab, job: Job, accepted: str) -> None:
    lab.store.withdraw(job, accepted)
    get().info("withdrawn: " + ("nothing has changed" if accepted else "it is still changing"))
    job_folder.remove(lab.workers, lab.folder(job.id))
    lab.announce(job)
