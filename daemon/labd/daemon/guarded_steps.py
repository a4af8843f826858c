"""The steps of the daemon's loop, each with its own guard.

A step that fails unexpectedly is told once with its traceback, and tried again with growing pauses; the loop and its
other steps go on. It knows nothing of what a step does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from labd.common.log import get
from labd.common.retry import Retry, tell_failure

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds; everybody waits for a step


@dataclass
class Step:
    """One thing that the loop does each time round. `run` never raises for what `action` raises."""

    name: str
    action: Callable[[], None]
    due: Callable[[], float] = lambda: float("inf")  # when there is something to do next, by time.monotonic()
    _retry: Retry = field(default_factory=lambda: Retry(_FIRST_PAUSE, _LONGEST_PAUSE))

    def run(self) -> None:
        """Do it, unless it failed a moment ago."""
        if self._retry.failures and time.monotonic() < self._retry.due:
            return
        try:
            self.action()
        except Exception as error:
            self._failed(error)
            return
        if failures := self._retry.succeeded():
            get().info(f"{self.name}: works again", failures=failures)

    def next_due(self) -> float:
        """When to run it next, by time.monotonic(); infinite when only something new calls for it."""
        if self._retry.failures:
            return self._retry.due
        try:
            return self.due()
        except Exception as error:
            self._failed(error)
            return self._retry.due

    def _failed(self, error: Exception) -> None:
        if self._retry.failed(error):
            tell_failure(error, f"{self.name}: trying again", f"{self.name}: a defect of labd, trying again")
