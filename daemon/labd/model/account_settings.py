"""What there is to say of one researcher: an entry in config.toml, or a file in the folder of accounts.

This module owns these settings and the reading of such a file. Whether the machine has the account it never asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labd.common.errors import ConfigError
from labd.common.schema import Duration, SchemaError, Size, at_least, read_file
from labd.model.jobs import LIMITS


@dataclass(frozen=True)
class AccountLimits:
    """What one researcher may have instead of what all may; None: as all."""

    running: int | None = None
    cpus: float | None = None
    memory: Size | None = None
    gpus: int | None = None
    timeout: Duration | None = None

    def __post_init__(self) -> None:
        at_least(self, "limits", {"timeout": LIMITS["timeout"][0]})
        at_least(self, "limits", {name: LIMITS[name][0] for name in ("cpus", "memory")}, or_zero=True)


@dataclass(frozen=True)
class PushTarget:
    """A researcher's own computer, to which results are sent after each job: `user@host:path/<project>/output`."""

    user: str
    host: str
    path: str
    port: int = 22


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """What there is to say of a researcher; uid, gid and home come from the passwd database unless they stand here."""

    home: Path | None = None
    uid: int | None = None
    gid: int | None = None
    comment: str = ""
    shell: bool = False  # an account with a shell of its own, and not the gateway only
    disabled: bool = False  # uploads start nothing
    limits: AccountLimits = field(default_factory=AccountLimits)
    push: PushTarget | None = None


@dataclass(frozen=True, kw_only=True)
class AccountEntry(AccountSettings):
    """A researcher."""

    name: str


def account_file(file: Path) -> AccountEntry:
    """The researcher that `file` describes, named after it. Raises ConfigError."""
    if not file.is_file():
        # To open a FIFO would take for ever.
        raise ConfigError(f"{file} is not a file.")
    try:
        settings = read_file(AccountSettings, file, str(file))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except SchemaError as error:
        raise ConfigError(error.message, error.hint) from None
    return AccountEntry(name=file.stem, **vars(settings))
