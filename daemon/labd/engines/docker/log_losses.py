"""Whether Docker could write down all that a program printed.

This module owns the watch over the disk on which Docker keeps what programs print. Docker drops what that disk does not
take, and tells nobody but its own log: so the disk is looked at as long as programs run, and Docker's log is asked
where that is not enough. It never looks at what was printed.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from labd.common.commands import run
from labd.common.errors import UnavailableError

_PAUSE = 0.05  # seconds; a look takes some microseconds
_LOW = 1 << 30  # bytes; with less, the disk may have been full between two looks
# ext4 keeps that much for itself, also from root: with less, it is full. And a little, for what is written meanwhile.
_KEPT_SHARE, _KEPT_MOST, _MARGIN = 50, 1 << 24, 1 << 20
_JOURNAL = ["journalctl", "--quiet", "--output=cat", "--grep=Failed to log", "_COMM=dockerd"]
_JOURNAL_SECONDS = 10.0


@dataclass
class _Watched:
    """What was seen of the disk while one program ran."""

    was_full: bool = False
    is_doubtful: bool = False  # and nobody can say that it was not, without asking Docker's log


class LogLosses:
    """The disk of one engine's logs, watched while there are programs."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._programs: dict[int, _Watched] = {}
        self._place = ""
        self._watcher: threading.Thread | None = None

    def watch(self, job: int, root: str, from_its_start: bool) -> None:
        """Look at the disk of Docker's `root` until `forget`; does nothing where that was begun before."""
        with self._lock:
            if job in self._programs:
                return
            self._place = f"{root}/containers"
            self._programs[job] = _Watched(is_doubtful=not from_its_start)
            self._look()
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._keep_looking, name="log disk", daemon=True)
                self._watcher.start()

    def doubt(self, job: int) -> None:
        """The program ran before the watch began."""
        with self._lock:
            if job in self._programs:
                self._programs[job].is_doubtful = True

    def forget(self, job: int) -> None:
        """The program is gone."""
        with self._lock:
            self._programs.pop(job, None)
            self._lock.notify()

    def are_possible(self, job: int, container: str, since: float) -> bool:
        """Whether lines of the program, which ended, can be missing. `container` is its full id.

        `since`, in seconds since the epoch, is when it started.
        """
        with self._lock:
            self._look()
            watched = self._programs.get(job, _Watched(is_doubtful=True))
        return watched.was_full or (watched.is_doubtful and _docker_tells(container, since))

    def _keep_looking(self) -> None:
        with self._lock:
            while self._programs:
                self._look()
                self._lock.wait(_PAUSE)
            self._watcher = None

    def _look(self) -> None:
        try:
            disk = os.statvfs(self._place)
        except OSError:
            # Docker is elsewhere, or labd may not look there.
            return
        free, size = disk.f_bfree * disk.f_frsize, disk.f_blocks * disk.f_frsize
        kept = min(size // _KEPT_SHARE, _KEPT_MOST) + _MARGIN
        is_full = free < kept or (disk.f_files > 0 and disk.f_ffree == 0)
        for watched in self._programs.values():
            watched.was_full |= is_full
            watched.is_doubtful |= free < _LOW


def _docker_tells(container: str, since: float) -> bool:
    """Whether Docker's own log has lines about `container` that could not be written down."""
    try:
        told = run([*_JOURNAL, f"--since=@{int(since)}"], timeout=_JOURNAL_SECONDS).output
    except UnavailableError:
        return False
    return container in told
