"""One does it, the others wait: work that several jobs need at once is done once.

This module owns who does it and who waits. It knows nothing of the work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from labd.model.engine import BuildFailed

_POLL = 0.2


class _Turn:
    def __init__(self) -> None:
        self.over = threading.Event()
        self.succeeded = False
        self.failure: BuildFailed | None = None


class Turns:
    """Work in progress, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    def once(self, key: str, work: Callable[[], None], waiting: Callable[[], None], cancelled: threading.Event) -> None:
        """Do `work`, unless another thread is at the work of this `key`: then call `waiting`, and wait for its end.

        Those who wait share the end, unless the one at work was cancelled: then the next does it.
        """
        while True:
            with self._lock:
                theirs = self._turns.get(key)
                if theirs is None:
                    mine = self._turns[key] = _Turn()
            if theirs is None:
                self._take(key, mine, work)
                return
            waiting()
            while not theirs.over.wait(_POLL):
                if cancelled.is_set():
                    raise BuildFailed(cancelled=True)
            if theirs.failure:
                raise theirs.failure.copy()
            if theirs.succeeded:
                return

    def _take(self, key: str, turn: _Turn, work: Callable[[], None]) -> None:
        try:
            work()
            turn.succeeded = True
        except BuildFailed as error:
            turn.failure = None if error.cancelled else error
            raise
        finally:
            with self._lock:
                del self._turns[key]
            turn.over.set()
