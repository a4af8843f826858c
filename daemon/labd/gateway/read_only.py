"""A machine that is read-only but for a few folders, for a transfer's program: modes, times and owners, too.

This module owns the user namespace and the mount namespace that make it so (user_namespaces(7), mount_namespaces(7)).
Landlock governs what is opened; chmod(2) and utimensat(2) open nothing. They bind the calling process and all that it
starts, for good. Where the system does not allow such namespaces, nothing changes.
"""

from __future__ import annotations

import os
import sys

from labd.gateway.landlock import call, checked, libc

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x20000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on all architectures but alpha
_HERE = -100  # AT_FDCWD
_RECURSIVE, _EMPTY_PATH = 0x8000, 0x1000
_CLONE = 1
_FROM_EMPTY_PATH, _TO_EMPTY_PATH = 0x4, 0x40
_READ_ONLY = b"".join(number.to_bytes(8, sys.byteorder) for number in (1, 0, 0, 0))  # struct mount_attr


def make_read_only(writable: Sequence[str]) -> bool:
    """Make all that is mounted read-only for this process, but what is below the folders `writable`.

    Whether the system allows it; if not, nothing has changed. The working folder is the root afterwards. What was
    opened before stays as writable as it was. Groups other than the first are kept, but have no number any more.
    """
    read_end, ready = os.pipe()
    stay, leave = os.pipe()
    # A process that fails between two steps cannot go back, so a child takes them, and this one joins it at the end.
    child = os.fork()
    if child == 0:
        try:
            os.close(leave)
            _separate(writable)
            os.write(ready, b"1")
            os.read(stay, 1)
        finally:
            os._exit(0)
    os.close(ready)
    os.close(stay)
    try:
        return os.read(read_end, 1) == b"1" and _join(child)
    finally:
        os.close(read_end)
        os.close(leave)
        os.waitpid(child, 0)


def _separate(writable: Sequence[str]) -> None:
    """Take this process into namespaces of its own, read-only but for `writable`. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    checked(libc.unshare(_NEW_USER | _NEW_MOUNTS), "namespaces")
    for name, content in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        file = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(file, content.encode())
        os.close(file)
    trees = [_copy(path) for path in writable if os.path.exists(path)]
    checked(call(_MOUNT_SETATTR, _HERE, b"/", _RECURSIVE, _READ_ONLY, len(_READ_ONLY)), "read-only mounts")
    for place, tree in trees:
        checked(call(_MOVE_MOUNT, tree, b"", place, b"", _FROM_EMPTY_PATH | _TO_EMPTY_PATH), "a mount")


def _copy(path: str) -> tuple[int, int]:
    """The folder at `path`, and a copy of what is mounted there, which is mounted nowhere yet: two descriptors."""
    os.path.exists(f"{path}/.")  # has an automounter mount it
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    flags = _CLONE | _EMPTY_PATH | _RECURSIVE | os.O_CLOEXEC
    return place, checked(call(_OPEN_TREE, place, b"", flags), "a copy of a mount")


def _join(process: int) -> bool:
    """Enter the namespaces of `process`, a child; whether that is possible."""
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return False
    try:
        return bool(libc.setns(descriptor, _NEW_USER | _NEW_MOUNTS) == 0)
    finally:
        os.close(descriptor)
