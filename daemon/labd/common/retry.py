"""What has failed and is tried again: when, and whether there is something new to tell.

It owns the growing pauses, the rule that one trouble is told once, and how it is told. It never waits or tries itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from labd.common.errors import LabdError, in_short, is_of_the_machine
from labd.common.log import get


@dataclass
class Retry:
    """One thing that may fail, again and again. `first` and `longest` are pauses in seconds."""

    first: float = 1.0
    longest: float = 300.0
    failures: int = field(default=0, init=False)  # in a row
    due: float = field(default=0.0, init=False)  # time.monotonic() of the next try
    _told: str = field(default="", init=False)

    def failed(self, error: Exception) -> bool:
        """Note a failure, and whether it is another one than the last: then it is worth a line in the log."""
        pause = min(self.first * 2.0 ** min(self.failures, 30), self.longest)
        self.failures += 1
        self.due = time.monotonic() + pause
        what = f"{type(error).__name__}: {error}"
        is_new, self._told = what != self._told, what
        return is_new

    def succeeded(self) -> int:
        """Note that it works; how often it had failed before, in a row."""
        failures, self.failures, self.due, self._told = self.failures, 0, 0.0, ""
        return failures


def tell_failure(error: Exception, event: str, defect: str, **facts: object) -> None:
    """Log `event` with the reason for what a person can mend, `defect` with its traceback for all else.

    To be called where `error` is being handled.
    """
    if isinstance(error, LabdError):
        get().warning(event, **facts, reason=error.message)
    elif is_of_the_machine(error):
        # Where it was is worth knowing: one file, or a whole disk.
        get().exception(event, **facts, reason=in_short(error))
    else:
        get().exception(defect, **facts)
