"""Work for many users beside the loop: what hangs for one of them holds up nobody else.

A `BackgroundWork` starts pieces of work on threads of their own: a few at a time, users in turn, so that a flood of one
user's work leaves room for the others. A piece that takes long (a home on a network that hangs, a snapshot of a
terabyte) is no longer counted among the few; only its own user waits for it. It knows nothing of the work.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

from labd.common.log import about_nothing, get

_LONG = 2.0  # seconds after which a piece of work no longer counts among the few at a time
_MOST = 64  # threads of one BackgroundWork; each may have a helper process of some 10 MB
_SHARE = 4  # of those, one user may have this part

Work = Callable[[], None]


class BackgroundWork:
    """Pieces of work by user and key. Any thread may add one."""

    def __init__(self, name: str, at_once: int, per_user: int = 1) -> None:
        """`at_once` pieces at a time, not counting those that take long; `per_user` of one user, counting those."""
        self._name, self._at_once = name, at_once
        self._per_user = min(per_user, _MOST // _SHARE)
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, OrderedDict[Hashable, Work]] = OrderedDict()
        self._running: dict[str, deque[float]] = {}  # user → when each of their running pieces began
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, user: str, key: Hashable, work: Work) -> None:
        """Have `work` done soon; one that waits under the same `key` of `user` is replaced by it.

        Raises RuntimeError when the machine has no thread left for the first.
        """
        with self._changed:
            if self._closed:
                return
            if self._thread is None:
                thread = threading.Thread(target=self._start_all, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.setdefault(user, OrderedDict())[key] = work
            self._changed.notify_all()

    def close(self, timeout: float = 0.0) -> None:
        """Start nothing more, after waiting `timeout` seconds at most for what there is."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while (self._waiting or self._running) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _start_all(self) -> None:
        while True:
            with self._changed:
                while (user := self._next_user()) is None and not self._closed:
                    self._changed.wait(self._until_room())
                if user is None:
                    return
                pieces = self._waiting.pop(user)
                key, work = pieces.popitem(last=False)
                if pieces:
                    # Behind all others: users take turns.
                    self._waiting[user] = pieces
                began = time.monotonic()
                self._running.setdefault(user, deque()).append(began)
            self._start(user, key, began, work)

    def _start(self, user: str, key: Hashable, began: float, work: Work) -> None:
        try:
            threading.Thread(
                target=about_nothing(self._do), args=(user, began, work), name=f"{self._name} {user}", daemon=True
            ).start()
        except RuntimeError:  # the machine has no thread left
            get().exception(f"{self._name}: waiting for a thread", user=user)
            self._finished(user, began)
            time.sleep(_LONG)
            self.put(user, key, work)

    def _next_user(self) -> str | None:
        """The next user whose work can start now."""
        running = [began for times in self._running.values() for began in times]
        young = sum(time.monotonic() - began < _LONG for began in running)
        if young >= self._at_once or len(running) >= _MOST:
            return None
        return next(
            (user for user in self._waiting if len(self._running.get(user, ())) < self._per_user),
            None,
        )

    def _until_room(self) -> float | None:
        """Seconds until a running piece counts as one that takes long; None when nothing waits for that."""
        if not self._waiting:
            return None
        now = time.monotonic()
        young = [_LONG - (now - began) for times in self._running.values() for began in times if now - began < _LONG]
        return min(young) + 0.01 if young else None

    def _do(self, user: str, began: float, work: Work) -> None:
        try:
            work()
        except Exception:
            get().exception(f"{self._name}: a defect of labd", user=user)
        finally:
            self._finished(user, began)

    def _finished(self, user: str, began: float) -> None:
        with self._changed:
            times = self._running[user]
            times.remove(began)
            if not times:
                del self._running[user]
            self._changed.notify_all()
