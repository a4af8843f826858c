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

from labd.errors import NotAllowedError, NotFoundError
from labd.jobs import ADMITTED, Job, State
from labd.lab import Lab, request_stop
from labd.reception import Reception
from labd.status import sentence, told

Json = dict[str, Any]
_FOLLOW = 0.25
_CHUNK = 65536


class Verbs:
    """The verbs."""

    def __init__(
        self, lab: Lab, reception: Reception, place: Callable[[Job], tuple[int, int]], wake: Callable[[], None]
    ) -> None:
        """`place` is a job's place in the queue and the number of running jobs; `wake` has the queue looked at."""
        self._lab, self._reception, self._place, self._wake = lab, reception, place, wake
        self._users = {account.identity.uid: name for name, account in lab.accounts.items()}
        self._verbs: dict[str, Callable[[Json, str | None], Iterator[Json]]] = {
            "status": self._status,
            "jobs": self._jobs,
            "logs": self._logs,
            "cancel": self._cancel,
            "rerun": self._rerun,
            "images": self._images,
        }

    def answer(self, request: Json, uid: int) -> Iterator[Json]:
        """The lines of the reply to `request` from a process of `uid`. Raises LabdError for what cannot be."""
        user = self._users.get(uid)
        if uid in (0, os.getuid()):
            user = None
        elif user is None:
            raise NotAllowedError("You have no account at this lab.", "Ask the administrator for one.")
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
        everyone = self._lab.store.active()
        yield {
            "active": [self._told(job) for job in active],
            "recent": [self._told(job) for job in self._lab.store.jobs(user, limit=10) if job.state.is_outcome],
            "running": sum(job.state in ADMITTED for job in everyone),
            "queued": sum(job.state is State.QUEUED for job in everyone),
        }

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
        who = "its owner" if self._users.get(request["uid"]) == job.user else "the administrator"
        yield self._told(request_stop(self._lab, job, State.CANCELLED, f"{who} cancelled it"))
        self._wake()

    def _rerun(self, request: Json, user: str | None) -> Iterator[Json]:
        job = self._find(request, user)
        again = self._reception.rerun(job.user, job.project, job.id)
        assert again is not None
        yield self._told(again)

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
        place, running = self._place(job)
        return {**told(job, place, running), "sentence": sentence(job, time.time(), place, running)}


def _read(file: Path, offset: int) -> bytes:
    try:
        with open(file, "rb") as opened:
            opened.seek(offset)
            return opened.read(_CHUNK)
    except FileNotFoundError:
        return b""
