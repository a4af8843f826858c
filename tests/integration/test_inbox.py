"""When an upload starts a job, exactly one, and when it starts none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from conftest import MakeLab
from support.lab import AS_ROOT, Lab, cpu_seconds, wait_for

HELLO = "print('hello')\nopen('/output/result.txt', 'w').write('42')\n"


def jobs_of(lab: Lab, project: str) -> list[int]:
    return [job["job"] for job in lab.jobs() if job["project"] == project]


def nothing_starts(lab: Lab, project: str, seconds: float = 3.0) -> None:
    """Watch for three settle times; there is no other way to see that something does not happen."""
    before = jobs_of(lab, project)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert jobs_of(lab, project) == before
        time.sleep(0.1)


def test_a_folder_that_settles_becomes_a_job(lab: Lab) -> None:
    lab.ana.program("galaxies", HELLO)
    status = lab.wait_complete("galaxies")
    assert (status["state"], status["trigger"]) == ("succeeded", "settled")
    assert (lab.ana.outbox("galaxies") / "output" / "result.txt").read_text() == "42"
    assert lab.ana.text("galaxies", "run.log") == "hello\n"


def test_the_project_folder_inside_the_entry_is_found_too(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HELLO)
    lab.ana.push(tmp_path, "nested")
    assert lab.wait_complete("nested")["state"] == "succeeded"


def test_a_project_named_project_is_found(lab: Lab) -> None:
    lab.ana.program("project", HELLO)
    assert lab.wait_complete("project")["state"] == "succeeded"


def test_submit_starts_at_once_and_is_removed(make_lab: MakeLab) -> None:
    lab = make_lab(settings="")
    lab.config_file.write_text(lab.config_file.read_text().replace("settle = '1s'", "settle = '1h'"))
    lab.start()
    lab.ana.program("now", HELLO)
    lab.ana.submit("now")
    assert lab.wait_complete("now")["trigger"] == "submit"
    wait_for("SUBMIT is removed", lambda: not (lab.ana.inbox("now") / "SUBMIT").exists())


def test_the_same_tree_again_is_no_job_and_any_change_is_one(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HELLO)
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "data").write_text("1")
    (tmp_path / "input" / "more").write_text("1")
    lab.ana.push(tmp_path, "twice")
    lab.wait_complete("twice", 1)
    lab.ana.push(tmp_path, "twice")
    nothing_starts(lab, "twice")
    stamp = os.stat(tmp_path / "input" / "data")
    (tmp_path / "input" / "data").write_text("2")
    os.utime(tmp_path / "input" / "data", ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 2 * 10**9))
    lab.ana.push(tmp_path, "twice")
    second = wait_for("the changed byte makes a job", lambda: jobs_of(lab, "twice")[1:])
    lab.wait_complete("twice", second[0])
    (tmp_path / "input" / "more").unlink()
    lab.ana.push(tmp_path, "twice", "--delete")
    third = wait_for("the deleted file makes a job", lambda: jobs_of(lab, "twice")[2:])
    lab.wait_complete("twice", third[0])
    (tmp_path / "job.toml").write_text("[job]\ncpus = 1\n")
    lab.ana.push(tmp_path, "twice")
    wait_for("the new job.toml makes a job", lambda: jobs_of(lab, "twice")[3:])


def test_the_job_sees_the_new_bytes_of_an_edit_of_the_same_size_in_the_same_second(lab: Lab) -> None:
    lab.run("edit", "print('a')\n")
    file = lab.ana.inbox("edit") / "code" / "app.py"
    stamp = os.stat(file)
    lab.ana.write(file, "print('b')\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1000))
    lab.ana.submit("edit")
    lab.wait_complete("edit", 2)
    assert lab.ana.text("edit", "run.log") == "b\n"


@pytest.mark.parametrize("change", ["touch", "chmod", "copied again"])
def test_what_leaves_the_content_as_it_was_starts_nothing(lab: Lab, change: str) -> None:
    lab.run("same", HELLO)
    file = lab.ana.inbox("same") / "code" / "app.py"
    if change == "touch":
        os.utime(file)
    elif change == "chmod":
        file.chmod(0o755)
    else:
        lab.ana.write(file, HELLO)
    wait_for("labd has looked and dealt with it", lambda: "withdrawn" in lab.log.read_text())
    assert jobs_of(lab, "same") == [1]
    wait_for("STATUS is that of the job again", lambda: lab.ana.status("same")["state"] == "succeeded")


def test_submit_of_an_unchanged_project_says_that_nothing_changed(lab: Lab) -> None:
    lab.run("again", HELLO)
    lab.ana.submit("again")
    wait_for("the note in STATUS", lambda: "nothing has changed" in lab.ana.text("again"))
    assert "RERUN" in lab.ana.text("again")
    assert jobs_of(lab, "again") == [1]


def test_rerun_runs_the_same_snapshot_once_more(lab: Lab) -> None:
    lab.run("again", HELLO)
    lab.ana.write(lab.ana.inbox("again") / "RERUN")
    status = lab.wait_complete("again", 2)
    assert (status["state"], status["trigger"]) == ("succeeded", "rerun")
    wait_for("RERUN is removed", lambda: not (lab.ana.inbox("again") / "RERUN").exists())
    assert jobs_of(lab, "again") == [1, 2]
    assert (lab.ana.outbox("again") / "history" / "1" / "COMPLETE").read_text() == "1 succeeded\n"


def test_cancel_stops_the_program_and_delivers_what_there_is(lab: Lab) -> None:
    lab.ana.program("long", "import time\nprint('begun')\nopen('/output/part', 'w').write('1')\ntime.sleep(600)\n")
    lab.ana.submit("long")
    wait_for("the program runs", lambda: "begun" in lab.ana.text("long", "run.log"))
    lab.ana.write(lab.ana.inbox("long") / "CANCEL")
    status = lab.wait_complete("long")
    assert status["state"] == "cancelled"
    assert "CANCEL" in status["cause"]
    assert (lab.ana.outbox("long") / "output" / "part").read_text() == "1"
    wait_for("CANCEL is removed", lambda: not (lab.ana.inbox("long") / "CANCEL").exists())


def test_an_upload_that_is_removed_is_told_of_no_more(lab: Lab) -> None:
    lab.ana.program("done", HELLO)
    lab.wait_complete("done")
    (lab.ana.inbox("done") / "code" / "app.py").unlink()
    lab.ana.write(lab.ana.inbox("new") / "code" / "notes.txt", "")
    for project in ("done", "new"):
        wait_for("both are refused", lambda project=project: "not started" in lab.ana.text(project))
        shutil.rmtree(lab.ana.inbox(project))
        wait_for("both are forgotten", lambda project=project: "not started" not in lab.ana.text(project))
    assert re.fullmatch(r"done: succeeded .*\nSince: .*\nNote: The end of its upload .*\n", lab.ana.text("done"))
    assert lab.ana.text("new") == "new: its upload is not in the inbox any more; send it again to run it\n"
    lab.ana.program("new", HELLO)
    lab.wait_complete("new", 2)


def test_a_cancelled_job_in_the_queue_never_runs(make_lab: MakeLab) -> None:
    lab = make_lab(settings="[machine]\ncpus = 1.0\n")
    lab.start()
    lab.ana.program("first", "import time\ntime.sleep(600)\n")
    lab.ana.submit("first")
    wait_for("the first runs", lambda: lab.ana.status("first").get("state") == "running")
    lab.ana.program("second", HELLO)
    lab.ana.submit("second")
    wait_for("the second waits", lambda: lab.ana.status("second").get("state") == "queued")
    assert "place 1" in lab.ana.text("second")
    lab.ana.write(lab.ana.inbox("second") / "CANCEL")
    assert lab.wait_complete("second", 2)["state"] == "cancelled"
    assert not (lab.ana.outbox("second") / "run.log").exists()


def test_an_upload_during_a_run_is_the_next_job(lab: Lab) -> None:
    lab.ana.program("p", "import time\nprint('one')\ntime.sleep(3)\n")
    lab.ana.submit("p")
    wait_for("the first runs", lambda: lab.ana.status("p").get("state") == "running")
    lab.ana.write(lab.ana.inbox("p") / "code" / "app.py", "print('two')\n")
    lab.ana.submit("p")
    lab.wait_complete("p", 2)
    assert lab.ana.text("p", "run.log") == "two\n"
    assert (lab.ana.outbox("p") / "history" / "1" / "run.log").read_text() == "one\n"
    assert (lab.ana.outbox("p") / "history" / "1" / "STATUS").read_text().startswith("p: succeeded")


def test_a_settled_upload_that_goes_on_growing_is_superseded_not_duplicated(lab: Lab) -> None:
    lab.ana.program(
        "grow", "import os, time\nprint(len(os.listdir('/input')), flush=True)\ntime.sleep(30)\n", input__a="1"
    )
    wait_for("the first runs", lambda: lab.ana.status("grow").get("state") == "running")
    lab.ana.write(lab.ana.inbox("grow") / "input" / "b", "2")
    lab.ana.write(lab.ana.inbox("grow") / "code" / "app.py", "import os\nprint(len(os.listdir('/input')))\n")
    lab.wait_complete("grow", 2)
    # The outcome is committed a moment after COMPLETE.
    wait_for("the outcomes", lambda: [job["state"] for job in lab.jobs()] == ["cancelled", "succeeded"])
    assert "more files arrived" in lab.jobs()[0]["cause"]
    assert lab.ana.text("grow", "run.log") == "2\n"


def test_a_file_open_for_writing_holds_the_upload(lab: Lab) -> None:
    if not AS_ROOT:
        pytest.skip("only root sees the open files of others")
    path = lab.ana.inbox("held") / "input" / "big"
    lab.ana.write(path, "half")
    writer = subprocess.Popen(["sh", "-c", f"exec 3>>'{path}'; exec sleep 600"])
    try:
        lab.ana.program("held", HELLO)
        wait_for("STATUS says so", lambda: "still open for writing" in lab.ana.text("held"))
        nothing_starts(lab, "held")
    finally:
        writer.kill()
        writer.wait()
    assert lab.wait_complete("held")["state"] == "succeeded"


@pytest.mark.parametrize("name", ["input/.big.fits.Xa81bC", "code/big.filepart", "input/.~tmp~/x"])
def test_an_unfinished_transfer_holds_the_upload(lab: Lab, name: str) -> None:
    lab.ana.write(lab.ana.inbox("part") / name, "half")
    lab.ana.program("part", HELLO)
    wait_for("STATUS says so", lambda: "unfinished transfer" in lab.ana.text("part"))
    nothing_starts(lab, "part")
    lab.ana.do("rm", "-r", lab.ana.inbox("part") / Path(name).parts[0] / Path(name).parts[1])
    assert lab.wait_complete("part")["state"] == "succeeded"


def test_what_an_interrupted_partial_transfer_leaves_holds_the_upload(lab: Lab) -> None:
    cut = lab.ana.inbox("cut") / "input" / "big.fits"
    lab.ana.write(cut, "half")
    os.utime(cut, (0, 0))
    lab.ana.program("cut", HELLO)
    wait_for("STATUS names the file", lambda: "cut in input/big.fits" in lab.ana.text("cut"))
    nothing_starts(lab, "cut")
    os.utime(cut)
    assert lab.wait_complete("cut")["state"] == "succeeded"


def test_a_slow_upload_starts_when_it_is_whole(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("import os\nprint(os.path.getsize('/input/big'))\n")
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "big").write_bytes(b"x" * 4_000_000)
    lab.ana.push(tmp_path, "slow", "--bwlimit=1000")
    lab.wait_complete("slow")
    assert jobs_of(lab, "slow") == [1]
    assert lab.ana.text("slow", "run.log") == "4000000\n"


@pytest.mark.parametrize("option", ["--inplace", "--delay-updates", "--partial", "-s", "--whole-file"])
def test_every_way_of_rsync_starts_exactly_one_job(lab: Lab, tmp_path: Path, option: str) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HELLO)
    (tmp_path / "input").mkdir()
    for number in range(50):
        (tmp_path / "input" / f"{number}").write_bytes(bytes([number]) * 1000)
    lab.ana.push(tmp_path, "way", option)
    lab.wait_complete("way")
    nothing_starts(lab, "way", 1.5)
    assert jobs_of(lab, "way") == [1]


@pytest.mark.parametrize("name", ["my project", ".hidden", "-rf", "a" * 65, "naïve", "new\nline", "'quoted'"])
def test_a_name_that_cannot_be_is_refused_with_an_explanation(lab: Lab, name: str) -> None:
    lab.ana.write(lab.ana.inbox(name) / "code" / "app.py", HELLO)
    wait_for("the explanation", lambda: "cannot be the name of a project" in lab.ana.text(name))
    assert "letters, digits, dot, dash" in lab.ana.text(name)
    assert lab.jobs() == []


def test_a_file_instead_of_a_folder_is_refused_with_an_explanation(lab: Lab) -> None:
    lab.ana.write(lab.ana.inbox("app.py"), HELLO)
    wait_for("the explanation", lambda: "is a file; labd runs folders" in lab.ana.text("app.py"))
    lab.ana.write(lab.ana.inbox(".DS_Store"), "x")
    lab.ana.program("fine", HELLO)
    lab.wait_complete("fine")
    assert not lab.ana.outbox(".DS_Store").exists()


def test_limits_are_told_before_anything_is_copied(make_lab: MakeLab) -> None:
    lab = make_lab(settings="max_files = 10\nmax_bytes = '1m'\nmax_depth = 5\n")
    lab.start()
    many, large, deep = lab.ana.inbox("many"), lab.ana.inbox("large"), lab.ana.inbox("deep")
    for number in range(12):
        lab.ana.write(many / "input" / str(number), "x")
    lab.ana.write(large / "input" / "big", b"x" * 2_000_000)
    lab.ana.write(deep / "input" / "/".join("abcdefgh") / "x", "x")
    for name, words in (
        ("many", "more than 10 files"),
        ("large", "1.9 MB; the limit of this server is 1 MB"),
        ("deep", "more than 5 levels"),
    ):
        lab.ana.program(name, HELLO)
        wait_for(f"the explanation for {name}", lambda name=name, words=words: words in lab.ana.text(name))
    assert lab.jobs() == []


def test_what_was_pulled_back_into_the_project_is_no_change(lab: Lab) -> None:
    lab.run("pulled", HELLO)
    lab.ana.write(lab.ana.inbox("pulled") / "output" / "result.txt", "42")
    nothing_starts(lab, "pulled")


def test_an_upload_while_the_daemon_is_down_is_one_job(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.ana.program("early", HELLO)
    lab.start()
    assert lab.wait_complete("early")["state"] == "succeeded"
    lab.stop()
    lab.ana.write(lab.ana.inbox("early") / "code" / "app.py", "print('later')\n")
    lab.start()
    lab.wait_complete("early", 2)
    lab.stop()
    lab.start()
    nothing_starts(lab, "early", 2.0)
    assert jobs_of(lab, "early") == [1, 2]


def test_somebody_who_never_stops_touching_a_large_project_takes_no_more_than_a_part_of_a_core(lab: Lab) -> None:
    lab.ana.program("restless", HELLO)
    for number in range(20_000):
        lab.ana.write(lab.ana.inbox("restless") / "input" / str(number), "")
    lab.wait_complete("restless")
    before, end = sum(cpu_seconds(lab.process.pid)), time.monotonic() + 5
    while time.monotonic() < end:
        os.utime(lab.ana.inbox("restless") / "code")
        time.sleep(0.001)
    assert sum(cpu_seconds(lab.process.pid)) - before < 5 * 0.4
    lab.ana.program("restless", HELLO.replace("42", "43"))
    lab.ana.submit("restless")
    lab.wait_complete("restless", 2)
