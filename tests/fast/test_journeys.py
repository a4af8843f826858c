"""From the upload to the outcome: each way that a job can go."""

from __future__ import annotations

import json

from conftest import MakeLab
from labd.common.schema import Size
from labd.model.config import Config, Output
from labd.model.engine import StartError
from support.engine.fake_engine import BASE, failing_build
from support.lab import wait_for
from support.lab_in_memory import LabInMemory

HELLO = "print('hello')\nopen('/output/a.txt', 'w').write('1')\n"


def test_what_a_program_writes_and_prints_comes_back(lab: LabInMemory) -> None:
    status = lab.run("p", "print('hello')\nopen('/output/a.txt', 'w').write(open('/input/n').read())\n", input__n="42")
    assert status["state"] == "succeeded"
    assert (lab.ana.outbox("p") / "output" / "a.txt").read_text() == "42"
    assert lab.ana.text("p", "run.log") == "hello\n"
    receipt = lab.ana.receipt("p")
    assert (receipt["job"], receipt["outcome"], receipt["exit_code"]) == (1, "succeeded", 0)
    assert lab.machine.jobs_left() == set()


def test_a_program_that_fails_is_explained_and_its_partial_output_comes_back(lab: LabInMemory) -> None:
    status = lab.run("p", "open('/output/half', 'w').write('1')\nraise ValueError('no such galaxy')\n")
    assert (status["state"], status["exit_code"]) == ("failed", 1)
    assert "no such galaxy" in lab.ana.text("p")
    assert (lab.ana.outbox("p") / "output" / "half").exists()


def test_a_library_that_the_project_forgot_is_named_with_the_remedy(lab: LabInMemory) -> None:
    status = lab.run("p", "import numpy\n")
    assert status["state"] == "failed"
    assert "numpy" in status["cause"]
    assert "requirements.txt" in status["hint"]


def test_files_that_are_meant_for_labd_and_not_read_are_told(lab: LabInMemory) -> None:
    inbox = lab.ana.inbox("p")
    lab.ana.write(inbox / "requirements.txt", "six\n")
    lab.ana.write(inbox / "job.toml.txt", "[job]\ncpus = 2\n")
    notes = lab.run("p", HELLO)["notes"]
    assert "requirements.txt is not read where it is: move it into code/." in notes
    assert "job.toml.txt is not read, so its options do not count: rename it to job.toml." in notes


def test_lists_that_name_each_other_are_read(lab: LabInMemory) -> None:
    lab.ana.write(lab.ana.inbox("p") / "code" / "more" / "base.txt", "sklearn\n")
    notes = lab.run("p", HELLO, **{"code__requirements.txt": "-r more/base.txt\n"})["notes"]
    assert "code/requirements.txt: `sklearn` in code/more/base.txt read as `scikit-learn`." in notes


def test_an_environment_that_cannot_be_built_is_explained_and_starts_nothing(lab: LabInMemory) -> None:
    lab.machine.build = failing_build("error: No solution found\nBecause no-such-library was not found\n")
    status = lab.run("p", HELLO, **{"code__requirements.txt": "no-such-library\n"})
    assert status["state"] == "build-failed"
    assert "No solution found" in lab.ana.text("p", "build.log")
    assert lab.machine.started == []


def test_a_base_image_that_cannot_be_had_ends_the_job_with_the_engines_words(lab: LabInMemory) -> None:
    lab.machine.images.clear()
    lab.machine.has_registry = False
    status = lab.run("p", HELLO)
    assert status["state"] == "build-failed"
    assert BASE in status["cause"]


def test_a_base_image_that_is_missing_is_fetched_first(lab: LabInMemory) -> None:
    lab.machine.images.clear()
    assert lab.run("p", HELLO)["state"] == "succeeded"
    assert f"Fetching {BASE}" in lab.ana.text("p", "build.log")


def test_a_project_that_asks_for_more_than_the_machine_has_is_rejected(lab: LabInMemory) -> None:
    lab.ana.write(lab.ana.inbox("p") / "job.toml", "[job]\ncpus = 64\n")
    status = lab.run("p", HELLO)
    assert status["state"] == "rejected"
    assert "cpus = 64" in status["cause"]
    assert lab.machine.built == []


def test_a_program_that_runs_too_long_is_stopped(lab: LabInMemory) -> None:
    lab.ana.write(lab.ana.inbox("p") / "job.toml", '[job]\ntimeout = "1s"\n')
    status = lab.run("p", "import time\nprint('begun')\nwhile True: time.sleep(1)\n")
    assert status["state"] == "timed-out"
    assert lab.ana.text("p", "run.log") == "begun\n"


def test_a_program_that_uses_too_much_memory_is_told_so(lab: LabInMemory) -> None:
    lab.ana.write(lab.ana.inbox("p") / "job.toml", '[job]\nmemory = "64m"\n')
    status = lab.run("p", f"held = bytearray({2**30})\nheld[::4096] = b'x' * len(range(0, {2**30}, 4096))\n")
    assert status["state"] == "out-of-memory"


