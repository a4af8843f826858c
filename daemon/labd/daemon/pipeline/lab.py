"""The lab: everything that a job's story needs, and the small steps that its chapters share.

This module owns the committed moves of a job, the request to stop one, and whose results the outbox shows. It never
tells a story of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from labd.accounts.accounts import Account, Accounts
from labd.common.errors import TransitionError, UnavailableError
from labd.common.log import about, get
from labd.common.retry import Retry
from labd.daemon.outbox import job_folder
from labd.daemon.outbox.mirror import Outbox
from labd.daemon.outbox.status import page
from labd.daemon.pipeline.supervision import Supervision
from labd.environments.images import Images
from labd.model.config import Config, for_account
from labd.model.engine import Capacity, Engine, EngineError, StartError
from labd.model.jobs import Job, State
from labd.model.languages import Language
from labd.privsep.workers import Workers
from labd.storage.store import Store

T = TypeVar("T")

_DOCKER_RETRY = 2.0
_LONG_DELIVERY = 60.0  # seconds
_NO_DOCKER = "waiting: the server's Docker does not answer; the job goes on when it is back"


@dataclass(frozen=True)
class Lab:
    """Everything that a job's story needs."""

    config: Config
    machine: Capacity
    accounts: Accounts
    languages: Mapping[str, Language]
    store: Store
    workers: Workers
    images: Images
    engine: Engine
    root: Callable[[Account, str], str]  # where in its inbox entry an upload has its project
    fingerprint: Callable[[Account, str], str]  # of an upload as it is now
    announce: Callable[[Job], None]  # the job changed: its STATUS wants to be written
    stop_events: dict[int, threading.Event] = field(default_factory=dict)
    watched: dict[int, Supervision] = field(default_factory=dict)
    growing: set[int] = field(default_factory=set)  # jobs whose upload went on growing within a minute of their start
    waiting: dict[int, str] = field(default_factory=dict)  # job → what it waits for outside the queue, for STATUS
    troubles: dict[int, Retry] = field(default_factory=dict)  # job → what keeps it from going on
    # By user and project, held while STATUS is written: what is late must not come after the last page of a job.
    status_locks: defaultdict[tuple[str, str], threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )
    # Held while it is decided that a snapshot is still needed, or that it can go.
    snapshots: threading.Lock = field(default_factory=threading.Lock)
    outboxes: dict[tuple[str, str], threading.RLock] = field(default_factory=dict)  # user, project → see `outbox_turn`

    def folder(self, job_id: int) -> Path:
        return job_folder.path(self.config.paths.state, job_id)

    def config_for(self, user: str) -> Config:
        """The config with the limits that are `user`'s own."""
        return for_account(self.config, self.accounts[user].settings.limits)

    def refresh_accounts(self) -> None:
        """Read the accounts again. One that is gone stays known as long as it has jobs that go on."""
        self.accounts.refresh(keep=lambda: {job.user for job in self.store.active()})

    def outbox(self, job: Job) -> Outbox:
        return Outbox(self.workers, self.accounts[job.user], job.project)

    def language(self, job: Job) -> Language:
        """The language of `job`. Raises UnavailableError when the lab does not have it any more."""
        assert job.grant is not None
        try:
            return self.languages[job.grant.language]
        except KeyError:
            raise UnavailableError(
                f"This server does not run {job.grant.language} programs any more.", "Ask the administrator."
            ) from None


def fault(point: str) -> None:
    """Die here, as by a power cut, when a test asks for it by LABD_FAULT."""
    if os.environ.get("LABD_FAULT") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def stop_event(lab: Lab, job: Job) -> threading.Event:
    """Set when somebody asked to stop `job`; set from the start if that was before labd was restarted."""
    event = lab.stop_events.setdefault(job.id, threading.Event())
    if job.stopping:
        event.set()
    return event


def request_stop(lab: Lab, job: Job, why: State, reason: str) -> Job:
    """Have `job` end as `why`, now or when its step next looks. The first request stays."""
    job = lab.store.ask_to_stop(job.id, why, reason)
    stop_event(lab, job).set()
    if job.state is State.RUNNING:
        _start_stopper(lab, job)
    elif job.state is State.QUEUED:
        # If it was admitted in this very moment, its next step sees the event.
        with contextlib.suppress(TransitionError):
            job = stopped(lab, job)
    elif is_held_up(lab, job):
        job = abandon(lab, job)
    if trouble := lab.troubles.get(job.id):
        trouble.due = 0.0
    lab.announce(job)
    return job


