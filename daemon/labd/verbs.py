"""What can be asked of the daemon, and what each may know.

This room owns the verbs of the socket. A researcher sees and touches only their own jobs; root, and whoever the daemon
runs as, all of them.
"""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from labd import views
from labd.errors import NotAllowedError, NotFoundError
from labd.inbox import Inbox
from labd.jobs import Job, State
from labd.lab import Lab, request_stop
from labd.log import get
from labd.reception import Reception
from labd.rendering import one_line
from labd.status import sentence, told

Json = dict[str, Any]
Verb = Callable[[Json, str | None], Iterator[Json]]
_FOLLOW = 0.25
_CHUNK = 65536
_SEEN = 60.0
_NOTE, _ADDRESS, _PROJECTS = 200, 64, 100


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

    def answer(self, request: Json, uid: int) -> Iterator[Json]:
        """The lines of the reply to `request` from a process of `uid`. Raises LabdError for what cannot be."""
        user = self._user_of(uid)
        if uid in (0, os.getuid()):
            user = None
        elif user is None:
            raise NotAllowedError("You have no account at this lab.", "Ask the administrator for one.")
        else:
            self._see(user)
        request["uid"] = uid  # the kernel's word, whatever the message says
        verb = self._verbs.get(str(request.get("verb")))
        if verb is None:
            raise NotFoundError(f"labd has no request {request.get('verb')!r}.")
        return verb(request, user)

    def _status(self, request: Json, user: str | None) -> Iterator[Json]:
        if request.get("job") is not None:
            yield self._told(self._find(request, user))
            return
        active = [job for job in self._lab.store.active() if user in (None, job.user)]
        yield {
            "active": [self._told(job) for job in active],
            "recent": [self._told(job) for job in self._lab.store.jobs(user, limit=10) if job.state.is_outcome],
            **views.counts(self._lab.store.active()),
        }

    def _overview(self, request: Json, user: str | None) -> Iterator[Json]:
        """All that a status screen shows."""
        active = self._lab.store.active()
        for jobs in self._status({}, user):
            yield {
                **jobs,
                "user": user,
                "uploads": [
                    {"project": project, "text": text} for project, text in self._reception.uploads(user or "").items()
                ],
                "queue": views.queue_lines(active, self._queued(), user),
                "machine": views.machine(self._lab.machine, active),
            }

    def _queue(self, request: Json, user: str | None) -> Iterator[Json]:
        yield from views.queue_lines(self._lab.store.active(), self._queued(), user)

    def _jobs(self, request: Json, user: str | None) -> Iterator[Json]:
        for job in reversed(self._lab.store.jobs(user, limit=int(request.get("limit", 50)))):
            yield self._told(job)

    def _logs(self, request: Json, user: str | None) -> Iterator[Json]:
        """run.log in pieces, and until the job ends with `follow`; build.log when no program ran."""
        job = self._find(request, user)
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
            if ended or not request.get("follow"):
                return
            time.sleep(_FOLLOW)

    def _cancel(self, request: Json, user: str | None) -> Iterator[Json]:
        job = self._find(request, user)
        if job.state.is_outcome or job.state is State.DELIVERING:
            raise NotFoundError(f"Job {job.id} has ended already ({job.state.value}).")
        who = "its owner" if self._user_of(request["uid"]) == job.user else "the administrator"
        yield self._told(request_stop(self._lab, job, State.CANCELLED, f"{who} cancelled it"))
        self._wake()

    def _rerun(self, request: Json, user: str | None) -> Iterator[Json]:
        job = self._find(request, user)
        again = self._reception.rerun(job.user, job.project, job.id, exact=bool(request.get("exact")))
        assert again is not None
        yield self._told(again)

    def _submit(self, request: Json, user: str | None) -> Iterator[Json]:
        project = str(request["project"])
        if user is None:
            raise NotAllowedError("Only a researcher can submit an upload of theirs.", "Create SUBMIT in their inbox.")
        job = self._reception.submit(user, project)
        if job is None:
            text = f"Nothing has changed in {project} since its last job; `rerun {project}` runs it again."
        else:
            text = f"{project} is job {job.id}."
        yield {"text": text, "job": job.id if job else None}

    def _note(self, request: Json, user: str | None) -> Iterator[Json]:
        """What the gateway has to tell: of a transfer that begins or has ended, or of a command that it refused."""
        if user is None:
            raise NotAllowedError("Only the gateway of a researcher has something to note.")
        event, text = str(request["event"]), one_line(request.get("text", ""))[:_NOTE]
        address = one_line(request.get("address", ""))[:_ADDRESS]
        if event == "refused":
            get().warning("command refused", user=user, address=address, what=text)
        elif event == "transfer":
            get().info("transfer", user=user, address=address, what=text)
        self._inbox.note(user, [str(project) for project in request.get("projects", [])][:_PROJECTS])
        yield {}

    def _settings(self, request: Json, user: str | None) -> Iterator[Json]:
        yield {"config": views.settings(self._lab.config if user is None else self._lab.config_for(user))}

    def _all_users(self, request: Json, user: str | None) -> Iterator[Json]:
        store = self._lab.store
        yield from views.researchers(
            self._lab.accounts, store.active(), store.job_counts(), self._seen, self._inbox.sizes()
        )

    def _reload(self, request: Json, user: str | None) -> Iterator[Json]:
        """Read the accounts again."""
        self._lab.refresh_accounts()
        get().info("accounts read again", accounts=len(self._lab.accounts))
        self._wake()
        yield {"accounts": len(self._lab.accounts)}

    def _for_administrator(self, verb: Verb) -> Verb:
        def guarded(request: Json, user: str | None) -> Iterator[Json]:
            if user is not None:
                raise NotAllowedError("Only the administrator may ask that.")
            return verb(request, user)

        return guarded

    def _user_of(self, uid: int) -> str | None:
        return next((name for name, account in self._lab.accounts.items() if account.identity.uid == uid), None)

    def _see(self, user: str) -> None:
        now = time.time()
        if now - self._seen.get(user, 0.0) > _SEEN:
            self._lab.store.see(user, now)
            self._seen[user] = now

    def _images(self, request: Json, user: str | None) -> Iterator[Json]:
        yield from self._lab.images.list()

    def _find(self, request: Json, user: str | None) -> Job:
        """The job of that number, or the latest of the project of that name. Raises NotFoundError."""
        wanted = str(request["job"])
        if wanted.isdecimal():
            job = self._lab.store.job(int(wanted))
            # The same words as for a job that is not there: numbers of others are no one's business.
            if user not in (None, job.user):
                raise NotFoundError(f"There is no job {wanted}.", "`labd jobs` lists the jobs there are.")
            return job
        for job in self._lab.store.jobs(user, wanted, limit=1):
            return job
        raise NotFoundError(f"There is no project {wanted!r} that had a job.", "`labd jobs` lists the jobs there are.")

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
