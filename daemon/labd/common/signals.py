"""Signals that ask a program to end.

This module owns the rule that what ignores a signal from its start goes on ignoring it: nohup has a program ignore
SIGHUP, and a shell without job control has what it starts in the background ignore SIGINT (POSIX, shell, 2.11).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any


def catch(numbers: Iterable[int], handler: Callable[[int, FrameType | None], Any]) -> dict[int, Any]:
    """Have `handler` called for those of `numbers` that are not ignored; what was there before, by signal."""
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heeded}
