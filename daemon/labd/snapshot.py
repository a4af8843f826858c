"""Snapshots: the frozen copy of an upload that a job runs on.

This room owns the way from an inbox to `jobs/<job>/snapshot`: an rsync whose sender is the researcher and whose
receiver is labd, hard links to the project's previous snapshot for what did not change, and the answer to whether
anything did change. It never decides whether there is a job.
"""

from __future__ import annotations

import filecmp
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labd.accounts import Account
from labd.errors import LabdError
from labd.hands import Hands
from labd.layout import PARTS

_TIMEOUT = 6 * 3600.0
_ITEM = re.compile(r"^([<>ch.][fdLDS])(\S{9}) (.+)$")
_TOTAL = re.compile(r"^Number of files: ([\d,.]+)", re.MULTILINE)
_LEFT_OUT = re.compile(
    r'^(?:skipping non-regular file "(?P<special>.*)"|ignoring unsafe symlink "(?P<link>.*)" -> .*)$'
)
_NOTES = 5

RULES = (
    *("--archive", "--secluded-args", "--no-devices", "--no-specials", "--safe-links", "--sparse"),
    # Two edits in the same second that leave the size as it was are two contents (rsync(1), --modify-window).
    "--modify-window=-1",
    *(
        "--numeric-ids",
        "--chmod=Du+rwx,Fu+rw,ug-s",
        # name1: without it, rsync 3.5 does not tell of unsafe links.
        "--info=symsafe1,nonreg1,name1,stats2",
        "--out-format=%i %n",
    ),
    *(f"--include=/{part}{'' if '.' in part else '/***'}" for part in PARTS),
    "--exclude=*",
)
"""What rsync takes of a project, and how: its options for every snapshot."""


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
    hands: Hands, account: Account, source: Path, target: Path, previous: Path | None, unmoved: Callable[[], bool]
) -> Taken:
    """Copy the parts of the project in `source` that a job can see to `target`.

    `target` is complete when this returns; it is not made when nothing changed. One that is there already is of a run
    that was cut off, and after a power cut nothing vouches for its content: it is made again. `previous` is the
    project's previous snapshot: what did not change is shared with it. `unmoved` looks at the upload again. Raises
    MovedError when it moved meanwhile, UnreadableError when rsync could not read it, HandsError; nothing is left behind
    then.
    """
    part = target.with_name(target.name + ".part")
    for old in (target, part):
        if old.exists():
            discard(hands, old)
    part.mkdir(mode=0o700)
    try:
        output = _copy(hands, account, source, part, previous)
        if not unmoved():
            raise MovedError
        for folder in ("code", "input"):
            (part / folder).mkdir(exist_ok=True)
        if previous and not _differs(output, part, previous):
            discard(hands, part)
            return Taken(changed=False)
        # The files are the researcher's, so that the program can change its own view of them; this folder is not.
        os.chown(part, os.getuid(), os.getgid())
        part.chmod(0o700)
        (part.parent / "files").write_text(_total(output))
        os.replace(part, target)
        return Taken(changed=True, notes=left_out(output))
    except BaseException:
        discard(hands, part)
        raise


def discard(hands: Hands, folder: Path) -> None:
    """Remove a snapshot, or what there is of one."""
    hands.do(None, "remove", timeout=3600.0, paths=[str(folder)])


def _copy(hands: Hands, account: Account, source: Path, target: Path, previous: Path | None) -> str:
    arguments = [*RULES]
    if previous:
        arguments.append(f"--link-dest={previous}")
    if os.getuid() == 0:
        # rsync starts "<this> HOST rsync --server --sender …"; as host, env(1) just runs the rest.
        identity = account.identity
        arguments += [f"--rsh={' '.join(identity.prefix())}", f"--chown={identity.uid}:{identity.gid}"]
        arguments.append(f"env:{source}/")
    else:
        arguments.append(f"{source}/")
    done = hands.do(None, "rsync", timeout=_TIMEOUT + 60, arguments=[*arguments, f"{target}/"], seconds=_TIMEOUT)
    if done["code"] == 24:
        raise MovedError
    if done["code"] != 0:
        raise UnreadableError(_complaint(done["output"]), "Give yourself the right to read everything (chmod -R u+rX).")
    return str(done["output"])


def _complaint(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith("rsync:")]
    return (
        f"The upload could not be read: {lines[0].removeprefix('rsync: ')}" if lines else UnreadableError.__doc__ or ""
    )


def _differs(output: str, new: Path, old: Path) -> bool:
    """Whether the snapshot `new` differs in content from `old`, given what rsync said of copying it.

    What rsync did not mention is a hard link to `old`. What it created new is a difference; what it sent because size
    or time differ is compared. With all of `new` found in `old`, an equal number of entries means that nothing is gone.
    """
    if (old.parent / "files").read_text() != _total(output):
        return True
    for line in output.splitlines():
        item = _ITEM.match(line)
        if not item:
            continue
        kind, change, name = item[1], item[2], _unescape(item[3])
        if kind[1] == "d" and name == "./":
            continue
        if "+++" in change or (kind[1] == "L" and change.strip(".") not in ("", "t")):
            return True
        if kind == ">f" and not _same_file(new / name, old / name):
            return True
    return False


def _same_file(one: Path, other: Path) -> bool:
    return all(stat.S_ISREG(os.lstat(path).st_mode) for path in (one, other)) and filecmp.cmp(one, other, shallow=False)


def _unescape(name: str) -> str:
    """A file name from rsync's output, in which other than printable bytes stand as \\#ooo (rsync(1), -8)."""
    raw = os.fsencode(name)
    return os.fsdecode(re.sub(rb"\\#(\d{3})", lambda match: bytes([int(match[1], 8)]), raw))


def _total(output: str) -> str:
    match = _TOTAL.search(output)
    if match is None:
        raise UnreadableError("rsync did not say how many files it copied.", "Tell the administrator.")
    return match[1]


def left_out(output: str) -> tuple[str, ...]:
    """Sentences about what rsync, run with RULES, said that it left out."""
    notes = []
    for match in filter(None, map(_LEFT_OUT.match, output.splitlines())):
        if match["special"] is not None:
            notes.append(f"{match['special']} was left out: it is not a file or folder.")
        else:
            notes.append(f"{match['link']} was left out: it is a link that leads out of the project.")
    return _shortened(notes)


def _shortened(notes: Sequence[str]) -> tuple[str, ...]:
    if len(notes) <= _NOTES:
        return tuple(notes)
    return (*notes[:_NOTES], f"{len(notes) - _NOTES} more of the kind were left out.")
