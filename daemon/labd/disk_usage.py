"""How much of the disk a researcher's folders take, counted for a moment and no longer.

This room owns the walk over the caller's own inbox and outbox. It follows no link and opens no file.
"""

from __future__ import annotations

import os
import time


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


def free(path: str) -> int:
    """Bytes that an ordinary user can still write to the file system of `path`; 0 when nobody can tell."""
    try:
        status = os.statvfs(path)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize
