"""A process that can be waited for without being its parent, and is never mistaken for a later one of its number.

This module owns the descriptors of pidfd_open(2). It never signals a process.
"""

from __future__ import annotations

import contextlib
import os
import select


class Process:
    """A process, held by a descriptor that is its own for good (pidfd_open(2)) and closed with the last reference."""

    def __init__(self, number: int) -> None:
        """Raises OSError when there is no process `number`, or the kernel has no such descriptors."""
        self._descriptor = os.pidfd_open(number)

    def has_ended(self, timeout: float = 0.0) -> bool:
        """Whether it has ended, after waiting `timeout` seconds at most."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            os.close(self._descriptor)
