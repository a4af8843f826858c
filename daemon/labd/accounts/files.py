"""Account files: /etc/labd/accounts/NAME.toml, whose existence makes NAME a researcher of labd.

This module owns how such a file is written and changed; what the administrator wrote into it stays. `config` owns what
it means. It never touches the machine's own list of accounts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from labd.client.connection import SYSTEM_SOCKET, ask
from labd.client.writing import write_whole
from labd.common.errors import Exit, LabdError, UnavailableError
from labd.common.schema import SchemaError, read_text
from labd.common.toml_files import as_toml, with_key
from labd.model.account_settings import AccountSettings

_LIMITS = ("running", "cpus", "memory", "gpus", "timeout")


class AccountError(LabdError):
    """That account cannot be had."""

    exit_code = Exit.BAD_INPUT


def form(comment: str, shell: bool, limits: Mapping[str, str], push: Mapping[str, str]) -> str:
    """The text of an account file. Raises SchemaError for a value that cannot be."""
    for text in (comment, *limits.values(), *push.values()):
        if not text.isprintable():
            raise SchemaError(f"{text!r} has characters that cannot be shown.")
    values: dict[str, object] = {"comment": comment} if comment else {}
    if shell:
        values["shell"] = True
    if limits:
        values["limits"] = {key: _measure(value) for key, value in limits.items()}
    if push:
        values["push"] = {**{key: push[key] for key in ("user", "host", "path")}, "port": int(push["port"])}
    written = as_toml(values)
    read_text(AccountSettings, written.encode(), "the account")
    return written


def parse_limits(text: str) -> dict[str, str]:
    """ "running=4,memory=32g" as a table. Raises AccountError."""
    limits = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in _LIMITS or not equals or not value:
            raise AccountError(
                f"{part!r} is no limit.", f"Like this: running=4,memory=32g,timeout=2d. Known: {', '.join(_LIMITS)}."
            )
        limits[key] = value
    return limits


def parse_push(text: str) -> dict[str, str]:
    """ "USER@HOST:PORT:PATH" as a table; an IPv6 address stands in brackets. Raises AccountError."""
    match = re.fullmatch(
        r"(?P<user>[A-Za-z0-9._\\-]+)@(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9.-]+):(?:(?P<port>\d{1,5}):)?(?P<path>.+)",
        text,
    )
    # A host or user that begins with a dash would be an option to ssh; the digits are an IPv6 address without brackets.
    if not match or re.match(r"-|\d+$", match["host"]) or text.startswith("-") or not match["path"].isprintable():
        raise AccountError(
            f"{text!r} does not say where to send results.",
            "Like this: ana@pc.example.org:22:results, or ana@[2001:db8::7]:22:results",
        )
    if not 0 < int(match["port"] or 22) < 65536:
        raise AccountError(f"There is no port {match['port']}.", "SSH usually has port 22.")
    return {
        "user": match["user"],
        "host": match["host"].strip("[]"),
        "port": match["port"] or "22",
        "path": match["path"],
    }


def set_disabled(file: Path, disabled: bool) -> None:
    """Write into the account `file` whether it is disabled; all else stays as it is."""
    write_whole(file, with_key(file.read_bytes(), "disabled", True if disabled else None), 0o644)


def tell_daemon() -> None:
    """Have a running daemon read the accounts again; none is fine, it reads them when it starts."""
    try:
        list(ask(SYSTEM_SOCKET, "reload"))
    except UnavailableError:
        pass
    except LabdError as error:
        print(f"The running daemon does not know of it yet: {error.message} Restart it: systemctl restart labd")


def _measure(text: str) -> int | float | str:
    """A number as one, and what has a unit as text. One with too many digits is no number either."""
    if re.fullmatch("[0-9]{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,15}\.[0-9]{1,15}", text) else text
