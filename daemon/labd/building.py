"""The chapter of a job in which its environment image is found or made.

This room owns which image a job runs in, build.log, and the words when there is none. It never decides what an
environment is made of, and builds nothing itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from io import BufferedWriter

from labd import exact, reading, run_log
from labd.advice import tell_forgotten, wished
from labd.build_diagnosis import build_timed_out
from labd.errors import LabdError
from labd.images import BuildFailed, Environment
from labd.jobs import Grant, Job, State
from labd.lab import Lab, end, fault, move, occupy, stop_event, stopped
from labd.log import get


def build(lab: Lab, job: Job) -> Job:
    """Make the environment image, unless it is there."""
    assert job.grant is not None
    fault("building")
    stop = stop_event(lab, job)
    if stop.is_set():
        return stopped(lab, job)
    try:
        image = exact.kept(lab, job) if job.exact else None
        if image is None:
            image = _environment(lab, job, job.grant, stop)
        else:
            _say_built(lab, job, f"Nothing to build: the environment of job {job.exact} is kept.")
    except BuildFailed as error:
        if error.cancelled:
            return stopped(lab, lab.store.job(job.id))
        told = build_timed_out(lab.config.build.timeout)
        if not error.timed_out:
            identity = lab.accounts[job.user].identity
            told = reading.build_failed(error.log_tail, error.exit_code, lab.language(job), identity)
        hint = f"{told.hint} Without --exact it takes the versions that are there now." if job.exact else told.hint
        return end(lab, job, State.BUILD_FAILED, told.cause, hint)
    except LabdError as error:
        return end(lab, job, State.BUILD_FAILED, error.message, error.hint)
    fault("built")
    job = lab.store.job(job.id)
    notes = (*job.notes, exact.note(lab, job, image)) if job.exact else job.notes
    return move(lab, job, State.RUNNING, image=image, notes=tuple(dict.fromkeys(notes)))


def _environment(lab: Lab, job: Job, granted: Grant, stop: threading.Event) -> str:
    asked = wished(lab, job, lab.language(job), granted.version)
    if job.exact:
        asked = exact.pinned(lab, job, asked)
    environment = lab.images.describe(granted.language, granted.version, asked.files)
    image = lab.images.ready(environment, f"{job.user}/{job.project}")
    if image is None:
        return _make_image(lab, job, environment, asked.log, stop)
    _say_built(lab, job, *asked.log, f"Nothing to build: the environment {environment.tag} is there already.")
    return image


def _say_built(lab: Lab, job: Job, *lines: str) -> None:
    with _build_log(lab, job) as log:
        log.write("".join(f"{line}\n" for line in lines).encode())


def _make_image(lab: Lab, job: Job, environment: Environment, changes: Iterable[str], stop: threading.Event) -> str:
    get().info("building the environment", job=job.id, user=job.user, state="building", tag=environment.tag)
    with _build_log(lab, job) as file:
        occupy(lab, job)
        lab.outbox(job).place_logs(lab.folder(job.id) / "delivery")
        lab.announce(tell_forgotten(lab, job))

        def report(line: str) -> None:
            file.write(line.rstrip("\n").encode("utf-8", "replace") + b"\n")
            file.flush()

        for change in changes:
            report(change)
        return lab.images.ensure(environment, f"{job.user}/{job.project}", report, stop)


def _build_log(lab: Lab, job: Job) -> BufferedWriter:
    identity = lab.accounts[job.user].identity
    return run_log.create(lab.folder(job.id) / "delivery" / "build.log", identity.uid, identity.gid)
