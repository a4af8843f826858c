"""File events: what wakes the lab up when something moves in an inbox.

This module owns the one inotify instance (watchdog) and what it watches: inboxes and their direct folders, never more.
Events are a hint; nothing depends on one that is lost, and labd goes on without any where they cannot be had.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labd.common.log import get
from labd.model.layout import CONTROLS

try:
    # Not the public interface of watchdog, so a release of it may not have them: see `why_blind`.
    from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

    _MISSING = ""
    _EVENTS = Mask(
        InotifyConstants.IN_CREATE
        | InotifyConstants.IN_MOVED_TO
        | InotifyConstants.IN_MOVED_FROM
        | InotifyConstants.IN_MOVE_SELF
        | InotifyConstants.IN_DELETE
        | InotifyConstants.IN_CLOSE_WRITE
        | InotifyConstants.IN_ATTRIB
        | InotifyConstants.IN_ONLYDIR
        | InotifyConstants.IN_DONT_FOLLOW
    )
except Exception as error:
    _MISSING = f"this release of watchdog does not have what labd needs ({error})"

_MOST = 1000  # watches of one account; a machine has some 100,000 for all
_STUCK = 2.0  # seconds
_MOST_MOVED = 1000  # projects of one account that are told of one by one
_ADDING = 0.2  # seconds that a look waits for a watch; on a network that hangs it can take for ever

Key = tuple[str, str | None]
"""Account, and project in its inbox; None for the inbox itself."""


class FileEvents:
    """One inotify instance for all inboxes.

    watchdog's Observer takes two threads a watch, which wake up every second: with 200 accounts that is 2,000 threads.
    Its InotifyFD, which all observers share, takes one thread for everything and says the same.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called from another thread after each event."""
        self._wake = wake
        self._lock = threading.Lock()
        self._keys: dict[int, Key] = {}  # watch descriptor → what it watches
        self._watched: dict[Key, int] = {}
        self._count: Counter[str] = Counter()  # of the watches of each account
        self._due: dict[str, dict[str | None, bool]] = {}  # account → what moved in its inbox
        self._errands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._errand_began: float | None = None  # time.monotonic()
        self._inotify: Any = None
        self._why_blind = _MISSING
        if not _MISSING:
            try:
                self._inotify = InotifyFD()
                self._inotify.start()
                threading.Thread(target=self._run_errands, name="watches", daemon=True).start()
            except Exception as error:
                self._inotify, self._why_blind = None, f"the kernel gives none ({error})"

    def why_blind(self) -> str:
        """Why there are no file events; "" when there are."""
        if self._inotify is not None and not self._inotify.is_alive():
            return "their thread has ended"
        # watchdog reads no event while it waits for the kernel.
        return "a folder does not answer" if self._is_stuck() else self._why_blind

    def watch(self, account: str, project: str | None, path: Path) -> None:
        """Watch the folder `path`: the inbox of `account`, or that of one `project` in it.

        The inbox itself is watched anew each time, because another folder may have taken its place.
        """
        key = (account, project)
        with self._lock:
            is_known = key in self._watched
            is_possible = self._inotify is not None and not self._is_stuck() and self._count[account] < _MOST
            if not is_possible or (is_known and project is not None):
                return
        added = threading.Event()
        self._errands.put(lambda: self._add(key, path, added))
        # What moves after the look that follows must not be missed.
        added.wait(_ADDING)

    def forget(self, account: str) -> None:
        """Watch nothing of `account` any more."""
        with self._lock:
            keys = [key for key in self._watched if key[0] == account]
        for key in keys:
            self._errands.put(lambda key=key: self._drop(key))  # type: ignore[misc]

    def on_event(self, event: Any) -> None:
        """Called by watchdog: something in a watched folder moved."""
        name = os.fsdecode(event.name)
        with self._lock:
            key = self._keys.get(event.wd)
            if key is None:
                return
            account, project = key
            is_control = project is not None and name in CONTROLS
            if is_control and event.is_delete:
                return  # labd itself does that once it has obeyed
            self._note(account, project or name or None, is_control)
            stale = []
            if event.is_move_self:
                self._note(account, None)
                stale = [other for other, watch in self._watched.items() if watch == event.wd]
        # It has another name now, or is elsewhere. The look at the whole inbox watches it anew.
        for other in stale:
            self._drop(other)
        self._wake()

    def _note(self, account: str, project: str | None, is_control: bool = False) -> None:
        """Something moved in `project`, or in the inbox of `account`: the whole of it where that is too much."""
        due = self._due.setdefault(account, {})
        moved = project if project in due or len(due) < _MOST_MOVED else None
        due[moved] = due.get(moved, False) or is_control

    def on_watch_deleted(self, descriptor: int) -> None:
        """Called by watchdog: a watched folder is gone."""
        with self._lock:
            key = self._keys.pop(descriptor, None)
            if key is None:
                return
            if self._watched.get(key) == descriptor:
                self._forget(key)
            self._note(key[0], None)
        self._wake()

    def on_queue_overflow(self) -> None:
        """Called by watchdog: events were lost, so everything may have moved."""
        with self._lock:
            for account in {account for account, _ in self._keys.values()}:
                self._note(account, None)
        self._wake()

    def take(self) -> dict[Key, bool]:
        """What moved since the last call: (account, project), project None for the inbox as a whole.

        With it whether a control file came.
        """
        with self._lock:
            due, self._due = self._due, {}
        return {(account, project): is_order for account, moved in due.items() for project, is_order in moved.items()}

    def close(self) -> None:
        """Stop watching."""
        if self._inotify is not None:
            self._errands.put(None)
            if not self._is_stuck():
                self._inotify.stop()

    def _forget(self, key: Key) -> int | None:
        """The watch of `key`, which is none any more; None when there was none."""
        descriptor = self._watched.pop(key, None)
        if descriptor is not None:
            self._count[key[0]] -= 1
        return descriptor

    def _run_errands(self) -> None:
        """In a thread of its own: to watch a path on a network that hangs takes for ever."""
        while (errand := self._errands.get()) is not None:
            self._errand_began = time.monotonic()
            try:
                errand()
            except Exception:
                get().exception("file events: a defect of labd")
            finally:
                self._errand_began = None

    def _is_stuck(self) -> bool:
        """Whether a watch takes so long to add that it may take for ever."""
        began = self._errand_began
        return began is not None and time.monotonic() - began > _STUCK

    def _add(self, key: Key, path: Path, added: threading.Event) -> None:
        try:
            if key in self._watched:
                self._drop(key)
            # Named after what it watches: a folder that was renamed a moment ago still has its old watch.
            identifier = CallbackId(hash((id(self), key)))
            descriptor = self._inotify.add_callback(os.fsencode(path), _EVENTS, self, identifier)
            with self._lock:
                self._forget(key)
                self._watched[key] = descriptor
                self._count[key[0]] += 1
                self._keys[descriptor] = key
        except OSError:
            pass  # It is gone again, or the machine has no watches left: the rescan is the truth.
        finally:
            added.set()

    def _drop(self, key: Key) -> None:
        with self._lock:
            descriptor = self._forget(key)
            if descriptor is None:
                return
            if self._keys.get(descriptor) == key:
                del self._keys[descriptor]
        self._inotify.remove_callbacks([(descriptor, CallbackId(hash((id(self), key))))])
