"""The mirror of a job's results in the outbox: everything that a researcher gets back.

This module owns the files of `~/outbox/<project>/` and their order: a mirror of the job's delivery folder while it
runs, exact at the end, then the receipt, then COMPLETE. All of it is done by the researcher's own worker. It never
decides what a job's outcome is.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labd.accounts.accounts import Account
from labd.common.errors import LabdError
from labd.common.printable import printable
from labd.common.units import count
from labd.privsep.outbox_files import MOST_STRAYS as MOST_STRAYS
from labd.privsep.workers import WorkerError, Workers

_RSYNC_SECONDS = 6 * 3600.0
_SHORT = 600.0
CONTENTS = (
    *("COMPLETE", "output", "run.log", "build.log", "receipt.json", "stray"),
    "requirements.proposed.txt",
    *("STATUS", "status.json"),
)
"""What belongs to one job. COMPLETE goes first, so that it never stands beside half of the rest."""

_MIRROR = ("--archive", "--no-devices", "--no-specials", "--sparse", "--info=nonreg0")
_VANISHED, _PARTIAL = 24, 23  # rsync(1), exit values
_CLOSED = {errno.EACCES, errno.EPERM}
# What does not get better by waiting: it is about these files. Anything else is about the disk.
_LASTING = _CLOSED | {
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST),
    *(errno.EINVAL, errno.EILSEQ, errno.EOPNOTSUPP, errno.EFBIG, errno.EMLINK, errno.ENODATA),
    errno.ENOMEM,  # what rsync 3.5 says of a thousand nested folders
}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_SHOWN = 160


class DeliveryError(LabdError):
    """The results could not be put into the outbox."""

    def __init__(self, reason: str, cause: int = 0) -> None:
        """Say `reason`, and what to do about `cause` (an errno)."""
        if cause in _FULL:
            super().__init__(f"The disk of the outbox is full ({reason}).", "Remove what you do not need any more.")
        else:
            super().__init__(
                f"The results could not be put into the outbox ({reason}).",
                "See that ~/outbox is a folder of yours that you can write.",
            )
        self.is_full = cause in _FULL


class Outbox:
    """One project's outbox."""

    def __init__(self, workers: Workers, account: Account, project: str) -> None:
        self._workers, self._who = workers, account.identity
        self._folder = account.outbox / project

    def show(self, page: Mapping[str, str]) -> None:
        """Put text files in, each whole or not at all, in their order. Raises WorkerError."""
        self._workers.do(self._who, "write", folder=str(self._folder), files=dict(page))

    def rotate(self, occupant: int, page: Mapping[str, str], keep: int) -> None:
        """Move what is there of job `occupant` to history/, `page` with it, and keep the latest `keep` jobs there.

        Raises DeliveryError.
        """
        self._do(
            "rotate",
            folder=str(self._folder),
            # STATUS alone is no job: it may have told of an upload that never became one.
            names=list(CONTENTS if occupant else CONTENTS[:-2]),
            job=str(occupant),
            files=dict(page),
            keep=keep,
        )

    def mirror(self, delivery: Path, live: bool = False) -> tuple[str, ...]:
        """Make output/, run.log and build.log what they are in `delivery`; sentences about what cannot be delivered.

        On one file system that takes hard links, no copies. A `live` mirror may meet files that change or vanish, and
        says nothing of them. Raises DeliveryError when another try can help.
        """
        self.place_logs(delivery)
        output = delivery / "output"
        if not output.exists():
            return ()
        return self._rsync(["--delete"], output, self._folder / "output", live)

    def place_logs(self, delivery: Path) -> None:
        """Put run.log and build.log beside output/, as links that grow with the file where that is possible.

        Raises DeliveryError.
        """
        for name in ("build.log", "run.log"):
            if (delivery / name).exists():
                self.place(delivery / name)

    def place(self, file: Path) -> None:
        """Put `file` in, under its own name. Raises DeliveryError."""
        self._do("place", _SHORT, source=str(file), target=str(self._folder / file.name))

    def return_strays(self, part: str, upper: Path, ignore: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
        """Return what a program wrote below /code or /input (`part`).

        The files' names, relative to that folder (1,000 at most), and sentences about what cannot be delivered. Raises
        DeliveryError.
        """
        found: list[str] = self._do("unignored", folder=str(upper), ignore=list(ignore))
        if not found:
            return found, ()
        options = ["--prune-empty-dirs", *(f"--exclude={pattern}" for pattern in ignore)]
        return found, self._rsync(options, upper, self._folder / "stray" / part)

    def _rsync(self, options: Sequence[str], source: Path, target: Path, live: bool = False) -> tuple[str, ...]:
        """Make `target` what `source` is, sharing files with it; sentences about what cannot be."""
        arguments = ["--mkpath", *_MIRROR, *options, f"--link-dest={source}", f"{source}/", f"{target}/"]
        self._do("make_ready", _SHORT, folder=str(self._folder))
        done = self._do("rsync", arguments=arguments, seconds=_RSYNC_SECONDS)
        if live and done["code"] in (_PARTIAL, _VANISHED):
            return ()
        if done["code"] == _PARTIAL:
            # Once more, with what its owner has closed open, and with what is there of files that are gone removed.
            if _causes(done) & _CLOSED:
                for folder in (source, target):
                    self._do("open_up", folder=str(folder))
            done = self._do("rsync", arguments=["--ignore-errors", *arguments], seconds=_RSYNC_SECONDS)
        if done["code"] == _PARTIAL and _causes(done) <= _LASTING:
            return _undelivered(done, source)
        if done["code"] not in (0, _VANISHED):
            raise DeliveryError(_reason(done, source), next(iter(_causes(done) & _FULL), 0))
        return ()

    def _do(self, action: str, within: float = _RSYNC_SECONDS + 60, **arguments: Any) -> Any:
        try:
            return self._workers.do(self._who, action, timeout=within, **arguments)
        except WorkerError as error:
            raise DeliveryError(error.message, error.errno) from error


def _causes(done: Mapping[str, Any]) -> set[int]:
    return set(map(int, done["causes"]))


def _reason(done: Mapping[str, Any], source: Path) -> str:
    """The first that rsync complained of when it copied `source`, in paths below that."""
    if not done["complaints"]:
        return f"rsync code {done['code']}"
    return _shown(done["complaints"][0].replace(f"{source}/", ""))


def _undelivered(done: Mapping[str, Any], source: Path) -> tuple[str, ...]:
    """What rsync could not deliver of `source`: the first, and how many."""
    more = done["complained"] - 1
    others = f", and {count(more, 'more problem')} like that" if more > 0 else ""
    return (f"Not all results could be delivered: {_reason(done, source)}{others}.",)


def _shown(complaint: str) -> str:
    """What rsync said, short enough for a line of text."""
    text = re.sub(r"^rsync: (\[\w+\] )?", "", complaint)
    text = re.sub(r"^filename overflows max-path len by \d+: ", "the path is too long: ", text)
    text = printable(text.replace("failed: Cannot allocate memory (12)", "is nested too deep"))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}"
