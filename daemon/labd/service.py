"""The daemon: looks at the inboxes, admits jobs from the queue, and gives each active job a thread.

This room owns the loop, the threads, start and stop. What it knows is in the store, so that it can be killed at any
moment; everything about one job is in `pipeline`.
"""

from __future__ import annotations

import contextlib
import fcntl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from labd import fair_share, pipeline
from labd.accounts import Accounts
from labd.choosing import open_languages
from labd.config import Config
from labd.control import Control
from labd.database import DatabaseError
from labd.docker_engine import DockerEngine
from labd.errors import ConfigError, LabdError, NotFoundError, TransitionError
from labd.hands import Hands
from labd.housekeeping import Housekeeping
from labd.images import Images
from labd.inbox import Inbox
from labd.jobs import ADMITTED, Job, State
from labd.lab import Lab
from labd.lanes import Lanes
from labd.licence import Licences
from labd.log import get
from labd.machine import capacity, gpu_ids
from labd.notices import Notices
from labd.pages import Pages
from labd.pushing import Pushing
from labd.readiness import tell, watchdog_interval
from labd.reception import Reception
from labd.retry import Retry
from labd.scheduling import admit, order
from labd.steps import Step
from labd.store import Store
from labd.verbs import Verbs
from labd.views import counts

_FIRST_PAUSE = 2.0  # seconds until a job that met trouble is tried again, at first
_ATTEMPTS = 3  # of a step that meets a defect of labd
_RECEIVING, _DELIVERING = 4, 8  # jobs whose snapshots are taken, or results delivered, at a time
_USAGE_AGE = 10.0
_PLACES = 2.0
_IDLE = 20.0


