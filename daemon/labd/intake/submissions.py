"""Who waits to hear what becomes of an upload that they submitted.

This module owns the wait, and that everybody who waits for the same upload gets the answer. It never looks at an inbox.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout

from labd.common.errors import LabdError, UnavailableError
from labd.model.jobs import Job

_LONGEST_WAIT = 50.0  # seconds
_GLANCE = 0.25  # seconds

Key = tuple[str, str]
"""User, project."""


class Submissions:
    """Those who wait. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Key, list[Future[Job | None]]] = {}

    def wait(self, key: Key, submit: Callable[[], None], still_asked: Callable[[], None]) -> Job | None:
        """What `answer` is given for `key` after `submit` was called; None when nothing has changed.

        `still_asked` is called from time to time, and ends the wait by what it raises. Raises what was given if that is
        an error, UnavailableError when nothing is given in time.
        """
        answer: Future[Job | None] = Future()
        with self._lock:
            self._waiting.setdefault(key, []).append(answer)
        try:
            submit()
            deadline = time.monotonic() + _LONGEST_WAIT
            while time.monotonic() < deadline:
                with contextlib.suppress(FutureTimeout):
                    return answer.result(_GLANCE)
                still_asked()
            raise UnavailableError(
                "Your inbox does not answer at the moment.", f"Try again in a minute, or create inbox/{key[1]}/SUBMIT."
            )
        finally:
            answer.cancel()
            with self._lock:
                waiting = self._waiting.get(key, [])
                if answer in waiting:
                    waiting.remove(answer)
                if not waiting:
                    self._waiting.pop(key, None)

    def answer(self, key: Key, answer: Job | LabdError | None) -> None:
        """Tell all who wait for `key`."""
        with self._lock:
            waiting = self._waiting.pop(key, [])
        for one in waiting:
            # Whoever waited may have given up in this very moment.
            with contextlib.suppress(InvalidStateError):
                if isinstance(answer, LabdError):
                    one.set_exception(answer)
                else:
                    one.set_result(answer)
