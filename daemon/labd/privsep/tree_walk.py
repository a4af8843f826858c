"""A walk below a folder by descriptors, so that nothing in it can lead out of it, whatever its owner does meanwhile.

This module owns the way from a folder to what is in it: no link is followed, no file is opened, nothing is remembered
but the way down, and what vanishes on the way is as if it had never been there. It imports the standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 10_000
"""Levels of folders that a walk goes down; each takes a descriptor."""

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class Entry(NamedTuple):
    """Something below the folder, as it was a moment ago."""

    handle: int  # of the folder that it is in, open as long as the walk is at this entry
    parents: Sequence[str]  # names of the folders above it, which change as the walk goes on
    name: str
    status: os.stat_result

    @property
    def path(self) -> str:
        """Relative to where the walk began."""
        return "/".join((*self.parents, self.name))


def entries(top: str, on_error: Callable[[OSError], None], longest: int | None = None) -> Generator[Entry, None, None]:
    """All that is below `top`, each folder before what is in it, in the order of the names.

    `on_error` is told of what cannot be looked at, a folder that is too deep among it; the walk goes on with the rest.
    `longest` is the number of bytes in a path (relative to `top`) from which on it counts as too deep. Raises OSError
    when `top` itself cannot be opened.
    """
    parents: list[str] = []
    lengths = [0]
    open_folders: list[tuple[int, Iterator[str]]] = []
    try:
        handle = os.open(top, FOLDER)
        open_folders.append((handle, iter(())))
        open_folders[0] = (handle, _names(handle))
        while open_folders:
            handle, names = open_folders[-1]
            name = next(names, None)
            if name is None:
                os.close(open_folders.pop()[0])
                lengths.pop()
                if parents:
                    parents.pop()
                continue
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
                length = lengths[-1] + len(os.fsencode(name)) + 1
                if longest is not None and length > longest + 1:
                    raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name)
                yield Entry(handle, parents, name, status)
                if stat.S_ISDIR(status.st_mode):
                    open_folders.append(_opened(name, handle, len(parents)))
                    parents.append(name)
                    lengths.append(length)
            except OSError as error:
                if error.errno not in _GONE:
                    on_error(error)
    finally:
        for handle, _ in open_folders:
            os.close(handle)


def _opened(name: str, parent: int, depth: int) -> tuple[int, Iterator[str]]:
    if depth >= _DEEPEST:
        raise OSError(errno.ENAMETOOLONG, "nested too deep", name)
    handle = os.open(name, FOLDER, dir_fd=parent)
    try:
        return handle, _names(handle)
    except BaseException:
        os.close(handle)
        raise


def _names(handle: int) -> Iterator[str]:
    return iter(sorted(os.listdir(handle)))


def allow_depth() -> None:
    """Have as many descriptors as the system allows, one for each level of folders."""
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
