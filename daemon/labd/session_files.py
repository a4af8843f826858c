"""What the SSH gateway notes of its transfers, as it lies on the disk: one file of JSON lines for each.

This room owns the reading of these files, and the removal of what a killed gateway never finished. A file is locked
(flock(2)) as long as the gateway or its transfer lives, so that a gateway that was killed is known by its lock. It runs
in the hands' process with the researcher's rights, imports the standard library only, and never says what a transfer
means.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from typing import Any

_MOST = 500
_ABANDONED = 3600.0
_LARGEST = 1 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_sessions(folder: str) -> list[dict[str, Any]]:
    """The sessions in `folder`, oldest first: name of the file, whether it is alive, its whole lines.

    What is no such file is left out.
    """
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in sorted(os.listdir(folder))[-_MOST:]:
            if not name.startswith("."):
                with contextlib.suppress(OSError):
                    found.append({"id": name, **_read(os.path.join(folder, name))})
    return found


def remove_abandoned(folder: str) -> None:
    """Remove what gateways left that were killed before their file had its name: hidden, unlocked and an hour old."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                is_old = name.startswith(".") and time.time() - os.lstat(path).st_mtime > _ABANDONED
                if is_old and not _read(path)["alive"]:
                    os.unlink(path)


def _read(path: str) -> dict[str, Any]:
    with open(os.open(path, _OPEN), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError
        # The lock first: what is read after it was free is all there will ever be.
        alive = _is_locked(file.fileno())
        lines = file.read(_LARGEST).split(b"\n")[:-1]
    return {"alive": alive, "lines": [line for line in map(_decoded, lines) if line]}


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
