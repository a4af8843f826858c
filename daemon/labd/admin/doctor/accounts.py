"""Rights: who may read and write what labd goes by, and the researchers' folders.

This module owns the look at owners and modes, by lstat alone where a researcher could have put a link, and the
judgement on them. It never opens anything of a researcher's and never changes a right.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labd.accounts.accounts import Account
from labd.admin.doctor.subject import CheckContext
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.common.units import count

_SUBJECT = "Rights"
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_OTHERS_READ = 0o044
_OTHERS_WRITE = 0o022


@dataclass(frozen=True)
class FileStatus:
    """A file or folder, as lstat(2) describes it."""

    path: Path
    mode: int
    uid: int

    @property
    def is_open(self) -> bool:
        """Whether anybody but root can change it."""
        return self.uid != 0 or (not stat.S_ISLNK(self.mode) and bool(self.mode & _OTHERS_WRITE))


def checks(context: CheckContext) -> list[Check]:
    """All about owners and rights."""
    return [
        Check(_SUBJECT, "who may change labd's settings", lambda: judge_guarded(_settings(context))),
        Check(_SUBJECT, "who may read passwords in the settings", lambda: _secrets(context)),
        Check(
            _SUBJECT, "labd's state", lambda: judge_state(context.config.paths.state, look(context.config.paths.state))
        ),
        Check("Researchers", "the researchers' folders", lambda: _researchers(context)),
    ]


def look(path: Path) -> FileStatus | None:
    """What is at `path`; None for nothing. Links are not followed."""
    try:
        facts = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileStatus(path, facts.st_mode, facts.st_uid)


# labd's own


def _settings(context: CheckContext) -> Iterator[FileStatus]:
    folders = [context.etc, context.config.paths.accounts, context.keys, context.config.paths.templates]
    paths = [context.config_file, *folders]
    for folder in folders[1:]:
        paths += sorted(folder.rglob("*")) if folder.is_dir() else []
    for path in dict.fromkeys(paths):
        if entry := look(path):
            yield entry


def judge_guarded(entries: Iterable[FileStatus]) -> Iterator[Finding]:
    """Whether all of them can be changed by root only: who can change a key file or a template can become anybody."""
    entries = list(entries)
    risky = [entry for entry in entries if entry.is_open]
    for entry in risky:
        path = shlex.quote(str(entry.path))
        yield fail(f"Others than root can change {entry.path}.", f"chown root:root {path} && chmod go-w {path}")
    if entries and not risky:
        yield ok(f"Settings, keys and templates can be changed by root only ({count(len(entries), 'file')}).")


def _secrets(context: CheckContext) -> Iterator[Finding]:
    build = context.config.build
    holding = [context.config_file] if any(_CREDENTIALS.search(url) for url in (build.index, build.proxy)) else []
    if build.pip_conf and build.pip_conf.is_file():
        holding += [build.pip_conf] if _CREDENTIALS.search(build.pip_conf.read_text("utf-8", "replace")) else []
    yield from judge_secrets([entry for path in holding if (entry := look(path))])


def judge_secrets(holding: Iterable[FileStatus]) -> Iterator[Finding]:
    """Whether files that hold passwords are closed to others."""
    readable = [entry for entry in holding if entry.mode & _OTHERS_READ]
    for entry in readable:
        what = f"{entry.path} has a password in it, and others can read it."
        yield warn(what, f"chmod 600 {shlex.quote(str(entry.path))}")
    if not readable:
        yield ok("Nobody else can read a password in the settings.")


def judge_state(state: Path, entry: FileStatus | None) -> Iterator[Finding]:
    """Whether the folder of all jobs can be passed through, but not listed, by others."""
    if entry is None:
        yield warn(f"There is no {state} yet; the daemon makes it.", "systemctl start labd")
        return
    if not stat.S_ISDIR(entry.mode):
        yield fail(f"{state} is not a folder.", f"mv {state} {state}.old && systemctl restart labd")
    elif entry.is_open:
        yield fail(f"Others than root can change {state}.", f"chown root:root {state} && chmod 711 {state}")
    elif stat.S_IMODE(entry.mode) & 0o066:
        yield warn(f"Others can list {state}, and so see whose jobs there are.", f"chmod 711 {state}")
    elif stat.S_IMODE(entry.mode) & 0o011 != 0o011:
        yield fail(f"Researchers' results in {state} cannot be reached for delivery.", f"chmod 711 {state}")
    else:
        yield ok(f"{state} is root's and closed to others.")


# The researchers'


def _researchers(context: CheckContext) -> Iterator[Finding]:
    for error in context.wrong_accounts:
        yield fail(error.message, error.hint)
    if not context.researchers:
        yield warn("There are no researchers yet.", "labd adduser NAME")
        return
    found = [finding for account in context.researchers for finding in _folders(account)]
    yield from found
    if not found:
        yield ok(f"{count(len(context.researchers), 'researcher')}: homes, inboxes and outboxes are as they should be.")


def _folders(account: Account) -> Iterator[Finding]:
    yield from judge_home(account, look(account.home))
    for folder in (account.inbox, account.outbox):
        yield from judge_box(account, folder, look(folder))


def judge_home(account: Account, entry: FileStatus | None) -> Iterator[Finding]:
    """What is wrong with a researcher's home."""
    home = shlex.quote(str(account.home))
    if entry is None or not stat.S_ISDIR(entry.mode):
        make = f"install -d -m 700 -o {account.identity.uid} -g {account.identity.gid} {home}"
        yield fail(f"{account.name} has no home at {account.home}.", make)
    elif entry.uid != account.identity.uid:
        yield fail(f"{account.home} does not belong to {account.name}.", f"chown {account.identity.uid} {home}")
    elif entry.mode & 0o077:
        yield warn(f"Others can look into {account.home}.", f"chmod 700 {home}")


def judge_box(account: Account, folder: Path, entry: FileStatus | None) -> Iterator[Finding]:
    """What is wrong with a researcher's inbox or outbox at `folder`."""
    # As the researcher: root must not make or change anything where they could have put a link.
    name, quoted = account.name, shlex.quote(str(folder))
    if entry is None:
        yield fail(f"{name} has no {folder.name}.", f"runuser -u {name} -- mkdir {quoted}")
    elif not stat.S_ISDIR(entry.mode):
        aside = f"runuser -u {name} -- mv {quoted} {quoted}.old && runuser -u {name} -- mkdir {quoted}"
        yield fail(f"The {folder.name} of {name} is not a folder, but a link or a file.", aside)
    elif entry.uid != account.identity.uid:
        yield fail(f"{folder} does not belong to {name}.", f"chown -h {account.identity.uid} {quoted}")
