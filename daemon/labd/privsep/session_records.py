"""What the SSH gateway notes of its transfers, as it lies on the disk: one file of JSON lines for each.

This module owns the reading of these files, and the removal of what a killed gateway never finished. A file is locked
(flock(2)) as long as the gateway or its transfer lives, so that a gateway that was killed is known by its lock. It runs
in the workers' process with the researcher's rights, imports the standard library only, and never says what a transfer
means.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from typing import Any

_MOST = 500
_ABANDONED = 3600.0
_LARGEST = 1 << 20
_LARGEST_TOGETHER = 1 << 20
_HEAD = 4096  # bytes that are read of a session in any case
_DEEPEST = 8  # lists and objects in each other
_MOST_LOOKED_AT = 10_000
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What the researcher can have done to the folder; anything else (a file server that does not answer) is no answer.
_NO_RECORDS = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES)


def read_sessions(folder: str) -> list[dict[str, Any]]:
    """The sessions in `folder`, oldest first: name of the file, whether it is alive, its whole lines, its time.

    The latest 500 at most. When 1 MiB of them has been read, 4 KiB of each other one: of a longer one the end is not
    seen then. What is no such file is left out. Raises OSError when the disk fails.
    """
    found = []
    room = _LARGEST_TOGETHER
    for name in reversed(sorted(name for name in _names(folder) if not name.startswith("."))[-_MOST:]):
        with contextlib.suppress(OSError):
            session, size = _read(os.path.join(folder, name), _LARGEST if room > 0 else _HEAD)
            room -= size
            found.append({"id": name, **session})
    return found[::-1]


def remove_abandoned(folder: str) -> None:
    """Remove what is of no use: the oldest of too many that are over, and hidden ones, unlocked and an hour old.

    Hidden are those of gateways that were killed before their file had its name.
    """
    names = _names(folder)[:_MOST_LOOKED_AT]
    for name in sorted(name for name in names if not name.startswith("."))[:-_MOST]:
        with contextlib.suppress(OSError):
            if not _read(os.path.join(folder, name), 0)[0]["alive"]:
                os.unlink(os.path.join(folder, name))
    for name in names:
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            is_old = name.startswith(".") and time.time() - os.lstat(path).st_mtime > _ABANDONED
            if is_old and not _read(path, 0)[0]["alive"]:
                os.unlink(path)


def _names(folder: str) -> list[str]:
    """What is in `folder`. Its owner may have closed it: then it is opened, for without it no transfer is known."""
    try:
        status = os.lstat(folder)
        if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():
            os.chmod(folder, 0o700)
        return os.listdir(folder)
    except OSError as error:
        if error.errno in _NO_RECORDS:
            return []
        raise


def _read(path: str, most: int) -> tuple[dict[str, Any], int]:
    """The session in the file `path`, from its first bytes, `most` at the most, and how many were read."""
    with open(os.open(path, _OPEN), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError
        # The lock first: what is read after it was free is all there will ever be.
        alive = _is_locked(file.fileno())
        content = file.read(most)
    lines = [line for line in map(_decoded, content.split(b"\n")[:-1]) if line]
    return {"alive": alive, "lines": lines, "changed": status.st_mtime}, len(content)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and _is_shallow(value, _DEEPEST) else {}


def _is_shallow(value: Any, most: int) -> bool:
    """Whether no more than `most` lists and objects are in each other: who gets this may be able to read fewer."""
    if not isinstance(value, dict | list):
        return True
    return most > 0 and all(
        _is_shallow(inner, most - 1) for inner in (value.values() if isinstance(value, dict) else value)
    )
