"""What is mounted where, as the kernel says (proc_pid_mountinfo(5)).

This module owns the reading of mountinfo, and which mount a path is on. It never mounts or unmounts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labd.common.octal import octal_decoded


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo."""

    number: int  # link(2) works within one number only, even if two are of the same file system
    point: str
    kind: str  # "ext4", "tmpfs", …
    options: frozenset[str]  # of this mount: "rw", "noexec", …
    details: str  # of the file system: "rw,lowerdir=/a,upperdir=/b,…"


def mounts(process: int | str = "self") -> list[Mount]:
    """All mounts that `process` sees, in the order of mounting. Raises OSError."""
    return [parse(line) for line in Path(f"/proc/{process}/mountinfo").read_text("utf-8", "replace").splitlines()]


def parse(line: str) -> Mount:
    """The mount that a line of mountinfo describes.

    The kernel writes spaces, line ends and backslashes in octal (seq_escape in fs/proc_namespace.c).
    """
    own, _, general = line.partition(" - ")
    number, _, _, _, point, options = own.split(" ")[:6]
    kind, _, details = [*general.split(" ", 2), "", ""][:3]
    return Mount(int(number), octal_decoded(point), kind, frozenset(options.split(",")), octal_decoded(details))


def mount_of(path: Path, table: Sequence[Mount]) -> Mount:
    """That of `table` which `path` is on: the deepest, and of several at one place the last."""
    absolute = os.path.abspath(path)
    holding = [mount for mount in table if os.path.commonpath([mount.point, absolute]) == mount.point]
    return max(enumerate(holding), key=lambda entry: (len(entry[1].point), entry[0]))[1]


def nearest(path: Path) -> Path:
    """`path`, or the first folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
