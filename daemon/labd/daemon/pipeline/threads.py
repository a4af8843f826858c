"""Work beside a job's own thread, one piece after another.

This module owns how such threads are started. It knows nothing of the work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from labd.common.log import carried


def is_at_work(thread: threading.Thread | None) -> bool:
    """Whether there is a `thread` that has not ended."""
    return thread is not None and thread.is_alive()


def after(
    before: threading.Thread | None, work: Callable[[], None], too: threading.Thread | None = None
) -> threading.Thread:
    """A thread that does `work` when `before` (and `too`) has ended."""

    def run() -> None:
        for thread in filter(None, (before, too)):
            thread.join()
        work()

    thread = threading.Thread(target=carried(run), daemon=True)
    thread.start()
    return thread
