"""Whether two trees are the same to a program that reads them, and what of a tree is newer than a moment.

This module owns the comparison that decides whether there is a job. It looks at everything, and what it cannot look at
counts as a difference. It imports the standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from typing import Any

from labd.model.layout import PARTS
from labd.privsep.tree_walk import Entry, entries

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_MOST = 20_000


def differs(new: str, old: str) -> bool:
    """Whether anything in `new` and `old` differs that a program can see: names, kinds, contents, targets of links.

    Times do not count, and of the rights only whether a file is a program that can be started. What is the same file
    (a hard link) is not read.
    """
    try:
        with closing(entries(new, _raise)) as ours, closing(entries(old, _raise)) as theirs:
            return any(
                one is None or other is None or not _is_same(one, other) for one, other in zip_longest(ours, theirs)
            )
    except OSError:
        return True


def changed_since(folder: str, since: int) -> dict[str, Any]:
    """What in the project `folder` changed at the time `since` or later, by ctime in nanoseconds.

    {"newest": the newest ctime, "files": [[path, size, mtime in ns], …]}, or None for "files" if they are too many.
    """
    files: list[list[Any]] | None = []
    newest = 0
    for part in PARTS:
        top = os.path.join(folder, part)
        for path, status in _below(top, part):
            newest = max(newest, status.st_ctime_ns)
            if files is not None and stat.S_ISREG(status.st_mode) and status.st_ctime_ns >= since:
                files.append([path, status.st_size, status.st_mtime_ns])
                if len(files) > _MOST:
                    files = None
    return {"newest": newest, "files": files}


def _below(top: str, part: str) -> Iterator[tuple[str, os.stat_result]]:
    """(path, status) of `top` and all that is below it."""
    try:
        status = os.lstat(top)
        yield part, status
        if stat.S_ISDIR(status.st_mode):
            for entry in entries(top, _ignore):
                yield f"{part}/{entry.path}", entry.status
    except OSError as error:
        _ignore(error)


def _raise(error: OSError) -> None:
    raise error


def _ignore(error: OSError) -> None:
    """rsync will meet the same, and say so."""


def _is_same(one: Entry, other: Entry) -> bool:
    """Given that all entries before these two were the same."""
    if one.name != other.name or len(one.parents) != len(other.parents):
        return False
    ours, theirs = one.status, other.status
    if os.path.samestat(ours, theirs):
        return True
    kind = stat.S_IFMT(ours.st_mode)
    if kind != stat.S_IFMT(theirs.st_mode):
        return False
    if kind == stat.S_IFLNK:
        return os.readlink(one.name, dir_fd=one.handle) == os.readlink(other.name, dir_fd=other.handle)
    return kind != stat.S_IFREG or _is_same_file(one, other)


def _is_same_file(one: Entry, other: Entry) -> bool:
    if one.status.st_size != other.status.st_size:
        return False
    left = os.open(one.name, _FILE, dir_fd=one.handle)
    try:
        right = os.open(other.name, _FILE, dir_fd=other.handle)
        try:
            may_start = {bool(entry.status.st_mode & stat.S_IXUSR) for entry in (one, other)}
            if len(may_start) > 1 and os.pread(left, 4, 0).startswith((b"#!", b"\x7fELF")):
                return False
            return _is_same_content(left, right, one.status.st_size)
        finally:
            os.close(right)
    finally:
        os.close(left)


def _is_same_content(left: int, right: int, size: int) -> bool:
    at = 0
    while (at := min(_data_from(left, at, size), _data_from(right, at, size))) < size:
        chunk = os.pread(left, _CHUNK, at)
        if chunk != os.pread(right, _CHUNK, at) or not chunk:
            return False
        at += len(chunk)
    return True


def _data_from(file: int, at: int, size: int) -> int:
    """Where data begins at `at` or after it; holes are zeros, and are not read."""
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        # ENXIO: nothing but a hole is left. Anything else: this file system does not tell.
        return size if error.errno == errno.ENXIO else at
