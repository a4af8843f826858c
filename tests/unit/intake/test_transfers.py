"""What the gateway's notes prove about an upload."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labd.common.units import clock, human_time
from labd.intake.completeness import Complete, Look, Nothing, Verdict, Wait, judge
from labd.intake.proof import Traffic, superseded, traffic
from labd.intake.sending_advice import sent_in_parts
from labd.intake.transfers import TransferResult, parse
from labd.model.config import Config
from labd.model.jobs import Signal
from labd.model.languages import load
from labd.privsep.session_records import read_sessions, remove_abandoned

NOW = 1_000_000.0
LANGUAGES = load(Config().paths.templates)
JUST_NOW = Look("galaxies", True, files=3, bytes=300, newest=int(NOW * 1e9), fingerprint="f", code=("app.py",))
RSYNC = Traffic(kind="rsync", proof=TransferResult.COMPLETE, ended=NOW)


def session(number: int, *, alive: bool = False, scope: str = "", **end: Any) -> dict[str, Any]:
    """A report of a transfer that began at second `number` and, with a `result`, ended half a second later."""
    lines: list[dict[str, Any]] = [{"kind": "rsync", "began": float(number), "address": "192.0.2.7"}]
    lines.append({"project": "galaxies", "scope": scope})
    if end:
        told = {"why": "", "files": 0, **end}
        lines.append({"ended": number + 0.5, "code": 0, "files": 0, "projects": {"galaxies": told}})
    return {"id": str(number), "alive": alive, "lines": lines}


def known(*reports: dict[str, Any], newest: float = 0.0, oldest: float = 0.0) -> Traffic:
    return traffic("galaxies", parse(reports), newest, oldest)


def verdict(look: Look, known: Traffic, accepted: str = "") -> Verdict:
    return judge(look, accepted, LANGUAGES, Config().inbox, NOW, NOW, known)


def test_a_transfer_that_goes_on_is_live_and_one_that_ended_well_is_proof() -> None:
    assert known(session(1, alive=True)).live == "rsync"
    assert known(session(1, result="complete")) == Traffic(kind="rsync", proof=TransferResult.COMPLETE, ended=1.5)


def test_a_transfer_that_has_touched_no_project_yet_may_be_about_any_that_changed_since_it_began() -> None:
    report = session(1, alive=True)
    report["lines"].pop()
    assert known(report, newest=1.0).live == "rsync"
    assert known(report, newest=-5.0) == Traffic()
    over = parse([{**report, "alive": False}])
    assert traffic("galaxies", over, -5.0) == Traffic()
    assert traffic("galaxies", over, 5.0).held.startswith("upload interrupted, ")
    report["lines"].append({"ended": 3.0, "code": 20, "files": 0, "projects": {}})
    assert traffic("galaxies", parse([{**report, "alive": False}]), 2.5).held != ""
    assert traffic("galaxies", parse([{**report, "alive": False}]), 5.0) == Traffic()


def test_a_transfer_that_names_no_project_delays_none_that_another_one_explains() -> None:
    unnamed = session(1, alive=True)
    unnamed["lines"].pop()
    whole = session(5, result="complete")
    assert known(unnamed, whole, newest=5.4).live == ""
    assert known(unnamed, whole, newest=9.0).live == "rsync"
    over = {**unnamed, "alive": False, "lines": [*unnamed["lines"], {"ended": 9.0, "code": 12, "projects": {}}]}
    assert known(over, whole, newest=5.4).held == ""
    assert known(over, whole, newest=6.0).held != ""


def test_a_transfer_of_another_project_is_none_of_this_one() -> None:
    other = session(1, alive=True)
    other["lines"][1]["project"] = "nebulae"
    assert known(other, newest=2.0) == Traffic()
    other = session(1, result="cut")
    other["lines"][1]["project"] = "nebulae"
    other["lines"][2]["projects"] = {"nebulae": other["lines"][2]["projects"]["galaxies"]}
    assert known(other, newest=1.2) == Traffic()


def test_a_cut_transfer_holds_until_a_later_one_about_as_much_ends_well() -> None:
    cut = session(1, result="cut", why="rsync code 20", files=212)
    words = f"upload interrupted (rsync code 20) after 212 files, {human_time(1.5)}"
    assert known(cut).held == words
    assert known(cut, session(2, result="complete")).held == ""
    assert known(cut, session(2, result="unchanged")).held == ""
    assert known(cut, session(2, scope="input", result="complete")).held == words
    narrow = session(1, scope="input/deep", result="cut")
    assert known(narrow, session(2, scope="input", result="complete")).held == ""
    assert known(narrow, session(2, scope="inp", result="complete")).held != ""


@pytest.mark.parametrize("result", ["clean", "unproven"])
def test_one_small_file_at_the_top_does_not_mend_a_cut_of_unknown_files(result: str) -> None:
    cut = session(1, result="cut")
    assert known(cut, session(2, result=result)).held != ""
    assert known(cut, session(2, result=result, whole=True)).held == ""
    # Every file of the project is younger than the session's begin: all of it was sent again.
    assert known(cut, session(2, result=result), oldest=2.1).held == ""


BIG = {"input/big": 1.4}


def test_a_cut_is_made_good_when_each_file_that_it_broke_in_has_arrived_later() -> None:
    cut = session(1, result="cut", why="the connection broke in input/big", broken={**BIG, "input/b": 0.0})
    one = session(2, result="clean", closed={"input/big": 2.2})
    both = session(3, result="clean", files=3, closed={"input/b": 3.2})
    assert known(cut).missing == ("input/big", "input/b")
    assert (known(cut, one).held != "", known(cut, one).missing) == (True, ("input/b",))
    assert (known(cut, one, both).held, known(cut, one, both).proof) == ("", TransferResult.CLEAN)
    # One that breaks in another file mends what it has brought whole.
    again = session(3, result="cut", broken={"input/c": 3.4}, closed={"input/b": 3.2})
    assert known(cut, one, again).missing == ("input/c",)


def test_a_repair_of_the_broken_files_alone_says_nothing_of_what_was_to_follow() -> None:
    cut = session(1, result="cut", broken=BIG)
    alone = session(2, result="clean", files=1, closed={"input/big": 2.2})
    assert (known(cut, alone).held, known(cut, alone).proof) == ("", TransferResult.UNPROVEN)
    on = session(2, result="clean", files=2, closed={"input/big": 2.2})
    assert known(cut, on).proof is TransferResult.CLEAN
    assert known(cut, alone, session(3, result="complete")).proof is TransferResult.COMPLETE


def test_a_client_that_sent_only_the_file_that_broke_may_have_had_more_to_send() -> None:
    cut = session(1, result="cut", broken=BIG)
    alone = session(2, scope="input", result="clean", files=1, closed={"input/big": 2.2})
    assert (known(cut, alone).held, known(cut, alone).proof) == ("", TransferResult.UNPROVEN)
    # A client that goes on where it was cut, and one that begins anew.
    assert known(cut, alone, session(3, result="clean", files=4)).proof is TransferResult.CLEAN
    assert known(cut, session(2, result="clean", files=1), oldest=2.0).proof is TransferResult.CLEAN
    assert known(cut, alone, session(3, result="complete", files=0)).proof is TransferResult.COMPLETE


def test_a_file_that_arrived_before_the_cut_does_not_mend_it() -> None:
    before = session(1, result="clean", closed={"input/big": 1.2})
    assert known(before, session(2, result="cut", broken={"input/big": 2.4})).held != ""


def test_a_dead_connection_that_the_server_sees_late_does_not_undo_the_repair() -> None:
    late = session(1, result="cut", broken={"input/big": 30.1})
    late["lines"][-1]["ended"] = 90.0
    mended = session(20, result="clean", closed={"input/big": 30.0})
    assert known(late, mended).held == ""
    # But it wrote to the file itself, after that.
    late["lines"][-1]["projects"]["galaxies"]["broken"]["input/big"] = 89.0
    assert known(late, mended).held != ""


def test_a_connection_that_broke_between_two_files_is_made_good_by_another_one() -> None:
    between = session(1, result="cut", why="the connection broke", broken={})
    assert known(between).held != ""
    assert known(between, session(2, result="clean")).held == ""
    assert known(between, session(0, result="clean")).held != ""
    assert known(between, session(2, result="clean", files=1)).proof is TransferResult.CLEAN
    assert known(between, session(2, result="clean", files=0)).proof is TransferResult.UNPROVEN


def test_half_of_an_scp_whose_file_is_sent_again_is_not_proven() -> None:
    half = session(1, result="cut", broken=BIG, half=True)
    mended = session(2, result="clean", closed={"input/big": 2.2})
    assert (known(half, mended).held, known(half, mended).proof) == ("", TransferResult.UNPROVEN)
    assert known(half, mended, session(3, result="complete")).proof is TransferResult.COMPLETE


def test_an_end_without_proof_stays_so_until_one_that_says_that_it_is_done() -> None:
    torn = session(1, result="unproven")
    assert known(torn).proof is TransferResult.UNPROVEN
    assert known(torn, session(2, result="unproven")).proof is TransferResult.UNPROVEN
    assert known(torn, session(2, result="clean", files=1)).proof is TransferResult.CLEAN
    # It has only removed or renamed something.
    assert known(torn, session(2, result="clean", files=0)).proof is TransferResult.UNPROVEN
    assert known(torn, session(2, result="complete")).proof is TransferResult.COMPLETE
    assert known(torn, session(2, scope="input", result="complete")).proof is TransferResult.UNPROVEN
    assert known(session(0, result="clean"), torn).proof is TransferResult.UNPROVEN


def test_a_client_that_tries_and_tries_leaves_one_note() -> None:
    tries = [session(number, result="cut") for number in range(50)]
    assert [transfer.id for transfer in superseded(parse(tries))] == [str(number) for number in range(49)]
    files = [session(number, result="cut", broken={f"input/{number % 3}": 0.1}) for number in range(30)]
    assert len(superseded(parse(files))) == 27
    kept = [session(1, scope="code", result="cut"), session(2, scope="input", result="cut")]
    assert superseded(parse(kept)) == []
    assert superseded(parse([session(1, result="cut", closed={"a": 1.2}), session(2, result="cut")])) == []
    assert superseded(parse([session(1, alive=True), session(2, result="cut")])) == []


def test_a_try_to_mend_one_file_that_is_cut_as_well_does_not_take_the_place_of_the_whole_upload() -> None:
    half = session(1, result="cut", broken=BIG, half=True)
    again = session(2, scope="input", result="cut", broken={"input/big": 2.4})
    assert superseded(parse([half, again])) == []
    whole = session(3, scope="input", result="clean", closed={"input/big": 3.2})
    assert known(half, again, whole).proof is TransferResult.UNPROVEN
    wide = session(1, result="cut", broken=BIG)
    assert superseded(parse([wide, again])) == []


def test_many_notes_of_many_broken_files_are_judged_in_no_time() -> None:
    notes = [session(n, result="cut", broken={f"{n}/{m}": 1.0 for m in range(20)}) for n in range(490)]
    large = session(490, result="cut", broken={f"x/{m}": 1.0 for m in range(50_000)})
    transfers = parse([*notes, large])
    began = time.process_time()
    found = traffic("galaxies", transfers, 0.0)
    assert time.process_time() - began < 2.0
    assert len(found.missing) == 490 * 20 + 50_000


def test_words_of_a_note_are_safe_in_a_line_and_short() -> None:
    found = known(session(1, result="cut", why="the connection broke in a\x1b[2J\n\udce4" + "x" * 100_000))
    assert found.held.isprintable()
    assert len(found.held) < 500


def test_a_parallel_transfer_that_ends_well_does_not_mend_a_cut_one() -> None:
    cut = session(5, result="cut")
    beside = session(4, result="clean", whole=True)
    beside["lines"][-1]["ended"] = 9.0
    assert known(cut, beside).held != ""


def test_a_gateway_that_was_killed_leaves_a_cut_transfer() -> None:
    assert known(session(1)).held == f"upload interrupted, {human_time(1.0)}"


@pytest.mark.parametrize(
    "lines",
    [
        *([], [{}], [{"kind": 1}], [{"began": "x", "kind": "rsync"}], ["x"]),
        *([{"kind": "sftp", "began": float(began)}] for began in ("nan", "inf", "-1", "1e300")),
        [
            {"kind": "sftp", "began": 1.0},
            {"ended": 2.0, "projects": {"g": {"result": "cut", "files": 0, "broken": [1]}}},
        ],
        [{"kind": "sftp", "began": 1.0}, {"ended": 2.0, "projects": {"g": {"result": "fine", "files": 0}}}],
    ],
)
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
    held = Traffic(held="upload interrupted, at two")
    submit = "or start it as it is: `ssh lab submit galaxies`"
    assert verdict(quiet, held) == Wait(f"upload interrupted, at two; send it again to continue, {submit}")
    found = verdict(quiet, replace(held, missing=("input/big",)))
    assert found == Wait(f"upload interrupted, at two; send input/big again to continue, {submit}")
    found = verdict(quiet, replace(held, missing=("input/big", "a", "b")))
    assert found == Wait(f"upload interrupted, at two; send input/big and 2 other files again to continue, {submit}")
    found = verdict(quiet, replace(held, missing=("a" * 4000 + "/big\n",)))
    assert isinstance(found, Wait) and "a/big? again" in found.why and len(found.why) < 400
    told = replace(quiet, controls={"SUBMIT": 1})
    assert verdict(told, Traffic(held="upload interrupted")) == Complete(Signal.SUBMIT)


def test_scp_starts_two_seconds_after_its_end_and_sftp_when_it_has_settled() -> None:
    scp, sftp = (
        Traffic(kind="sftp", proof=result, ended=NOW) for result in (TransferResult.COMPLETE, TransferResult.CLEAN)
    )
    for known, seconds in ((scp, 2.0), (sftp, 5.0)):
        for ago, expected in ((seconds - 0.1, Wait), (seconds + 0.1, Complete)):
            look = replace(JUST_NOW, newest=int((NOW - ago) * 1e9))
            assert isinstance(verdict(look, replace(known, ended=NOW - ago)), expected)


def test_an_scp_that_is_proven_may_bring_files_without_a_date() -> None:
    look = replace(JUST_NOW, newest=int((NOW - 3) * 1e9), unfinished=("code/app.py",))
    scp = Traffic(kind="sftp", proof=TransferResult.COMPLETE, ended=NOW - 3)
    assert verdict(look, scp) == Complete(Signal.INFERRED)
    assert isinstance(
        verdict(replace(look, newest=int((NOW - 9) * 1e9)), replace(scp, proof=TransferResult.CLEAN)), Wait
    )


def test_an_end_without_proof_starts_after_a_minute_and_says_so() -> None:
    torn = Traffic(kind="sftp", proof=TransferResult.UNPROVEN, ended=NOW - 50)
    look = replace(JUST_NOW, newest=int((NOW - 50) * 1e9))
    found = verdict(look, torn)
    assert isinstance(found, Wait) and found.until == NOW + 10
    assert f"starts at {clock(NOW + 10)} unless more arrives; `ssh lab submit galaxies` starts it now" in found.why
    look = replace(JUST_NOW, newest=int((NOW - 61) * 1e9))
    assert verdict(look, replace(torn, ended=NOW - 61)) == Complete(Signal.UNPROVEN)
    # Also when more came by other means.
    assert isinstance(verdict(JUST_NOW, replace(torn, ended=NOW - 61)), Wait)
    assert verdict(replace(look, controls={"SUBMIT": 1}), torn) == Complete(Signal.SUBMIT)


@pytest.mark.parametrize(
    ("root", "places", "is_told"),
    [
        ("", ("galaxies",), True),
        ("", ("project",), True),
        ("", ("project/code",), True),
        ("project", ("project/code",), False),
        ("project", ("project/galaxies",), True),
        ("", ("data", "README.md"), True),
        ("", ("data", "input"), False),
        ("", ("SUBMIT",), False),
        ("", (".app.py.Xa81bC",), False),
        ("", (), False),
    ],
)
def test_what_is_sent_to_a_wrong_place_is_told(root: str, places: tuple[str, ...], is_told: bool) -> None:
    found = verdict(replace(JUST_NOW, root=root), replace(RSYNC, places=places), accepted="f")
    assert isinstance(found, Nothing)
    assert (found.misplaced is not None) == is_told
    if found.misplaced:
        assert f"inbox/galaxies/{places[0]}" in found.misplaced.cause
        assert "scp -r galaxies lab:inbox/" in found.misplaced.hint


def test_data_that_comes_after_the_code_is_told_and_no_more_than_that() -> None:
    told = sent_in_parts("galaxies", "", ["input"], 41)
    assert "job 41 ran without input/" in told and "rsync -a galaxies/ lab:inbox/galaxies/" in told
    assert sent_in_parts("galaxies", "project", ["project/input"], 41) == told
    assert sent_in_parts("galaxies", "", ["input", "code"], 41) == sent_in_parts("galaxies", "", [], 41) == ""


def test_what_changes_after_the_transfer_by_other_means_has_to_settle() -> None:
    assert isinstance(verdict(JUST_NOW, replace(RSYNC, ended=NOW - 10)), Wait)


def test_a_session_file_is_alive_while_it_is_locked_and_its_last_half_line_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "1"
    file.write_text('{"kind": "rsync"}\nnonsense\n["list"]\n{"half')
    (tmp_path / ".new").write_text("{}\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(file)
    os.utime(file, (5, 5))
    expected = {"id": "1", "alive": False, "lines": [{"kind": "rsync"}], "changed": 5.0}
    assert read_sessions(str(tmp_path)) == [expected]
    with open(file) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read_sessions(str(tmp_path)) == [{**expected, "alive": True}]
    assert json.dumps(read_sessions(str(tmp_path / "missing"))) == "[]"


def test_long_notes_hide_none_that_is_older(tmp_path: Path) -> None:
    going_on, cut = session(1, alive=True), session(2, result="cut", broken=BIG)
    names = {f"input/{'night ' * 20}/{number:05}.fits": 3.2 for number in range(1000)}
    long = [session(number, result="clean", closed=names) for number in range(3, 13)]
    for report in (going_on, cut, *long):
        lines = "".join(json.dumps(line) + "\n" for line in report["lines"])
        (tmp_path / f"{int(report['id']):02}").write_text(lines)
    with open(tmp_path / "01") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = traffic("galaxies", parse(read_sessions(str(tmp_path))), 4.0)
    assert (found.live, found.held != "") == ("rsync", True)


@pytest.mark.parametrize("depth", [9, 500, 970, 980, 985, 990, 100_000])
def test_a_line_of_lists_in_lists_is_no_line(tmp_path: Path, depth: int) -> None:
    (tmp_path / "1").write_text('{"began": 1.0}\n{"deep": ' + "[" * depth + "]" * depth + "}\n")
    (session,) = read_sessions(str(tmp_path))
    assert (session["alive"], session["lines"]) == (False, [{"began": 1.0}])


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


def test_no_more_than_five_hundred_notes_stay(tmp_path: Path) -> None:
    for number in range(510):
        (tmp_path / f"{number:04}").write_text("{}\n")
    with open(tmp_path / "0000") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remove_abandoned(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["0000", *(f"{number:04}" for number in range(10, 510))]
    assert len(read_sessions(str(tmp_path))) == 500
