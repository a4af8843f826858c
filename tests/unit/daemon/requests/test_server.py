"""The socket's limits, each brought within reach of a test, with a real socket and real clients."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labd.client import connection as client
from labd.common.errors import Exit, NotAllowedError, UnavailableError
from labd.daemon.requests import connection, server
from labd.daemon.requests.connection import Connection
from labd.daemon.requests.replies import Answer
from labd.daemon.requests.server import Control
from labd.storage.database import DatabaseError
from support.lab import wait_for

Serve = Callable[..., str]

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="other accounts need root")
OTHERS = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print("connected", flush=True)
if len(sys.argv) > 2:
    connection.sendall(sys.argv[2].encode())
print(connection.makefile().read())
"""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts the daemon's end of the socket with an answer of the test's own; the socket's path."""
    started: list[Control] = []
    with contextlib.ExitStack() as stack:
        import tempfile

        # Not pytest's folder, which other accounts may not enter.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labd-test-", dir="/var/tmp")))
        folder.chmod(0o755)

        def start(answer: Answer, check: Callable[[int], None] = lambda uid: None) -> str:
            path = folder / "labd.sock"
            made = Control(path, answer, check)
            made.start()
            started.append(made)
            return str(path)

        yield start
        for made in started:
            made.close()
            assert not Path(made._path).exists()


