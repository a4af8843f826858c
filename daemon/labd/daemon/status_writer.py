"""Notices: STATUS and status.json kept up to date, beside everything else.

This module owns when the two files are written while nothing has ended yet. Many changes in a short time become one
write, and no step of a job ever waits for a researcher's disk. The last page of a job is not written here: it is part
of the delivery.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from labd.accounts.accounts import Account
from labd.common.background import BackgroundWork
from labd.common.retry import Retry, tell_failure
from labd.daemon.outbox.mirror import Outbox
from labd.privsep.workers import Workers

_AT_ONCE = 2  # writes, not counting those that take long
_ENDING = 10.0  # seconds
_LONGEST_PAUSE = 600.0  # seconds between two tries
_BURST = 0.02  # seconds

Key = tuple[str, str]
"""User, project."""


class Notices:
    """What STATUS has to say, on its way to the outboxes. A home that hangs delays its owner's STATUS only."""

    def __init__(
        self, workers: Workers, accounts: Mapping[str, Account], page: Callable[[Key], Mapping[str, str] | None]
    ) -> None:
        """`page` gives a project's files as they should be now; None leaves them as they are."""
        # Each is held while the files of its project are written.
        self.locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._workers, self._accounts, self._page = workers, accounts, page
        self._background = BackgroundWork("notices", _AT_ONCE)
        self._troubles: dict[Key, Retry] = {}
        self._under_way: set[Key] = set()  # those of them that are tried again now

    def announce(self, key: Key) -> None:
        """Something about this project changed."""
        self._background.put(key[0], key[1], lambda: self._write(key))

    def try_again(self) -> None:
        """Write what could not be written and is due by now."""
        now = time.monotonic()
        for key, trouble in self._troubles.copy().items():
            if trouble.due <= now and key not in self._under_way:
                self._under_way.add(key)
                self.announce(key)

    def next_due(self) -> float:
        """When `try_again` has something to do next, by time.monotonic()."""
        waiting = (trouble.due for key, trouble in self._troubles.copy().items() if key not in self._under_way)
        return min(waiting, default=float("inf"))

    def close(self) -> None:
        """Write what is due, and end."""
        self._background.close(_ENDING)

    def _write(self, key: Key) -> None:
        user, project = key
        account = self._accounts.get(user)
        trouble = self._troubles.get(key)
        if trouble and time.monotonic() < trouble.due:
            return
        try:
            with self.locks[key]:
                # Nobody's, when the account was removed meanwhile.
                page = self._page(key) if account else None
                if account and page is not None:
                    Outbox(self._workers, account, project).show(page)
            self._troubles.pop(key, None)
        except Exception as error:
            if self._troubles.setdefault(key, Retry(longest=_LONGEST_PAUSE)).failed(error):
                tell_failure(error, "STATUS not written", "STATUS not written", user=user, project=project)
        self._under_way.discard(key)
        # A burst of changes (received, queued, building, running) is worth one write.
        time.sleep(_BURST)
