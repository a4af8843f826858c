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

from labd import pipeline
from labd.accounts import Accounts
from labd.choosing import open_languages
from labd.config import Config
from labd.control import Control
from labd.docker_engine import DockerEngine
from labd.errors import ConfigError, LabdError, NotFoundError
from labd.hands import Hands
from labd.housekeeping import keep_house
from labd.images import Images
from labd.inbox import Inbox
from labd.jobs import ADMITTED, Job, State
from labd.lab import Lab
from labd.licence import Licences
from labd.log import get
from labd.machine import capacity
from labd.notices import Notices
from labd.pages import Pages
from labd.pushing import Pushing
from labd.readiness import tell, watchdog_interval
from labd.reception import Reception
from labd.scheduling import admit, order
from labd.store import Store
from labd.verbs import Verbs
from labd.views import counts

_HOUSEKEEPING = 600.0
_RETRY = 30.0
_ATTEMPTS = 3
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
        self._usage: tuple[float, Mapping[str, float]] = (0.0, {})
        self._places_told = 0.0
        self._last_active = 0.0
        self._admission = threading.RLock()
        self._notices = Notices(hands, accounts, lambda key: self._pages.page(key))
        self._inbox = Inbox(accounts, config.inbox, languages, store, hands, self._wake.set, _sign_of_life)
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
        self._licences = Licences(config.matlab, languages, store.events, self._wake.set, self._announce)
        self._pages = Pages(self.lab, lambda key: self._reception.upload(key), self.place)
        self._pushing = Pushing(self.lab, self._announce)
        self._reception = Reception(self.lab, self._inbox, self._start, self._notices.announce)
        verbs = Verbs(self.lab, self._inbox, self._reception, self.queue, self.place, self._wake.set)
        self._control = Control(config.paths.socket, verbs.answer)

    def run(self) -> None:
        """Work until `stop`."""
        self._control.start()
        get().info("labd started", accounts=len(self.lab.accounts))
        # A daemon that was killed may not have told all that it knew.
        for job in self.lab.store.active():
            self._announce(job)
        self._pushing.start()
        tell("READY=1")
        next_housekeeping = time.monotonic()
        sign_of_life = watchdog_interval()
        while not self._stopping.is_set():
            self._wake.clear()
            tell("WATCHDOG=1", f"STATUS={self._summary()}")
            self._reception.collect()
            self._admit()
            self._give_threads()
            if time.monotonic() >= next_housekeeping:
                keep_house(self.lab)
                next_housekeeping = time.monotonic() + _HOUSEKEEPING
            self._rest_when_idle()
            due = min(self._inbox.next_due(), next_housekeeping, time.monotonic() + sign_of_life)
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
        return order(queued, self._recent_usage()) if queued else []

    def _recent_usage(self) -> Mapping[str, float]:
        """What each user used of late; fresh enough for a fair order."""
        counted, usage = self._usage
        if time.monotonic() - counted > _USAGE_AGE:
            usage = self.lab.store.usage(time.time())
            self._usage = (time.monotonic(), usage)
        return usage

    def _admit(self) -> None:
        with self._admission:
            active = self.lab.store.active()
            queued = [job for job in active if job.state is State.QUEUED and job.user in self.lab.accounts]
            held = self._licences.held(queued)
            if not queued:
                return
            admissions = admit(
                queued,
                [job for job in active if job.state in ADMITTED],
                held | {(job.user, job.project) for job in active if job.state is State.DELIVERING},
                self.lab.machine,
                self._recent_usage(),
                lambda user: self.lab.config_for(user).user.running,
                time.time(),
            )
            for admission in admissions:
                now = time.time()
                self.lab.store.move(admission.job, State.BUILDING, now, gpu_ids=admission.gpu_ids)
        if admissions and time.monotonic() - self._places_told > _PLACES:
            self._places_told = time.monotonic()
            for job in queued:
                self._announce(job)

    def _give_threads(self) -> None:
        for job in self.lab.store.active():
            # A job of somebody who is no longer in the config waits until they are, or somebody cancels it.
            if job.state is not State.QUEUED and job.user in self.lab.accounts:
                self._start(job)

    def _start(self, job: Job) -> None:
        with self._admission:
            if job.id in self._working or self._stopping.is_set():
                return
            self._working.add(job.id)
        threading.Thread(target=self._work, args=(job.id,), name=f"job-{job.id}", daemon=True).start()

    def _work(self, job_id: int) -> None:
        """Take one job as far as it goes; what goes wrong is tried again, and never touches another job."""
        failures = 0
        while not self._stopping.is_set():
            try:
                job = self.lab.store.job(job_id)
                pipeline.advance(self.lab, job)
                # The job may be first in the queue: then it goes on in this thread.
                self._admit()
                if self.lab.store.job(job_id).state in (State.QUEUED, *_ENDED):
                    break
            except NotFoundError:
                break  # withdrawn
            except Exception as error:
                failures += 1
                self._trouble(job_id, error, failures)
                self._stopping.wait(_RETRY)
        with self._admission:
            self._working.discard(job_id)
        self._pushing.wake()
        self._wake.set()

    def _trouble(self, job_id: int, error: Exception, failures: int) -> None:
        if isinstance(error, LabdError):
            get().warning("job held up, trying again", job=job_id, reason=error.message)
            return
        get().exception("job held up by a defect of labd, trying again", job=job_id)
        if failures >= _ATTEMPTS:
            pipeline.give_up(self.lab, job_id)

    def _announce(self, job: Job) -> None:
        self._notices.announce((job.user, job.project))

    def place(self, job: Job | None) -> tuple[int, int, str]:
        """The place of `job` in the queue (1 is next, 0: it is not in it), how many jobs run now, what it waits for."""
        if job is None or job.state is not State.QUEUED:
            return 0, 0, self.lab.waiting.get(job.id, "") if job else ""
        ids = [queued.id for queued in self.queue()]
        running = sum(other.state in ADMITTED for other in self.lab.store.active())
        return (ids.index(job.id) + 1 if job.id in ids else 0), running, self._licences.reason(job.id)

    def _close(self) -> None:
        tell("STOPPING=1")
        get().info("labd stopped")
        self._control.close()
        self._pushing.close()
        self._licences.close()
        self._inbox.close()
        self._notices.close()
        with contextlib.suppress(LabdError):
            self.lab.engine.rest()
        self.lab.images.close()
        self.lab.hands.trim(0)
        self._lock_file.close()


def _sign_of_life() -> None:
    tell("WATCHDOG=1")


_ENDED = tuple(state for state in State if state.is_outcome)


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
