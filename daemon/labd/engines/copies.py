"""Private copies of a snapshot, for programs on file systems that can hold no copy-on-write views.

This module owns `copy` and `copied` in a job's scratch folder, and what is left of them after the program: only what it
wrote, in `upper`, where a view would have left it. It is labd's own folder, which nobody can enter while no program
runs. It never decides which job needs copies.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from labd.common.commands import must

_COPY_SECONDS = 6 * 3600.0


def make(frozen: Path, scratch: Path) -> Path:
    """The copy of the folder `frozen` below `scratch`, made unless it is there: a program may have written to it.

    Raises CommandError.
    """
    copy, mark, unfinished = scratch / "copy", scratch / "copied", scratch / "copying"
    if not copy.exists():
        must(["rm", "-rf", "--", str(unfinished)], timeout=_COPY_SECONDS)
        must(["cp", "-a", "--reflink=auto", "--", str(frozen), str(unfinished)], timeout=_COPY_SECONDS)
        # By the clock of that disk: what changes later has a later ctime.
        mark.unlink(missing_ok=True)
        mark.touch()
        unfinished.rename(copy)
    return copy


def keep_changes(scratch: Path) -> None:
    """Leave in `upper` what the program wrote to its copy, and remove the rest. Safe to repeat; nothing if it had none.

    Only after the program ended.
    """
    copy, mark, upper = scratch / "copy", scratch / "copied", scratch / "upper"
    if not copy.exists():
        return
    made = mark.stat().st_ctime_ns
    for entry in _files(copy):
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_ctime_ns <= made:
                os.unlink(entry.path)
    if upper.exists():
        upper.rmdir()
    copy.rename(upper)


def _files(top: Path) -> Iterator[os.DirEntry[str]]:
    """All that is below `top` but folders, to any depth that a path can name: Python's own walk ends at a thousand."""
    waiting = [str(top)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in list(found):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    yield entry
