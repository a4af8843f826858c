"""Questions over SSH: what may follow a verb, and what is said when the daemon does not answer as it should."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.common.errors import LabdError, UnavailableError
from labd.gateway import questions

HOME = "/home/ana-silva"


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket where the daemon's would be."""
    monkeypatch.setenv("LABD_SOCKET", str(tmp_path / "labd.sock"))
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "labd.sock"))
        made.listen()
        yield made


@pytest.mark.parametrize(
    ("given", "job", "project"),
    [
        ("galaxies", "galaxies", "galaxies"),
        ("42", "42", "42"),
        ("2024/", "2024/", "2024"),
        ("outbox/2024", "2024/", "2024"),
        ("inbox/2024/", "2024/", "2024"),
    ],
)
def test_what_can_only_be_a_project_stays_so(given: str, job: str, project: str) -> None:
    for verb in ("status", "logs", "cancel"):
        options = questions.parse(verb, [given])
        assert (options.job, options.project) == (job, project)


@pytest.mark.parametrize("given", ["..", "../x", "inbox/", "a/b", "", "/etc", "\udcff", "x" * 65])
def test_what_is_no_project_is_refused(given: str) -> None:
    with pytest.raises(questions.UsageError):
        questions.parse("submit", [given])


def test_without_a_daemon_a_researcher_hears_that_files_still_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABD_SOCKET", str(tmp_path / "none.sock"))
    with pytest.raises(UnavailableError, match="not running on the server") as told:
        questions.answer("queue", [], HOME)
    assert "send and fetch files all the same" in told.value.hint


@pytest.mark.parametrize("said", [b"", b"[]\n", b"Segmentation fault\n", b'{"error": 7, "hint": null, "exit": "x"}\n'])
def test_a_strange_answer_is_not_taken_for_a_daemon_that_does_not_run(listener: socket.socket, said: bytes) -> None:
    def reply() -> None:
        with listener.accept()[0] as asked:
            asked.recv(65536)
            asked.sendall(said)

    thread = threading.Thread(target=reply)
    thread.start()
    with pytest.raises(LabdError) as told:
        questions.answer("status", ["7"], HOME)
    thread.join()
    assert "not running" not in told.value.message
    assert "journalctl" not in told.value.hint
