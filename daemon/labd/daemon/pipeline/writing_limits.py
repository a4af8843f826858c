"""How much a program writes, against the limits that it has.

This module owns the looks at what a program wrote, by the workers, and the sentence about what is too much. A look that
fails says nothing, neither that it is little nor that it is much. It never stops a program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from labd.common.errors import LabdError
from labd.common.log import get
from labd.common.units import count, human_size
from labd.model.config import Output
from labd.privsep.workers import Workers

_MEASURING_SECONDS = 600.0
_PACE = 0.5
_SHARE = 10
_TRIES = 3
_AGAIN = 0.5


class WritingLimits:
    """One program's."""

    def __init__(
        self, workers: Workers, settings: Output, folders: Sequence[Path], processes: Callable[[], list[int]]
    ) -> None:
        """`folders` are those that it can write; `processes` are its own, as long as it runs."""
        self._workers, self._settings = workers, settings
        self._folders, self._processes = [str(folder) for folder in folders], processes
        self._troubled = False
        self.due = 0.0
        self.is_closed = False

    def broken(self) -> str:
        """Which limit the program has broken so far, in words; "" when none, or when nobody can tell now.

        `due` is when to ask again, in seconds since the epoch; `is_closed`, whether something of what it wrote cannot
        be read by its owner.
        """
        began = time.time()
        try:
            found = self._workers.do(
                None,
                "held",
                timeout=_MEASURING_SECONDS,
                folders=self._folders,
                most=self._settings.max_files,
                processes=self._processes(),
            )
        except LabdError as error:
            if not self._troubled:
                get().warning("cannot see how much is written", reason=error.message)
            self._troubled = True
            self.due = time.time() + _AGAIN
            return ""
        # A look takes no more than a part of the time, however much there is.
        self.due = time.time() + max(_PACE, _SHARE * (time.time() - began))
        self._troubled = False
        self.is_closed = found["closed"]
        return self._too_much(found["bytes"], found["files"], found["deep"])

    def broken_at_the_end(self) -> str:
        """The same of a program that has ended: then the answer is the last word, and worth another try."""
        for _ in range(_TRIES):
            reason = self.broken()
            if not self._troubled:
                return reason
            time.sleep(_AGAIN)
        return ""

    def _too_much(self, size: int, files: int, is_deep: bool) -> str:
        most, limit = self._settings.max_files, human_size(self._settings.max_bytes)
        if size > self._settings.max_bytes:
            return f"its files hold {human_size(size)}; the limit is {limit}"
        if files > most:
            return f"it has more than {count(most, 'file')}, which is the limit"
        return "its folders are nested deeper than labd can look" if is_deep else ""
