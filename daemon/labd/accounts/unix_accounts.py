"""The machine's own accounts: useradd, usermod, userdel, and the sessions that are open.

This module owns every change of the passwd database, by the system's own programs. What has to be done in a home is
done as its owner. It never knows what a researcher is to labd.
"""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from labd.accounts.files import AccountError
from labd.common.commands import CommandError, must
from labd.common.installation import GROUP, SHELL_GROUP, SKEL
from labd.privsep.workers import Identity

HOMES = Path("/home")
_FIRST_UID, _LAST_UID = 1000, 60000  # Debian policy, 9.2.2
_SSHD = ("sshd", "sshd-session")
_ENDING = 10.0  # seconds that a session has to end
_LOOK_AGAIN = 0.1


def exists(name: str) -> bool:
    """Whether the machine knows a user `name`, from whatever source."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def identity(name: str) -> Identity:
    """Who `name` is to the kernel, in their own group only."""
    known = pwd.getpwnam(name)
    return Identity(known.pw_uid, known.pw_gid)


def create(name: str, comment: str, shell: bool) -> bool:
    """Make the account and its home, which nobody else can enter; whether the home is new.

    A home that an earlier account of that name left is taken over, with its uid; nobody gets the uid of another home
    that was left. Nothing is left of an account that could not be made. Raises AccountError, CommandError.
    """
    home = HOMES / name
    is_new = not os.path.lexists(home)
    command = ["useradd", "--user-group", "--home-dir", str(home), "--comment", comment, "--password", "*"]
    command += ["--groups", SHELL_GROUP if shell else GROUP, "--shell", "/bin/bash" if shell else "/bin/sh"]
    if is_new:
        command += ["--create-home", "--skel", str(SKEL), "--key", "HOME_MODE=0700", *_uid_of_nobody()]
    else:
        command += ["--no-create-home", "--uid", str(_left_by(home))]
    try:
        must([*command, name])
    except CommandError:
        if exists(name):
            delete(name, is_new)
        raise
    if not is_new:
        known = pwd.getpwnam(name)
        os.chown(home, known.pw_uid, known.pw_gid, follow_symlinks=False)
    return is_new


def delete(name: str, with_home: bool = False) -> None:
    """Remove the account, and `with_home` its home, for one that nobody has used yet.

    A home that stays is closed to everybody but root: the next account that is made could get the same uid.
    """
    home = HOMES / name
    if not with_home and home.is_dir() and not home.is_symlink():
        os.chown(home, 0, 0, follow_symlinks=False)
    must(["userdel", *(["--remove"] if with_home else []), name])


def expire(name: str, expired: bool) -> None:
    """Close the account to every kind of login, or open it again (sshd asks PAM, PAM asks shadow(5))."""
    must(["usermod", "--expiredate", "1" if expired else "", name])


def as_owner(name: str, *command: str) -> None:
    """Run a program with the rights of `name`. Raises CommandError."""
    # Where we are is perhaps not open to them.
    must([*identity(name).prefix(), "env", "--chdir=/", *command], timeout=3600.0)


def end_sessions(name: str) -> None:
    """End the SSH sessions of `name` and wait until they are gone, ten seconds at most."""
    uid = pwd.getpwnam(name).pw_uid
    for sign in (signal.SIGTERM, signal.SIGKILL):
        limit = time.monotonic() + _ENDING / 2
        while (found := [pid for pid, program in processes(uid) if program in _SSHD]) and time.monotonic() < limit:
            for pid in found:
                _signal(pid, sign)
            time.sleep(_LOOK_AGAIN)


def processes(uid: int) -> Iterator[tuple[int, str]]:
    """Number and name of each process of `uid`, those in containers included."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == uid:
                yield int(folder.name), (folder / "comm").read_text().strip()
        except OSError:
            continue  # it has ended


def _uid_of_nobody() -> list[str]:
    """How useradd is told to choose no uid that owns a home which was left; nothing when there is none."""
    used = {known.pw_uid for known in pwd.getpwall()}
    left = {uid for home in HOMES.iterdir() if (uid := _owner(home)) not in used}
    ordinary = [uid for uid in used | left if _FIRST_UID <= uid < _LAST_UID]
    return ["--uid", str(max(ordinary) + 1)] if left else []


def _left_by(home: Path) -> int:
    """The uid of the account that left `home`. Raises AccountError when it is somebody's."""
    uid = _owner(home)
    owner = next((known.pw_name for known in pwd.getpwall() if known.pw_uid == uid), None)
    if home.is_symlink() or not home.is_dir() or owner is not None:
        whose = f"what is in it belongs to {owner}" if owner else "it is no folder"
        raise AccountError(f"{home} is there already, and {whose}.", "Move it away, or choose another name.")
    return uid


def _owner(home: Path) -> int:
    """Whose a home is, or was before it was closed: then its inbox says so."""
    uid = home.lstat().st_uid
    inbox = home / "inbox"
    return inbox.lstat().st_uid if uid == 0 and os.path.lexists(inbox) else uid


def _signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return
