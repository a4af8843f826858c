"""The folder of a temporary lab: where it can be, that it is in use, and that nothing is left of it.

This module owns the lock that shows others that the folder is in use, and the removal of folder and containers, also of
those that a killed `labd try` left.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labd.common.errors import LabdError, UnavailableError
from labd.engines.docker.containers import DockerPrograms
from labd.model.config import Config, for_user
from labd.privsep.outbox_files import remove

PREFIX = "labd-try-"
_LOCK = "in-use"
_LONGEST = 70  # of the folder's path: that of a socket has 107 bytes at most (unix(7))


def place() -> Path:
    """Where the folder can be: on a disk (overlayfs wants one), by a short path, passable for the program's user."""
    for name in (os.environ.get("TMPDIR"), "/var/tmp", "/tmp"):
        if name and len(name) <= _LONGEST and os.access(name, os.W_OK | os.X_OK) and _is_passable(Path(name)):
            return Path(name)
    raise UnavailableError("There is no folder for temporary files.", "Name one: TMPDIR=/some/folder labd try …")


def _is_passable(folder: Path) -> bool:
    return os.getuid() != 0 or all(part.stat().st_mode & 0o001 for part in (folder, *folder.resolve().parents))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Show others that the folder is in use; the kernel ends that with our process, however it ends."""
    with open(folder / ".lock.new", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Locked before it can be found: nobody may take a new folder for a forgotten one.
        os.rename(file.name, folder / _LOCK)
        yield


def tidy(folder: Path) -> None:
    """Remove what a `labd try` of ours that was killed left in `folder`."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError), open(left / _LOCK) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.lstat().st_uid == os.getuid():
                remove_lab(left, keep=False)


def remove_lab(folder: Path, keep: bool) -> None:
    """Remove the containers of the lab in `folder`, and the folder; `keep`: the folder stays, also for a later try."""
    with suppress(LabdError):
        engine = DockerPrograms(instance(folder))
        for job in engine.jobs():
            engine.remove(job)
        engine.rest()
    if keep:
        (folder / _LOCK).unlink()
    else:
        remove([str(folder)])


def instance(folder: Path) -> str:
    """Prefix of everything that the lab in `folder` owns in Docker."""
    return for_user(Config(), folder).instance
