"""The installed `labd` as a subprocess, with a real daemon and real Docker behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from labd.common.errors import Exit
from labd.model.config import Config, for_user
from support.lab import AS_ROOT, DEADLINE, Lab, docker, wait_for

Done = subprocess.CompletedProcess[str]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LABD = [sys.executable, "-W", "error", "-m", "labd"]
SLOW = "import time\nopen('/output/partial.txt', 'w').write('so far')\nprint('begun', flush=True)\ntime.sleep(600)\n"


def run(*arguments: str | Path, cwd: Path | None = None, temporary: Path | None = None) -> Done:
    """What `labd ARGUMENTS` does; `temporary` is where it may put folders."""
    environment = {**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})}
    return subprocess.run(
        [*LABD, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=False,
    )


def on_a_terminal(*arguments: str | Path, cwd: Path | None = None) -> str:
    """All that `labd ARGUMENTS` writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*LABD, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # what Linux says when nobody has the other end any more
                break
        os.close(ours)
        assert process.wait(DEADLINE) is not None
    return seen.decode().replace("\r\n", "\n")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder on a disk for the folders of temporary labs; a test fails that leaves anything there."""
    folder = Path(tempfile.mkdtemp(prefix="labd-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    left = list(folder.iterdir())
    for lab in left:
        for name in containers(lab):
            docker("rm", "-f", "-v", name)
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one file, which a test writes."""
    (tmp_path / "comet" / "code").mkdir(parents=True)
    return tmp_path / "comet"


def containers(temporary_lab: Path) -> list[str]:
    """Names of all containers of the temporary lab in that folder."""
    instance = for_user(Config(), temporary_lab).instance
    labels = (f"labd.instance={instance}", f"labd.holder={instance}")
    return [name for label in labels for name in docker("ps", "-aq", "--filter", f"label={label}").split()]


def attempt(project: Path, program: str, place: Path, *options: str | Path) -> Done:
    (project / "code" / "app.py").write_text(program)
    return run("try", project, *options, cwd=project.parent, temporary=place)


# labd try


def test_try_runs_an_example_and_leaves_its_results_and_nothing_else(tmp_path: Path, place: Path) -> None:
    done = run("try", EXAMPLES / "nile", cwd=tmp_path, temporary=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "labd-output" / "run.log").read_text()
    assert "Wrote changepoint.csv, nile.svg and summary.txt." in done.stdout
    results = tmp_path / "labd-output"
    assert sorted(path.name for path in (results / "output").iterdir()) == [
        "changepoint.csv",
        "nile.svg",
        "summary.txt",
    ]
    assert (results / "COMPLETE").read_text() == "1 succeeded\n"
    assert "nile: succeeded" in (results / "STATUS").read_text()
    assert "Results: labd-output/output/ (3 files)" in done.stderr


def test_stages_are_told_in_their_order(project: Path, place: Path) -> None:
    done = attempt(project, "import time\ntime.sleep(1)\n", place)
    told = [
        line.split()[2] for line in done.stderr.splitlines() if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+$", line)
    ]
    expected = ["preparing", "received", "queued", "building", "running", "delivering"]
    assert told[0] == "preparing" and "running" in told
    assert told == [stage for stage in expected if stage in told]


def test_the_exit_code_of_the_program_is_that_of_try(project: Path, place: Path) -> None:
    done = attempt(project, "import sys\nsys.exit(7)\n", place)
    assert done.returncode == 7
    assert "Cause: Your program ended with exit code 7" in done.stderr
    assert (project.parent / "labd-output" / "COMPLETE").read_text() == "1 failed\n"


def test_output_of_a_program_is_passed_on_byte_by_byte(project: Path, place: Path) -> None:
    program = "import os\nos.write(1, b'caf\\xe9\\r 10 %\\r 20 %\\n\\x1b[31mred\\x1b[0m no end')\n"
    (project / "code" / "app.py").write_text(program)
    environment = {**os.environ, "TMPDIR": str(place)}
    done = subprocess.run([*LABD, "try", project], cwd=project.parent, env=environment, capture_output=True, check=True)
    assert done.stdout == b"caf\xe9\r 10 %\r 20 %\n\x1b[31mred\x1b[0m no end"


def test_on_a_terminal_a_program_cannot_change_the_terminal(
    project: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(place))
    (project / "code" / "app.py").write_text("print('\\x1b]0;evil\\x07\\x1b[2Jtext')\n")
    seen = on_a_terminal("try", project, cwd=project.parent)
    assert "text\n" in seen
    assert "evil" not in seen and "\x1b[2J" not in seen
    assert re.search(r"preparing +\d\.\d s", seen)


@pytest.mark.skipif(not AS_ROOT, reason="root only")
@pytest.mark.parametrize("sudo", [{}, {"SUDO_UID": "5001", "SUDO_GID": "5001"}, {"SUDO_UID": "0", "SUDO_GID": "0"}])
def test_a_program_never_runs_as_root(
    project: Path, place: Path, monkeypatch: pytest.MonkeyPatch, sudo: dict[str, str]
) -> None:
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.setenv(name, sudo.get(name, "0"))
    done = attempt(
        project, "import os\nprint(os.getuid(), os.getgid(), os.getgroups())\nopen('/output/a', 'w')\n", place
    )
    expected = 5001 if sudo.get("SUDO_UID") == "5001" else 65534
    assert done.stdout.split()[:2] == [str(expected)] * 2
    assert "0" not in re.findall(r"\d+", done.stdout)
    # The results belong to who asked for them.
    status = (project.parent / "labd-output" / "output" / "a").stat()
    assert (status.st_uid, status.st_gid) == ((5001, 5001) if expected == 5001 else (0, 0))


def test_a_result_never_comes_back_setuid(project: Path, place: Path) -> None:
    attempt(project, "import os\nopen('/output/shell', 'w')\nos.chmod('/output/shell', 0o6755)\n", place)
    assert (project.parent / "labd-output" / "output" / "shell").stat().st_mode & 0o7777 == 0o755


def test_a_project_without_a_program_is_refused_with_the_words_of_the_outbox(project: Path, place: Path) -> None:
    (project / "code" / "main.py").touch()
    done = run("try", project, cwd=project.parent, temporary=place)
    assert done.returncode == Exit.NOT_RUN
    assert "named `code/main.py`" in done.stderr
    assert not (project.parent / "labd-output").exists()


def test_a_job_toml_that_asks_for_too_much_never_runs_and_says_why(project: Path, place: Path) -> None:
    (project / "job.toml").write_text("[job]\ncpus = 5000\n")
    done = attempt(project, "print('ran')\n", place)
    assert done.returncode == Exit.NOT_RUN
    assert "ran" not in done.stdout
    assert "Cause: job.toml asks for cpus = 5000" in done.stderr
    assert "asks for cpus" in (project.parent / "labd-output" / "STATUS").read_text()


def test_a_program_whose_time_is_over_ends_with_its_own_code_and_its_results(project: Path, place: Path) -> None:
    (project / "job.toml").write_text('[job]\ntimeout = "1s"\n')
    done = attempt(project, SLOW, place)
    assert done.returncode == Exit.TIMED_OUT
    assert (project.parent / "labd-output" / "output" / "partial.txt").read_text() == "so far"


def test_a_second_try_moves_the_results_of_the_first_to_the_history(project: Path, place: Path) -> None:
    for number in (1, 2, 3):
        attempt(project, f"open('/output/{number}', 'w')\n", place)
    results = project.parent / "labd-output"
    (results / "mine.txt").write_text("a note")
    found = {path.parent.parent.name: path.name for path in results.rglob("output/*")}
    assert found == {"1": "1", "2": "2", "labd-output": "3"}
    attempt(project, "", place)
    assert (results / "mine.txt").read_text() == "a note"


def test_results_never_go_to_a_folder_of_something_else(project: Path, place: Path) -> None:
    (project.parent / "thesis").mkdir()
    (project.parent / "thesis" / "chapter.txt").touch()
    for output in (project.parent / "thesis", project, project.parent, project / "code" / "app.py"):
        done = attempt(project, "print('ran')\n", place, "--output", output)
        assert done.returncode == Exit.NOT_RUN
        assert "--output DIR" in done.stderr
        assert done.stdout == ""
    assert [path.name for path in (project.parent / "thesis").iterdir()] == ["chapter.txt"]


