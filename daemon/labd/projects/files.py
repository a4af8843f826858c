"""Reading single small files of a project, which belong to the researcher.

This module owns how such a file is opened: never through a link, never waiting, never more than its limit. It never
looks for files, and never writes.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from labd.common.errors import ProjectError
from labd.common.units import human_size

_MOST = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(folder: Path, names: Iterable[str], shown: str = "code/") -> dict[str, bytes]:
    """Contents of those of the files `names` that are in `folder`, which messages call `shown`.

    Raises ProjectError for one that is no plain file, that cannot be read, or that has more than 1 MB.
    """
    found = {}
    for name in names:
        content = _read(folder, name, f"{shown}{name}")
        if content is not None:
            found[name] = content
    return found


def no_file(name: str) -> ProjectError:
    """What is said of `name` where there is something else than a file."""
    return ProjectError(f"{name} is not a file.", "Make it a plain text file: no link, and no folder.")


def _read(folder: Path, path: str, name: str) -> bytes | None:
    """The content of the file `path` of `folder`, None where there is nothing."""
    try:
        with _open(folder, PurePosixPath(path).parts) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise no_file(name)
            content = file.read(_MOST + 1)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        # A folder of that name may be a link, which is not followed.
        if any((folder / one).is_symlink() for one in list(PurePosixPath(path).parents)[:-1]):
            raise no_file(name) from None
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):  # a link, a socket, a folder
            raise no_file(name) from None
        raise ProjectError(
            f"{name} cannot be read: {error.strerror}.", "Check its permissions and upload it again."
        ) from None
    if len(content) > _MOST:
        raise ProjectError(
            f"{name} has more than {human_size(_MOST)}, which no such file needs.",
            f"Look into {name}: it is probably another file under this name.",
        )
    return content


def _open(folder: Path, parts: Sequence[str]) -> BinaryIO:
    """The file at `parts` of `folder`, none of which may be a link."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
        return open(parts[-1], "rb", opener=lambda name, _: os.open(name, _FLAGS, dir_fd=at))
    finally:
        os.close(at)
