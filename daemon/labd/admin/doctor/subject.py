"""What the doctor examines: the configuration, the researchers, the process of the daemon.

This module owns how these are found without a daemon, and without stumbling over one account that is wrong. It never
judges.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labd.accounts.accounts import Account, resolve
from labd.common.errors import LabdError
from labd.model.account_settings import AccountEntry, account_file
from labd.model.config import Config

_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class CheckContext:
    """The server that is checked."""

    config: Config
    config_file: Path  # whether it is there or not
    researchers: tuple[Account, ...] = ()
    wrong_accounts: tuple[LabdError, ...] = ()  # those that are not among `researchers`
    docker: str | None = None  # Docker's address, None: where the daemon looks

    @property
    def etc(self) -> Path:
        """Folder of the administrator's files."""
        return self.config.paths.accounts.parent

    @property
    def keys(self) -> Path:
        """Folder of the researchers' public keys, a file for each."""
        return self.etc / "keys"

    @property
    def homes(self) -> tuple[Path, ...]:
        """Homes of all researchers, or where the first will have one."""
        return tuple(account.home for account in self.researchers) or (Path("/home"),)


def find(config: Config, config_file: Path) -> CheckContext:
    """The server that `config` is for. Raises PermissionError when its accounts may not be listed."""
    known: dict[str, Account] = {}
    wrong: list[LabdError] = []
    for entry in _entries(config, wrong):
        try:
            known[entry.name] = resolve(entry)
        except LabdError as error:
            wrong.append(error)
    return CheckContext(config, config_file, tuple(known.values()), tuple(wrong))


def _entries(config: Config, wrong: list[LabdError]) -> Iterator[AccountEntry]:
    for file in sorted(config.paths.accounts.glob("*.toml")):
        try:
            yield account_file(file)
        except LabdError as error:
            wrong.append(error)
    yield from config.accounts


def daemon_process(path: Path) -> int | None:
    """Id of the process that listens on the socket at `path` (SO_PEERCRED of unix(7)); None when there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(os.fspath(path))
        except OSError:
            return None
        process, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(process) or None
