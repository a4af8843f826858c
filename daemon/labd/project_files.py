"""Reading single small files of a project, which belong to the researcher.

This room owns how such a file is opened: never through a link, never waiting, never more than its limit. It never
looks for files, and never writes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from labd.errors import ProjectError
from labd.units import human_size

_MOST = 1 << 20


def read(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Contents of those of the files `names` that are in `folder`. Raises ProjectError for one of more than 1 MB."""
    found = {}
    for name in names:
        content = read_file(folder / name)
        if content is not None:
            found[name] = content
    return found


def read_file(path: Path) -> bytes | None:
    """The content of the file at `path`, None where there is no plain file. Raises ProjectError for a large one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise ProjectError(
            f"{path.name} has more than {human_size(_MOST)}, which no such file needs.",
            f"Look into {path.name}: it is probably another file under this name.",
        )
    return content
