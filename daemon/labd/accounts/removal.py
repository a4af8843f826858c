"""`labd deluser`: how an account goes, and what becomes of its home.

This module owns the order: nobody can come in before anything is taken away, and a home is archived before it is
removed. It never removes a home that was not named for it, and works in it as its owner only.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path
from types import SimpleNamespace as Options

from labd.accounts import admin, files, key_files, unix_accounts
from labd.accounts.files import AccountError
from labd.client.connection import SYSTEM_SOCKET, ask
from labd.common.commands import hand_over
from labd.common.errors import Exit, LabdError

_WHOLE = "The account is disabled, and all of it is there."
_SHOWN = 5


def deluser(options: Options) -> int:
    """Remove an account; its home stays unless `options.remove_home`. Raises LabdError."""
    name, file = admin.find(options.name)
    home = unix_accounts.HOMES / name
    _refuse_while_busy(name)
    if not options.yes:
        _ask(name, home, options)
    if unix_accounts.exists(name):
        admin.close(name, file)
        # A daemon that sees an upload change would write STATUS into a home that is on its way out.
        files.tell_daemon()
        _require_no_programs(name)
        if options.archive:
            _archive(name, home, Path(options.archive))
        if options.remove_home and os.path.lexists(home):
            _remove(name, home)
        unix_accounts.delete(name)
    file.unlink()
    key_files.remove(name)
    files.tell_daemon()
    print(f"{name} is removed." + ("" if options.remove_home else f" {home} is still there."))
    return Exit.OK


def _refuse_while_busy(name: str) -> None:
    try:
        active = [job for answer in ask(SYSTEM_SOCKET, "status") for job in answer["active"] if job["user"] == name]
    except LabdError:
        return  # what runs is seen by its uid as well
    if active:
        numbers = " ".join(str(job["job"]) for job in active)
        raise AccountError(f"{name} has jobs that run or wait: {numbers}.", "Cancel them first: labd cancel JOB")


def _ask(name: str, home: Path, options: Options) -> None:
    if not sys.stdin.isatty():
        raise AccountError(f"{name} was not removed, because nobody was there to ask.", "To remove it unasked: --yes")
    fate = "with everything in it" if options.remove_home else "which stays"
    if input(f"Remove the account {name}? Its home is {home}, {fate}. [y/N] ").strip().lower() not in ("y", "yes"):
        raise AccountError(f"{name} was not removed.")


def _require_no_programs(name: str) -> None:
    running = list(unix_accounts.processes(pwd.getpwnam(name).pw_uid))
    if running:
        programs = ", ".join(f"{program} ({pid})" for pid, program in running[:_SHOWN])
        programs += f" and {len(running) - _SHOWN} more" if len(running) > _SHOWN else ""
        raise AccountError(
            f"Programs of {name} run: {programs}.",
            f"End them (pkill -u {name}) and try again. Until then the account is disabled.",
        )


def _archive(name: str, home: Path, archive: Path) -> None:
    try:
        target = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise AccountError(f"{archive} cannot be written: {error.strerror}.", _WHOLE) from None
    command = ["tar", "--create", "--gzip", "--directory", str(home), "--transform", f"s,^\\.,{name},S", "."]
    with open(target, "wb") as file:
        code = hand_over([*unix_accounts.identity(name).prefix(), *command], output=file.fileno())
    if code != 0:
        archive.unlink()
        raise AccountError(f"{home} could not be archived (tar: exit code {code}).", _WHOLE)
    print(f"{home} is in {archive}.")


def _remove(name: str, home: Path) -> None:
    """As its owner, whose links lead to nothing that its owner could not remove; then the empty folder."""
    unix_accounts.as_owner(name, "find", str(home), "-mindepth", "1", "-delete")
    try:
        home.rmdir()
    except OSError as error:
        raise AccountError(
            f"{home} could not be removed: {error.strerror}.", "Look into it: what is not its owner's is still there."
        ) from None
