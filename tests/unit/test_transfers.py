"""What the gateway's notes prove about an upload."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labd.config import Config
from labd.jobs import Signal
from labd.languages import load
from labd.session_files import read_sessions, remove_abandoned
from labd.transfers import Result, Traffic, parse, traffic
from labd.uploads import Complete, Look, Nothing, Verdict, Wait, judge

NOW = 1_000_000.0
LANGUAGES = load(Config().paths.templates)
JUST_NOW = Look("galaxies", True, files=3, bytes=300, newest=int(NOW * 1e9), fingerprint="f", code=("app.py",))
RSYNC = Traffic(kind="rsync", proof=Result.COMPLETE, ended=NOW)


def session(number: int, *, alive: bool = False, scope: str = "", **end: Any) -> dict[str, Any]:
    """A report of a transfer that began at second `number` and, with a `result`, ended half a second later."""
    lines: list[dict[str, Any]] = [{"kind": "rsync", "began": float(number), "address": "192.0.2.7"}]
    lines.append({"project": "galaxies", "scope": scope})
    if end:
        told = {"result": end["result"], "why": end.get("why", ""), "files": end.get("files", 0)}
        lines.append({"ended": number + 0.5, "code": 0, "files": 0, "projects": {"galaxies": told}})
    return {"id": str(number), "alive": alive, "lines": lines}


def known(*reports: dict[str, Any]) -> Traffic:
    return traffic("galaxies", parse(reports), 0.0)


def verdict(look: Look, known: Traffic, accepted: str = "") -> Verdict:
    return judge(look, accepted, LANGUAGES, Config().inbox, NOW, NOW, known)


def test_a_transfer_that_goes_on_is_live_and_one_that_ended_well_is_proof() -> None:
    assert known(session(1, alive=True)).live == "rsync"
    assert known(session(1, result="complete")) == Traffic("", "", "rsync", Result.COMPLETE, 1.5)


def test_a_transfer_that_has_touched_no_project_yet_may_be_about_any() -> None:
    report = session(1, alive=True)
    report["lines"].pop()
    assert known(report).live == "rsync"
    over = parse([{**report, "alive": False}])
    assert traffic("galaxies", over, -5.0) == Traffic()
    assert traffic("galaxies", over, 5.0).held == "upload interrupted; send it again to continue"
    report["lines"].append({"ended": 3.0, "code": 20, "files": 0, "projects": {}})
    assert traffic("galaxies", parse([{**report, "alive": False}]), 2.5).held != ""
    assert traffic("galaxies", parse([{**report, "alive": False}]), 5.0) == Traffic()


def test_a_cut_transfer_holds_until_a_later_one_about_as_much_ends_well() -> None:
    cut = session(1, result="cut", why="rsync code 20", files=212)
    words = "upload interrupted (rsync code 20) after 212 files; send it again to continue"
    assert known(cut).held == words
    assert known(cut, session(2, result="complete")).held == ""
    assert known(cut, session(2, result="unchanged")).held == ""
    assert known(cut, session(2, scope="input", result="complete")).held == words
    narrow = session(1, scope="input/deep", result="cut")
    assert known(narrow, session(2, scope="input", result="complete")).held == ""
    assert known(narrow, session(2, scope="inp", result="complete")).held != ""


def test_a_parallel_transfer_that_ends_well_does_not_mend_a_cut_one() -> None:
    cut = session(5, result="cut")
    beside = session(4, result="clean")
    beside["lines"][-1]["ended"] = 9.0
    assert known(cut, beside).held != ""


def test_a_gateway_that_was_killed_leaves_a_cut_transfer() -> None:
    assert known(session(1)).held == "upload interrupted; send it again to continue"


@pytest.mark.parametrize("lines", [[], [{}], [{"kind": 1}], [{"began": "x", "kind": "rsync"}], ["x"]])
def test_notes_that_make_no_sense_are_left_out(lines: list[Any]) -> None:
    assert parse([{"id": "1", "alive": False, "lines": lines}]) == []


def test_rsync_that_ended_well_starts_at_once_whatever_the_tree_looks_like() -> None:
    assert verdict(JUST_NOW, RSYNC) == Complete(Signal.KNOWN)
    assert verdict(replace(JUST_NOW, temporaries=("input/.x.AbC123",)), RSYNC) == Complete(Signal.KNOWN)
    assert verdict(JUST_NOW, RSYNC, accepted="f") == Nothing()


def test_nothing_starts_while_a_transfer_goes_on_or_was_cut_however_quiet_the_tree_is() -> None:
    quiet = replace(JUST_NOW, newest=int((NOW - 3600) * 1e9))
    assert verdict(quiet, Traffic(live="rsync")) == Wait("receiving: 3 files, 300 bytes so far")
    found = verdict(quiet, replace(RSYNC, live="sftp"))
    assert isinstance(found, Wait) and "disconnects" in found.why
    assert verdict(quiet, Traffic(held="upload interrupted")) == Wait("upload interrupted")
    told = replace(quiet, controls={"SUBMIT": 1})
    assert verdict(told, Traffic(held="upload interrupted")) == Complete(Signal.SUBMIT)


def test_scp_starts_two_seconds_after_its_end_and_sftp_when_it_has_settled() -> None:
    scp, sftp = (Traffic(kind="sftp", proof=result, ended=NOW) for result in (Result.COMPLETE, Result.CLEAN))
    for known, seconds in ((scp, 2.0), (sftp, 5.0)):
        for ago, expected in ((seconds - 0.1, Wait), (seconds + 0.1, Complete)):
            look = replace(JUST_NOW, newest=int((NOW - ago) * 1e9))
            assert isinstance(verdict(look, replace(known, ended=NOW - ago)), expected)


def test_an_scp_that_is_proven_may_bring_files_without_a_date() -> None:
    look = replace(JUST_NOW, newest=int((NOW - 3) * 1e9), unfinished=("code/app.py",))
    scp = Traffic(kind="sftp", proof=Result.COMPLETE, ended=NOW - 3)
    assert verdict(look, scp) == Complete(Signal.INFERRED)
    assert isinstance(verdict(replace(look, newest=int((NOW - 9) * 1e9)), replace(scp, proof=Result.CLEAN)), Wait)


def test_what_changes_after_the_transfer_by_other_means_has_to_settle() -> None:
    assert isinstance(verdict(JUST_NOW, replace(RSYNC, ended=NOW - 10)), Wait)


def test_a_session_file_is_alive_while_it_is_locked_and_its_last_half_line_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "1"
    file.write_text('{"kind": "rsync"}\nnonsense\n["list"]\n{"half')
    (tmp_path / ".new").write_text("{}\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(file)
    expected = {"id": "1", "alive": False, "lines": [{"kind": "rsync"}]}
    assert read_sessions(str(tmp_path)) == [expected]
    with open(file) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read_sessions(str(tmp_path)) == [{**expected, "alive": True}]
    assert json.dumps(read_sessions(str(tmp_path / "missing"))) == "[]"


def test_what_a_killed_gateway_never_finished_is_removed_after_an_hour(tmp_path: Path) -> None:
    for name in (".old", ".held", ".new", "1"):
        (tmp_path / name).write_text("{}\n")
    for name in (".old", ".held", "1"):
        os.utime(tmp_path / name, (0, 0))
    with open(tmp_path / ".held") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remove_abandoned(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [".held", ".new", "1"]
    remove_abandoned(str(tmp_path / "missing"))
