"""Whether the folder of labd's state is on a file system that can do what labd asks of it.

This module owns the probes and the words for what is missing. It leaves nothing behind, and never mends anything.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import tempfile
import threading
from pathlib import Path

from labd.common.mounts import mount_of, mounts, nearest

_NEW_MOUNTS, _OWN_FOLDER = 0x20000, 0x200  # CLONE_NEWNS, CLONE_FS
_PRIVATE_AND_BELOW = 0x40000 | 0x4000  # MS_PRIVATE, MS_REC
_NOT_ALLOWED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_NEVER = (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENOLCK)
_SOMEBODY = 65534
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "glusterfs", "9p", "afs")
_NO_UPPER_LAYER = frozenset((*_NETWORK, "overlay", "vfat", "exfat", "msdos", "ntfs3", "ecryptfs"))
_IN_MEMORY = ("tmpfs", "ramfs")

_libc = ctypes.CDLL(None, use_errno=True)


def view_support(folder: Path) -> str:
    """Why programs cannot have copy-on-write views of what is below `folder`, or its nearest parent; "": they can.

    By a real mount, in a thread with mounts of its own that are gone with it. Where that is not allowed (in labd's own
    unit), by the kind of file system and a look at its folders. Raises OSError when nothing can be written there.
    """
    there = nearest(folder)
    kind = mount_of(there, mounts()).kind
    with tempfile.TemporaryDirectory(prefix=".labd-probe-", dir=there) as probe:
        for part in ("lower", "upper", "work", "view"):
            Path(probe, part).mkdir()
        error = _mount_apart(Path(probe))
        if error in _NOT_ALLOWED:
            if kind in _NO_UPPER_LAYER or kind.startswith("fuse"):
                return f"{kind} cannot be the upper layer of an overlay"
            return "" if _folders_tell_types(Path(probe)) else f"this {kind} does not tell the types of files (ftype=1)"
    return f"an overlay on {kind} cannot be mounted ({os.strerror(error)})" if error else ""


def unfitness(folder: Path) -> str:
    """Why labd's state can never be in `folder`, or in what is its nearest parent now; "": it can.

    Raises OSError for what may pass: a disk that is full, or mounted read-only.
    """
    there = nearest(folder)
    with tempfile.TemporaryDirectory(prefix=".labd-probe-", dir=there) as probe:
        return _missing_ability(Path(probe), mount_of(there, mounts()).kind)


def loss(folder: Path) -> str:
    """Why what is in `folder` will be gone one day; "": it stays."""
    kind = mount_of(nearest(folder), mounts()).kind
    return f"it is on {kind}: all jobs and results are lost at the next start" if kind in _IN_MEMORY else ""


def _missing_ability(probe: Path, kind: str) -> str:
    """What files in `probe` cannot do."""
    file, link = probe / "file", probe / "link"
    try:
        with open(file, "wb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opened.write(b"labd")
        os.chmod(file, 0o640)
        if os.geteuid() == 0:
            os.chown(file, _SOMEBODY, _SOMEBODY)
        os.link(file, link)
        os.symlink("file", probe / "symbolic")
        os.mkfifo(probe / "pipe")
    except OSError as error:
        if error.errno not in _NEVER:
            raise
        return f"{kind} there has no ordinary files with owners, rights, locks and links ({error.strerror})"
    found = os.stat(link)
    if found.st_mode & 0o777 != 0o640 or (os.geteuid() == 0 and found.st_uid != _SOMEBODY):
        return f"{kind} there does not keep owners and rights"
    return ""


def _mount_apart(probe: Path) -> int:
    """Mount an overlay of the folders in `probe` where nobody else sees it; the error number, 0 when that works."""
    errors: list[int] = []

    def mount() -> None:
        layers = ",".join(f"{layer}dir={probe / layer}" for layer in ("lower", "upper", "work"))
        if _libc.unshare(_OWN_FOLDER | _NEW_MOUNTS) or _libc.mount(None, b"/", None, _PRIVATE_AND_BELOW, None):
            # Whatever the reason is: nothing was learned of the file system.
            errors.append(errno.EPERM)
            return
        target = os.fsencode(probe / "view")
        errors.append(_libc.mount(b"overlay", target, b"overlay", 0, os.fsencode(layers)) and ctypes.get_errno())

    thread = threading.Thread(target=mount)
    thread.start()
    thread.join()
    return errors[0]


def _folders_tell_types(probe: Path) -> bool:
    """Whether reading a folder tells what its entries are (d_type of readdir(3)), as overlayfs must know."""
    inner = probe / "inner"
    inner.mkdir()
    with os.scandir(probe) as entries:
        entry = next(entry for entry in entries if entry.name == inner.name)
    inner.rmdir()
    # It is gone: whoever would have to ask the file itself cannot know it any more.
    return entry.is_dir(follow_symlinks=False)
