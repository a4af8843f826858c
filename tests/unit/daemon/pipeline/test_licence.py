"""Jobs that wait for a licence: when they are held, for how long, and what is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labd.common.errors import ConfigError
from labd.daemon.pipeline.licence import Licences, may_try_again, next_try
from labd.model.config import load
from labd.model.jobs import Grant, Job, Signal, State
from labd.model.languages import Language, Template
from labd.model.licences import LicenceSettings

RUNNING = State.RUNNING
LANGUAGES = {
    "matlab": Language("matlab", Path("/"), Template("MATLAB", "app.m", ("run",), licence="LICENCE")),
    "python": Language("python", Path("/"), Template("Python", "app.py", ("python",))),
}


def job(number: int, language: str, changed: float = 0.0) -> Job:
    grant = Grant(language, "1", 1.0, 1, 0, 60.0, False)
    return Job(number, "ana-silva", f"p{number}", State.QUEUED, Signal.SUBMIT, 0.0, changed, number, grant=grant)


class Queue:
    """What the service does with licences, without the service."""

    def __init__(
        self, settings: LicenceSettings, events: Callable[[int], list[tuple[float, State]]] = lambda _: []
    ) -> None:
        self.woken, self.announced = threading.Event(), list[int]()
        self.licences = Licences(settings, LANGUAGES, events, self.woken.set, lambda job: self.announced.append(job.id))

    def until(self, *jobs: Job, held: set[int]) -> None:
        end = time.monotonic() + 20
        while {number for _, project in self.licences.held(jobs) if (number := int(project[1:]))} != held:
            assert self.woken.wait(end - time.monotonic())
            self.woken.clear()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_only_jobs_whose_language_needs_a_licence_are_held_until_the_server_answers() -> None:
    port = free_port()
    queue = Queue(LicenceSettings(licence=f"{port}@127.0.0.1"))
    jobs = (job(1, "matlab"), job(2, "python"))
    queue.until(*jobs, held={1})
    assert queue.licences.reason(1).startswith(f"waiting for the licence server 127.0.0.1:{port}")
    assert queue.licences.reason(2) == ""
    assert 2 not in queue.announced
    with socket.create_server(("127.0.0.1", port)):
        queue.until(*jobs, held=set())
    assert queue.licences.reason(1) == ""
    queue.licences.close()


def test_one_of_several_servers_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = LicenceSettings(licence=f"{free_port()}@127.0.0.1,{listener.getsockname()[1]}@127.0.0.1")
        queue = Queue(settings)
        queue.until(job(1, "matlab"), held=set())
        queue.licences.close()


def test_the_question_to_the_server_ends_with_the_last_job_that_waits() -> None:
    queue = Queue(LicenceSettings(licence=f"{free_port()}@127.0.0.1"))
    queue.until(job(1, "matlab"), held={1})
    queue.until(held=set())
    end = time.monotonic() + 10
    while any(thread.name == "licence" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.02)
    queue.until(job(2, "matlab"), held={2})
    queue.licences.close()


def test_without_a_server_nothing_is_held() -> None:
    assert Queue(LicenceSettings()).licences.held([job(1, "matlab")]) == set()
    assert Queue(LicenceSettings(licence_file=Path("/x"))).licences.held([job(1, "matlab")]) == set()


def test_a_job_that_found_no_seat_is_held_for_a_while_that_grows_and_has_an_end() -> None:
    once = [(10.0, RUNNING)]
    assert next_try(job(1, "matlab", 100.0), [], 3600.0) == 100.0
    pauses = [next_try(job(1, "matlab", 100.0), once * tries, 3600.0) - 100.0 for tries in (1, 2, 3, 9, 5000)]
    assert pauses == [10.0, 20.0, 40.0, 300.0, 300.0]
    assert next_try(job(1, "matlab", 100.0), once, 20.0) == 101.0
    assert may_try_again([(0.0, State.QUEUED), *once], 3600.0, 3609.0)
    assert not may_try_again(once * 3, 3600.0, 3611.0)

    queue = Queue(LicenceSettings(), lambda _: [(time.time(), RUNNING)])
    waiting = job(1, "matlab", time.time())
    assert queue.licences.held([waiting]) == {("ana-silva", "p1")}
    assert queue.licences.reason(1).startswith("waiting for a free licence, all are in use (next try at ")
    queue.licences.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("licence = 'lic'", "'lic' is not of the form port@host"),
        ("licence = '27000@a,b'", "'b' is not of the form port@host"),
        ("licence = '1@a'\nlicence_file = '/x'", "either `licence` or `licence_file`"),
    ],
)
def test_a_mistake_in_the_licences_address_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[matlab]\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load(file)


def test_several_servers_are_separated_by_comma_or_colon() -> None:
    assert LicenceSettings(licence="27000@a.example,27001@b:27002@c").servers == (
        ("a.example", 27000),
        ("b", 27001),
        ("c", 27002),
    )
