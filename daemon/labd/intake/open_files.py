"""Who is still writing: processes that have a file of an upload open.

This module owns the look into /proc that a settled upload needs before it counts as complete. It opens nothing of a
researcher's.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

_MOST = 4096
"""Descriptors of one process: a program can have a million, and what receives uploads has few."""


def open_for_writing(root: Path, owner: int) -> str | None:
    """Name of a file below `root` that some process has open for writing, or None (proc(5): fd, fdinfo).

    Looked at are the processes of the uid `owner` and of root: nobody can hold up the uploads of somebody else. Those
    that may not be inspected count as not writing: that is the rest, and no more, that settling risks.
    """
    prefix = os.fsencode(root) + b"/"
    for process in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{process}").st_uid not in (0, owner):
                continue
            with os.scandir(f"/proc/{process}/fd") as entries:
                descriptors = [entry.name for entry in islice(entries, _MOST)]
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                target = os.readlink(os.fsencode(f"/proc/{process}/fd/{descriptor}"))
                if target.startswith(prefix) and _is_writing(process, descriptor):
                    return os.path.relpath(os.fsdecode(target), root)
            except OSError:
                continue
    return None


def _is_writing(process: str, descriptor: str) -> bool:
    with open(f"/proc/{process}/fdinfo/{descriptor}") as file:
        flags = re.search(r"^flags:\s*(\d+)", file.read(), re.MULTILINE)
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY
