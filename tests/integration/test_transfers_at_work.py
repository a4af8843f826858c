"""What a running lab makes of the gateway's notes: jobs, STATUS and receipts."""

from __future__ import annotations

import fcntl
import json
import time
from typing import Any

import pytest

from conftest import MakeLab
from support.lab import Lab, wait_for

HELLO = "print('hello')\nopen('/output/result', 'w').write('42')\n"


@pytest.fixture
def patient(make_lab: MakeLab) -> Lab:
    """A lab that takes an upload whose end is not proven after 4 seconds."""
    lab = make_lab(settings="unproven = '4s'")
    lab.start()
    return lab


def note(lab: Lab, number: int, result: str, began: float, *, project: str = "galaxies", **more: Any) -> None:
    """Leave the record of a transfer that began at `began` and ends now."""
    kind = more.pop("kind", "sftp")
    end = {"result": result, "why": "", "files": 1, **more}
    lines = [
        {"kind": kind, "began": began, "address": "192.0.2.7"},
        {"project": project, "scope": ""},
        {"ended": time.time(), "code": 0, "files": 1, "projects": {project: end}},
    ]
    folder = lab.ana.home / ".labd" / "sessions"
    lab.ana.write(folder / f"{time.time_ns()}-{number}", "".join(f"{json.dumps(line)}\n" for line in lines))


def test_an_end_that_is_not_proven_waits_and_is_never_silent(patient: Lab) -> None:
    began = time.time()
    patient.ana.program("galaxies", HELLO)
    note(patient, 1, "unproven", began)
    wait_for("STATUS says until when", lambda: "unless more arrives" in patient.ana.text("galaxies"))
    assert "`ssh lab submit galaxies` starts it now" in patient.ana.text("galaxies")
    status = patient.wait_complete("galaxies")
    assert time.time() - began > 4.0
    assert (status["state"], status["trigger"]) == ("succeeded", "unproven")
    said = "The end of its upload was not proven"
    assert said in patient.ana.text("galaxies")
    assert [entry for entry in patient.ana.receipt("galaxies")["notes"] if said in entry]
    (told,) = patient.ask("rerun", job="galaxies")
    assert said in patient.wait_complete("galaxies", told["job"])["notes"][0]


def test_a_cut_is_made_good_by_a_session_for_its_broken_file_alone(patient: Lab) -> None:
    began = time.time()
    patient.ana.program("galaxies", HELLO, **{"input/big": "1234"})
    note(patient, 1, "cut", began, why="the connection broke in input/big", broken={"input/big": began})
    wait_for("STATUS names the file", lambda: "send input/big again" in patient.ana.text("galaxies"))
    assert "`ssh lab submit galaxies`" in patient.ana.text("galaxies")
    began = time.time()
    patient.ana.write(patient.ana.inbox("galaxies") / "input" / "big", "12345678")
    note(patient, 2, "clean", began, closed={"input/big": time.time()})
    status = patient.wait_complete("galaxies")
    # What was to follow that file may never have been sent.
    assert (status["state"], status["trigger"]) == ("succeeded", "unproven")
    assert [said for said in status["notes"] if "was not proven" in said]
    wait_for("the notes are removed", lambda: not list((patient.ana.home / ".labd" / "sessions").iterdir()))


def test_what_is_sent_beside_the_project_is_told(patient: Lab) -> None:
    patient.ana.program("galaxies", HELLO)
    patient.wait_complete("galaxies")
    began = time.time()
    patient.ana.write(patient.ana.inbox("galaxies") / "galaxies" / "code" / "app.py", HELLO)
    note(patient, 1, "complete", began, kind="rsync", places=["galaxies"])
    wait_for("STATUS names the place", lambda: "inbox/galaxies/galaxies" in patient.ana.text("galaxies"))
    assert "scp -r galaxies lab:inbox/" in patient.ana.text("galaxies")
    assert len(patient.jobs()) == 1
    began = time.time()
    patient.ana.write(patient.ana.inbox("galaxies") / "code" / "app.py", "print('again')\n")
    note(patient, 2, "complete", began, kind="rsync", places=["code"])
    patient.wait_complete("galaxies", 2)
    assert "inbox/galaxies/galaxies" not in patient.ana.text("galaxies")


def test_code_and_then_input_gets_the_advice_to_send_both_at_once(patient: Lab) -> None:
    began = time.time()
    patient.ana.program("galaxies", HELLO)
    note(patient, 1, "complete", began, kind="rsync", places=["code"])
    first = patient.wait_complete("galaxies")
    assert first["notes"] == []
    began = time.time()
    patient.ana.write(patient.ana.inbox("galaxies") / "input" / "data", "1")
    note(patient, 2, "complete", began, kind="rsync", places=["input"])
    (advice,) = patient.wait_complete("galaxies", 2)["notes"]
    assert "job 1 ran without input/" in advice
    assert "rsync -a galaxies/ lab:inbox/galaxies/" in advice


def test_a_transfer_that_names_no_project_delays_no_other(patient: Lab) -> None:
    folder = patient.ana.home / ".labd" / "sessions"
    patient.ana.write(folder / "1-live", f'{{"kind": "rsync", "began": {time.time() - 60}}}\n')
    with open(folder / "1-live") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.time()
        patient.ana.program("galaxies", HELLO)
        note(patient, 2, "complete", began, kind="rsync", places=["code"])
        assert patient.wait_complete("galaxies")["trigger"] == "known"
