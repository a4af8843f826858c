"""What the gateway tells the daemon: that a transfer ended, and what it refused.

This module owns the wording of these notes and that nobody waits for them: the daemon may be down, and finds the
records of transfers (`record`) by itself.
"""

from __future__ import annotations

import contextlib
import os

from labd.client.connection import ask, find_socket
from labd.common.errors import LabdError
from labd.common.printable import printable
from labd.common.units import count

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_SECONDS = 1.0  # that the daemon has to take a note
_LONGEST = 200
_MOST = 100  # projects in a note: the daemon finds others by itself


def _client_address() -> str:
    """The address that the client connects from (ssh(1), SSH_CONNECTION); "" when nobody says."""
    return os.environ.get("SSH_CONNECTION", "").partition(" ")[0]


def tell_begin(projects: list[str]) -> bool:
    """Tell that a transfer to these projects is under way, so that their STATUS can say so; whether somebody heard."""
    return _tell("began", "", projects)


def tell_transfer(
    kind: str, code: int, files: int, projects: Mapping[str, Mapping[str, object]], defect: str = ""
) -> None:
    """Tell that a transfer ended, for which projects, and what went wrong in labd while it was watched."""
    ends = ", ".join(f"{name} {end['result']}" for name, end in projects.items())
    what = f"{kind} ended with {code} after {count(files, 'file')}: {ends}"
    _tell("transfer", f"{what} labd met an error of its own ({defect})" if defect else what, list(projects))


def tell_refusal(text: str) -> None:
    """Tell that somebody was refused."""
    _tell("refused", text, [])


def _tell(event: str, text: str, projects: list[str]) -> bool:
    """Tell the daemon; whether it took it in time."""
    line = printable(text)[:_LONGEST]
    with contextlib.suppress(LabdError, OSError):
        for _ in ask(
            find_socket(),
            "note",
            _ANSWER_SECONDS,
            event=event,
            address=_client_address(),
            text=line,
            projects=projects[:_MOST],
        ):
            pass
        return True
    return False
