"""Who runs when, with real jobs: turns, fairness, what is shared, and what does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conftest import MakeLab
from labd.daemon import admission
from labd.model.config import Config, PerUser
from labd.model.jobs import State
from support.engine.fake_engine import SlowBuild
from support.lab import wait_for
from support.lab_in_memory import LabInMemory

GATED = "import time\nprint('begun', flush=True)\nwhile not open('/output/.go', 'a').tell(): time.sleep(0.02)\n"
HELLO = "print('hello')\n"


def let_go(lab: LabInMemory, job: int) -> None:
    (lab.config.paths.state / "jobs" / str(job) / "delivery" / "output" / ".go").write_text("x")


def test_two_projects_run_one_after_the_other_where_only_one_fits(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start_with_cpus(1.0)
    lab.ana.upload("p", GATED)
    wait_for("the first", lambda: 1 in lab.machine.programs)
    lab.ana.upload("q", HELLO)
    lab.wait_state(2, State.QUEUED)
    assert lab.machine.started == [1]
    let_go(lab, 1)
    assert lab.wait_complete("q", 2)["state"] == "succeeded"
    assert lab.wait_complete("p", 1)["state"] == "succeeded"


def test_two_projects_run_beside_each_other_where_both_fit(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    lab.ana.upload("q", GATED)
    wait_for("both", lambda: set(lab.machine.programs) == {1, 2})
    for job in (1, 2):
        let_go(lab, job)
    lab.wait_state(1, State.SUCCEEDED)
    lab.wait_state(2, State.SUCCEEDED)


def test_a_project_runs_one_job_at_a_time(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("the first", lambda: 1 in lab.machine.programs)
    lab.ana.write(lab.ana.inbox("p") / "RERUN")
    wait_for("the second job", lambda: len(lab.jobs()) == 2)
    lab.wait_state(2, State.QUEUED)
    let_go(lab, 1)
    wait_for("the second program", lambda: 2 in lab.machine.programs)
    let_go(lab, 2)
    assert lab.wait_complete("p", 2)["state"] == "succeeded"


def test_who_used_least_of_late_is_next_whoever_came_first(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_USAGE_AGE", 0.0)  # what was used seconds ago counts at once
    lab = make_lab(users=("ana", "ben"))
    lab.start_with_cpus(1.0)
    ben = lab.users["ben"]
    lab.ana.upload("a1", GATED)
    wait_for("the first", lambda: 1 in lab.machine.programs)
    for number, name in enumerate(("a2", "a3"), start=2):
        lab.ana.upload(name, HELLO)
        lab.wait_state(number, State.QUEUED)
    ben.upload("b1", HELLO)
    lab.wait_state(4, State.QUEUED)
    let_go(lab, 1)
    for job in (2, 3, 4):
        lab.wait_state(job, State.SUCCEEDED)
    assert lab.machine.started == [1, 4, 2, 3]


def test_one_user_does_not_run_more_jobs_than_the_config_says(make_lab: MakeLab) -> None:
    lab = make_lab(Config(user=PerUser(running=1)))
    lab.start()
    lab.ana.upload("p", GATED)
    wait_for("the first", lambda: 1 in lab.machine.programs)
    lab.ana.upload("q", HELLO)
    lab.wait_state(2, State.QUEUED)
    let_go(lab, 1)
    assert lab.wait_complete("q", 2)["state"] == "succeeded"


def test_gpus_are_given_to_one_job_at_a_time(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.machine.capacity = replace(lab.machine.capacity, gpus=("GPU-1",))
    lab.start()
    for name in ("p", "q"):
        lab.ana.write(lab.ana.inbox(name) / "job.toml", "[job]\ngpus = 1\n")
    lab.ana.upload("p", GATED)
    wait_for("the first", lambda: 1 in lab.machine.programs)
    lab.ana.upload("q", HELLO)
    lab.wait_state(2, State.QUEUED)
    assert lab.machine.programs[1].run.gpu_ids == ("GPU-1",)
    let_go(lab, 1)
    assert lab.wait_complete("q", 2)["state"] == "succeeded"


def test_two_jobs_that_need_the_same_environment_have_it_built_once(lab: LabInMemory) -> None:
    slow = lab.machine.build = SlowBuild()
    lab.ana.upload("p", HELLO)
    assert slow.has_begun.wait(20.0)
    lab.ana.upload("q", HELLO)
    wait_for("the other's wait", lambda: "Waiting for the same environment" in lab.ana.text("q", "build.log"))
    slow.go_on.set()
    assert lab.wait_complete("p", 1)["state"] == "succeeded"
    assert lab.wait_complete("q", 2)["state"] == "succeeded"
    assert len(lab.machine.built) == 1
