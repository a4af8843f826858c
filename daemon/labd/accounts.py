"""The researchers that labd knows, and where their inbox and outbox are.

This room owns the way from a name in the configuration to a uid, a home and the two folders. It never creates or
changes an account, and never looks into a home.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labd.config import AccountEntry, AccountSettings, Config, account_file
from labd.errors import ConfigError
from labd.hands import Identity
from labd.log import get


@dataclass(frozen=True)
class Account:
    """A researcher."""

    name: str
    identity: Identity
    home: Path
    settings: AccountSettings = field(default_factory=AccountSettings)

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def outbox(self) -> Path:
        return self.home / "outbox"

    @property
    def sessions(self) -> Path:
        """Where the SSH gateway notes its transfers, as the researcher."""
        return self.home / ".labd" / "sessions"


class Accounts(Mapping[str, Account]):
    """All researchers by name, as they were when last read."""

    def __init__(self, read: Callable[[], Mapping[str, Account]]) -> None:
        """`read` finds the researchers; it is called now, and again by `refresh`."""
        self._read = read
        self._know(dict(read()))

    def refresh(self, keep: frozenset[str] = frozenset()) -> None:
        """Read them again. Those in `keep` stay known also when they are gone: they have jobs that go on."""
        found = self._read()
        gone = {name: account for name, account in self._known.items() if name in keep and name not in found}
        self._know({**gone, **found})

    def of_uid(self, uid: int) -> str | None:
        """Name of the researcher with that `uid`, None when there is none."""
        return self._names.get(uid)

    def _know(self, known: dict[str, Account]) -> None:
        self._known, self._names = known, {account.identity.uid: name for name, account in known.items()}

    def __getitem__(self, name: str) -> Account:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def configured(config: Config) -> Accounts:
    """Those that `config` lists, and those with a file of their own in the folder of accounts.

    Raises ConfigError for one in the config that the machine does not have. A file that is wrong is reported in the
    log and left out: one researcher's trouble is not everybody's.
    """
    return Accounts(lambda: {**_with_files(config.paths.accounts), **_listed(config)})


def myself(home: Path) -> Accounts:
    """The one account of a single-user lab in `home`: whoever runs labd."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user{uid}"
    account = Account(name, Identity(uid, os.getgid(), tuple(os.getgroups())), home)
    return Accounts(lambda: {name: account})


def _listed(config: Config) -> dict[str, Account]:
    return {entry.name: resolve(entry) for entry in config.accounts}


def _with_files(folder: Path) -> dict[str, Account]:
    found = {}
    for file in sorted(folder.glob("*.toml")):
        try:
            found[file.stem] = resolve(account_file(file))
        except ConfigError as error:
            get().warning("account left out", user=file.stem, reason=error.message)
    return found


def resolve(entry: AccountEntry) -> Account:
    """The researcher that `entry` means. Raises ConfigError when the machine does not have that user, or it is root."""
    try:
        known = pwd.getpwnam(entry.name)
    except KeyError:
        if entry.uid is None or entry.gid is None or entry.home is None:
            raise ConfigError(
                f"accounts: this machine has no user {entry.name}.",
                "Create the account with `labd adduser`, or give its uid, gid and home in the config.",
            ) from None
        return _checked(entry, entry.uid, entry.gid, entry.home)
    uid = known.pw_uid if entry.uid is None else entry.uid
    gid = known.pw_gid if entry.gid is None else entry.gid
    return _checked(entry, uid, gid, entry.home or Path(known.pw_dir))


def _checked(entry: AccountEntry, uid: int, gid: int, home: Path) -> Account:
    if uid == 0 or gid == 0:
        raise ConfigError(f"accounts: {entry.name} is root; programs of researchers never run as root.")
    # getgrouplist(3), without the groups that would make its member root by another door.
    groups = [group for group in os.getgrouplist(entry.name, gid) if group != gid and not _is_powerful(group)]
    return Account(entry.name, Identity(uid, gid, tuple(groups)), home, entry)


def _is_powerful(gid: int) -> bool:
    try:
        return gid == 0 or grp.getgrgid(gid).gr_name in ("docker", "disk", "shadow", "sudo")
    except KeyError:
        return gid == 0