class Service:
    """One lab, running."""

    def __init__(self, config: Config, accounts: Accounts) -> None:
        """Open the lab's state; raises ConfigError when another daemon has it open."""
        state = config.paths.state
        (state / "jobs").mkdir(parents=True, exist_ok=True)
        for folder in (state, state / "jobs"):
            folder.chmod(0o711)
        self._lock_file = _lock(state / "lock")
        config, languages = open_languages(config, _left_out)
        store, hands = Store(state / "labd.db"), Hands()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._working: set[int] = set()
        _name_gpus_by_uuid(store)
        accounts.remember(state / "accounts.json", frozenset(job.user for job in store.active()))
        self._usage: tuple[float, Mapping[str, float]] = (0.0, {})
        self._promised: list[int] = []
        self._waiting_since: Mapping[int, float] = {}
        self._places_told = 0.0
        self._last_active = 0.0
        self._admission = threading.RLock()
        self._notices = Notices(hands, accounts, lambda key: self._pages.page(key))
        self._inbox = Inbox(accounts, config.inbox, languages, store, hands, self._wake.set)
        self.lab = Lab(
            config=config,
            machine=capacity(config.machine),
            accounts=accounts,
            languages=languages,
            store=store,
            hands=hands,
            images=Images(config, languages, store, state / "build"),
            engine=DockerEngine(config.instance),
            root=self._inbox.root,
            fingerprint=self._inbox.fingerprint,
            announce=self._announce,
        )
        self._housekeeping = Housekeeping(self.lab)
        self._licences = Licences(config.matlab, languages, store.events, self._wake.set, self._announce)
        self._pages = Pages(self.lab, lambda key: self._reception.upload(key), self.place)
        self._pushing = Pushing(self.lab, self._announce)
        self._reception = Reception(self.lab, self._inbox, self._start, self._notices.announce)
        verbs = Verbs(self.lab, self._inbox, self._reception, self.queue, self.place, self._wake.set)
        self._control = Control(config.paths.socket, verbs.answer, verbs.check)
        self._lanes = {
            State.RECEIVED: Lanes("receiving", _RECEIVING, per_user=2),
            State.DELIVERING: Lanes("delivering", _DELIVERING, per_user=4),
        }
        self._admission_step = Step("admission", self._admit)
        self._steps = (
            Step("inboxes", lambda: self._inbox.start_looks(self._reception.deal), self._inbox.next_due),
            self._admission_step,
            Step("jobs", self._give_threads, self._next_try),
            Step("notices", self._notices.try_again, self._notices.next_due),
            Step("rest", self._rest_when_idle),
            Step("summary", lambda: tell(f"STATUS={self._summary()}")),
        )

    def run(self) -> None:
        """Work until `stop`."""
        self._control.start()
        get().info("labd started", accounts=len(self.lab.accounts))
        # A daemon that was killed may not have told all that it knew.
        for job in self.lab.store.active():
            self._announce(job)
        self._pushing.start()
        self._housekeeping.start()
        tell("READY=1")
        sign_of_life = watchdog_interval()
        while not self._stopping.is_set():
            self._wake.clear()
            tell("WATCHDOG=1")
            for step in self._steps:
                step.run()
            due = min(*(step.next_due() for step in self._steps), time.monotonic() + sign_of_life)
            self._wake.wait(max(0.0, due - time.monotonic()))
        self._close()

    def _summary(self) -> str:
        jobs = counts(self.lab.store.active())
        return f"{jobs['running']} running, {jobs['queued']} queued"

    def _rest_when_idle(self) -> None:
        if self.lab.store.active():
            self._last_active = time.monotonic()
        elif time.monotonic() - self._last_active > _IDLE:
            self.lab.hands.trim()

    def stop(self) -> None:
        """End soon. Programs go on; the next daemon finds them."""
        self._stopping.set()
        self._wake.set()

    # The queue

    def queue(self) -> list[Job]:
        """The jobs that wait, in the order in which they would start."""
        queued = [job for job in self.lab.store.active() if job.state is State.QUEUED]
        return order(queued, self._recent_usage(), self._promised) if queued else []

    def _recent_usage(self) -> Mapping[str, float]:
        """What each user used of late; fresh enough for a fair order."""
        counted, usage = self._usage
        if time.monotonic() - counted > _USAGE_AGE:
            now, half_life = time.time(), self.lab.config.user.half_life
            runs = self.lab.store.runs(now - fair_share.FORGOTTEN * half_life)
            usage = fair_share.usage(runs, self.lab.machine, half_life, now)
            self._usage = (time.monotonic(), usage)
        return usage

    def _admit(self) -> None:
        with self._admission:
            active = self.lab.store.active()
            queued = [job for job in active if job.state is State.QUEUED and job.user in self.lab.accounts]
            held = self._licences.held(queued)
            if not queued:
                return
            choice = admit(
                queued,
                [job for job in active if job.state in ADMITTED],
                held | {(job.user, job.project) for job in active if job.state is State.DELIVERING},
                self.lab.machine,
                self._recent_usage(),
                lambda user: self.lab.config_for(user).user.running,
                time.time(),
                self._waiting_since,
                self.lab.config.job.grace,
            )
            self._promised, self._waiting_since = choice.promised, choice.since
            for admission in choice.admissions:
                # It may have been cancelled since the queue was read.
                with contextlib.suppress(TransitionError, NotFoundError):
                    self.lab.store.move(admission.job, State.BUILDING, time.time(), gpu_ids=admission.gpu_ids)
        if choice.admissions and time.monotonic() - self._places_told > _PLACES:
            self._places_told = time.monotonic()
            for job in queued:
                self._announce(job)

    def _give_threads(self) -> None:
        """Have all jobs taken further that are not at work and not waiting for another try."""
        for job in self.lab.store.active():
            # A job of somebody who is no longer known waits until they are, or somebody cancels it.
            if job.state is not State.QUEUED and (job.user in self.lab.accounts or job.stopping):
                self._start(job)

    def _next_try(self) -> float:
        """When a job that met trouble is tried again, by time.monotonic()."""
        troubles, active = self.lab.troubles, {job.id for job in self.lab.store.active()}
        for job_id in troubles.keys() - active:
            troubles.pop(job_id, None)
            self.lab.waiting.pop(job_id, None)
        with self._admission:
            return min((troubles[job_id].due for job_id in troubles.keys() - self._working), default=float("inf"))

    def _start(self, job: Job) -> None:
        trouble = self.lab.troubles.get(job.id)
        with self._admission:
            is_paused = trouble is not None and time.monotonic() < trouble.due
            if job.id in self._working or self._stopping.is_set() or is_paused:
                return
            self._working.add(job.id)
        if lane := self._lanes.get(job.state):
            lane.put(job.user, job.id, lambda: self._work(job.id, job.state))
        else:
            threading.Thread(target=self._work, args=(job.id,), name=f"job-{job.id}", daemon=True).start()

    def _work(self, job_id: int, stage: State | None = None) -> None:
        """Take one job as far as it goes, or out of `stage`. What goes wrong is no other job's business."""
        try:
            while not self._stopping.is_set():
                job = self.lab.store.job(job_id)
                if job.state is State.QUEUED or job.state.is_outcome or stage not in (None, job.state):
                    break
                pipeline.advance(self.lab, job)
                self.lab.troubles.pop(job_id, None)
                self.lab.waiting.pop(job_id, None)
                # The job may be first in the queue: then it goes on at once.
                self._admission_step.run()
        except NotFoundError:
            pass  # withdrawn
        except Exception as error:
            self._trouble(job_id, error)
        finally:
            with self._admission:
                self._working.discard(job_id)
            self._pushing.wake()
            self._wake.set()

    def _trouble(self, job_id: int, error: Exception) -> None:
        """Note why a job is held up, and when it is tried again."""
        trouble = self.lab.troubles.setdefault(job_id, Retry(_FIRST_PAUSE))
        is_new = trouble.failed(error)
        if isinstance(error, LabdError):
            self.lab.waiting[job_id] = f"held up: {error.message} It is tried again by itself. {error.hint}".rstrip()
            if is_new:
                get().warning("job held up, trying again", job=job_id, reason=error.message)
        elif isinstance(error, (OSError, MemoryError, DatabaseError)):
            # A full disk, say: that passes, and the job is not lost by it.
            self.lab.waiting[job_id] = (
                f"held up by a trouble of the server ({_cause(error)}); it is tried again by itself"
            )
            if is_new:
                get().exception("job held up by a trouble of the server, trying again", job=job_id)
        else:
            self.lab.waiting[job_id] = "held up by an error of labd's own; it is tried again by itself"
            if is_new:
                get().exception("job held up by a defect of labd, trying again", job=job_id)
            if trouble.failures >= _ATTEMPTS:
                pipeline.give_up(self.lab, job_id)
        self._announce(self.lab.store.job(job_id))

    def _announce(self, job: Job) -> None:
        self._notices.announce((job.user, job.project))

    def place(self, job: Job | None) -> tuple[int, int, str]:
        """The place of `job` in the queue (1 is next, 0: it is not in it), how many jobs run now, what it waits for."""
        if job is None or job.state.is_outcome:
            return 0, 0, ""
        if job.state is not State.QUEUED:
            return 0, 0, self.lab.waiting.get(job.id, "")
        ids = [queued.id for queued in self.queue()]
        running = sum(other.state in ADMITTED for other in self.lab.store.active())
        return (ids.index(job.id) + 1 if job.id in ids else 0), running, self._licences.reason(job.id)

    def _close(self) -> None:
        tell("STOPPING=1")
        get().info("labd stopped")
        for close in (
            self._housekeeping.close,
            self._control.close,
            self._pushing.close,
            self._licences.close,
            self._inbox.close,
            *(lane.close for lane in self._lanes.values()),
            self._notices.close,
            self.lab.engine.rest,
            self.lab.images.close,
            lambda: self.lab.hands.trim(0),
            self._lock_file.close,
        ):
            # What does not end well is killed with the process, and mended by the next daemon.
            try:
                close()
            except LabdError:
                pass
            except Exception:
                get().exception("labd did not end as it should")


def _name_gpus_by_uuid(store: Store) -> None:
    """Jobs of an earlier release hold GPUs by number, which would count as others than the same ones by UUID."""
    for job in store.active():
        held = gpu_ids(job.gpu_ids)
        if held != job.gpu_ids:
            store.update(job, gpu_ids=held)


def _cause(error: Exception) -> str:
    """What the system says of `error`, without the path."""
    return str(getattr(error, "strerror", None) or error)


def _lock(file: Path) -> IO[str]:
    """Hold the lab for this process; the kernel lets go of it when the process ends, however it ends."""
    opened = open(file, "w")  # noqa: SIM115 - held open as long as the daemon lives
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        opened.close()
        raise ConfigError(f"Another labd is running on {file.parent}.", "Stop it first: systemctl stop labd") from None
    return opened


def _left_out(name: str, error: LabdError) -> None:
    get().warning(f"the language {name} is left out: {error.message}", hint="labd templates check")
