"""What a transfer needs on the server: rsync, the SFTP server, a kernel that confines them.

This module owns the look for them and the judgement on what was found. It never starts a transfer.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from labd.admin.doctor.subject import CheckContext
from labd.common.commands import run, which
from labd.common.errors import UnavailableError
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.privsep.workers import Identity

_SUBJECT = "Transfers"
_LEAST_RSYNC = (3, 2, 7)  # earlier ones have known holes in the server's side, and no --secluded-args
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
_TRIAL_SECONDS = 10.0
_LANDLOCK_CREATE_RULESET = 444  # on all architectures but alpha (linux/arch/*/syscall.tbl)
_ASK_VERSION = 1
_NOBODY = Identity(65534, 65534)
_NOT_ALLOWED = 3
_TRY = (
    f"from labd.gateway.read_only import make_read_only; raise SystemExit(0 if make_read_only([]) else {_NOT_ALLOWED})"
)
# Settings of the kernel below /proc/sys that forbid namespaces: name, the value that does, one that does not.
_SWITCHES = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "16384"),
    ("user.max_mnt_namespaces", "0", "16384"),
)


def checks(_: CheckContext) -> list[Check]:
    """All about the programs of transfers."""
    return [
        Check(_SUBJECT, "rsync", _rsync),
        Check(_SUBJECT, "the SFTP server", _sftp),
        Check(_SUBJECT, "Landlock", _landlock),
        Check(_SUBJECT, "namespaces", _namespaces),
    ]


def _rsync() -> Iterator[Finding]:
    yield judge_rsync(run([which("rsync"), "--version"], timeout=_TRIAL_SECONDS).output)


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


def _namespaces() -> Iterator[Finding]:
    as_nobody = _NOBODY.prefix() if os.geteuid() == 0 else []
    tried = run([*as_nobody, sys.executable, "-I", "-c", _TRY], timeout=_TRIAL_SECONDS)
    if tried.code not in (0, _NOT_ALLOWED):
        last = tried.output.strip().rpartition("\n")[2]
        raise UnavailableError(f"Python did not start ({last or tried.code}).")
    yield judge_namespaces(tried.code == 0, {name: _setting(name) for name, _, _ in _SWITCHES})


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", *name.split(".")).read_text().strip()
    except OSError:
        return ""


def judge_namespaces(is_allowed: bool, settings: Mapping[str, str]) -> Finding:
    """Whether a transfer gets a view of the machine that is read-only elsewhere; `settings` of the kernel by name."""
    if is_allowed:
        return ok("Transfers can change nothing outside inbox and outbox, modes and times included.")
    what = (
        "The system allows no user namespaces: with sftp a researcher can change modes and times of all their files, "
        "also outside inbox and outbox."
    )
    for name, forbids, allows in _SWITCHES:
        if settings.get(name) == forbids:
            return warn(what, f"echo {name}={allows} >>/etc/sysctl.d/60-labd.conf && sysctl --system")
    return warn(what, "Boot a kernel 5.12 or later; in a container, allow unshare(2), setns(2) and mount_setattr(2).")
