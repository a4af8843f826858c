"""/etc/labd/keys: which keys open which account.

This module owns the form of these files, which sshd reads. Only root can change them; a researcher can neither add a
key nor take the gateway off one. It never looks into a home.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from labd.accounts import ssh_keys
from labd.accounts.ssh_keys import PublicKey
from labd.client.writing import write_whole
from labd.common.errors import NotFoundError
from labd.common.installation import KEYS, gateway_command

_MARK = "labd.gateway"


def file_of(name: str) -> Path:
    """The file with the keys of the account `name`, whether it is disabled or not."""
    disabled = KEYS / f"{name}.disabled"
    return disabled if disabled.exists() else KEYS / name


def read(name: str) -> list[PublicKey]:
    """The keys of the account `name`. Raises KeyRefusedError for a line that is none."""
    try:
        lines = file_of(name).read_text().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        # The options that labd wrote end with the gateway's command in quotes; a comment may hold some, too.
        options, _, rest = line.partition('" ')
        key = rest if _MARK in options else line
        if key.strip() and not key.startswith("#"):
            found += ssh_keys.parse(key.encode(), str(file_of(name)))
    return found


def write(name: str, keys: Sequence[PublicKey], shell: bool) -> None:
    """Let exactly `keys` open the account `name`; unless it has a `shell`, to the gateway and nothing else."""
    options = "" if shell else f'restrict,pty,command="{gateway_command()}" '
    write_whole(file_of(name), "".join(f"{options}{key.line}\n" for key in keys).encode(), 0o644)


def disable(name: str) -> None:
    """Let no key open the account; none is forgotten."""
    with contextlib.suppress(FileNotFoundError):
        (KEYS / name).rename(KEYS / f"{name}.disabled")


def enable(name: str) -> None:
    """Let the same keys open the account again."""
    with contextlib.suppress(FileNotFoundError):
        (KEYS / f"{name}.disabled").rename(KEYS / name)


def remove(name: str) -> None:
    """Forget the keys of the account."""
    for file in (KEYS / name, KEYS / f"{name}.disabled"):
        file.unlink(missing_ok=True)


def choose(keys: Sequence[PublicKey], wanted: str) -> PublicKey:
    """The one of `keys` that `wanted` means: its number from 1, or its fingerprint. Raises NotFoundError."""
    for number, key in enumerate(keys, 1):
        if wanted in (str(number), key.fingerprint, key.fingerprint.removeprefix("SHA256:")):
            return key
    raise NotFoundError(f"There is no key {wanted}.", "`labd key list NAME` shows their numbers and fingerprints.")
