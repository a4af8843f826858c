"""The researchers that labd knows, and where their inbox and outbox are.

This module owns the way from a name in the configuration to a uid, a home and the two folders. It never creates or
changes an account, and never looks into a home.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
import threading
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labd.accounts.lookup import look_up
from labd.common.commands import spoken
from labd.common.errors import ConfigError
from labd.common.log import get
from labd.model.account_settings import AccountEntry, AccountSettings, account_file
from labd.model.config import Config
from labd.model.layout import is_valid_name
from labd.privsep.workers import Identity

PUSH_KEY, PUSH_HOSTS = ".ssh/labd_push", ".ssh/labd_push_hosts"  # in the home: for results that travel on
_LOOKING_UP = 10.0  # seconds for all names together
_MOST = 2**32 - 2  # of uids and gids; one more means "none" (chown(2))


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


@dataclass(frozen=True)
class Read:
    """The researchers that were found, and those who are left out with the reason."""

    found: Mapping[str, Account]
    left_out: Mapping[str, str] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()  # of those left out: the machine did not say whether it knows them


class Accounts(Mapping[str, Account]):
    """All researchers by name, as they were when last read."""

    def __init__(self, read: Callable[[], Read]) -> None:
        """`read` finds the researchers; it is called now, and again by `refresh`."""
        self._read = read
        self._reading = threading.Lock()
        self._know({})
        self._left_out: Mapping[str, str] = {}
        self.are_all_known = True  # whether none is left out
        self._remembered: Path | None = None
        self.refresh()

    def refresh(self, keep: Callable[[], Collection[str]] = frozenset) -> None:
        """Read them again. Those that `keep` names stay known also when they are gone: they have jobs that go on."""
        # Reading takes time, and what was read earlier must not take the place of what was read later.
        with self._reading:
            self._take(self._read(), keep)

    def _take(self, read: Read, keep: Callable[[], Collection[str]]) -> None:
        kept = {*keep(), *read.silent}
        for name, reason in read.left_out.items():
            if self._left_out.get(name) != reason:
                get().warning("account left out", user=name, reason=reason)
        self._left_out = read.left_out
        self.are_all_known = not read.left_out
        gone = {name: account for name, account in self._known.items() if name in kept and name not in read.found}
        self._know({**gone, **read.found})
        if self._remembered:
            self._write(self._remembered)

    def remember(self, file: Path, keep: frozenset[str]) -> None:
        """Keep in `file` who is known, also for the next daemon; and know those in `keep` from the last one's file.

        Their jobs go on while the machine does not know them: after a start, its user database may be late.
        """
        self._remembered = file
        recalled = _recalled(file)
        unknown = {name: recalled[name] for name in keep & recalled.keys() - self._known.keys()}
        self._know({**self._known, **unknown})
        self._write(file)

    def _write(self, file: Path) -> None:
        text = json.dumps({name: _described(account) for name, account in self._known.items()})
        part = file.with_name(file.name + ".part")
        try:
            part.write_text(text)
            os.replace(part, file)
        except OSError as error:
            get().warning("the accounts are not remembered", reason=error.strerror)

    def of_uid(self, uid: int) -> str | None:
        """Name of the researcher with that `uid`, None when there is none."""
        return self._names.get(uid)

    def _know(self, known: dict[str, Account]) -> None:
        self._known, self._names = known, {account.identity.uid: name for name, account in known.items()}

    def __getitem__(self, name: str) -> Account:
        return self._known[name]

    def items(self) -> ItemsView[str, Account]:
        """As they are now: who is forgotten meanwhile is still among them."""
        return self._known.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def configured(config: Config) -> Accounts:
    """Those that `config` lists, and those with a file of their own in the folder of accounts.

    One that is wrong, or that the machine does not know (now), is reported in the log and left out: one researcher's
    trouble is not everybody's.
    """
    return Accounts(lambda: _read(config))


def myself(home: Path) -> Accounts:
    """The one account of a single-user lab in `home`: whoever runs labd."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user{uid}"
    account = Account(name, Identity(uid, os.getgid(), tuple(os.getgroups())), home)
    return Accounts(lambda: Read({name: account}))


def _read(config: Config) -> Read:
    entries: dict[str, AccountEntry] = {}
    left_out: dict[str, str] = {}
    for file in sorted(config.paths.accounts.glob("*.toml")):
        try:
            if not is_valid_name(file.stem):
                raise ConfigError(f"{file.stem!a} is no name of an account.")
            entries[file.stem] = account_file(file)
        except ConfigError as error:
            left_out[file.stem] = error.message
    entries |= {entry.name: entry for entry in config.accounts}
    facts = _looked_up(entries.values())
    found = {}
    silent = frozenset(entries.keys() - facts.keys())
    left_out |= dict.fromkeys(silent, "the machine's user database does not answer")
    for name, entry in entries.items():
        if name in silent:
            continue
        try:
            found[name] = _resolved(entry, facts[name])
        except ConfigError as error:
            left_out[name] = error.message
    return Read(found, left_out, silent)


def _looked_up(entries: Collection[AccountEntry]) -> dict[str, Mapping[str, Any]]:
    """What the machine knows of each, as far as it answers in time."""
    if not entries:
        return {}
    wanted = json.dumps([[entry.name, entry.gid] for entry in entries]).encode()
    lines = spoken([sys.executable, "-I", "-m", "labd.accounts.lookup"], wanted, timeout=_LOOKING_UP).splitlines()
    found = [json.loads(line) for line in lines if line.endswith(b"}")]
    return {facts["name"]: facts for facts in found}


def resolve(entry: AccountEntry) -> Account:
    """The researcher that `entry` means. Raises ConfigError when the machine does not have that user, or it is root."""
    return _resolved(entry, look_up(entry.name, entry.gid))


def _resolved(entry: AccountEntry, facts: Mapping[str, Any]) -> Account:
    uid = facts.get("uid") if entry.uid is None else entry.uid
    gid = facts.get("gid") if entry.gid is None else entry.gid
    home = facts.get("home") if entry.home is None else entry.home
    if uid is None or gid is None or home is None:
        raise ConfigError(
            f"accounts: this machine has no user {entry.name}.",
            "Create the account with `labd adduser`, or give its uid, gid and home in the config.",
        )
    if max(uid, gid) > _MOST:
        raise ConfigError(f"accounts: {entry.name} has uid {uid} and gid {gid}; no user has more than {_MOST}.")
    if uid == 0 or gid == 0:
        raise ConfigError(f"accounts: {entry.name} is root; programs of researchers never run as root.")
    return Account(entry.name, Identity(uid, gid, tuple(facts["groups"])), Path(home), entry)


def _described(account: Account) -> dict[str, Any]:
    who = account.identity
    return {"uid": who.uid, "gid": who.gid, "groups": who.groups, "home": str(account.home)}


def _recalled(file: Path) -> dict[str, Account]:
    """The accounts in `file`, without their settings; none when it cannot be read."""
    try:
        return {
            name: Account(name, Identity(one["uid"], one["gid"], tuple(one["groups"])), Path(one["home"]))
            for name, one in json.loads(file.read_text()).items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
