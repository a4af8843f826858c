"""The researchers that labd knows, and where their inbox and outbox are.

This room owns the way from a name in the configuration to a uid, a home and the two folders. It never creates or
changes an account, and never looks into a home.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from labd.config import AccountEntry, Config
from labd.errors import ConfigError
from labd.hands import Identity


@dataclass(frozen=True)
class Account:
    """A researcher."""

    name: str
    identity: Identity
    home: Path

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def outbox(self) -> Path:
        return self.home / "outbox"


def configured(config: Config) -> dict[str, Account]:
    """The accounts listed in `config`, by name. Raises ConfigError for one that the machine does not have."""
    return {entry.name: _resolve(entry) for entry in config.accounts}


def myself(home: Path) -> dict[str, Account]:
    """The one account of a single-user lab in `home`: whoever runs labd."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user{uid}"
    return {name: Account(name, Identity(uid, os.getgid(), tuple(os.getgroups())), home)}


def _resolve(entry: AccountEntry) -> Account:
    try:
        known = pwd.getpwnam(entry.name)
    except KeyError:
        if entry.uid is None or entry.gid is None or entry.home is None:
            raise ConfigError(
                f"accounts: this machine has no user {entry.name}.",
                "Create the account first, or give its uid, gid and home here.",
            ) from None
        return _checked(entry.name, entry.uid, entry.gid, entry.home)
    uid = known.pw_uid if entry.uid is None else entry.uid
    gid = known.pw_gid if entry.gid is None else entry.gid
    return _checked(entry.name, uid, gid, entry.home or Path(known.pw_dir))


def _checked(name: str, uid: int, gid: int, home: Path) -> Account:
    if uid == 0 or gid == 0:
        raise ConfigError(f"accounts: {name} is root; programs of researchers never run as root.")
    # getgrouplist(3), without the groups that would make its member root by another door.
    groups = [group for group in os.getgrouplist(name, gid) if group != gid and not _is_powerful(group)]
    return Account(name, Identity(uid, gid, tuple(groups)), home)


def _is_powerful(gid: int) -> bool:
    try:
        return gid == 0 or grp.getgrgid(gid).gr_name in ("docker", "disk", "shadow", "sudo")
    except KeyError:
        return gid == 0
