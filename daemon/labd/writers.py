"""Who is still writing: processes that have a file of an upload open.

This room owns the look into /proc that a settled upload needs before it counts as complete. It opens nothing of a
researcher's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path


def open_for_writing(root: Path) -> str | None:
    """Name of a file below `root` that some process has open for writing, or None (proc(5): fd, fdinfo).

    Processes that may not be inspected count as not writing: that is the rest, and no more, that settling risks.
    """
    prefix = os.fsencode(root) + b"/"
    for process in filter(str.isdecimal, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{process}/fd")
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
