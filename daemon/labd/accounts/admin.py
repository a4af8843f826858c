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
from labd.accounts.new_account import Wish
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
    wish = new_account.of(options, config)
    if options.dry_run:
        _tell(wish, config)
        return Exit.OK
    told = ""
    with all_or_nothing() as steps:
        if wish.make_key:
            steps.do(
                lambda: wish.keys.append(new_account.make_key(wish)), partial(wish.made_key.unlink, missing_ok=True)
            )
        _make(wish, steps)
        if wish.push:
            from labd.accounts import push_keys

            told = push_keys.prepare(wish.name, unix_accounts.HOMES / wish.name, wish.push)
        _open(wish, config.paths.accounts / f"{wish.name}.toml", steps)
    files.tell_daemon()
    _say_done(wish, config, told)
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


def _make(wish: Wish, steps: Steps) -> None:
    """The account with its home; nobody can log in to it yet."""
    made: list[bool] = []
    steps.do(
        lambda: made.append(unix_accounts.create(wish.name, wish.comment, wish.shell)),
        lambda: unix_accounts.delete(wish.name, with_home=made[0]),
    )
    home = unix_accounts.HOMES / wish.name
    unix_accounts.as_owner(wish.name, "mkdir", "-p", "--", f"{home}/inbox", f"{home}/outbox")


def _open(wish: Wish, file: Path, steps: Steps) -> None:
    """Let its owner in, and let labd know of it."""
    steps.do(
        lambda: key_files.write(wish.name, wish.keys, wish.shell),
        lambda: key_files.remove(wish.name),
    )
    steps.do(lambda: write_whole(file, wish.form.encode(), 0o644), lambda: file.unlink(missing_ok=True))


def _tell(wish: Wish, config: Config) -> None:
    group = installation.SHELL_GROUP if wish.shell else installation.GROUP
    print(f"make     the account {wish.name} in the group {group}, with {unix_accounts.HOMES / wish.name}/")
    for key in wish.keys:
        print(f"make     a key for it: {key.kind} {key.fingerprint} {key.comment}")
    if wish.make_key:
        print(f"make     a key pair: {wish.made_key}")
    if wish.push:
        print(f"make     a key to reach {wish.push['user']}@{wish.push['host']} with, and look for that computer")
    print(f"make     {config.paths.accounts / f'{wish.name}.toml'}")
    print("".join(f"         | {line}\n" for line in wish.form.splitlines() if line))
    print("Nothing was changed (--dry-run).")


def _say_done(wish: Wish, config: Config, told: str) -> None:
    print(f"{wish.name} has an account now. This is to send to its owner:\n")
    print("-" * 80)
    door = welcome.find_door(config.ssh)
    print(welcome.text(wish.name, door, wish.made_key.name if wish.make_key else ""), end="")
    print("-" * 80)
    if wish.make_key:
        place = wish.made_key
        print(
            f"\nThe private key is in {place}. It opens the account: hand it over in person or on an\n"
            f"encrypted way, to be put into .ssh/{place.name} there (mode 600); tell the passphrase on another way;\n"
            f"and delete it here: shred -u {place}"
        )
    if told:
        print(f"\n{told}", end="")
