"""The disks: room, and whether they can do what labd asks of them.

This module owns the look at the file systems of labd's state, of Docker and of the homes, and the judgement on it. It
never looks into a home.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labd.admin.doctor.asking_docker import facts
from labd.admin.doctor.subject import Ground, daemon_process
from labd.client.rendering import few
from labd.common.errors import LabdError
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.common.mounts import Mount, mount_of, mounts, nearest
from labd.common.state_folder import loss, unfitness, view_support
from labd.common.units import human_size
from labd.model.config import GIB

_SUBJECT = "Disk"
_FULL = GIB
_FEW = 3  # names of homes in a sentence
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "9p", "afs")


@dataclass(frozen=True)
class Space:
    """A file system and what is left of it."""

    point: str  # where it is mounted
    holds: tuple[str, ...]  # what labd has there, in words
    size: int  # bytes
    free: int  # bytes
    inodes: int  # 0: no limit
    inodes_free: int


def checks(ground: Ground) -> list[Check]:
    """All about disks."""
    return [
        Check(_SUBJECT, "the room on the disks", lambda: map(judge_space, _spaces(ground))),
        Check(_SUBJECT, "the file system of labd's state", lambda: _state(ground)),
        Check(_SUBJECT, "the file systems of the homes", lambda: _homes(ground)),
    ]


def _spaces(ground: Ground) -> list[Space]:
    try:
        docker = facts(ground.docker).root
    except LabdError:
        docker = "/var/lib/docker"
    places = [(ground.config.paths.state, "labd's state"), (Path(docker), "Docker")]
    places += [(home, "homes") for home in ground.homes]
    table = mounts()
    found: dict[int, list[tuple[Path, str]]] = {}
    for place, name in places:
        there = nearest(place)
        found.setdefault(os.stat(there).st_dev, []).append((there, name))
    return [_space(entries, table) for entries in found.values()]


def _space(entries: Sequence[tuple[Path, str]], table: Sequence[Mount]) -> Space:
    facts = os.statvfs(entries[0][0])
    return Space(
        point=mount_of(entries[0][0], table).point,
        holds=tuple(dict.fromkeys(name for _, name in entries)),
        size=facts.f_blocks * facts.f_frsize,
        free=facts.f_bavail * facts.f_frsize,
        inodes=facts.f_files,
        inodes_free=facts.f_favail,
    )


def judge_space(space: Space) -> Finding:
    """Whether there is room for bytes and for files."""
    where = f"{space.point} ({', '.join(space.holds)})"
    room = f"{human_size(space.free)} of {human_size(space.size)} are free on {where}"
    mend = f"du -xh -d 3 {space.point} | sort -h | tail -20"
    if "Docker" in space.holds:
        mend = "docker system prune; " + mend
    left = space.inodes_free / space.inodes if space.inodes else 1.0
    if left < 0.1:
        files = f"Only {space.inodes_free:,} more files fit on {where}, whatever their size"
        return (fail if left < 0.01 else warn)(f"{files}.", f"du --inodes -x -d 3 {space.point} | sort -n | tail -20")
    if space.free < _FULL:
        return fail(f"Only {room}.", mend)
    # A twentieth, but nobody misses the last of a very large disk.
    if space.free < max(10 * GIB, min(space.size / 20, 100 * GIB)):
        return warn(f"Only {room}.", mend)
    return ok(f"{room}; {space.inodes_free:,} more files fit." if space.inodes else f"{room}.")


def _state(ground: Ground) -> Iterator[Finding]:
    state = ground.config.paths.state
    mount = mount_of(nearest(state), mounts())
    unfit = no_views = ""
    try:
        unfit = unfitness(state) or loss(state)
        no_views = view_support(state)
    except PermissionError:
        raise  # that is about who asks
    except OSError as error:
        unfit = unfit or f"nothing can be written there ({error.strerror})"
    yield judge_state(state, mount, unfit, no_views, ground.config_file)


def judge_state(state: Path, mount: Mount, unfit: str, no_views: str, config_file: Path) -> Finding:
    """Whether it can serve as labd's state, and hold programs' views of their uploads; the reasons why not."""
    mend = f"Name a folder on a local disk (ext4, xfs) as `state` below [paths] in {config_file}."
    if "ro" in mount.options:
        return fail(f"{state} is on {mount.point}, which is mounted read-only.", f"mount -o remount,rw {mount.point}")
    if unfit:
        return fail(f"{state} cannot hold labd's state: {unfit}.", mend)
    if no_views:
        return warn(f"Programs run from copies of their uploads, which takes time and room: {no_views}.", mend)
    return ok(f"{state} is on {mount.kind}, which can hold programs' views of their uploads.")


def _homes(ground: Ground) -> Iterator[Finding]:
    state = nearest(ground.config.paths.state)
    homes = [nearest(home) for home in ground.homes]
    table = mounts()
    yield from judge_homes({home: mount_of(home, table) for home in homes})
    process = daemon_process(ground.config.paths.socket)
    # The unit can give the daemon a view of its own, in which one disk is several mounts.
    seen = mounts(process) if process else table
    yield judge_links(
        apart=[str(home) for home in homes if mount_of(home, table).number != mount_of(state, table).number],
        apart_for_daemon=[str(home) for home in homes if mount_of(home, seen).number != mount_of(state, seen).number],
    )


def judge_homes(homes: Mapping[Path, Mount]) -> Iterator[Finding]:
    """Whether uploads can be received and noticed there."""
    for mount in dict.fromkeys(homes.values()):
        if "ro" in mount.options:
            yield fail(f"Homes are on {mount.point}, which is mounted read-only.", f"mount -o remount,rw {mount.point}")
        elif mount.kind in _NETWORK:
            yield warn(
                f"Homes are on {mount.point} ({mount.kind}): what other machines write there is noticed late.",
                'Write rescan = "10s" below [inbox] in the config, or have uploads go through this server.',
            )


def judge_links(apart: Sequence[str], apart_for_daemon: Sequence[str]) -> Finding:
    """Whether results can be hard links: homes that are not on the mount of the state, as we and the daemon see it."""
    if apart:
        return warn(
            f"labd's state and {few(apart, _FEW)} are on different mounts: "
            "results are copied, which takes time and room.",
            "Name a folder on the disk of the homes as `state` below [paths] in the config.",
        )
    if apart_for_daemon:
        return warn(
            f"The daemon's unit puts the state and {few(apart_for_daemon, _FEW)} on different mounts: "
            "results are copied.",
            "systemctl cat labd (take out ProtectSystem=strict, StateDirectory=, ReadWritePaths= and BindPaths=: each"
            " makes a mount of its own), then: systemctl daemon-reload && systemctl restart labd",
        )
    return ok("labd's state and the homes are on one mount: results are hard links, not copies.")
