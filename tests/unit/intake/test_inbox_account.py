"""Notes of transfers that name as many projects as fit: what a look at an inbox takes of the daemon's time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

from labd.accounts.accounts import Account
from labd.intake.inbox_account import AccountInbox
from labd.model.config import Config
from labd.privsep.worker import look
from labd.privsep.workers import Workers


def test_notes_about_projects_that_are_not_there_are_dealt_with_in_no_time(tmp_path: Path) -> None:
    sessions, inbox = tmp_path / "sessions", tmp_path / "inbox"
    sessions.mkdir()
    inbox.mkdir()
    for number in range(500):
        names = (f'{{"project": "p{number * 100 + more}", "scope": ""}}\n' for more in range(100))
        (sessions / f"{number:05}").write_text('{"kind": "sftp", "began": 1.0}\n' + "".join(names))
    account: Any = MagicMock(identity=None, sessions=sessions, inbox=inbox)
    account.name = "ana"
    workers = Workers()
    account_inbox = AccountInbox(cast(Account, account), Config().inbox, {}, MagicMock(), workers, MagicMock())
    began = time.process_time()
    _, findings = account_inbox.look(None, ())
    assert time.process_time() - began < 1.5
    assert (findings, os.listdir(sessions)) == ([], [])
    workers.trim(0)


def test_the_cost_of_a_look_is_also_that_of_the_notes(tmp_path: Path) -> None:
    for number in range(20_000):
        (tmp_path / f"{number:05}").touch()
    began = time.process_time()
    report = look(
        str(tmp_path), inbox=str(tmp_path / "none"), names=["galaxies"], programs=[], max_files=1, max_depth=1
    )
    assert report["cost"] > (time.process_time() - began) / 2
