from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd import __version__
from labd.__main__ import main
from labd.cli.local.temporary_lab import valid_name
from labd.cli.parser import COMMANDS, parse
from labd.client import connection, rendering
from labd.common.errors import Exit, NotFoundError
from labd.common.toml_files import as_toml
from labd.daemon.requests.server import Control
from labd.model.config import Build, Config, Paths, for_user, load
from labd.model.layout import is_valid_name

NOW = 1_700_000_000.0
JOB: dict[str, Any] = {
    "job": 7,
    "project": "galaxies",
    "user": "ana-silva",
    "state": "failed",
    "sentence": "failed after 2 seconds",
    "cause": "Your program needs the Python library `cv2`,\nwhich is not installed.",
    "hint": "Add a line.",
    "notes": ["One file was left out."],
    "since": NOW,
    "created": NOW - 5,
    "started": NOW - 2,
    "ended": NOW,
    "exit_code": 1,
    "peak_memory": 7 * 1024**2,
    "cpu_seconds": 1.5,
    "gpu_ids": [],
    "grant": {"cpus": 1.0, "memory": 1024**3, "gpus": 0, "timeout": 3600.0, "network": False},
}

Serve = Callable[[Callable[[dict[str, Any]], Iterator[dict[str, Any]]]], str]


class Terminal(io.StringIO):
    """What a program takes for a terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts the daemon's real end of the socket with an answer of the test's own; the socket's path."""
    started = []

    def start(answer: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]) -> str:
        control = Control(tmp_path / "labd.sock", lambda request, uid: answer(request))
        control.start()
        started.append(control)
        return str(tmp_path / "labd.sock")

    yield start
    for control in started:
        control.close()


def labd(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["labd", *arguments])
    return main()


