"""What a transfer needs on the server: rsync, the SFTP server, a kernel that confines them.

This room owns the look for them and the judgement on what was found. It never starts a transfer.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from labd.commands import run, which
from labd.doctor_ground import Ground
from labd.finding import Check, Finding, fail, ok, warn

_SUBJECT = "Transfers"
_LEAST_RSYNC = (3, 2, 7)  # earlier ones have known holes in the server's side, and no --secluded-args
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
_TIMEOUT = 10.0
_LANDLOCK_CREATE_RULESET = 444  # on all architectures but alpha (linux/arch/*/syscall.tbl)
_ASK_VERSION = 1


def checks(_: Ground) -> list[Check]:
    """All about the programs of transfers."""
    return [
        Check(_SUBJECT, "rsync", _rsync),
        Check(_SUBJECT, "the SFTP server", _sftp),
        Check(_SUBJECT, "Landlock", _landlock),
    ]


def _rsync() -> Iterator[Finding]:
    yield judge_rsync(run([which("rsync"), "--version"], timeout=_TIMEOUT).output)


def judge_rsync(said: str) -> Finding:
    """Whether it is recent enough; `said` is what `rsync --version` prints."""
    found = re.search(r"version v?(\d+)\.(\d+)\.(\d+)", said)
    least = ".".join(map(str, _LEAST_RSYNC))
    if not found:
        return fail(f"rsync does not tell its version; labd needs {least} or later.", "apt-get install rsync")
    version = tuple(int(number) for number in found.groups())
    if version < _LEAST_RSYNC:
        return fail(f"rsync {'.'.join(found.groups())} is too old; labd needs {least}.", "apt-get install rsync")
    return ok(f"rsync {'.'.join(found.groups())}.")


def _sftp() -> Iterator[Finding]:
    yield judge_sftp([path for path in _SFTP_SERVERS if os.access(path, os.X_OK)])


def judge_sftp(found: Sequence[str]) -> Finding:
    """Whether scp, sftp and WinSCP have somebody to talk to."""
    if not found:
        return fail(
            "There is no sftp-server: scp, sftp and WinSCP cannot transfer anything.",
            "apt-get install openssh-sftp-server",
        )
    return ok(f"{found[0]} serves scp, sftp and WinSCP.")


def _landlock() -> Iterator[Finding]:
    libc = ctypes.CDLL(None, use_errno=True)
    # landlock_create_ruleset(2): with this flag, the answer is the version of what the kernel can do.
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    yield judge_landlock(version, Path("/boot/grub").is_dir())


def judge_landlock(version: int, has_grub: bool) -> Finding:
    """Whether the kernel confines a transfer to its inbox and outbox; `version` is below 1 when it does not."""
    if version < 1:
        add = 'add "lsm=landlock,yama,apparmor" to GRUB_CMDLINE_LINUX in /etc/default/grub, then: update-grub && reboot'
        return warn(
            "The kernel has no Landlock: only labd's own checks of paths keep a transfer inside inbox and outbox.",
            add if has_grub else "Boot a kernel 5.13 or later with lsm=landlock on its command line.",
        )
    return ok(f"The kernel confines transfers to inbox and outbox (Landlock {version}).")
