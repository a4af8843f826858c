"""A folder on a file system that never answers, as a home on a network whose server has gone.

The kernel's FUSE waits for the answer to its first question, and nobody ever gives it (fuse(4)). `close` takes the
mount away; who waited there gets an error.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_DETACH = 2  # MNT_DETACH, umount2(2)


class HungMount:
    """`folder` hangs for everybody until `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)
        self._device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _libc.mount(b"labd-test", self._folder, b"fuse", 0, options) != 0:
            number = ctypes.get_errno()
            os.close(self._device)
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        if self._device >= 0:
            # First of all: who waits is let go by it.
            os.close(self._device)
            self._device = -1
            _libc.umount2(self._folder, _DETACH)
