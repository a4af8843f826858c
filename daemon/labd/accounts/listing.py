"""`labd users`: the researchers, and what is known of each.

This module owns that list. A running daemon knows all of it; without one, what the account files say is shown. It never
looks into a home.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace as Options
from typing import Any

from labd.accounts.admin import machine_config
from labd.client.connection import ask, find_socket
from labd.client.rendering import show_table
from labd.common import installation
from labd.common.errors import ConfigError, Exit, UnavailableError
from labd.common.units import human_size, human_time
from labd.model.account_settings import account_file


def users(options: Options) -> int:
    """Print the researchers. Raises LabdError."""
    installation.as_root("see all researchers")
    try:
        found = list(ask(find_socket(options.socket), "users"))
    except UnavailableError:
        found = _from_files()
    if options.json:
        print("".join(json.dumps(user) + "\n" for user in found), end="")
        return Exit.OK
    header = ("NAME", "COMMENT", "LAST SEEN", "JOBS", "ACTIVE", "INBOX", "STATE")
    show_table(header, [_row(user) for user in found], right=[3, 4, 5])
    return Exit.OK


def _row(user: Mapping[str, Any]) -> list[object]:
    seen = human_time(user["last_seen"]) if user["last_seen"] else "-"
    jobs, active = ("-" if user[key] is None else user[key] for key in ("jobs", "active"))
    inbox = "-" if user["inbox"] is None else human_size(user["inbox"])
    return [user["user"], user["comment"] or "-", seen, jobs, active, inbox, _state(user)]


def _state(user: Mapping[str, Any]) -> str:
    if user.get("wrong"):
        return f"left out: {user['wrong']}"
    return "disabled" if user["disabled"] else "has a shell" if user["shell"] else "ready"


def _from_files() -> list[dict[str, Any]]:
    """What the account files say, in the form of the daemon's answer; what only the daemon knows is None."""
    return [_from_file(file) for file in sorted(machine_config().paths.accounts.glob("*.toml"))]


def _from_file(file: Path) -> dict[str, Any]:
    unknown = dict.fromkeys(("last_seen", "jobs", "active", "inbox"))
    try:
        account = account_file(file)
    except ConfigError as error:
        nothing = {"comment": "", "disabled": False, "shell": False}
        return {"user": file.stem, **nothing, **unknown, "wrong": error.message}
    facts = {"comment": account.comment, "disabled": account.disabled, "shell": account.shell}
    return {"user": account.name, **facts, **unknown}