def nothing(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
    yield {}


def connect(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(30)
    made.connect(path)
    return made


def running() -> int:
    """Threads that answer."""
    return sum(thread.name == "answer" for thread in threading.enumerate())


def as_another(path: str, uid: int, *request: str) -> subprocess.Popen[str]:
    """A process of `uid` that is connected, asks if it is told what, and prints all that it is told."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    process = subprocess.Popen(
        [*become, "/usr/bin/python3", "-c", OTHERS, path, *request], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "connected\n"
    return process


def test_who_does_not_read_the_answer_is_not_waited_for_without_end(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_UNREAD", 0.5)

    def without_end(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        while True:
            yield {"text": "x" * 65_536}

    with connect(serve(without_end)) as deaf:
        deaf.sendall(b"{}\n")
        wait_for("the answer to begin", lambda: running() == 1, 10.0)
        wait_for("the answer to be given up", lambda: running() == 0, 10.0)


def test_an_answer_ends_as_soon_as_nobody_waits_for_it(serve: Serve) -> None:
    def quiet(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        yield {}
        who.pause(600)

    with connect(serve(quiet)) as asked:
        asked.sendall(b"{}\n")
        assert asked.recv(100) == b"{}\n"
    wait_for("the answer's end", lambda: running() == 0, 2.0)


def test_an_answer_that_raises_is_a_defect_and_the_next_is_answered(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        if request["verb"] == "raise":
            raise KeyError("galaxies")
        yield {"when": time.time if request["verb"] == "unspeakable" else 1}

    path = serve(broken)
    for verb in ("raise", "unspeakable"):
        with pytest.raises(client.AnswerError) as told:
            list(client.ask(path, verb))
        assert told.value.message == "labd met an error of its own."
        assert told.value.hint == "Tell the administrator: journalctl -u labd"
        assert told.value.exit_code == Exit.INTERNAL
    printed = capsys.readouterr()
    assert "KeyError: 'galaxies'" in printed.out + printed.err
    assert list(client.ask(path, "other")) == [{"when": 1}]


def test_an_error_inside_the_daemon_is_not_taken_for_a_client_that_has_gone(serve: Serve) -> None:
    def full(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        yield {}
        raise BrokenPipeError(32, "a pipe of the daemon's own")

    with pytest.raises(client.AnswerError, match="an error of its own"):
        list(client.ask(serve(full), "anything"))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "/x"), DatabaseError(5, "disk is full")])
def test_a_full_disk_is_told_as_the_servers_trouble_and_not_as_a_defect(serve: Serve, error: OSError) -> None:
    def full(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        yield {}
        raise error

    with pytest.raises(client.AnswerError) as told:
        list(client.ask(serve(full), "anything"))
    assert told.value.message == f"The server could not do that at the moment ({error.strerror})."
    assert "minute" in told.value.hint


def test_the_socket_goes_on_after_any_error_in_the_thread_that_accepts(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [RuntimeError("a check that fails"), MemoryError(), KeyError("x")]

    def check(uid: int) -> None:
        if failures:
            raise failures.pop()

    path = serve(nothing, check)
    while failures:
        with connect(path) as failing:
            assert failing.recv(1) == b""
    assert list(client.ask(path, "anything")) == [{}]


def test_where_there_can_be_no_more_threads_somebody_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    path = serve(nothing)
    with monkeypatch.context() as broken:

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        broken.setattr(threading.Thread, "start", start)
        with pytest.raises(client.AnswerError, match="too much to do"):
            list(client.ask(path, "anything"))
    assert list(client.ask(path, "anything")) == [{}]


@needs_root
def test_however_many_ask_the_administrator_gets_through(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MOST", 3)
    path = serve(nothing)
    with contextlib.ExitStack() as stack:
        for uid in (6001, 6002, 6003):
            stack.enter_context(process := as_another(path, uid))
            stack.callback(process.kill)
        with as_another(path, 6004) as refused:
            assert refused.stdout and "Too many people" in refused.stdout.read()
        assert list(client.ask(path, "anything")) == [{}]


@needs_root
def test_answers_to_one_account_are_made_one_at_a_time_and_to_others_beside_them(serve: Serve) -> None:
    made, most = dict.fromkeys((0, 6006), 0), dict.fromkeys((0, 6006), 0)
    beside = threading.Event()

    def slow(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        made[who.uid] += 1
        most[who.uid] = max(most[who.uid], made[who.uid])
        if who.uid == 0:
            beside.set()
        else:
            assert beside.wait(30)
            time.sleep(0.02)  # as long as it takes to look up a thousand jobs
        made[who.uid] -= 1
        yield {}

    path = serve(slow)
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(as_another(path, 6006, "{}\n")) for _ in range(8)]
        assert list(client.ask(path, "anything")) == [{}]
        assert [process.stdout.read() for process in asked if process.stdout] == ["{}\n\n"] * 8
    assert most == {0: 1, 6006: 1}


@needs_root
def test_who_waits_for_something_keeps_no_other_answer_of_the_account_waiting(serve: Serve) -> None:
    def wait(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        yield {}
        if request["wait"]:
            who.pause(600)

    path = serve(wait)
    with contextlib.ExitStack() as stack:
        followers = [stack.enter_context(as_another(path, 6007, '{"wait": true}\n')) for _ in range(4)]
        for follower in followers:
            stack.callback(follower.kill)
        wait_for("those who wait", lambda: running() == 4, 10.0)
        with as_another(path, 6007, '{"wait": false}\n') as process:
            assert process.communicate(timeout=30)[0].endswith("{}\n\n")


@needs_root
def test_who_may_ask_nothing_is_told_so_at_once_and_gets_no_thread(serve: Serve) -> None:
    def check(uid: int) -> None:
        if uid == 6005:
            raise NotAllowedError("You have no account at this lab.")

    def never(request: dict[str, Any], who: Connection) -> Iterator[dict[str, Any]]:
        raise AssertionError("somebody was let in")

    with as_another(serve(never, check), 6005) as process:
        assert process.stdout
        assert json.loads(process.stdout.read())["error"] == "You have no account at this lab."


# The client's end


@pytest.mark.parametrize("answer", [b"", b"[]\n", b"7\n", b"null\n", b"no JSON\n", b"\xff\n", b"[" * 100_000 + b"\n"])
@pytest.mark.parametrize("command", ["status 7", "jobs", "logs 7", "queue"])
def test_a_strange_answer_is_told_in_a_sentence(answer: bytes, command: str, tmp_path: Path) -> None:
    path = tmp_path / "labd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def reply() -> None:
            with listener.accept()[0] as asked:
                asked.recv(65536)
                asked.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        words = [sys.executable, "-W", "error", "-m", "labd", *command.split(), "--socket", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        thread.join()
    assert "Traceback" not in done.stderr and "error of its own" not in done.stderr
    if answer or command == "status 7":
        assert done.returncode == Exit.UNAVAILABLE
        assert done.stderr.startswith("labd: The labd daemon ")


def test_a_client_waits_its_turn_at_a_full_socket_as_long_as_it_has_patience(tmp_path: Path) -> None:
    path = str(tmp_path / "labd.sock")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        stack.enter_context(connect(path))
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=r"did not answer within 0\.5 seconds"):
            list(client.ask(path, "status", 0.5))
        assert 0.4 < time.monotonic() - began < 10
