"""Housekeeping: what a killed daemon left behind, and what is older than it needs to be.

This module owns the removal of things that no active job needs: containers and folders of ended jobs, old snapshots,
unused images, idle helpers; and it notices accounts that were changed by hand. It runs beside the loop, because to
remove a million files takes minutes. All of it can be cut off and done again, and what it does not know stays.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labd.common.errors import NotFoundError, RecordError
from labd.common.retry import Retry, tell_failure
from labd.daemon.outbox import job_folder
from labd.daemon.pipeline.delivery import clean_up
from labd.daemon.pipeline.lab import Lab
from labd.model.jobs import Job

_PERIOD = 600.0  # seconds
_IDLE = 30.0  # seconds in which no job may come, twice, until the networks of many programs are given back
_SPARE = 1  # of them is kept, so that the next program starts as fast
_SOON = 60.0  # seconds after which accounts that are left out are looked up again
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 6 * 3600.0  # seconds after which a chore that failed is done again
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass
class _Chore:
    name: str
    do: Callable[[Lab], None]
    pause: Callable[[Lab], float]  # seconds until it is done again
    retry: Retry = field(default_factory=lambda: Retry(_FIRST_PAUSE, _LONGEST_PAUSE))
    due: float = 0.0  # time.monotonic()


class _Each:
    """Things that are dealt with one by one: what goes wrong with one of them keeps no other from its turn."""

    def __init__(self) -> None:
        self._first: Exception | None = None

    def __enter__(self) -> None:
        """Begin with the next."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self._first = self._first or (error if isinstance(error, Exception) else None)
        return isinstance(error, Exception)

    def tell(self) -> None:
        """Raise the first that went wrong, after all had their turn."""
        if self._first:
            raise self._first


class Housekeeping:
    """The chores of one lab, on a thread of their own, each with its own guard."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._closing = threading.Event()
        self._chores = [
            _Chore("accounts", _accounts, _accounts_pause),
            _Chore("containers", _containers, _usual_pause),
            _Chore("networks", _Networks(), lambda lab: _IDLE),
            _Chore("folders", _folders, _usual_pause),
            _Chore("images", _images, _usual_pause),
            _Chore("helpers", _helpers, _usual_pause),
        ]

    def start(self) -> None:
        """Keep house from now on."""
        threading.Thread(target=self._keep, name="housekeeping", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more; what is under way can be cut off."""
        self._closing.set()

    def _keep(self) -> None:
        while not self._closing.is_set():
            for chore in self._chores:
                if chore.due <= time.monotonic() and not self._closing.is_set():
                    self._do(chore)
            self._closing.wait(max(0.0, min(chore.due for chore in self._chores) - time.monotonic()))

    def _do(self, chore: _Chore) -> None:
        try:
            chore.do(self._lab)
            chore.retry.succeeded()
            chore.due = time.monotonic() + chore.pause(self._lab)
        except Exception as error:
            if chore.retry.failed(error):
                words = f"housekeeping: {chore.name} left for later"
                tell_failure(error, words, words)
            chore.due = chore.retry.due


def _usual_pause(lab: Lab) -> float:
    return _PERIOD


def _accounts_pause(lab: Lab) -> float:
    return _PERIOD if lab.accounts.are_all_known else _SOON


def _accounts(lab: Lab) -> None:
    lab.refresh_accounts()


def _containers(lab: Lab) -> None:
    each = _Each()
    for job_id in lab.engine.jobs():
        with each:
            try:
                job = lab.store.job(job_id)
            except NotFoundError:
                if _is_withdrawn(lab, job_id):
                    lab.engine.remove(job_id)
                continue
            except RecordError:
                continue
            # Asked anew for each: it may have been admitted a moment ago.
            if job.state.is_outcome:
                clean_up(lab, job)
    each.tell()
    if not lab.store.active():
        lab.engine.rest()


class _Networks:
    """Gives back what was made to start many programs at a time, soon after a lab has nothing to do."""

    def __init__(self) -> None:
        self._latest, self._is_done = -1, False

    def __call__(self, lab: Lab) -> None:
        latest = lab.store.last_number()
        if latest != self._latest or lab.store.active():
            self._latest, self._is_done = latest, False
        elif not self._is_done:
            lab.engine.rest(keep=_SPARE)
            self._is_done = True


def _folders(lab: Lab) -> None:
    """Folders of jobs that were withdrawn, runs that were not cleaned up, snapshots that nobody asks for any more."""
    newer: Counter[tuple[str, str]] = Counter()
    each = _Each()
    for job_id, folder in sorted(_job_folders(lab), reverse=True):
        with each:
            try:
                job = lab.store.job(job_id)
            except NotFoundError:
                if _is_withdrawn(lab, job_id):
                    _remove(lab, folder)
                continue
            except RecordError:
                continue
            if not job.state.is_outcome:
                continue
            newer[job.user, job.project] += 1
            if (folder / "scratch").exists():
                job_folder.remove_run(lab.workers, folder)
            if newer[job.user, job.project] > lab.config.retention.history + 1:
                _remove_unless_needed(lab, job, folder)
    for folder in (lab.config.paths.state / "jobs").glob(".removing-*"):
        with each:
            job_folder.remove(lab.workers, folder)
    each.tell()


def _job_folders(lab: Lab) -> Iterator[tuple[int, Path]]:
    """Number and folder of each job that has one. What is called otherwise is not labd's."""
    for folder in (lab.config.paths.state / "jobs").iterdir():
        if _NUMBER.fullmatch(folder.name):
            yield int(folder.name), folder


def _is_withdrawn(lab: Lab, job_id: int) -> bool:
    """Whether the job that is not in the store has been there. A higher number is of a store that is not this one."""
    return job_id <= lab.store.last_number()


def _remove_unless_needed(lab: Lab, job: Job, folder: Path) -> None:
    with lab.snapshots:
        needed = {basis for other in lab.store.active() for basis in (other.snapshot, other.exact)}
        if job.id in needed or lab.store.project(job.user, job.project).snapshot == job.id:
            return
        gone = _put_aside(folder)
    job_folder.remove(lab.workers, gone)


def _remove(lab: Lab, folder: Path) -> None:
    job_folder.remove(lab.workers, _put_aside(folder))


def _put_aside(folder: Path) -> Path:
    """`folder` under a name by which nobody looks for it: a removal that is cut off leaves no half of a snapshot."""
    return folder.rename(folder.with_name(f".removing-{folder.name}"))


def _images(lab: Lab) -> None:
    if not lab.store.active() and lab.store.environments():
        lab.images.prune(time.time())


def _helpers(lab: Lab) -> None:
    if not lab.store.active():
        lab.workers.trim()