# Commands, options, help


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_fits_a_screen_and_shows_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(command, ["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert f"labd {command}" in lines[-1]
    example = COMMANDS[command].example.partition(" |")[0].split()
    assert parse(command, example[2:])


def test_the_overview_names_every_command_in_lines_that_fit_a_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert labd(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {command} ", text, re.MULTILINE) for command in COMMANDS)
    assert len(text.splitlines()) <= 28
    assert max(map(len, text.splitlines())) <= 80


def test_no_command_shows_the_overview_and_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert labd(monkeypatch) == Exit.USAGE


def test_a_mistyped_command_is_answered_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert labd(monkeypatch, "stauts") == Exit.USAGE
    assert "Did you mean `labd status`?" in capsys.readouterr().err


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert labd(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"labd {__version__}\n"


@pytest.mark.parametrize("command", [name for name in COMMANDS if COMMANDS[name].bare])
def test_the_short_way_around_argparse_gives_the_same_options(command: str) -> None:
    assert vars(parse(command, [])) == vars(COMMANDS[command].bare or object())


def test_status_imports_nothing_heavy() -> None:
    code = "import sys, labd.cli.parser; sys.stdout.write(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"argparse", "typing", "dataclasses", "pathlib", "shutil", "tomli", "sh", "structlog", "docker", "datetime"}
    before = subprocess.run(
        [sys.executable, "-c", "import sys; sys.stdout.write(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert heavy & set(loaded) <= set(before)


# Errors


def test_an_error_is_a_sentence_a_hint_and_a_named_exit_code(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        raise NotFoundError("There is no job 9.", "`labd jobs` lists the jobs there are.")

    path = serve(answer)
    assert labd(monkeypatch, "status", "9", "--socket", path) == Exit.NOT_FOUND
    assert capsys.readouterr().err == "labd: There is no job 9.\n      `labd jobs` lists the jobs there are.\n"


def test_without_a_daemon_one_sentence_says_so_and_another_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert labd(monkeypatch, "status", "--socket", str(tmp_path / "none.sock")) == Exit.UNAVAILABLE
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_defect_is_told_without_a_traceback_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(options: object) -> int:
        raise KeyError("galaxies")

    monkeypatch.setattr(COMMANDS["status"], "run", broken)
    assert labd(monkeypatch, "status") == Exit.INTERNAL
    told = capsys.readouterr().err
    assert "labd met an error of its own (KeyError: 'galaxies')" in told
    assert "Traceback" not in told
    monkeypatch.setenv("LABD_DEBUG", "1")
    assert labd(monkeypatch, "status") == Exit.INTERNAL
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMANDS["status"], "run", interrupted)
    assert labd(monkeypatch, "status") == Exit.CANCELLED
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_has_seen_enough_is_no_error(serve: Serve) -> None:
    path = serve(lambda request: iter([{**JOB, "job": number} for number in range(20_000)]))
    command = [sys.executable, "-W", "error", "-m", "labd", "jobs", "--json", "--socket", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


# The socket


def test_the_usual_places_of_the_socket_are_those_of_the_config() -> None:
    assert str(Paths().socket) == connection.SYSTEM_SOCKET
    assert str(for_user(Config(), Path("/home/ana")).paths.socket) == connection.USER_SOCKET.replace("~", "/home/ana")


def test_the_socket_is_the_named_one_then_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABD_SOCKET", "/somewhere/labd.sock")
    assert connection.find_socket("/named.sock") == "/named.sock"
    assert connection.find_socket() == "/somewhere/labd.sock"


def test_lines_of_an_answer_arrive_before_the_answer_is_whole(serve: Serve) -> None:
    seen = threading.Event()

    def answer(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"text": "first"}
        assert seen.wait(30)
        yield {"text": "second"}

    lines = connection.ask(serve(answer), "logs", job="7", follow=True)
    assert next(lines) == {"text": "first"}
    seen.set()
    assert list(lines) == [{"text": "second"}]


def test_a_request_is_what_was_asked(serve: Serve) -> None:
    path = serve(lambda request: iter([request]))
    assert list(connection.ask(path, "logs", job="galaxies", follow=False)) == [
        {"verb": "logs", "job": "galaxies", "follow": False}
    ]


@pytest.mark.parametrize("command", ["status 7", "cancel 7", "rerun 7", "status"])
def test_a_daemon_that_ends_before_its_answer_is_an_error(
    command: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert labd(monkeypatch, *command.split(), "--socket", serve(lambda request: iter(()))) == Exit.UNAVAILABLE


# What is printed


def test_a_piped_table_is_one_line_a_row_with_tabs_and_nothing_else() -> None:
    out = io.StringIO()
    rendering.show_table(("A", "B"), [(1, "one\ttab"), (22, "two\nlines")], out=out)
    assert out.getvalue() == "1\tone tab\n22\ttwo lines\n"


def test_a_table_on_a_terminal_is_aligned_below_a_bold_header_and_fits() -> None:
    out = Terminal()
    rendering.show_table(("JOB", "WHAT"), [(1, "x" * 200), (222, "y")], right=[0], out=out)
    header, first, second = out.getvalue().splitlines()
    assert header == "\x1b[1mJOB  WHAT\x1b[0m"
    assert first.startswith("  1  xxx") and len(first) == 80 and first.endswith("…")
    assert second == "222  y"


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    rendering.show_table(("JOB",), [(1,)], out=out)
    assert "\x1b" not in out.getvalue()


def test_an_empty_table_prints_nothing() -> None:
    out = Terminal()
    rendering.show_table(("JOB",), [], out=out)
    assert out.getvalue() == ""


def test_status_of_a_job_has_cause_and_hint_each_in_a_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert labd(monkeypatch, "status", "galaxies", "--socket", serve(lambda request: iter([JOB]))) == 0
    facts = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert facts["State"] == "failed after 2 seconds"
    assert facts["Cause"] == "Your program needs the Python library `cv2`, which is not installed."
    assert facts["What to do"] == "Add a line."
    assert facts["Note"] == "One file was left out."
    assert facts["Granted"] == "1 CPU, 1 GB of memory, up to 1 hour"
    assert facts["Exit code"] == "1"


def test_an_upload_that_is_no_job_is_told_before_the_job_before_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = {"since": NOW, "sentence": "not started: cut", "hint": "Send it again, or `labd submit galaxies`."}
    path = serve(lambda request: iter([{**JOB, "upload": upload}]))
    assert labd(monkeypatch, "status", "galaxies", "--socket", path) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "New upload\tnot started: cut"
    facts = dict(line.split("\t", 1) for line in rest)
    assert facts["To start it"] == upload["hint"]
    assert facts["State"] == JOB["sentence"] and facts["What to do"] == JOB["hint"]


def test_an_upload_without_a_job_is_told_alone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = {"job": None, "project": "galaxies", "user": "ana-silva", "since": NOW, "sentence": "not started: cut"}
    told = {**alone, "hint": "Send it again.", "upload": {"until": NOW + 60}}
    path = serve(lambda request: iter([told]))
    assert labd(monkeypatch, "status", "galaxies", "--socket", path) == 0
    facts = dict(line.split("\t", 1) for line in capsys.readouterr().out.splitlines())
    assert list(facts) == ["Project", "State", "Since", "Starts", "What to do"]
    assert facts["Starts"].endswith(", unless more arrives")
    assert labd(monkeypatch, "status", "galaxies", "--json", "--socket", path) == 0
    assert json.loads(capsys.readouterr().out)["job"] is None


def test_a_list_of_jobs_that_is_cut_says_so_and_how_to_see_more(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = serve(lambda request: iter([{**JOB, "job": number} for number in range(min(request["limit"], 4))]))
    for limit, numbers, is_cut in (("3", "123", True), ("4", "0123", False), ("9", "0123", False)):
        assert labd(monkeypatch, "jobs", "-n", limit, "--socket", path) == 0
        told = capsys.readouterr()
        assert "".join(line.split("\t")[0] for line in told.out.splitlines()) == numbers
        assert ("There are older jobs: `labd jobs -n 1000`" in told.err) is is_cut


def test_status_lists_uploads_and_counts_what_is_older(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = {"project": "nile", "user": "ana-silva", "since": NOW, "sentence": "not started: cut"}
    everything = {"active": [], "recent": [JOB], "uploads": [upload], "running": 0, "queued": 0, "older": 7}
    path = serve(lambda request: iter([everything]))
    assert labd(monkeypatch, "status", "--socket", path) == 0
    told = capsys.readouterr()
    first, second = (line.split("\t") for line in told.out.splitlines())
    assert (first[:2], first[4], second[0]) == (["-", "nile"], "not started: cut", "7")
    assert "7 older jobs: `labd jobs` lists them." in told.err


def test_jobs_that_have_not_started_have_dashes_for_what_is_not_known(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = {**JOB, "state": "queued", "started": None, "ended": None, "exit_code": None, "peak_memory": None}
    assert labd(monkeypatch, "jobs", "--socket", serve(lambda request: iter([job]))) == 0
    assert capsys.readouterr().out.split("\t")[3:5] == ["queued", "-"]


def test_jobs_as_json_are_one_document_a_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = serve(lambda request: iter([JOB] * request["limit"]))
    assert labd(monkeypatch, "jobs", "--json", "--limit", "3", "--socket", path) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [JOB] * 3


# The config and the names of a temporary lab


def test_a_config_written_for_another_daemon_reads_as_the_same(tmp_path: Path) -> None:
    config = replace(
        Config(),
        build=Build(index='https://user:"pass\\word"@host/simple', pip_conf=Path("/etc/pip \u00e9.conf"), debian=False),
        inbox=replace(Config().inbox, settle=0.1),
    )
    file = tmp_path / "config.toml"
    file.write_text(as_toml(config))
    assert load(file) == config


def test_accounts_survive_being_written(tmp_path: Path) -> None:
    from labd.model.account_settings import AccountEntry

    config = replace(
        Config(), accounts=(AccountEntry(name="ana-silva", home=tmp_path, uid=5001, gid=5001), AccountEntry(name="ben"))
    )
    file = tmp_path / "config.toml"
    file.write_text(as_toml(config))
    assert load(file).accounts == config.accounts


@given(st.text())
def test_any_folder_name_gives_a_valid_project_name(name: str) -> None:
    assert is_valid_name(valid_name(name))


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", fullmatch=True))
def test_a_valid_name_is_kept(name: str) -> None:
    assert valid_name(name) == name


@pytest.mark.skipif(os.getuid() != 0, reason="root only")
def test_as_root_a_single_user_lab_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert labd(monkeypatch, "daemon", "--home", str(tmp_path)) == Exit.BAD_CONFIG
    assert "as root" in capsys.readouterr().err
