"""Cancel, at each step of a job; and what a newer upload does to an older job."""

from __future__ import annotations

from conftest import MakeLab
from labd.common.schema import Duration
from labd.model.config import Config, JobDefaults
from labd.model.jobs import State
from support.engine.fake_engine import SlowBuild
from support.lab import wait_for
from support.lab_in_memory import LabInMemory

ENDLESS = "import time\nprint('begun', flush=True)\nopen('/output/half', 'w').write('1')\nwhile True: time.sleep(1)\n"
HELLO = "print('hello')\nopen('/output/a.txt', 'w').write('1')\n"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS
ORDERLY = (
    "import signal, sys, time\n"
    "def leave(number, frame):\n    open('/output/saved', 'w').write('1')\n    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, leave)\nprint('begun', flush=True)\nwhile True: time.sleep(1)\n"
)


def running(lab: LabInMemory, name: str, source: str, job: int = 1) -> None:
    """Upload a program, and wait for its first line."""
    lab.ana.upload(name, source)
    wait_for("its first line", lambda: "begun" in lab.ana.text(name, "run.log") and lab.state(job) == "running")


def test_a_program_is_cancelled_and_what_it_wrote_comes_back(lab: LabInMemory) -> None:
    running(lab, "p", ENDLESS)
    lab.ask("cancel", job=1)
    assert lab.wait_complete("p")["state"] == "cancelled"
    assert (lab.ana.outbox("p") / "output" / "half").exists()


def test_cancel_in_the_inbox_stops_the_projects_job(lab: LabInMemory) -> None:
    running(lab, "p", ENDLESS)
    lab.ana.write(lab.ana.inbox("p") / "CANCEL")
    assert lab.wait_complete("p")["state"] == "cancelled"


def test_a_program_has_time_to_save_what_it_has(lab: LabInMemory) -> None:
    running(lab, "p", ORDERLY)
    lab.ask("cancel", job=1)
    assert lab.wait_complete("p")["state"] == "cancelled"
    assert (lab.ana.outbox("p") / "output" / "saved").exists()


def test_a_program_that_does_not_listen_is_killed_after_its_grace(make_lab: MakeLab) -> None:
    lab = make_lab(Config(job=JobDefaults(grace=Duration(0.3))))
    lab.start()
    running(lab, "p", DEAF)
    lab.ask("cancel", job=1)
    assert lab.wait_complete("p")["state"] == "cancelled"


def test_a_build_is_cancelled_and_nothing_runs(lab: LabInMemory) -> None:
    slow = lab.machine.build = SlowBuild()
    lab.ana.upload("p", HELLO)
    assert slow.has_begun.wait(20.0)
    lab.ask("cancel", job=1)
    assert lab.wait_complete("p")["state"] == "cancelled"
    assert lab.machine.started == []


def test_a_build_that_others_wait_for_goes_on_for_them_when_its_job_is_cancelled(lab: LabInMemory) -> None:
    slow = lab.machine.build = SlowBuild()
    lab.ana.upload("p", HELLO)
    assert slow.has_begun.wait(20.0)
    lab.ana.upload("q", HELLO)
    wait_for("the other's wait", lambda: "Waiting for the same environment" in lab.ana.text("q", "build.log"))
    lab.ask("cancel", job=1)
    slow.go_on.set()
    assert lab.wait_complete("q", 2)["state"] == "succeeded"


def test_a_job_is_cancelled_in_the_queue(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start_with_cpus(1.0)
    running(lab, "p", ENDLESS)
    lab.ana.upload("q", HELLO)
    lab.wait_state(2, State.QUEUED)
    lab.ask("cancel", job=2)
    assert lab.wait_complete("q", 2)["state"] == "cancelled"
    assert lab.state(1) == "running"
    assert lab.machine.started == [1]


def test_a_job_whose_results_cannot_be_delivered_is_cancelled_and_keeps_them(lab: LabInMemory) -> None:
    outbox = lab.ana.home / "outbox"
    outbox.rmdir()
    outbox.write_text("in the way")
    lab.ana.upload("p", HELLO)
    lab.wait_state(1, State.DELIVERING)
    assert lab.service
    held = lab.service.lab.troubles
    wait_for("the trouble", lambda: 1 in held)
    lab.ask("cancel", job=1)
    lab.wait_state(1, State.SUCCEEDED)
    folder = lab.config.paths.state / "jobs" / "1"
    assert (folder / "undelivered").exists()
    assert (folder / "delivery" / "output" / "a.txt").read_text() == "1"


def test_results_are_delivered_as_soon_as_the_outbox_can_be_written(lab: LabInMemory) -> None:
    outbox = lab.ana.home / "outbox"
    outbox.rmdir()
    outbox.write_text("in the way")
    lab.ana.upload("p", HELLO)
    lab.wait_state(1, State.DELIVERING)
    assert lab.service
    held = lab.service.lab.troubles
    wait_for("the trouble", lambda: 1 in held)
    outbox.unlink()
    outbox.mkdir()
    assert lab.wait_complete("p")["state"] == "succeeded"
    assert (outbox / "p" / "output" / "a.txt").read_text() == "1"


def test_an_upload_that_goes_on_growing_takes_the_place_of_its_own_job(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start_with_cpus(1.0)
    running(lab, "p", ENDLESS)
    lab.ana.program("q", "print('half of it')\n")
    lab.wait_state(2, State.QUEUED)
    lab.ana.program("q", "print('newer')\n")
    wait_for("the third job", lambda: len(lab.jobs()) == 3)
    lab.wait_state(2, State.CANCELLED)
    lab.ask("cancel", job=1)
    assert lab.wait_complete("q", 3)["state"] == "succeeded"
    assert lab.ana.text("q", "run.log") == "newer\n"
    assert lab.machine.started == [1, 3]


def test_each_of_two_submitted_uploads_is_a_job_and_the_newest_is_what_the_outbox_has(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start_with_cpus(1.0)
    running(lab, "p", ENDLESS)
    lab.ana.upload("q", "print('older')\n")
    lab.wait_state(2, State.QUEUED)
    lab.ana.upload("q", "print('newer')\n")
    lab.wait_state(3, State.QUEUED)
    lab.ask("cancel", job=1)
    assert lab.wait_complete("q", 3)["state"] == "succeeded"
    assert lab.ana.text("q", "run.log") == "newer\n"
    assert lab.machine.started == [1, 2, 3]


def test_the_first_of_two_reasons_to_stop_stays(lab: LabInMemory) -> None:
    running(lab, "p", ENDLESS)
    lab.ask("cancel", job=1)
    lab.ask("cancel", job=1)
    lab.wait_complete("p")
    assert [job["state"] for job in lab.jobs()] == ["cancelled"]
