"""run.log while a program runs, and whole at its end.

This module owns the thread that follows what a program prints. Docker's stream loses lines while Docker turns its own
file over, and ends when Docker restarts: so the log is followed from the first tick on, and read as a whole at the end.
What Docker has at the end is whole, but for the beginning of a very long output, and that the follower has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from labd.common.log import carried, get
from labd.daemon.pipeline.run_log import RunLog
from labd.model.engine import Engine, EngineError

_START = 256
_FLUSH, _FLUSH_SHARE = 0.2, 10


class LogFollower:
    """One job's."""

    def __init__(self, engine: Engine, job: int, make: Callable[[], RunLog]) -> None:
        """`make` begins the log anew."""
        self._engine, self._job, self._make = engine, job, make
        self._log: RunLog | None = None
        self._reader: threading.Thread | None = None
        self._troubled = False

    def follow(self) -> None:
        """Have the log followed from now on, and bring the file up to date."""
        try:
            if self._reader is None or not self._reader.is_alive():
                before = self._retire()
                self._log = self._make()
                self._reader = threading.Thread(target=carried(self._read), args=(self._log, before), daemon=True)
                self._reader.start()
            elif self._log:
                self._log.flush()
            self._troubled = False
        except OSError as error:
            self._tell(error.strerror or str(error))

    def finish(self) -> str:
        """Write the whole log; "" or why that cannot be done. Raises EngineError."""
        before = self._retire()
        try:
            log = self._make()
            for whole in _with_beginning(log, before, self._engine.logs(self._job, follow=False)):
                log.feed(whole)
            log.flush()
        except OSError as error:
            reason = error.strerror or str(error)
            self._tell(reason)
            return reason
        return ""

    def _read(self, log: RunLog, before: bytes | bytearray) -> None:
        """Follow the output into `log`; `before` is the beginning that an earlier stream had."""
        try:
            due = 0.0
            for chunk in _with_beginning(log, before, self._engine.logs(self._job, follow=True)):
                log.feed(chunk)
                if (began := time.monotonic()) >= due:
                    log.flush()
                    # A long log is written anew each time: that takes no more than a part of the time.
                    due = time.monotonic() + max(_FLUSH, _FLUSH_SHARE * (time.monotonic() - began))
        except EngineError as error:
            self._tell(error.message)
        except OSError as error:
            self._tell(error.strerror or str(error))

    def _retire(self) -> bytes | bytearray:
        """Keep a reader that is late from writing run.log; the beginning that it had."""
        if self._log is None:
            return b""
        self._log.retire()
        return self._log.head

    def _tell(self, reason: str) -> None:
        if not self._troubled:
            get().warning("run.log is behind", reason=reason)
        self._troubled = True


def _with_beginning(log: RunLog, before: bytes | bytearray, output: Iterator[bytes]) -> Iterator[bytes]:
    """`output`, after giving `log` the beginning `before` if Docker has dropped it."""
    for number, chunk in enumerate(output):
        start = min(len(before), len(chunk), _START)
        if number == 0 and before[:start] != chunk[:start]:
            log.begin_with(before)
        yield chunk