def is_held_up(lab: Lab, job: Job) -> bool:
    """Whether the results of `job` cannot be delivered, or hang on their way."""
    is_late = job.id in lab.troubles or time.time() - job.changed > _LONG_DELIVERY
    return job.state is State.DELIVERING and is_late


def abandon(lab: Lab, job: Job) -> Job:
    """Give a job whose results cannot be delivered its outcome all the same, as somebody asked."""
    assert job.outcome is not None
    notes = job.notes
    # Without a folder, it was stopped before its first step, and there are no results.
    with contextlib.suppress(FileNotFoundError):
        (lab.folder(job.id) / job_folder.UNDELIVERED).touch()
        notes += ("The results are not in the outbox; the administrator can find them on the server.",)
    with about(job.id, job.user):
        get().warning("results not delivered", reason=lab.waiting.get(job.id, "it takes long"))
    with contextlib.suppress(TransitionError):
        job = move(lab, job, job.outcome, notes=notes)
    threading.Thread(target=_remove_container, args=(lab, job), name=f"remove-{job.id}", daemon=True).start()
    return job


def _remove_container(lab: Lab, job: Job) -> None:
    # What Docker does not do now is done by housekeeping.
    with about(job.id, job.user), contextlib.suppress(EngineError):
        lab.engine.remove(job.id)


def _start_stopper(lab: Lab, job: Job) -> None:
    """Have the program of `job` stopped beside the caller, unless that is under way: people ask more than once."""
    name = f"stop-{job.id}"
    if all(thread.name != name for thread in threading.enumerate()):
        threading.Thread(target=_stop_program, args=(lab, job), name=name, daemon=True).start()


def _stop_program(lab: Lab, job: Job) -> None:
    """Have the program of `job` stopped, as soon as Docker answers."""
    with about(job.id, job.user):
        while lab.store.job(job.id).state is State.RUNNING:
            try:
                lab.engine.stop(job.id, lab.config.job.grace)
                return
            except EngineError as error:
                get().warning("waiting for Docker to stop a program", reason=error.message)
                time.sleep(_DOCKER_RETRY)


def stopped(lab: Lab, job: Job) -> Job:
    """End a job that was asked to stop before its program started."""
    return end(lab, job, job.stopping or State.CANCELLED, f"The job was stopped: {job.stop_reason}.", "")


def end(lab: Lab, job: Job, outcome: State, cause: str, hint: str, **facts: Any) -> Job:
    """Everything about the end is known, and is committed before anything is told."""
    return move(lab, job, State.DELIVERING, outcome=outcome, cause=cause, hint=hint, **facts)


def move(lab: Lab, job: Job, state: State, **changes: Any) -> Job:
    """Commit that `job` is in `state` now, and have it told."""
    job = lab.store.move(job, state, time.time(), **changes)
    lab.announce(job)
    return job


def outbox_turn(lab: Lab, job: Job) -> threading.RLock:
    """Held by whoever makes the outbox of a project a job's, or delivers into it.

    A delivery that hangs goes on one day, though its job was given up: not while the next job delivers.
    """
    return lab.outboxes.setdefault((job.user, job.project), threading.RLock())


def occupy(lab: Lab, job: Job) -> None:
    """Make the outbox this job's; what the job before left there goes to history/.

    Several threads of one job may come here: a second move would put its files in the place of those in history/.
    """
    with outbox_turn(lab, job):
        occupant = lab.store.project(job.user, job.project).occupant
        if occupant == job.id:
            return
        shown: Mapping[str, str] = {}
        if occupant:
            before = lab.store.job(occupant)
            shown = page(job.project, before, None, time.time())
        lab.outbox(job).rotate(occupant, shown, lab.config.retention.history)
        lab.store.occupy(job)


def despite_docker(lab: Lab, job: Job, step: Callable[[], T]) -> T | None:
    """What `step` returns, done as often as it takes until Docker answers; None when `job` was asked to stop first."""
    stop = stop_event(lab, job)
    try:
        while True:
            try:
                return step()
            except StartError:
                raise
            except EngineError as error:
                if lab.waiting.get(job.id) != _NO_DOCKER:
                    get().warning("waiting for Docker", reason=str(error.__cause__ or error.message))
                    lab.waiting[job.id] = _NO_DOCKER
                    lab.announce(job)
            if stop.wait(_DOCKER_RETRY):
                return None
    finally:
        if lab.waiting.pop(job.id, None):
            lab.announce(job)
