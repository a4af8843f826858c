"""The daemon as a process: its log, its signals, its beginning and end.

This module owns what happens around the service. Programs in containers notice none of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

from labd.accounts.accounts import Accounts
from labd.common import log
from labd.common.errors import ConfigError
from labd.common.state_folder import unfitness, view_support
from labd.daemon.loop import Service
from labd.model.config import Config

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # malloc.h


def serve(config: Config, accounts: Accounts) -> None:
    """Run the lab until SIGTERM or SIGINT. Raises LabdError when it cannot start."""
    # What labd keeps is nobody's business; what others may see is opened where it is made.
    os.umask(0o077)
    _give_memory_back()
    log.configure()
    _check_disk(config.paths.state)
    service = Service(config, accounts)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()


def _give_memory_back() -> None:
    """Have large buffers go back to the system when they are freed, and threads share what is kept (mallopt(3)).

    Else each of the threads that come and go leaves an arena behind, with what one long log once took.
    """
    with contextlib.suppress(AttributeError):  # another C library than glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_ARENA_MAX, 2)
        libc.mallopt(_MMAP_THRESHOLD, 256 * 1024)


def _check_disk(state: Path) -> None:
    """Say at once what would go wrong with every job. Raises ConfigError where labd's state can never be."""
    try:
        if why := unfitness(state):
            raise ConfigError(f"{state} cannot hold labd's state: {why}.", "Name a folder on a local disk as `state`.")
        if why := view_support(state):
            log.get().warning("programs will run from copies of their uploads, which is slower", reason=why)
    except OSError as error:
        # A full disk, say: that passes, and this start must not be the last one.
        log.get().warning("the disk of labd's state could not be tried", reason=str(error))
