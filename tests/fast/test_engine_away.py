"""An engine that does not answer: whatever a job was at, it goes on when the engine is back."""

from __future__ import annotations

import pytest

from labd.daemon.pipeline import lab as pipeline_lab
from labd.model.engine import AwayError, Recipe, Report
from labd.model.jobs import State
from support.lab import wait_for
from support.lab_in_memory import LabInMemory

HELLO = "print('hello')\nopen('/output/a.txt', 'w').write('1')\n"
GATED = "import time\nprint('begun', flush=True)\nwhile not open('/output/.go', 'a').tell(): time.sleep(0.02)\n"
AWAY = "the server's Docker does not answer"


def test_a_job_waits_for_the_engine_and_says_so(lab: LabInMemory) -> None:
    lab.machine.is_away = True
    lab.ana.upload("p", HELLO)
    wait_for("STATUS to say so", lambda: AWAY in lab.ana.text("p"))
    assert lab.state(1) == "building"
    lab.machine.is_away = False
    assert lab.wait_complete("p")["state"] == "succeeded"
    assert AWAY not in lab.ana.text("p")


def test_a_job_that_waits_for_the_engine_can_be_cancelled(lab: LabInMemory) -> None:
    lab.machine.is_away = True
    lab.ana.upload("p", HELLO)
    wait_for("STATUS to say so", lambda: AWAY in lab.ana.text("p"))
    lab.ask("cancel", job=1)
    assert lab.wait_complete("p")["state"] == "cancelled"


def test_a_program_that_ends_while_the_engine_is_away_is_delivered_when_it_is_back(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.machine.is_away = True
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    wait_for("its end", lambda: lab.machine.programs[1].has_ended)
    assert lab.state(1) == "running"
    lab.machine.is_away = False
    assert lab.wait_complete("p")["state"] == "succeeded"
    assert lab.ana.text("p", "run.log") == "begun\n"


def test_an_engine_that_goes_away_in_each_build_of_a_project_ends_its_job(
    lab: LabInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_lab, "_DOCKER_RETRY", 0.05)
    tries: list[str] = []

    def build(recipe: Recipe, report: Report, cancelled: object) -> None:
        tries.append(recipe.tag)
        raise AwayError("Docker went away.", "", was_there=True)

    lab.machine.build = build
    status = lab.run("p", HELLO)
    assert status["state"] == "build-failed"
    assert len(tries) == 5
    assert "failed 5 times" in status["cause"]


def test_a_lab_that_starts_while_the_engine_is_away_goes_on_with_its_jobs(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.stop()
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    wait_for("its end", lambda: lab.machine.programs[1].has_ended)
    lab.machine.is_away = True
    lab.start()
    wait_for("STATUS to say what it waits for", lambda: lab.state(1) == "running")
    lab.machine.is_away = False
    lab.wait_state(1, State.SUCCEEDED)
    assert lab.machine.started == [1]
