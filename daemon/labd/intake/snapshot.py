"""Snapshots: the frozen copy of an upload that a job runs on.

This module owns the way from an inbox to `jobs/<job>/snapshot`: an rsync whose sender is the researcher and whose
receiver is labd, hard links to the project's previous snapshot for what did not change, and the answer to whether
anything did change. It never decides whether there is a job.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labd.accounts.accounts import Account
from labd.common.errors import LabdError
from labd.common.log import get
from labd.common.printable import printable
from labd.intake import listing
from labd.model.layout import PARTS
from labd.privsep.workers import WorkerError, Workers

_RSYNC_SECONDS = 6 * 3600.0
_LOOK = 600.0
_LEFT_OUT = re.compile(
    r'^(?:skipping non-regular file "(?P<special>.*)"|ignoring unsafe symlink "(?P<link>.*)" -> .*)$'
)
_NOTES = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)  # which cannot be the upload's fault: reading takes no room

RULES = (
    *("--archive", "--secluded-args", "--no-devices", "--no-specials", "--safe-links", "--sparse"),
    # Two edits in the same second that leave the size as it was are two contents (rsync(1), --modify-window).
    "--modify-window=-1",
    *(
        "--numeric-ids",
        "--chmod=Du+rwx,Fu+rw,ug-s",
        # name1: without it, rsync 3.5 does not tell of unsafe links. Names of files are not printed all the same.
        "--info=symsafe1,nonreg1,name1",
        "--out-format=",
    ),
    *(f"--include=/{part}{'' if '.' in part else '/***'}" for part in PARTS),
    "--exclude=*",
)
"""What rsync takes of a project, and how: its options for every snapshot."""
_REMEDY = "Give yourself the right to read everything (chmod -R u+rX, on your own computer) and send it again."


class MovedError(LabdError):
    """The upload changed while it was being read."""


class UnreadableError(LabdError):
    """A part of the upload could not be read."""


@dataclass(frozen=True)
class Taken:
    """A snapshot, and what there is to say about it."""

    changed: bool  # whether any content differs from the previous snapshot
    notes: tuple[str, ...] = ()


def take(
    workers: Workers,
    account: Account,
    source: Path,
    target: Path,
    previous: Path | None,
    unmoved: Callable[[], bool],
    counts_anyway: bool = False,
) -> Taken:
    """Copy the parts of the project in `source` that a job can see to `target`.

    `target` is complete when this returns; it is not made when nothing changed, unless it `counts_anyway`. One that is
    there already is of a run that was cut off, and after a power cut nothing vouches for its content: it is made again.
    `previous` is the project's previous snapshot: what did not change is shared with it. `unmoved` looks at the upload
    again. Raises MovedError when it moved meanwhile, UnreadableError when rsync could not read it, OSError when there
    is no room for it, WorkerError; nothing is left behind then.
    """
    part = target.with_name(target.name + ".part")
    for old in (target, part):
        if old.exists():
            discard(workers, old)
    part.mkdir(mode=0o700)
    try:
        newest, said = _copy(workers, account, source, part, previous, unmoved)
        listed = listing.make(workers, account, source)
        if not unmoved():
            raise MovedError
        for folder in ("code", "input"):
            (part / folder).mkdir(exist_ok=True)
        if previous and not counts_anyway and not _differs(workers, part, previous):
            discard(workers, part)
            return Taken(changed=False)
        # The files are the researcher's, so that the program can change its own view of them; this folder is not.
        os.chown(part, os.getuid(), os.getgid())
        part.chmod(0o700)
        _newest_file(target).write_text(str(newest))
        listing.keep(listed, target)
        os.replace(part, target)
        return Taken(changed=True, notes=(*left_out(said["notes"], said["noted"]), *listing.notes(listed)))
    except BaseException:
        # The cause must not be lost over what is left: the next try removes that, too.
        with contextlib.suppress(WorkerError):
            discard(workers, part)
        raise


def discard(workers: Workers, folder: Path) -> None:
    """Remove a snapshot, or what there is of one. Raises WorkerError."""
    workers.do(None, "remove", timeout=3600.0, paths=[str(folder)])


def _copy(
    workers: Workers, account: Account, source: Path, part: Path, previous: Path | None, unmoved: Callable[[], bool]
) -> tuple[int, Any]:
    """The newest ctime in `source`, and what rsync said of copying it."""
    since = _newest(previous) if previous else 0
    seen = workers.do(account.identity, "changed_since", timeout=_LOOK, folder=str(source), since=since)
    said = _rsync(workers, account, source, part, [f"--link-dest={previous}"] if previous else [], unmoved)
    if previous:
        _compare_disguised(workers, account, source, part, previous, seen["files"], unmoved)
    return seen["newest"], said


def _compare_disguised(
    workers: Workers,
    account: Account,
    source: Path,
    part: Path,
    previous: Path,
    changed: Sequence[Sequence[Any]] | None,
    unmoved: Callable[[], bool],
) -> None:
    """Have rsync compare by content what changed since `previous`, but has the size and the time that it had then.

    Transfers that set times can bring new bytes like that, and by itself rsync takes such a file for the same.
    `changed` is what `changed_since` found.
    """
    disguised = None if changed is None else [path for path, *mark in changed if _mark(previous / path) == mark]
    if disguised == []:
        return
    options = ["--checksum"]
    names = part.with_name("disguised")
    if disguised is not None:
        names.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in disguised))
        options += ["--from0", f"--files-from={names}"]
    try:
        _rsync(workers, account, source, part, options, unmoved)
    finally:
        names.unlink(missing_ok=True)


def _mark(file: Path) -> list[int] | None:
    try:
        status = os.lstat(file)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _rsync(
    workers: Workers,
    account: Account,
    source: Path,
    target: Path,
    options: Sequence[str],
    unmoved: Callable[[], bool],
) -> Any:
    arguments = [*RULES, *options]
    if os.getuid() == 0:
        # rsync starts "<this> HOST rsync --server --sender …"; as host, env(1) just runs the rest.
        identity = account.identity
        arguments += [f"--rsh={' '.join(identity.prefix())}", f"--chown={identity.uid}:{identity.gid}"]
        arguments.append(f"env:{source}/")
    else:
        arguments.append(f"{source}/")
    done = workers.do(
        None, "rsync", timeout=_RSYNC_SECONDS + 60, arguments=[*arguments, f"{target}/"], seconds=_RSYNC_SECONDS
    )
    if done["code"] != 0:
        for number in _FULL:
            if str(number) in done["causes"]:
                raise OSError(number, os.strerror(number), str(target))
        # A file that vanished is no file that cannot be read.
        if done["code"] == 24 or not unmoved():
            raise MovedError
        raise UnreadableError(
            _complaint(done),
            _REMEDY,
        )
    return done


def _complaint(done: Any) -> str:
    said = done["complaints"][0].removeprefix("rsync: ") if done["complaints"] else f"rsync code {done['code']}"
    return f"The upload could not be read: {said}"


def _differs(workers: Workers, new: Path, old: Path) -> bool:
    """Whether the snapshot `new` differs from `old`; true when nobody can tell, for no work may be lost."""
    try:
        return bool(workers.do(None, "differs", timeout=_RSYNC_SECONDS, new=str(new), old=str(old)))
    except WorkerError as error:
        get().warning("the snapshot before cannot be compared", reason=error.message, file=str(old))
        return True


def _newest_file(snapshot: Path) -> Path:
    return snapshot.with_name("newest")


def _newest(snapshot: Path) -> int:
    """The newest ctime in the upload when `snapshot` was taken, in nanoseconds; 0 when nobody knows any more."""
    try:
        return int(_newest_file(snapshot).read_text())
    except (OSError, ValueError):
        return 0


def left_out(lines: Iterable[str], total: int) -> tuple[str, ...]:
    """Sentences about what rsync, run with RULES, said that it left out: the first of `total` lines are `lines`."""
    notes = []
    for match in list(filter(None, map(_LEFT_OUT.match, lines)))[:_NOTES]:
        if match["special"] is not None:
            notes.append(f"{printable(match['special'])} was left out: it is not a file or folder.")
        else:
            notes.append(f"{printable(match['link'])} was left out: it is a link that leads out of the project.")
    more = total - len(notes)
    return (*notes, f"{more} more of the kind were left out.") if notes and more > 0 else tuple(notes)
