"""kill -9 between any two lines: each job ends exactly once, with its true outcome, and nothing is left behind."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from conftest import MakeLab
from labd.common.errors import Exit
from labd.daemon.pipeline import build, delivery, receiving, stages
from support.lab import Lab, docker, wait_for

POINTS = [
    point
    for room in (receiving, stages, build, delivery)
    for point in re.findall(r'fault\("([a-z-]+)"\)', Path(room.__file__).read_text())
]

# /output/runs gets a line each time the program runs: more than one line is a job run twice.
COUNTED = (
    "import time\nprint('hello', flush=True)\nopen('/output/runs', 'a').write('run\\n')\n"
    "time.sleep(0.5)\nprint('bye')\n"
)


def nothing_is_left(lab: Lab, job: int) -> None:
    folder = lab.state / "jobs" / str(job)
    wait_for("no container is left", lambda: lab.containers() == [])
    wait_for(
        "no folder of the run is left", lambda: not (folder / "scratch").exists() and not (folder / "home").exists()
    )
    assert not (folder / "snapshot.part").exists()


def test_there_is_a_fault_point_at_every_step() -> None:
    assert len(POINTS) == len(set(POINTS))
    assert len(POINTS) >= 12


@pytest.mark.parametrize("point", POINTS)
def test_a_daemon_killed_at_any_step_runs_the_job_exactly_once(make_lab: MakeLab, point: str) -> None:
    lab = make_lab()
    lab.start({"LABD_FAULT": point})
    lab.ana.program("p", COUNTED, input__data="1")
    lab.ana.submit("p")
    assert lab.process
    wait_for(f"death at {point}", lambda: lab.process.poll() is not None)
    assert lab.process.returncode == -9
    lab.start()
    status = lab.wait_complete("p", 1)
    assert status["state"] == "succeeded"
    assert status["exit_code"] == 0
    wait_for("the outcome is committed", lambda: lab.jobs()[0]["state"] == "succeeded")
    assert [job["job"] for job in lab.jobs()] == [1]
    assert (lab.ana.outbox("p") / "output" / "runs").read_text() == "run\n"
    assert lab.ana.text("p", "run.log") == "hello\nbye\n"
    assert lab.ana.receipt("p")["outcome"] == "succeeded"
    assert not (lab.ana.inbox("p") / "SUBMIT").exists()
    nothing_is_left(lab, 1)


def test_a_second_job_of_a_project_survives_a_kill_at_any_step_of_its_delivery(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    lab.run("p", "print(1)\nopen('/output/one', 'w').write('1')\n")
    lab.stop()
    jobs: dict[int, int] = {}
    for number, point in enumerate(("outbox-rotated", "mirrored", "before-complete", "complete"), 2):
        lab.start({"LABD_FAULT": point})
        lab.ana.program("p", f"print({number})\nopen('/output/{number}', 'w').write('1')\n")
        lab.ana.submit("p")
        wait_for(f"death at {point}", lambda: lab.process and lab.process.poll() is not None)
        lab.start()
        # Not always the next number: a job that began while its upload was still written has been withdrawn.
        jobs[number] = lab.jobs()[-1]["job"]
        lab.wait_complete("p", jobs[number])
        lab.stop()
    history = lab.ana.outbox("p") / "history"
    assert sorted(int(path.name) for path in history.iterdir()) == [1, *jobs.values()][:-1]
    assert (history / "1" / "output" / "one").exists()
    for number in (2, 3, 4):
        job = jobs[number]
        assert (history / str(job) / "run.log").read_text() == f"{number}\n"
        assert (history / str(job) / "COMPLETE").read_text() == f"{job} succeeded\n"
    assert [path.name for path in (lab.ana.outbox("p") / "output").iterdir()] == ["5"]


def test_a_running_program_does_not_notice_that_the_daemon_is_killed_and_started_again(lab: Lab) -> None:
    lab.ana.program(
        "long",
        "import os, time\nprint('begun', flush=True)\n"
        "while not os.path.exists('/output/go'): time.sleep(0.05)\nprint('done')\nraise SystemExit(7)\n",
    )
    lab.ana.submit("long")
    wait_for("the program runs", lambda: "begun" in lab.ana.text("long", "run.log"))
    container = lab.containers()
    before = docker("inspect", "-f", "{{.State.StartedAt}} {{.State.Pid}}", *container)
    for _ in range(3):
        lab.kill()
        lab.start()
    assert docker("inspect", "-f", "{{.State.StartedAt}} {{.State.Pid}}", *container) == before
    (lab.state / "jobs" / "1" / "delivery" / "output" / "go").write_text("")
    status = lab.wait_complete("long")
    assert (status["state"], status["exit_code"]) == ("failed", 7)
    assert lab.ana.text("long", "run.log") == "begun\ndone\n"
    nothing_is_left(lab, 1)


def test_what_a_killed_daemon_could_not_tell_any_more_is_told_by_the_next(make_lab: MakeLab) -> None:
    lab = make_lab(settings="[machine]\ncpus = 1.0")
    lab.start()
    states = {"first": "running", "second": "queued"}

    def is_reported() -> bool:
        return states == {name: lab.ana.status(name).get("state") for name in states}

    for project in states:
        lab.ana.program(project, "import time\ntime.sleep(600)\n")
    lab.ana.submit("first")
    wait_for("the first runs", lambda: lab.ana.status("first").get("state") == "running")
    lab.ana.submit("second")
    wait_for("the second waits", is_reported)
    lab.kill()
    for project in states:
        lab.ana.write(lab.ana.outbox(project) / "status.json", "{}")
    lab.start()
    wait_for("both are told of", is_reported)


@pytest.mark.parametrize(("end", "state", "code"), [("", "succeeded", 0), ("raise SystemExit(3)", "failed", 3)])
def test_a_job_that_ended_while_the_daemon_was_down_is_delivered_with_its_true_end(
    lab: Lab, end: str, state: str, code: int
) -> None:
    lab.ana.program(
        "p",
        "import time\nprint('begun', flush=True)\ntime.sleep(2)\n"
        f"for n in range(1000): print('line', n)\nopen('/output/x', 'w').write('1')\n{end}\n",
    )
    lab.ana.submit("p")
    wait_for("the program runs", lambda: "begun" in lab.ana.text("p", "run.log"))
    (container,) = lab.containers()
    lab.kill()
    wait_for("the program ends", lambda: docker("inspect", "-f", "{{.State.Status}}", container) == "exited\n")
    lab.start()
    status = lab.wait_complete("p")
    assert (status["state"], status["exit_code"]) == (state, code)
    assert lab.ana.text("p", "run.log") == "begun\n" + "".join(f"line {n}\n" for n in range(1000))
    assert (lab.ana.outbox("p") / "output" / "x").exists()


def test_out_of_memory_is_known_with_its_peak_even_if_nobody_watched(lab: Lab) -> None:
    lab.ana.program(
        "p",
        "import time\nprint('begun', flush=True)\ntime.sleep(2)\ndata = [bytes(10**6) for _ in range(10**6)]\n",
        **{"job.toml": "[job]\nmemory = '64m'\n"},
    )
    lab.ana.submit("p")
    wait_for("the program runs", lambda: "begun" in lab.ana.text("p", "run.log"))
    (container,) = lab.containers()
    lab.kill()
    wait_for("the program ends", lambda: docker("inspect", "-f", "{{.State.Status}}", container) == "exited\n")
    lab.start()
    status = lab.wait_complete("p")
    assert (status["state"], status["peak_memory"]) == ("out-of-memory", 64 * 1024**2)


def test_a_time_limit_goes_on_while_the_daemon_is_down(lab: Lab) -> None:
    lab.ana.program(
        "p", "import time\nprint('begun', flush=True)\ntime.sleep(600)\n", **{"job.toml": "[job]\ntimeout = '3s'\n"}
    )
    lab.ana.submit("p")
    wait_for("the program runs", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.kill()
    began = time.monotonic()
    wait_for("its time is over", lambda: time.monotonic() - began > 3.5)
    lab.start()
    assert lab.wait_complete("p")["state"] == "timed-out"


def test_a_container_that_somebody_removed_ends_as_interrupted_and_is_not_run_again(lab: Lab) -> None:
    lab.ana.program("p", "import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    lab.ana.submit("p")
    wait_for("the program runs", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.kill()
    docker("rm", "-f", *lab.containers())
    lab.start()
    status = lab.wait_complete("p")
    assert status["state"] == "interrupted"
    assert "RERUN" in status["hint"]


def test_two_daemons_never_work_on_one_lab(lab: Lab) -> None:
    second = subprocess.run(lab.command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == Exit.BAD_CONFIG
    assert "Another labd is running" in second.stderr
    assert "Traceback" not in second.stderr
    assert lab.run("p", "print(1)\n")["state"] == "succeeded"
