"""What can be asked of the daemon, and what each may know.

This module owns the verbs of the socket. A researcher sees and touches only their own jobs; root, and whoever the
daemon runs as, all of them.
"""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from labd.client.rendering import one_line
from labd.common.errors import NotAllowedError, NotFoundError
from labd.common.log import get
from labd.daemon.outbox import arrivals
from labd.daemon.outbox.arrivals import Upload
from labd.daemon.outbox.status import sentence, told, told_alone
from labd.daemon.pipeline.lab import Lab, is_held_up, request_stop
from labd.daemon.pipeline.submission import Reception
from labd.daemon.requests import arguments as request_arguments
from labd.daemon.requests import views
from labd.daemon.requests.connection import Connection
from labd.daemon.requests.job_lookup import FoundJob, find, find_job
from labd.intake.inbox import Inbox
from labd.model.jobs import Job, State

Json = dict[str, Any]
Verb = Callable[[Json, str | None, Connection], Iterator[Json]]
"""Gets the arguments, the researcher who asks (None: the administrator, who may know all), and their connection."""
_FOLLOW = 0.25
_CHUNK = 65536
_SEEN = 60.0
_LATEST = 10  # jobs that are told with those that are active
_NOTE, _ADDRESS = 200, 64


class Verbs:
    """The verbs."""

    def __init__(
        self,
        lab: Lab,
        inbox: Inbox,
        reception: Reception,
        queue: Callable[[], list[Job]],
        place: Callable[[Job], tuple[int, int, str]],
        wake: Callable[[], None],
    ) -> None:
        """`queue` is the jobs that wait; `place` a job's place there and the number of running jobs; `wake` has the
        queue looked at.
        """
        self._lab, self._inbox, self._reception = lab, inbox, reception
        self._queued, self._place, self._wake = queue, place, wake
        self._seen = lab.store.seen()
        self._verbs: dict[str, Verb] = {
            "status": self._status,
            "jobs": self._jobs,
            "logs": self._logs,
            "cancel": self._cancel,
            "rerun": self._rerun,
            "images": self._images,
            "submit": self._submit,
            "note": self._note,
            "overview": self._overview,
            "queue": self._queue,
            "settings": self._settings,
            "users": self._for_administrator(self._all_users),
            "reload": self._for_administrator(self._reload),
        }

    def check(self, uid: int) -> None:
        """Raise NotAllowedError when a process of `uid` may ask nothing at all."""
        self._user_of(uid)

    def answer(self, request: Json, connection: Connection) -> Iterator[Json]:
        """The lines of the reply to `request`. Raises LabdError for what cannot be."""
        user = self._user_of(connection.uid)
        if user is not None:
            self._see(user)
        verb, arguments = request_arguments.read(request)
        return self._verbs[verb](arguments, user, connection)

    def _status(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        if asked["job"] is None:
            yield self._all_of(user)
            return
        job, upload, also = find(self._lab.store, asked["job"], user, self._reception.uploads)
        if job:
            about = self._told(job)
        else:
            assert upload is not None
            about = {**told_alone(upload), "sentence": upload.sentence}
        yield {**about, "also": also, "upload": self._upload(upload) if upload else None}

    def _all_of(self, user: str | None) -> Json:
        active = [job for job in self._lab.store.active() if user in (None, job.user)]
        latest = self._lab.store.jobs(user, limit=_LATEST)
        recent = [job for job in latest if job.state.is_outcome]
        there = self._lab.store.job_count(user) if len(latest) == _LATEST else len(latest)
        return {
            "active": [self._told(job) for job in active],
            "recent": [self._told(job) for job in recent],
            "older": max(there - len(active) - len(recent), 0),
            "uploads": [self._upload(upload) for upload in self._reception.uploads(user)],
            **views.counts(self._lab.store.active()),
        }

    def _overview(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        """All that a status screen shows."""
        active = self._lab.store.active()
        yield {
            **self._all_of(user),
            "user": user,
            "queue": views.queue_lines(active, self._queued(), user),
            "machine": views.machine(self._lab.machine, active),
        }

    def _queue(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        yield from views.queue_lines(self._lab.store.active(), self._queued(), user)

    def _jobs(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        for job in reversed(self._lab.store.jobs(user, limit=asked["limit"])):
            yield self._told(job)

    def _logs(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        """run.log in pieces, and until the job ends with `follow`; build.log when no program ran."""
        job, also = self._job(asked, user)
        if also:
            yield {"text": "", "also": also}
        sent = 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            job = self._lab.store.job(job.id)
            ended = job.state.is_outcome
            delivery = self._lab.folder(job.id) / "delivery"
            log = delivery / ("run.log" if job.started or not ended else "build.log")
            while chunk := _read(log, sent):
                sent += len(chunk)
                yield {"text": decoder.decode(chunk)}
            if ended or not asked["follow"]:
                return
            connection.pause(_FOLLOW)

    def _cancel(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        job, also = self._job(asked, user, is_to_end=True)
        is_over = job.state is State.DELIVERING and not is_held_up(self._lab, job)
        if job.state.is_outcome or is_over:
            raise NotFoundError(f"Job {job.id} has ended already ({job.state.value}).", also)
        who = "its owner" if self._lab.accounts.of_uid(connection.uid) == job.user else "the administrator"
        stopping = request_stop(self._lab, job, State.CANCELLED, f"{who} cancelled it")
        self._wake()
        yield {**self._told(stopping), "also": also}

    def _rerun(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        job, also = self._job(asked, user)
        again = self._reception.rerun(job.user, job.project, job.id, exact=asked["exact"])
        assert again is not None
        yield {**self._told(again), "also": also}

    def _submit(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        if user is None:
            raise NotAllowedError("Only a researcher can submit an upload of theirs.", "Create SUBMIT in their inbox.")
        project = asked["project"]
        with connection.waiting():
            job = self._reception.submit(user, project, connection.check)
        if job is None:
            text = f"Nothing has changed in {project} since its last job; `rerun {project}` runs it again."
        else:
            text = f"{project} is job {job.id}."
        yield {"text": text, "job": job.id if job else None}

    def _note(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        """What the gateway has to tell: of a transfer that begins or has ended, or of a command that it refused."""
        if user is None:
            raise NotAllowedError("Only the gateway of a researcher has something to note.")
        text, address = one_line(asked["text"])[:_NOTE], one_line(asked["address"])[:_ADDRESS]
        if asked["event"] == "refused":
            get().warning("command refused", user=user, address=address, what=text)
        elif asked["event"] == "transfer":
            get().info("transfer", user=user, address=address, what=text)
        self._inbox.note(user, asked["projects"])
        yield {}

    def _settings(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        yield {"config": views.settings(self._lab.config if user is None else self._lab.config_for(user))}

    def _all_users(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        store = self._lab.store
        yield from views.researchers(
            self._lab.accounts, store.active(), store.job_counts(), self._seen, self._inbox.sizes()
        )

    def _reload(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        """Read the accounts again."""
        self._lab.refresh_accounts()
        get().info("accounts read again", accounts=len(self._lab.accounts))
        self._wake()
        yield {"accounts": len(self._lab.accounts)}

    def _for_administrator(self, verb: Verb) -> Verb:
        def guarded(asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
            if user is not None:
                raise NotAllowedError("Only the administrator may ask that.")
            return verb(asked, user, connection)

        return guarded

    def _user_of(self, uid: int) -> str | None:
        """The researcher of that `uid`, None for the administrator. Raises NotAllowedError for anybody else."""
        if uid in (0, os.getuid()):
            return None
        user = self._lab.accounts.of_uid(uid)
        if user is None:
            raise NotAllowedError("You have no account at this lab.", "Ask the administrator for one.")
        return user

    def _see(self, user: str) -> None:
        now = time.time()
        if abs(now - self._seen.get(user, 0.0)) > _SEEN:
            self._seen[user] = now
            try:
                self._lab.store.see(user, now)
            except Exception:
                # With a full disk, say, people have questions all the same.
                get().exception("it was not noted who asked", user=user)

    def _images(self, asked: Json, user: str | None, connection: Connection) -> Iterator[Json]:
        with connection.waiting():
            found = self._lab.images.list()
        yield from found

    def _job(self, asked: Json, user: str | None, is_to_end: bool = False) -> FoundJob:
        return find_job(self._lab.store, asked["job"], user, self._reception.uploads, is_to_end)

    def _upload(self, upload: Upload) -> Json:
        account = self._lab.accounts.get(upload.user)
        return arrivals.as_json(upload, str(account.inbox / upload.project) if account else "")

    def _told(self, job: Job) -> Json:
        where = self._place(job)
        return {**told(job, *where), "sentence": sentence(job, time.time(), *where)}


def _read(file: Path, offset: int) -> bytes:
    try:
        with open(file, "rb") as opened:
            opened.seek(offset)
            return opened.read(_CHUNK)
    except FileNotFoundError:
        return b""
