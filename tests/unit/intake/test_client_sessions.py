"""What real clients did, as the logs of their sessions have it: when their upload starts, and when it must not.

The files in client_sessions are what sftp-server and scp wrote (OpenSSH 9.2) while lftp 4.9, rclone 1.60, PuTTY 0.78,
sshfs 3.7, paramiko 2.12 and 5.1, asyncssh 2.24, curl 7.88 and OpenSSH's own programs sent a small project, were cut in
its largest file, and repaired that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from labd.gateway.records import scp_log, sftp_log
from labd.gateway.records.log import End
from labd.gateway.records.scp_log import ScpLog
from labd.gateway.records.sftp_log import SftpLog
from labd.intake.completeness import Complete, Look, Verdict, Wait, judge
from labd.intake.proof import Traffic, traffic
from labd.intake.transfers import parse
from labd.model.config import Config
from labd.model.jobs import Signal
from labd.model.languages import load

SESSIONS = Path(__file__).with_name("client_sessions")
HEADER = re.compile(
    r"== session kind=(?P<kind>\w+) command=\d+ began=(?P<began>\S+) ended=(?P<ended>\S+) code=(?P<code>\d+) "
    r"connection=(?P<connection>\w+) .*asked='(?P<asked>.*)'"
)
START = 1_000_000.0
LANGUAGES = load(Config().paths.templates)


@dataclass
class Clock:
    """The time that the readers of logs see."""

    now: float = START

    def time(self) -> float:
        return self.now


@dataclass
class Session:
    kind: str
    began: float
    ended: float
    code: int
    is_connected: bool
    asked: str
    lines: list[str]

    def report(self, number: int, clock: Clock) -> dict[str, Any]:
        """What the gateway notes of it."""
        log: Any = SftpLog(["/home/ana-silva"])
        if self.kind == "scp":
            log = ScpLog(self.asked.split(" -t ")[-1].split()[-1].strip("'\"").removeprefix("inbox").strip("/"))
        for place, line in enumerate(self.lines):
            clock.now = START + self.began + (self.ended - self.began) * place / len(self.lines)
            log.read(line)
        clock.now = START + self.ended
        results = log.results(End(self.code, self.is_connected, self._stat))
        ends = {name: {**end, "closed": log.whole.get(name, {})} for name, end in results.items()}
        return {
            "id": str(number),
            "alive": False,
            "lines": [
                {"kind": self.kind, "began": START + self.began},
                *({"project": project, "scope": scope} for project, scope in log.news),
                {"ended": START + self.ended, "code": self.code, "files": log.files, "projects": ends},
            ],
        }

    def _stat(self, path: str) -> os.stat_result | None:
        """All files are there, as large as was announced, but for what is called by a folder that was renamed."""
        sizes = [line.split(" ")[2] for line in self.lines if line.startswith("Sink: C")]
        values = {"st_size": int(sizes[-1]) if sizes else 0, "st_blocks": 1000, "st_mtime": START + self.ended}
        return None if "small" in path else cast("os.stat_result", SimpleNamespace(**values))


def sessions(name: str) -> Iterator[Session]:
    lines: list[str] = []
    found: list[Session] = []
    for line in (SESSIONS / name).read_text().splitlines():
        if match := HEADER.match(line):
            began, ended, code = float(match["began"]), float(match["ended"]), int(match["code"])
            lines = []
            found.append(
                Session(match["kind"], began, ended, code, match["connection"] == "alive", match["asked"], lines)
            )
        elif not line.startswith("#"):
            lines.append(line)
    return iter(sorted(found, key=lambda session: session.ended))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (sftp_log, scp_log):
        monkeypatch.setattr(module, "time", clock)
    return clock


def known(ended: list[Session], clock: Clock) -> Traffic:
    reports = [session.report(number, clock) for number, session in enumerate(ended)]
    # The gateway shows no record of a session that wrote nothing.
    reports = [report for report in reports if report["lines"][-1]["projects"]]
    return traffic("galaxies", parse(reports), START + ended[-1].ended, START + ended[-1].began - 0.01)


def verdict(ended: list[Session], clock: Clock, after: float) -> Verdict:
    """What to do about the upload `after` seconds after the end of the sessions that have `ended`."""
    newest = START + ended[-1].ended
    look = Look("galaxies", True, files=4, bytes=9, newest=int(newest * 1e9), fingerprint="f", code=("app.py",))
    found = known(ended, clock)
    return judge(look, "", LANGUAGES, Config().inbox, newest + after, newest + after, found)


# After each session that ended: held until the broken file is there, or complete (starts 2 s after the end), clean
# (5 s), unproven (60 s).
OUTCOMES = {
    "cut-asyncssh-all": "held clean",
    "cut-curl-again": "held unproven",
    "cut-curl-continue": "held unproven",
    "cut-curl-retry": "held unproven",
    "cut-lftp-P4-reconnects": "held held unproven unproven",
    "cut-lftp-all": "held unproven unproven",
    "cut-lftp-continue-reconnects": "held unproven",
    "cut-lftp-mirror-c": "held unproven unproven",
    "cut-lftp-put-c": "held unproven unproven",
    "cut-lftp-put-reconnects": "held unproven",
    "cut-lftp-reconnects": "held unproven",
    "cut-paramiko-all": "held unproven",
    "cut-pscp-all": "held clean",
    "cut-pscp-file": "held unproven",
    "cut-pscp-scp-all": "held unproven",
    "cut-psftp-all": "held clean",
    "cut-psftp-put-file": "held clean",
    "cut-psftp-reput": "held unproven clean",
    "cut-rclone-copy-again": "clean held held held clean clean clean",
    "cut-rclone-inplace-copy-file": "held held held held clean",
    "cut-rclone-retries": "held held held clean",
    "cut-rclone-transfers-1-retries": "held held clean",
    "cut-scp-all": "held clean",
    "cut-scp-scp-of-file": "held unproven",
    "cut-sftp-all": "held clean",
    "cut-sftp-put-file": "held unproven",
    "cut-sftp-reput": "held unproven clean",
    "cut-sftp-scp-of-file": "held unproven",
    "cut-sshfs-cp-file": "held unproven",
    "cut-sshfs-reconnect": "held clean",
    "cut-sshfs-rsync-again": "held clean",
    "whole-asyncssh-scp": "unproven",
    "whole-asyncssh": "clean",
    "whole-curl": "unproven",
    "whole-lftp-P4": "unproven unproven unproven unproven",
    "whole-lftp-again-unchanged": "unproven unproven",
    "whole-lftp": "unproven",
    "whole-paramiko-5": "unproven",
    "whole-paramiko": "unproven",
    "whole-pscp-scp": "clean",
    "whole-pscp": "clean",
    "whole-psftp": "clean",
    "whole-rclone-default-with-hashes": "clean clean clean clean",
    "whole-rclone-sync": "clean clean clean",
    "whole-rclone-transfers-1": "clean",
    "whole-rclone": "clean clean clean clean",
    "whole-scp-O": "clean",
    "whole-scp": "complete",
    "whole-sftp": "clean",
    "whole-sshfs-cp": "clean",
    "whole-sshfs-rsync": "clean",
}
SECONDS = {"complete": 2.0, "clean": 5.0, "unproven": 60.0}


def test_there_is_an_outcome_for_each_client() -> None:
    assert OUTCOMES.keys() == {file.stem for file in SESSIONS.iterdir()}


@pytest.mark.parametrize(
    ("name", "number", "outcome"),
    [(name, number, outcome) for name in OUTCOMES for number, outcome in enumerate(OUTCOMES[name].split(), 1)],
)
def test_what_a_client_did_starts_when_it_is_known_to_be_whole(
    name: str, number: int, outcome: str, clock: Clock
) -> None:
    ended = list(sessions(f"{name}.log"))[:number]
    if outcome == "held":
        found = verdict(ended, clock, 3600.0)
        assert isinstance(found, Wait)
        assert "interrupted" in found.why
        assert "send input/big again to continue" in found.why
        assert "`ssh lab submit galaxies`" in found.why
        return
    early, late = (verdict(ended, clock, SECONDS[outcome] + more) for more in (-0.1, 0.1))
    assert isinstance(early, Wait)
    assert ("unless more arrives" in early.why) == (outcome == "unproven")
    assert late == Complete(Signal.UNPROVEN if outcome == "unproven" else Signal.INFERRED)


def test_no_client_that_is_done_is_held() -> None:
    assert [name for name in OUTCOMES if OUTCOMES[name].split()[-1] == "held"] == []


@pytest.mark.parametrize("name", [name for name in OUTCOMES if "held" in OUTCOMES[name]])
def test_while_a_second_connection_is_open_nothing_starts(name: str, clock: Clock) -> None:
    reports = [session.report(number, clock) for number, session in enumerate(sessions(f"{name}.log"))]
    last = next(report for report in reversed(reports) if report["lines"][-1]["projects"])
    last["lines"].pop()
    assert traffic("galaxies", parse([*reports, {**last, "alive": True}]), START + 100.0).live


def test_an_sftp_that_is_killed_while_its_ssh_lives_is_not_taken_for_one_that_is_done() -> None:
    (session,) = sessions("whole-sftp.log")
    seen = set()
    for number in range(len(session.lines) - 2):
        log = SftpLog(["/home/ana-silva"])
        for line in [*session.lines[:number], session.lines[-1]]:
            log.read(line)
        seen |= {str(end["result"]) for end in log.results(End(0, True, session._stat)).values() if end["files"]}
    assert seen <= {"cut", "unproven"}