def test_results_inside_the_project_are_no_part_of_it(project: Path, place: Path) -> None:
    program = "import os\nprint(sorted(os.listdir('/input')))\n"
    (project / "input").mkdir()
    for _ in range(2):
        done = attempt(project, program, place, "--output", project / "input" / "results")
    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("signals_heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_program_and_brings_home_what_it_wrote(project: Path, place: Path, number: int) -> None:
    (project / "code" / "app.py").write_text(SLOW)
    process = begin(project, place)
    assert process.stdout and process.stdout.readline() == b"begun\n"
    process.send_signal(number)
    assert process.wait(DEADLINE) == Exit.CANCELLED
    process.stdout.close()
    assert (project.parent / "labd-output" / "output" / "partial.txt").read_text() == "so far"
    assert (project.parent / "labd-output" / "COMPLETE").read_text() == "1 cancelled\n"


@pytest.mark.usefixtures("signals_heeded")
def test_after_ctrl_c_nothing_of_the_lab_is_left(project: Path, place: Path) -> None:
    (project / "code" / "app.py").write_text(SLOW)
    process = begin(project, place)
    assert process.stdout and process.stdout.readline() == b"begun\n"
    [folder] = place.iterdir()
    assert len(containers(folder)) == 2
    process.send_signal(signal.SIGINT)
    process.wait(DEADLINE)
    process.stdout.close()
    assert containers(folder) == []
    assert not folder.exists()


@pytest.mark.usefixtures("signals_heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_try_that_is_to_ignore_a_signal_goes_on(project: Path, place: Path, number: signal.Signals) -> None:
    (project / "code" / "app.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('ended')\n")
    signal.signal(number, signal.SIG_IGN)  # as nohup does, and a script for what it starts in the background
    process = begin(project, place)
    assert process.stdout and process.stdout.readline() == b"begun\n"
    process.send_signal(number)
    assert process.stdout.read() == b"ended\n"
    assert process.wait(DEADLINE) == 0
    process.stdout.close()


def test_what_a_killed_try_left_is_removed_by_the_next(project: Path, place: Path) -> None:
    (project / "code" / "app.py").write_text(SLOW)
    process = begin(project, place)
    assert process.stdout and process.stdout.readline() == b"begun\n"
    process.kill()
    process.wait()
    process.stdout.close()
    [folder] = place.iterdir()
    wait_for("the end of its daemon", lambda: "labd stopped" in (folder / "daemon.log").read_text())
    assert len(containers(folder)) == 2
    (project / "code" / "app.py").unlink()
    run("try", project, cwd=project.parent, temporary=place)
    assert containers(folder) == []
    assert not folder.exists()


def test_two_tries_at_once_do_not_disturb_each_other(project: Path, place: Path) -> None:
    (project / "code" / "app.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(2)\nprint('ended')\n")
    both = [begin(project, place, "--output", f"out-{number}") for number in (1, 2)]
    for process in both:
        assert process.stdout and process.stdout.read() == b"begun\nended\n"
        assert process.wait(DEADLINE) == 0
        process.stdout.close()


def begin(project: Path, place: Path, *options: str) -> subprocess.Popen[bytes]:
    """A `labd try` in the background."""
    return subprocess.Popen(
        [*LABD, "try", str(project), *options],
        cwd=project.parent,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


# Questions to a running daemon


def ask(lab: Lab, *arguments: str) -> Done:
    return run(*arguments, "--socket", lab.socket)


def rows(done: Done) -> Sequence[list[str]]:
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_status_and_jobs_tell_the_same_of_a_job_that_failed(shared_lab: Lab) -> None:
    told = shared_lab.run("broken", "import cv2\n")
    [row] = [row for row in rows(ask(shared_lab, "jobs")) if row[1] == "broken"]
    assert row[:5] == [str(told["job"]), "broken", "ana-silva" if AS_ROOT else row[2], "failed", "1"]
    [row] = [row for row in rows(ask(shared_lab, "status")) if row[1] == "broken"]
    assert row[4].startswith("failed after") and "cv2" in row[4]
    facts = dict(rows(ask(shared_lab, "status", "broken")))
    assert "cv2" in facts["Cause"]
    assert "opencv-python-headless" in facts["What to do"]
    assert facts["Exit code"] == "1"
    assert rows(ask(shared_lab, "status", str(told["job"]))) == rows(ask(shared_lab, "status", "broken"))


def test_jobs_as_json_have_what_status_json_has(shared_lab: Lab) -> None:
    told = shared_lab.run("figures", "print('hello')\n")
    documents = [json.loads(line) for line in ask(shared_lab, "jobs", "--json").stdout.splitlines()]
    [document] = [document for document in documents if document["project"] == "figures"]
    assert document["state"] == told["state"] == "succeeded"
    assert document["exit_code"] == 0


def test_jobs_are_as_many_as_asked_for_and_the_latest_comes_last(shared_lab: Lab) -> None:
    for _ in range(2):
        shared_lab.run("few", "print(1)\n")
        shared_lab.ana.write(shared_lab.ana.inbox("few") / "input" / "more", os.urandom(8))
    numbers = [int(row[0]) for row in rows(ask(shared_lab, "jobs", "--limit", "2"))]
    assert len(numbers) == 2
    assert numbers == sorted(numbers)
    assert numbers[-1] == max(int(row[0]) for row in rows(ask(shared_lab, "jobs")))


def test_logs_are_those_of_the_program(shared_lab: Lab) -> None:
    shared_lab.run("talks", "print('first')\nprint('second', end='')\n")
    assert ask(shared_lab, "logs", "talks").stdout == "first\nsecond"


def test_logs_are_followed_until_the_program_ends(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    ana.program("follow", "import time\nprint('begun', flush=True)\ntime.sleep(4)\nprint('ended')\n")
    ana.submit("follow")
    wait_for("the job", lambda: any(job["project"] == "follow" for job in shared_lab.jobs()))
    command = [*LABD, "logs", "-f", "follow", "--socket", str(shared_lab.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
        assert shared_lab.ana.status("follow")["state"] == "running"
        assert process.stdout.read() == "ended\n"
        assert process.wait(DEADLINE) == 0


def test_a_running_job_can_be_cancelled_and_run_again(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    ana.program("again", SLOW)
    ana.submit("again")
    wait_for("the program to run", lambda: "begun" in ana.text("again", "run.log"))
    done = ask(shared_lab, "cancel", "again")
    assert done.returncode == 0
    number = ana.status("again")["job"]
    assert f"Job {number} (again) is being stopped" in done.stdout
    assert shared_lab.wait_complete("again", number)["state"] == "cancelled"
    assert ask(shared_lab, "cancel", "again").returncode == Exit.NOT_FOUND
    done = ask(shared_lab, "rerun", str(number))
    assert done.returncode == 0
    newer = int(re.findall(r"as job (\d+)", done.stdout)[0])
    assert ask(shared_lab, "cancel", str(newer)).returncode == 0
    shared_lab.wait_complete("again", newer)


def test_images_are_listed_with_size_and_last_use(shared_lab: Lab) -> None:
    shared_lab.run("pictures", "print(1)\n")
    [image, *_] = [json.loads(line) for line in ask(shared_lab, "images", "--json").stdout.splitlines()]
    assert image["language"] == "python"
    assert image["size"] > 1e6
    assert rows(ask(shared_lab, "images"))[0][:2] == [image["tag"], f"python {image['version']}"]


@pytest.mark.parametrize("command", ["status", "logs", "cancel", "rerun"])
def test_a_job_that_is_not_there_is_an_error_of_its_own_code(shared_lab: Lab, command: str) -> None:
    for job in ("999999", "no-such-project"):
        done = ask(shared_lab, command, job)
        assert done.returncode == Exit.NOT_FOUND
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 2


def test_on_a_terminal_status_is_a_table_that_fits(shared_lab: Lab) -> None:
    shared_lab.run("table", "import cv2\n")
    summary, empty, header, *lines = on_a_terminal("status", "--socket", shared_lab.socket).splitlines()
    assert re.fullmatch(r"\d+ running, \d+ queued\.", summary)
    assert empty == ""
    assert header.startswith("\x1b[1mJOB  PROJECT")
    column = header.removeprefix("\x1b[1m").index("PROJECT")
    assert any(line[column:].startswith("table ") for line in lines)
    assert all(len(line) <= 80 for line in lines)


# The daemon and its config


def test_a_second_daemon_on_the_same_lab_says_so_and_ends(shared_lab: Lab) -> None:
    options = ["--config", str(shared_lab.config_file)]
    done = run("daemon", *options, *([] if AS_ROOT else ["--home", str(shared_lab.ana.home)]))
    assert done.returncode == Exit.BAD_CONFIG
    assert "Another labd is running" in done.stderr


def test_without_a_daemon_the_commands_say_so(tmp_path: Path) -> None:
    done = run("status", "--socket", tmp_path / "labd.sock")
    assert done.returncode == Exit.UNAVAILABLE
    assert "No labd daemon is running here" in done.stderr


def test_a_wrong_config_is_told_with_its_key_and_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[inbox]\nsetle = '5s'\n")
    for command in (["check-config"], ["daemon", "--config"]):
        done = run(*command, tmp_path / "config.toml")
        assert done.returncode == Exit.BAD_CONFIG
        assert "no option `inbox.setle`" in done.stderr
        assert "Did you mean `settle`?" in done.stderr


def test_the_config_that_comes_with_labd_is_right() -> None:
    done = run("check-config", EXAMPLES.parent / "config.toml")
    assert done.returncode == 0, done.stderr
    assert "is right" in done.stdout


def test_check_says_what_a_server_would_say_with_its_exit_code(tmp_path: Path) -> None:
    done = run("check", EXAMPLES / "penguins")
    assert done.returncode == 0
    assert done.stdout.startswith("penguins: ready. Python 3.11, 3 files, ")
    (tmp_path / "empty").mkdir()
    done = run("check", tmp_path / "empty")
    assert done.returncode == Exit.BAD_INPUT
    assert done.stdout == ""
