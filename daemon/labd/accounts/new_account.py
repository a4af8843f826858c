"""What is wanted of a new account: from options, or asked on a terminal, checked before anything is made.

This module owns the questions and the checks. It never makes anything, except a key pair that was asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace as Options

from labd.accounts import files, ssh_keys, unix_accounts
from labd.accounts.files import AccountError
from labd.accounts.ssh_keys import PublicKey
from labd.common.commands import hand_over
from labd.common.errors import LabdError
from labd.model.config import Config

_LONGEST_NAME = 32  # useradd(8)


@dataclass
class NewAccount:
    """An account that is to be made."""

    name: str
    comment: str
    shell: bool
    keys: list[PublicKey]
    form: str  # the text of its account file
    push: dict[str, str]
    make_key: bool

    @property
    def made_key(self) -> Path:
        """Where a private key that is made for the researcher is put."""
        return Path.cwd() / f"{self.name}-key"


def of(options: Options, config: Config) -> NewAccount:
    """The account that `options` ask for; what is missing is asked when a person is there. Raises LabdError."""
    person = sys.stdin.isatty() and sys.stdout.isatty()
    name, comment, make_key = options.name or "", options.comment, options.make_key
    if not name and person:
        name = _ask("Name of the account (firstname-lastname): ", lambda text: check_name(text, config))
    check_name(name, config)
    if comment is None:
        comment = _ask("Who is it (full name, group; may be empty): ", check_comment) if person else ""
    check_comment(comment)
    keys = [key for given in options.key or [] for key in read_key(given)]
    if not keys and not make_key:
        if not person:
            raise AccountError(
                "The account needs a key.", "--key FILE with the researcher's public key, or --make-key."
            )
        keys, make_key = _ask_for_key()
    limits = files.parse_limits(options.limits or "")
    push = files.parse_push(options.push) if options.push else {}
    form = files.form(comment, options.shell, limits, push)
    wanted = NewAccount(name, comment, options.shell, keys, form, push, make_key)
    if make_key:
        _check_place(wanted.made_key)
    return wanted


def check_name(name: str, config: Config) -> None:
    """Raise AccountError unless an account `name` can be made."""
    if not name:
        raise AccountError("The account needs a name.", "labd adduser NAME --key FILE")
    if len(name) > _LONGEST_NAME:
        raise AccountError(f"{name!r} is too long.", f"The machine takes {_LONGEST_NAME} characters.")
    if not re.fullmatch(config.user.name_pattern, name) or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise AccountError(
            f"{name!r} is no name for an account here.",
            "It should look like ana-silva, two parts with a dash between. The rule is `name_pattern` below [user].",
        )
    if (config.paths.accounts / f"{name}.toml").exists():
        raise AccountError(f"{name} has an account already.", f"To add a key to it: labd key add {name} FILE")
    if unix_accounts.exists(name):
        raise AccountError(
            f"The machine has a user {name} already, who is no researcher of labd.",
            f"Choose another name, or remove that user first: userdel {name}",
        )


def check_comment(comment: str) -> None:
    """Raise AccountError unless `comment` can stand in the passwd database."""
    if ":" in comment or not comment.isprintable():
        raise AccountError("The comment cannot have a colon or a line end in it.", "Plain words will do.")


def read_key(given: str) -> list[PublicKey]:
    """The keys that the administrator names: a file, "-" for standard input, or the key itself."""
    if given == "-":
        return ssh_keys.parse(sys.stdin.buffer.read(), "what came in")
    if re.match(r"\S+ AAAA", given) or "\n" in given:
        return ssh_keys.parse(given.encode(), "what you gave")
    try:
        return ssh_keys.parse(Path(given).expanduser().read_bytes(), given)
    except OSError as error:
        raise AccountError(f"{given} cannot be read: {error.strerror}.", "Name the .pub file of a key.") from None


def make_key(wanted: NewAccount) -> PublicKey:
    """Make a key pair; the passphrase is asked by ssh-keygen itself. The private half stays at `wanted.made_key`."""
    if not sys.stdin.isatty():
        raise AccountError("Only at a terminal can a key be made: ssh-keygen asks for a passphrase.")
    print(f"A passphrase protects the key on {wanted.name}'s computer. Choose one that you can tell them in person.")
    place = wanted.made_key
    if hand_over(["ssh-keygen", "-q", "-t", "ed25519", "-C", wanted.name, "-f", str(place)]) != 0:
        raise AccountError("No key was made.", "Run the command again, or ask the researcher for a key.")
    public = place.with_name(place.name + ".pub")
    try:
        return ssh_keys.parse(public.read_bytes(), str(public))[0]
    finally:
        public.unlink()


def _check_place(place: Path) -> None:
    for file in (place, place.with_name(place.name + ".pub")):
        if file.exists():
            raise AccountError(f"{file} is there already.", "Move it away; a new key would overwrite it.")


def _ask_for_key() -> tuple[list[PublicKey], bool]:
    print("The researcher's public key: paste it (one line), name its file, or press Enter to make a pair here.")
    while True:
        answer = input("Key: ").strip()
        if not answer:
            return [], True
        try:
            return read_key(answer), False
        except LabdError as error:
            print(f"{error.message}\n{error.hint}")


def _ask(question: str, check: Callable[[str], None]) -> str:
    while True:
        answer = input(question).strip()
        try:
            check(answer)
        except LabdError as error:
            print(f"{error.message}\n{error.hint}")
        else:
            return answer
