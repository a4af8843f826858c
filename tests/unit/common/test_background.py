"""Work beside the loop: users in turn, and what hangs for one of them holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog

from labd.common import log
from labd.common.background import BackgroundWork
from support.lab import wait_for


@pytest.fixture
def background() -> Iterator[BackgroundWork]:
    made = BackgroundWork("test", at_once=2)
    yield made
    made.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs, hangs until this is set; it never outlives the test."""
    made = threading.Event()
    yield made
    made.set()


def test_work_is_done_and_an_error_in_it_touches_nobody_else(background: BackgroundWork) -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("broken")

    background.put("ana", "a", fail)
    background.put("ana", "b", lambda: done.append("ana"))
    background.put("ben", "a", lambda: done.append("ben"))
    wait_for("both", lambda: sorted(done) == ["ana", "ben"], 10.0)


def test_what_hangs_for_some_delays_others_by_seconds_at_most(
    background: BackgroundWork, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labd.common.background._LONG", 0.2)
    done = threading.Event()
    for number in range(20):
        background.put(f"hung-{number}", "look", lambda: gate.wait() and None)
    background.put("ben", "look", done.set)
    assert done.wait(10.0)


def test_a_user_has_no_more_pieces_at_work_than_allowed(background: BackgroundWork, gate: threading.Event) -> None:
    running: list[int] = []

    def hang(number: int) -> None:
        running.append(number)
        gate.wait()

    for number in range(5):
        background.put("ana", number, lambda number=number: hang(number))  # type: ignore[misc]
    other = threading.Event()
    background.put("ben", "a", other.set)
    assert other.wait(10.0)
    assert running == [0]
    gate.set()
    wait_for("the rest", lambda: running == [0, 1, 2, 3, 4], 10.0)


def test_users_take_turns_when_one_has_much(background: BackgroundWork, gate: threading.Event) -> None:
    order: list[str] = []
    for user in ("block-1", "block-2"):
        background.put(user, "a", lambda: gate.wait() and None)
    for number in range(50):
        background.put("ana", number, lambda: order.append("ana"))
    background.put("ben", "a", lambda: order.append("ben"))
    gate.set()
    wait_for("all", lambda: len(order) == 51, 10.0)
    assert order.index("ben") < 5


def test_a_later_piece_of_the_same_key_takes_the_place_of_one_that_waits(
    background: BackgroundWork, gate: threading.Event
) -> None:
    done: list[int] = []
    background.put("ana", "first", lambda: gate.wait() and None)
    for number in range(3):
        background.put("ana", "status", lambda number=number: done.append(number))  # type: ignore[misc]
    gate.set()
    wait_for("the last", lambda: done == [2], 10.0)


def test_closing_waits_for_what_is_under_way_and_not_for_ever(
    background: BackgroundWork, gate: threading.Event
) -> None:
    done: list[int] = []
    background.put("ana", "a", lambda: done.append(1))
    background.close(10.0)
    assert done == [1]
    hung = BackgroundWork("hung", at_once=1)
    hung.put("ana", "a", lambda: gate.wait() and None)
    hung.close(0.1)
    hung.put("ben", "a", lambda: done.append(2))
    assert done == [1]


def test_what_one_piece_says_its_lines_are_about_is_unknown_to_the_next(background: BackgroundWork) -> None:
    seen: list[dict[str, object]] = []

    def leave_bound(number: int) -> None:
        seen.append(structlog.contextvars.get_contextvars())
        structlog.contextvars.bind_contextvars(job=number, user="ana")

    with log.about(41, "ben"):
        for number in range(6):
            background.put("ana", number, lambda number=number: leave_bound(number))  # type: ignore[misc]
        wait_for("all pieces", lambda: len(seen) == 6, 10.0)
        assert structlog.contextvars.get_contextvars() == {"job": 41, "user": "ben"}
    assert seen == [{}] * 6
    assert structlog.contextvars.get_contextvars() == {}
