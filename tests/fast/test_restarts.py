"""labd dies at each step, and a new one goes on: each job ends once, with its true outcome, and runs once."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path

import pytest

from labd.daemon.pipeline import build, delivery, stages
from labd.model.jobs import State
from support.engine.fake_engine import LabIsDead, SlowBuild
from support.lab import wait_for
from support.lab_in_memory import LabInMemory

POINTS = [
    point
    for module in (stages, build, delivery)
    for point in re.findall(r'fault\("([a-z-]+)"\)', Path(module.__file__).read_text())
]
COUNTED = (
    "import time\nprint('hello', flush=True)\nopen('/output/runs', 'a').write('run\\n')\n"
    "time.sleep(0.2)\nprint('bye')\n"
)
GATED = "import time\nprint('begun', flush=True)\nwhile not open('/output/.go', 'a').tell(): time.sleep(0.02)\n"


@pytest.mark.parametrize("point", POINTS)
def test_a_lab_that_dies_at_any_step_runs_the_job_exactly_once(
    lab: LabInMemory, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = threading.Event()
    kill = os.kill

    def die(process: int, number: int) -> None:
        """Ends the thread that is at `point`, and not the tests."""
        if (process, number) != (os.getpid(), signal.SIGKILL):
            kill(process, number)
            return
        died.set()
        lab.cut()
        raise LabIsDead

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", die)
        patch.setenv("LABD_FAULT", point)
        lab.ana.upload("p", COUNTED, input__data="1")
        assert died.wait(20.0)
        lab.stop()
    lab.start()
    assert lab.wait_complete("p", 1)["state"] == "succeeded"
    lab.wait_state(1, State.SUCCEEDED)
    assert [job["job"] for job in lab.jobs()] == [1]
    assert (lab.ana.outbox("p") / "output" / "runs").read_text() == "run\n"
    assert lab.ana.text("p", "run.log") == "hello\nbye\n"
    assert lab.machine.started == [1]
    wait_for("nothing to be left in the engine", lambda: lab.machine.jobs_left() == set())


def test_a_build_that_died_with_the_lab_is_done_again(lab: LabInMemory) -> None:
    slow = lab.machine.build = SlowBuild()
    lab.ana.upload("p", COUNTED)
    assert slow.has_begun.wait(20.0)
    lab.cut()
    slow.go_on.set()
    lab.restart()
    assert lab.wait_complete("p")["state"] == "succeeded"
    assert len(lab.machine.built) == 2


def test_a_program_goes_on_while_the_lab_is_restarted(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.restart()
    assert lab.state(1) == "running"
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    assert lab.wait_complete("p")["state"] == "succeeded"
    assert lab.machine.started == [1]


def test_a_program_that_failed_while_there_was_no_lab_has_its_own_exit_code(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED + "raise SystemExit(7)\n")
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.stop()
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    wait_for("its end", lambda: lab.machine.programs[1].has_ended)
    lab.start()
    status = lab.wait_complete("p")
    assert (status["state"], status["exit_code"]) == ("failed", 7)


def test_a_program_that_vanished_with_its_engine_is_interrupted(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.stop()
    lab.machine.programs.pop(1).kill()
    lab.start()
    assert lab.wait_complete("p")["state"] == "interrupted"


def test_a_request_to_stop_is_not_forgotten(lab: LabInMemory) -> None:
    lab.ana.upload("p", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GATED)
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.machine.is_away = True
    lab.ask("cancel", job=1)
    lab.stop()
    lab.machine.is_away = False
    lab.machine.programs[1].kill()
    lab.start()
    assert lab.wait_complete("p")["state"] == "cancelled"


def test_jobs_in_the_queue_keep_their_order(lab: LabInMemory) -> None:
    lab.stop()
    lab.start_with_cpus(1.0)
    lab.ana.upload("p", GATED)
    wait_for("the first", lambda: 1 in lab.machine.programs)
    for number, name in enumerate("qrs", start=2):
        lab.ana.upload(name, "print('hello')\n")
        lab.wait_state(number, State.QUEUED)
    lab.restart()
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    lab.wait_complete("s", 4)
    assert lab.machine.started == [1, 2, 3, 4]


def test_an_upload_that_arrived_while_there_was_no_lab_starts(lab: LabInMemory) -> None:
    lab.stop()
    lab.ana.upload("p", "print('hello')\n")
    lab.start()
    assert lab.wait_complete("p")["state"] == "succeeded"