def test_a_program_that_writes_too_much_is_stopped(make_lab: MakeLab) -> None:
    lab = make_lab(Config(output=Output(max_bytes=Size(100_000))))
    lab.start()
    status = lab.run("p", "import time\nopen('/output/large', 'w').write('x' * 500000)\nwhile True: time.sleep(1)\n")
    assert status["state"] == "output-too-large"


def test_a_power_cut_under_a_program_is_no_fault_of_the_program(lab: LabInMemory) -> None:
    lab.ana.upload("p", "import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    lab.machine.stop()
    assert lab.wait_complete("p")["state"] == "interrupted"


def test_a_program_that_the_server_cannot_start_is_interrupted_with_the_reason(lab: LabInMemory) -> None:
    lab.machine.start_error = StartError("The server could not start the program: its disk is full.", "Tell them.")
    status = lab.run("p", HELLO)
    assert status["state"] == "interrupted"
    assert "its disk is full" in status["cause"]


def test_lines_that_the_engine_may_have_lost_are_told(lab: LabInMemory) -> None:
    lab.ana.upload(
        "p",
        "import time\nprint('begun', flush=True)\nwhile not open('/output/.go', 'a').tell():\n    time.sleep(0.05)\n",
    )
    wait_for("its program", lambda: 1 in lab.machine.programs)
    lab.machine.programs[1].lose_output()
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    assert lab.wait_complete("p")["state"] == "succeeded"
    assert "lines may be missing in run.log" in lab.ana.text("p")


def test_files_written_beside_output_come_back_apart(lab: LabInMemory) -> None:
    lab.run("p", "open('notes.txt', 'w').write('x')\nopen('/output/a', 'w').write('x')\n")
    assert (lab.ana.outbox("p") / "stray" / "code" / "notes.txt").read_text() == "x"
    assert "outside /output" in lab.ana.text("p")
    assert not (lab.config.paths.state / "jobs" / "1" / "snapshot" / "code" / "notes.txt").exists()


def test_arguments_and_variables_of_job_toml_reach_the_program(lab: LabInMemory) -> None:
    lab.ana.write(lab.ana.inbox("p") / "job.toml", '[job]\nargs = ["a", "b"]\n[job.env]\nGALAXY = "M31"\n')
    lab.run("p", "import os, sys\nprint(sys.argv[1:], os.environ['GALAXY'], os.environ['LABD_JOB'])\n")
    assert lab.ana.text("p", "run.log") == "['a', 'b'] M31 1\n"


def test_an_upload_that_is_as_before_starts_nothing(lab: LabInMemory) -> None:
    lab.run("p", HELLO)
    lab.ana.submit("p")
    wait_for("SUBMIT to be taken", lambda: not (lab.ana.inbox("p") / "SUBMIT").exists())
    wait_for("the second to be withdrawn", lambda: len(lab.jobs()) == 1)
    lab.ana.upload("q", HELLO)
    wait_for("the other project's job", lambda: [job["project"] for job in lab.jobs()] == ["p", "q"])
    lab.wait_complete("q", lab.jobs()[-1]["job"])
    assert [job["project"] for job in lab.jobs()] == ["p", "q"]
    assert len(lab.machine.started) == 2


def test_rerun_runs_the_same_upload_once_more_and_keeps_what_was_there_in_history(lab: LabInMemory) -> None:
    lab.run("p", HELLO)
    lab.ana.write(lab.ana.inbox("p") / "RERUN")
    assert lab.wait_complete("p", 2)["state"] == "succeeded"
    assert len(lab.machine.started) == 2
    assert len(lab.machine.built) == 1
    [before] = (lab.ana.outbox("p") / "history").iterdir()
    assert json.loads((before / "status.json").read_text())["job"] == 1


def test_an_exact_rerun_takes_the_very_image(lab: LabInMemory) -> None:
    lab.run("p", HELLO)
    image = lab.ana.receipt("p")["environment"]["image"]
    (told,) = lab.ask("rerun", job="1", exact=True)
    assert "error" not in told
    lab.wait_complete("p", 2)
    assert lab.ana.receipt("p")["environment"]["image"] == image
    assert "kept" in lab.ana.text("p", "build.log")


def test_a_correction_after_a_failure_runs(lab: LabInMemory) -> None:
    assert lab.run("p", "raise SystemExit(3)\n")["state"] == "failed"
    assert lab.run("p", HELLO)["state"] == "succeeded"


def test_an_upload_that_nobody_submits_starts_when_it_has_settled(lab: LabInMemory) -> None:
    lab.ana.program("p", HELLO)
    assert lab.wait_complete("p")["state"] == "succeeded"
