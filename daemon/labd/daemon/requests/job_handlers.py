"""The answers about jobs: what runs and ran, what it printed, and to stop it or run it again."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterator
from pathlib import Path

from labd.common.errors import NotFoundError
from labd.daemon.outbox import arrivals
from labd.daemon.outbox.arrivals import Upload
from labd.daemon.outbox.status import job_fields, sentence, upload_fields
from labd.daemon.pipeline.lab import is_held_up, request_stop
from labd.daemon.requests import views
from labd.daemon.requests.handling import Asking, Json, handles
from labd.daemon.requests.job_lookup import FoundJob, find, find_job
from labd.model.jobs import Job, State
from labd.model.request_arguments import Target
from labd.model.requests import Cancel, Jobs, Logs, Overview, Queue, Rerun, Status

_LOG_PAUSE = 0.25  # seconds between looks at a log that is followed
_CHUNK = 65536
_LATEST = 10  # jobs that are told with those that are active


@handles(Status)
def status(request: Status, asking: Asking) -> Iterator[Json]:
    if request.job is None:
        yield _all_of(asking)
        return
    parts = asking.parts
    job, upload, also = find(parts.lab.store, request.job, asking.user, parts.submissions.uploads)
    if job:
        about = _job_fields(job, asking)
    else:
        assert upload is not None
        about = {**upload_fields(upload), "sentence": upload.sentence}
    yield {**about, "also": also, "upload": _upload(upload, asking) if upload else None}


@handles(Overview)
def overview(request: Overview, asking: Asking) -> Iterator[Json]:
    lab = asking.parts.lab
    active = lab.store.active()
    yield {
        **_all_of(asking),
        "user": asking.user,
        "queue": views.queue_lines(active, asking.parts.queued(), asking.user),
        "machine": views.machine(lab.machine, active),
    }


@handles(Queue)
def queue(request: Queue, asking: Asking) -> Iterator[Json]:
    yield from views.queue_lines(asking.parts.lab.store.active(), asking.parts.queued(), asking.user)


@handles(Jobs)
def jobs(request: Jobs, asking: Asking) -> Iterator[Json]:
    for job in reversed(asking.parts.lab.store.jobs(asking.user, limit=request.limit)):
        yield _job_fields(job, asking)


@handles(Logs)
def logs(request: Logs, asking: Asking) -> Iterator[Json]:
    """run.log in pieces, and until the job ends with `follow`; build.log when no program ran."""
    lab = asking.parts.lab
    job, also = _job(request.job, asking)
    if also:
        yield {"text": "", "also": also}
    sent = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        job = lab.store.job(job.id)
        ended = job.state.is_outcome
        delivery = lab.folder(job.id) / "delivery"
        log = delivery / ("run.log" if job.started or not ended else "build.log")
        while chunk := _read(log, sent):
            sent += len(chunk)
            yield {"text": decoder.decode(chunk)}
        if ended or not request.follow:
            return
        asking.connection.pause(_LOG_PAUSE)


@handles(Cancel)
def cancel(request: Cancel, asking: Asking) -> Iterator[Json]:
    lab = asking.parts.lab
    job, also = _job(request.job, asking, is_to_end=True)
    is_over = job.state is State.DELIVERING and not is_held_up(lab, job)
    if job.state.is_outcome or is_over:
        raise NotFoundError(f"Job {job.id} has ended already ({job.state.value}).", also)
    who = "its owner" if lab.accounts.of_uid(asking.connection.uid) == job.user else "the administrator"
    stopping = request_stop(lab, job, State.CANCELLED, f"{who} cancelled it")
    asking.parts.wake()
    yield {**_job_fields(stopping, asking), "also": also}


@handles(Rerun)
def rerun(request: Rerun, asking: Asking) -> Iterator[Json]:
    job, also = _job(request.job, asking)
    again = asking.parts.submissions.rerun(job.user, job.project, job.id, exact=request.exact)
    assert again is not None
    yield {**_job_fields(again, asking), "also": also}


def _all_of(asking: Asking) -> Json:
    store, user = asking.parts.lab.store, asking.user
    active = [job for job in store.active() if user in (None, job.user)]
    latest = store.jobs(user, limit=_LATEST)
    recent = [job for job in latest if job.state.is_outcome]
    there = store.job_count(user) if len(latest) == _LATEST else len(latest)
    return {
        "active": [_job_fields(job, asking) for job in active],
        "recent": [_job_fields(job, asking) for job in recent],
        "older": max(there - len(active) - len(recent), 0),
        "uploads": [_upload(upload, asking) for upload in asking.parts.submissions.uploads(user)],
        **views.counts(store.active()),
    }


def _job(target: Target, asking: Asking, is_to_end: bool = False) -> FoundJob:
    parts = asking.parts
    return find_job(parts.lab.store, target, asking.user, parts.submissions.uploads, is_to_end)


def _upload(upload: Upload, asking: Asking) -> Json:
    account = asking.parts.lab.accounts.get(upload.user)
    return arrivals.as_json(upload, str(account.inbox / upload.project) if account else "")


def _job_fields(job: Job, asking: Asking) -> Json:
    where = asking.parts.place(job)
    return {**job_fields(job, *where), "sentence": sentence(job, time.time(), *where)}


def _read(file: Path, offset: int) -> bytes:
    try:
        with open(file, "rb") as opened:
            opened.seek(offset)
            return opened.read(_CHUNK)
    except FileNotFoundError:
        return b""
