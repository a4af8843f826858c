"""File events: what wakes the lab up when something moves in an inbox.

This room owns the one inotify instance (watchdog) and what it watches: inboxes and their direct folders, never more.
Events are a hint; nothing depends on one that is lost.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from labd.layout import CONTROLS

_EVENTS = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
)


class FileEvents:
    """One inotify instance for all inboxes.

    watchdog's Observer takes two threads a watch, which wake up every second: with 200 accounts that is 2,000 threads.
    Its InotifyFD, which all observers share, takes one thread for everything and says the same.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called from another thread after each event."""
        self._wake = wake
        self._lock = threading.Lock()
        self._paths: dict[WatchDescriptor, tuple[str, str | None]] = {}
        self._watched: dict[tuple[str, str | None], WatchDescriptor] = {}
        self._due: dict[tuple[str, str | None], bool] = {}
        self._inotify = InotifyFD()
        self._inotify.start()

    def watch(self, account: str, project: str | None, path: Path) -> None:
        """Watch the folder `path`: the inbox of `account`, or that of one `project` in it."""
        key = (account, project)
        if key in self._watched:
            return
        try:
            descriptor = self._inotify.add_callback(os.fsencode(path), _EVENTS, self, CallbackId(id(self)))
        except OSError:
            return  # It is gone again, or the machine has no watches left: the rescan is the truth.
        with self._lock:
            self._watched[key] = descriptor
            self._paths[descriptor] = key

    def on_event(self, event: InotifyEvent) -> None:
        """Called by watchdog: something in a watched folder moved."""
        name = os.fsdecode(event.name)
        with self._lock:
            account, project = self._paths.get(event.wd, (None, None))
            if account is None:
                return
            is_control = project is not None and name in CONTROLS
            if is_control and event.is_delete:
                return  # labd itself does that once it has obeyed
            key = (account, project or name or None)
            self._due[key] = self._due.get(key, False) or is_control
        self._wake()

    def on_watch_deleted(self, descriptor: WatchDescriptor) -> None:
        """Called by watchdog: a watched folder is gone."""
        with self._lock:
            key = self._paths.pop(descriptor, None)
            if key is None:
                return
            del self._watched[key]
            self._due[key[0], None] = False
        self._wake()

    def on_queue_overflow(self) -> None:
        """Called by watchdog: events were lost, so everything may have moved."""
        with self._lock:
            self._due |= {(account, None): False for account, _ in self._paths.values()}
        self._wake()

    def take(self) -> dict[tuple[str, str | None], bool]:
        """What moved since the last call: (account, project), project None for the inbox as a whole.

        With it whether a control file came.
        """
        with self._lock:
            due, self._due = self._due, {}
        return due

    def close(self) -> None:
        """Stop watching."""
        self._inotify.stop()
