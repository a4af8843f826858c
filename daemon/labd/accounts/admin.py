"""`labd adduser`, `disable`, `enable`: how an account comes to be, sleeps and wakes.

This module owns the order of the steps: what makes somebody a researcher (the account file) comes last, and each
failure undoes what came before. It never touches a home but as its owner.
"""

from __future__ import annotations

import grp
from functools import partial
from pathlib import Path
from types import SimpleNamespace as Options

from labd.accounts import files, key_files, new_account, unix_accounts, welcome
from labd.accounts.files import AccountError
from labd.accounts.new_account import NewAccount
from labd.client.writing import write_whole
from labd.common import installation
from labd.common.errors import Exit, NotFoundError
from labd.common.rollback import Steps, all_or_nothing
from labd.model.account_settings import account_file
from labd.model.config import SYSTEM_FILE, Config, load


def adduser(options: Options) -> int:
    """Make an account, and print what to send to its owner. Raises LabdError."""
    installation.as_root("make accounts")
    config = machine_config()
    _require_setup(config)
    wanted = new_account.of(options, config)
    if options.dry_run:
        _tell(wanted, config)
        return Exit.OK
    push_note = ""
    with all_or_nothing() as steps:
        if wanted.make_key:
            steps.do(
                lambda: wanted.keys.append(new_account.make_key(wanted)),
                partial(wanted.made_key.unlink, missing_ok=True),
            )
        _make(wanted, steps)
        if wanted.push:
            from labd.accounts import push_keys

            push_note = push_keys.prepare(wanted.name, unix_accounts.HOMES / wanted.name, wanted.push)
        _open(wanted, config.paths.accounts / f"{wanted.name}.toml", steps)
    files.tell_daemon()
    _say_done(wanted, config, push_note)
    return Exit.OK


def disable(options: Options) -> int:
    """Close an account; nothing of it is lost."""
    name, file = find(options.name)
    close(name, file)
    files.tell_daemon()
    print(f"{name} can no longer log in, and uploads start nothing. Jobs go on: see labd users, labd cancel.")
    print(f"To open it again: labd enable {name}")
    return Exit.OK


def enable(options: Options) -> int:
    """Open an account that was disabled."""
    name, file = find(options.name)
    files.set_disabled(file, False)
    unix_accounts.expire(name, False)
    key_files.enable(name)
    files.tell_daemon()
    print(f"{name} can log in again.")
    return Exit.OK


def close(name: str, file: Path) -> None:
    """Let nobody into the account, and end what is open."""
    key_files.disable(name)
    unix_accounts.expire(name, True)
    files.set_disabled(file, True)
    unix_accounts.end_sessions(name)


def find(name: str) -> tuple[str, Path]:
    """The account `name` and its file. Raises NotFoundError, NotAllowedError."""
    installation.as_root("change accounts")
    file = machine_config().paths.accounts / f"{name}.toml"
    if "/" in name or not file.is_file():
        raise NotFoundError(f"There is no account {name!r}.", "`labd users` lists them.")
    account_file(file)
    return name, file


def machine_config() -> Config:
    """The machine's settings. Raises ConfigError."""
    return load(SYSTEM_FILE) if SYSTEM_FILE.exists() else Config()


def _require_setup(config: Config) -> None:
    try:
        grp.getgrnam(installation.GROUP)
        ready = config.paths.accounts.is_dir() and installation.KEYS.is_dir()
    except KeyError:
        ready = False
    if not ready:
        raise AccountError("This machine is not set up for accounts.", "Run this first: labd setup")


def _make(wanted: NewAccount, steps: Steps) -> None:
    """The account with its home; nobody can log in to it yet."""
    made: list[bool] = []
    steps.do(
        lambda: made.append(unix_accounts.create(wanted.name, wanted.comment, wanted.shell)),
        lambda: unix_accounts.delete(wanted.name, with_home=made[0]),
    )
    home = unix_accounts.HOMES / wanted.name
    unix_accounts.as_owner(wanted.name, "mkdir", "-p", "--", f"{home}/inbox", f"{home}/outbox")


def _open(wanted: NewAccount, file: Path, steps: Steps) -> None:
    """Let its owner in, and let labd know of it."""
    steps.do(
        lambda: key_files.write(wanted.name, wanted.keys, wanted.shell),
        lambda: key_files.remove(wanted.name),
    )
    steps.do(lambda: write_whole(file, wanted.form.encode(), 0o644), lambda: file.unlink(missing_ok=True))


def _tell(wanted: NewAccount, config: Config) -> None:
    group = installation.SHELL_GROUP if wanted.shell else installation.GROUP
    print(f"make     the account {wanted.name} in the group {group}, with {unix_accounts.HOMES / wanted.name}/")
    for key in wanted.keys:
        print(f"make     a key for it: {key.kind} {key.fingerprint} {key.comment}")
    if wanted.make_key:
        print(f"make     a key pair: {wanted.made_key}")
    if wanted.push:
        print(f"make     a key to reach {wanted.push['user']}@{wanted.push['host']} with, and look for that computer")
    print(f"make     {config.paths.accounts / f'{wanted.name}.toml'}")
    print("".join(f"         | {line}\n" for line in wanted.form.splitlines() if line))
    print("Nothing was changed (--dry-run).")


def _say_done(wanted: NewAccount, config: Config, push_note: str) -> None:
    print(f"{wanted.name} has an account now. This is to send to its owner:\n")
    print("-" * 80)
    access = welcome.gateway_access(config.ssh)
    print(welcome.text(wanted.name, access, wanted.made_key.name if wanted.make_key else ""), end="")
    print("-" * 80)
    if wanted.make_key:
        place = wanted.made_key
        print(
            f"\nThe private key is in {place}. It opens the account: hand it over in person or on an\n"
            f"encrypted way, to be put into .ssh/{place.name} there (mode 600); tell the passphrase on another way;\n"
            f"and delete it here: shred -u {place}"
        )
    if push_note:
        print(f"\n{push_note}", end="")
