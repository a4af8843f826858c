"""The daemon: the parts of a running lab, and the loop that goes round them.

This module owns the loop, start and stop. What it knows is in the store, so that it can be killed at any
moment; everything about one job is in `stages`.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from labd.accounts.accounts import Accounts
from labd.common.errors import ConfigError, LabdError
from labd.common.log import get
from labd.daemon.admission import Admission
from labd.daemon.guarded_steps import Step
from labd.daemon.housekeeping import Housekeeping
from labd.daemon.job_threads import JobThreads
from labd.daemon.pipeline.lab import Lab
from labd.daemon.pipeline.submission import SubmissionHandler
from labd.daemon.push import Pushing
from labd.daemon.readiness import tell, watchdog_interval
from labd.daemon.requests.answers import Answers
from labd.daemon.requests.handling import Parts
from labd.daemon.requests.server import Control
from labd.daemon.requests.views import counts
from labd.daemon.status_pages import Pages
from labd.daemon.status_writer import Notices
from labd.engines.build_settings import BuildSettings
from labd.engines.docker.engine import DockerEngine
from labd.environments.images import Images
from labd.intake.inbox import Inbox
from labd.model.config import Config
from labd.model.engine import Engine
from labd.model.jobs import Job
from labd.privsep.workers import Workers
from labd.projects.language import open_languages
from labd.scheduling.machine import gpu_ids
from labd.storage.store import Store

MakeEngine = Callable[[Config, BuildSettings, Path], Engine]
_IDLE = 20.0  # seconds after which helpers that are not needed are ended


class Service:
    """One lab, running."""

    def __init__(self, config: Config, accounts: Accounts, make_engine: MakeEngine = DockerEngine) -> None:
        """Open the lab's state; raises ConfigError when another daemon has it open.

        `make_engine` gets the configuration, what builds are given, and a folder for what is being made.
        """
        state = config.paths.state
        self._lock_file = _opened(state)
        config, languages = open_languages(config, _left_out)
        store, workers = Store(state / "labd.db"), Workers()
        self._wake, self._stopping = threading.Event(), threading.Event()
        _name_gpus_by_uuid(store)
        settings = BuildSettings(config.build)
        engine = make_engine(config, settings, state / "build")
        accounts.remember(state / "accounts.json", frozenset(job.user for job in store.active()))
        self._last_active = 0.0
        self._notices = Notices(workers, accounts, lambda key: self._pages.page(key))
        self._inbox = Inbox(accounts, config.inbox, languages, store, workers, self._wake.set)
        self.lab = Lab(
            config=config,
            machine=engine.capacity(),
            accounts=accounts,
            languages=languages,
            store=store,
            workers=workers,
            images=Images(config, languages, store, engine.images, settings),
            engine=engine,
            root=self._inbox.root,
            fingerprint=self._inbox.fingerprint,
            announce=self._announce,
            status_locks=self._notices.locks,
        )
        self._housekeeping = Housekeeping(self.lab)
        self._admission = Admission(self.lab, self._wake.set)
        admit = Step("admission", self._admission.admit)
        self._jobs = JobThreads(self.lab, admit.run, self._job_left)
        place = self._admission.place
        self._pages = Pages(self.lab, lambda key: self._submissions.upload(key), place)
        self._pushing = Pushing(self.lab, self._announce)
        self._submissions = SubmissionHandler(self.lab, self._inbox, self._jobs.start, self._notices.announce)
        answers = Answers(Parts(self.lab, self._inbox, self._submissions, self._admission.queue, place, self._wake.set))
        self._control = Control(config.paths.socket, answers.answer, answers.check)
        self._steps = (
            Step("inboxes", lambda: self._inbox.start_looks(self._submissions.deal), self._inbox.next_due),
            admit,
            Step("jobs", self._jobs.start_all, self._jobs.next_try),
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
            self.lab.workers.trim()

    def stop(self) -> None:
        """End soon. Programs go on; the next daemon finds them."""
        self._stopping.set()
        self._wake.set()

    def _job_left(self) -> None:
        """A job's thread has ended: there may be results to send on, and room for the next."""
        self._pushing.wake()
        self._wake.set()

    def _announce(self, job: Job) -> None:
        self._notices.announce((job.user, job.project))

    def _close(self) -> None:
        tell("STOPPING=1")
        get().info("labd stopped")
        for close in (
            self._housekeeping.close,
            self._control.close,
            self._pushing.close,
            self._admission.close,
            self._inbox.close,
            self._jobs.close,
            self._notices.close,
            self.lab.engine.rest,
            self.lab.images.close,
            lambda: self.lab.workers.trim(0),
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


def _opened(state: Path) -> IO[str]:
    """The lock of the folder `state`, which is made if need be. Raises ConfigError when another daemon has it."""
    (state / "jobs").mkdir(parents=True, exist_ok=True)
    for folder in (state, state / "jobs"):
        folder.chmod(0o711)
    return _lock(state / "lock")


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
