"""Jobs that wait for a licence: for a server that does not answer, or for a seat that another program has.

This module owns the questions to the licence servers' ports and the time of the next try. What it knows of tries is the
store's; it never starts, ends or moves a job, and never takes a seat itself.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from labd.common.log import get
from labd.model.jobs import Job, State
from labd.model.languages import Language
from labd.model.licences import LicenceSettings

_CONNECT = 2.0  # seconds in which a server must answer
_BELIEVED = 10.0  # seconds for which a server that answered is taken to be there
_LOOK = 1.0  # seconds between two looks while a job waits
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 300.0

Events = Callable[[int], Sequence[tuple[float, State]]]


class Licences:
    """What holds up the jobs whose programs need a licence."""

    def __init__(
        self,
        settings: LicenceSettings,
        languages: Mapping[str, Language],
        events: Events,
        wake: Callable[[], None],
        announce: Callable[[Job], None],
    ) -> None:
        """`events` are a job's states in the store, `wake` has the queue looked at, `announce` a job's STATUS written.

        Neither may wait for another thread.
        """
        self._settings, self._languages, self._events = settings, languages, events
        self._wake, self._announce = wake, announce
        self._names = " or ".join(f"{host}:{port}" for host, port in settings.servers)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._waiting: Mapping[int, str] = {}
        self._watcher: threading.Thread | None = None
        self._answered: float | None = None  # time.monotonic() of the last answer
        self._silent_since: float | None = None  # seconds since the epoch

    def held(self, queued: Sequence[Job]) -> set[tuple[str, str]]:
        """User and project of those `queued` that cannot start now. Comes back at once; `wake` tells when it changes.

        It has to be told of all that are queued, and again when none is.
        """
        reasons = {job.id: reason for job in queued if (reason := self._reason(job))}
        with self._lock:
            before, self._waiting = self._waiting, reasons
            if reasons and self._watcher is None and not self._closed.is_set():
                watcher = threading.Thread(target=self._watch, name="licence", daemon=True)
                watcher.start()
                self._watcher = watcher
        for job in queued:
            if before.get(job.id) != reasons.get(job.id):
                self._announce(job)
        return {(job.user, job.project) for job in queued if job.id in reasons}

    def reason(self, job_id: int) -> str:
        """What job `job_id` waits for, as STATUS tells it; "" when it waits for no licence."""
        return self._waiting.get(job_id, "")

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()

    def _reason(self, job: Job) -> str:
        assert job.grant is not None
        language = self._languages.get(job.grant.language)
        if language is None or not language.template.licence:
            return ""
        due = next_try(job, self._events(job.id), self._settings.retry)
        if time.time() < due:
            return f"waiting for a free licence, all are in use (next try at {_clock(due)})"
        if not self._settings.servers:
            return ""
        if self._answered is not None and time.monotonic() - self._answered < _BELIEVED:
            return ""
        since = f" (since {_clock(self._silent_since)})" if self._silent_since else ""
        return f"waiting for the licence server {self._names}{since}"

    def _watch(self) -> None:
        """Look until no job waits any more."""
        while True:
            with self._lock:
                if not self._waiting or self._closed.is_set():
                    self._watcher = None
                    return
                asks = any("licence server" in reason for reason in self._waiting.values())
            if asks:
                self._ask()
            self._wake()
            self._closed.wait(_LOOK)

    def _ask(self) -> None:
        if any(_answers(server) for server in self._settings.servers):
            if self._silent_since is not None:
                get().info("the licence server answers again", server=self._names)
            self._answered, self._silent_since = time.monotonic(), None
        elif self._silent_since is None:
            get().warning("the licence server does not answer, jobs wait for it", server=self._names)
            self._answered, self._silent_since = None, time.time()


def may_try_again(events: Sequence[tuple[float, State]], retry: float, now: float) -> bool:
    """Whether a job with these `events` that found no free seat is to be tried again, `retry` seconds at most."""
    tries = _tries(events)
    return bool(tries) and now - tries[0] < retry


def next_try(job: Job, events: Sequence[tuple[float, State]], retry: float) -> float:
    """When a queued `job` may start, in seconds since the epoch: at once, or some time after it found no free seat."""
    tries = len(_tries(events))
    if not tries:
        return job.changed
    return job.changed + min(min(_FIRST_PAUSE, retry / 20) * 2.0 ** min(tries - 1, 30), _LONGEST_PAUSE)


def _tries(events: Sequence[tuple[float, State]]) -> list[float]:
    return [at for at, state in events if state is State.RUNNING]


def _answers(server: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(server, _CONNECT):
        return True
    return False


def _clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))
