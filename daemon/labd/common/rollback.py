"""Several steps as one: all of them, or none.

This module owns that a failure, Ctrl-C and a request to end undo what was done so far, and that none of them cuts a
step in two. It never knows what the steps are.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

from labd.common.signals import catch

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Steps:
    """The steps so far, and how to undo them."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.interrupted = False

    def do(self, step: Callable[[], object], undo: Callable[[], object]) -> None:
        """Do a `step` that leaves nothing behind if it fails. Raises KeyboardInterrupt if somebody wanted to end."""
        step()
        self._stack.callback(undo)
        if self.interrupted:
            raise KeyboardInterrupt


@contextlib.contextmanager
def all_or_nothing() -> Iterator[Steps]:
    """Within it, what ends early is undone, the last step first; signals wait for the end of a step."""
    with contextlib.ExitStack() as undo:
        steps = Steps(undo)

        def note(number: int, frame: object) -> None:
            steps.interrupted = True

        before = catch(_SIGNALS, note)
        try:
            yield steps
            undo.pop_all()
        finally:
            # The rollback is not interrupted either.
            undo.close()
            for number, handler in before.items():
                signal.signal(number, handler)
