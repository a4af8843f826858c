"""How much of the disk a researcher's folders and a running program's take, counted for a moment and no longer.

This module owns the counting by blocks, each file once however many names it has. It follows no link and opens no file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from contextlib import closing
from itertools import islice
from typing import Any

from labd.privsep.tree_walk import entries

_PLACES = ("code", "input", "output")
_MOST_OPEN = 100_000


def usage(folders: list[str], patience: float) -> tuple[list[int], bool]:
    """Bytes on disk below each of `folders`, and whether `patience` (seconds for all) was enough to see everything.

    A file with several names counts once: results in the outbox share files with those of earlier jobs.
    """
    end = time.monotonic() + patience
    seen: set[tuple[int, int]] = set()
    sizes = []
    is_all = True
    for folder in folders:
        size, is_whole = _below(folder, seen, end)
        sizes.append(size)
        is_all &= is_whole
    return sizes, is_all


def _below(folder: str, seen: set[tuple[int, int]], end: float) -> tuple[int, bool]:
    size = 0
    waiting = [folder]
    while waiting:
        if time.monotonic() > end:
            return size, False
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (status.st_dev, status.st_ino) in seen:
                            continue
                        seen.add((status.st_dev, status.st_ino))
                    size += status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return size, True


def held(folders: list[str], most: int, processes: list[int]) -> dict[str, Any]:
    """What a program holds in `folders`, and in removed files that its `processes` have open.

    {"bytes": on disk, "files": number of entries, `most` at most and one more, "closed": whether their owner cannot
    read all of it, "deep": whether there is more that is nested too deep, "unseen": folders that could not be looked
    into}. What vanishes meanwhile does not count. To be called with the right to look everywhere.
    """
    found: dict[str, Any] = {"bytes": 0, "files": 0, "closed": False, "deep": False, "unseen": 0}
    seen: set[int] = set()

    def miss(error: OSError) -> None:
        found["unseen"] += 1
        found["deep"] |= error.errno in (errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE)

    for folder in folders:
        try:
            status = os.lstat(folder)
            found["closed"] |= status.st_mode & 0o700 != 0o700
            with closing(entries(folder, miss)) as below:
                for entry in below:
                    status = entry.status
                    needed = 0o700 if stat.S_ISDIR(status.st_mode) else 0o400
                    found["closed"] |= status.st_mode & needed != needed and not stat.S_ISLNK(status.st_mode)
                    found["files"] += 1
                    if found["files"] > most:
                        return found
                    if _is_new(status, seen):
                        found["bytes"] += status.st_blocks * 512
        except (FileNotFoundError, NotADirectoryError):
            continue
    found["bytes"] += sum(_removed(process, seen) for process in processes)
    return found


def _is_new(status: os.stat_result, seen: set[int]) -> bool:
    """Whether the file has one name only, or is met for the first time. All are on one file system."""
    if status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
        return True
    is_new = status.st_ino not in seen
    seen.add(status.st_ino)
    return is_new


def _removed(process: int, seen: set[int]) -> int:
    """Bytes in files without a name that `process` has open (proc(5): a look through fd opens nothing)."""
    size = 0
    with contextlib.suppress(OSError):
        ours = {os.stat(f"/proc/{process}/root/{place}").st_dev for place in _PLACES}
        # Not all names at once: there can be a million.
        with os.scandir(f"/proc/{process}/fd") as found:
            descriptors = [entry.name for entry in islice(found, _MOST_OPEN)]
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{process}/fd/{descriptor}")
                if status.st_nlink == 0 and stat.S_ISREG(status.st_mode) and status.st_dev in ours:
                    size += status.st_blocks * 512 if status.st_ino not in seen else 0
                    seen.add(status.st_ino)
    return size


def free(path: str) -> int:
    """Bytes that an ordinary user can still write to the file system of `path`; 0 when nobody can tell."""
    try:
        status = os.statvfs(path)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize
