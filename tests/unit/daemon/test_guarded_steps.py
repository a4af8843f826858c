"""The guard of the loop's steps, and of what is tried again."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import structlog.testing

from labd.common.errors import UnavailableError
from labd.common.retry import Retry
from labd.daemon.guarded_steps import Step

INFINITE = float("inf")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """time.monotonic() in the workers of the test."""
    made = SimpleNamespace(now=100.0)
    made.monotonic = lambda: made.now
    for module in ("daemon.guarded_steps", "common.retry"):
        monkeypatch.setattr(f"labd.{module}.time", made)
    return made


class Broken:
    """An action that raises as often as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)


def test_pauses_grow_up_to_the_longest(clock: SimpleNamespace) -> None:
    retry = Retry(first=1.0, longest=5.0)
    pauses = []
    for _ in range(5):
        retry.failed(OSError("disk"))
        pauses.append(retry.due - clock.now)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert retry.succeeded() == 5
    assert (retry.failures, retry.due) == (0, 0.0)


def test_one_trouble_is_told_once_and_another_one_again() -> None:
    retry = Retry()
    told = [retry.failed(OSError(text)) for text in ("disk", "disk", "net", "net", "disk")]
    assert told == [True, False, True, False, True]
    retry.succeeded()
    assert retry.failed(OSError("disk"))


def test_thousands_of_failures_do_not_overflow() -> None:
    retry = Retry()
    for _ in range(5000):
        retry.failed(OSError())
    assert retry.due < time.monotonic() + 301.0


def test_a_step_that_fails_is_told_once_with_its_traceback_and_goes_on_by_itself(clock: SimpleNamespace) -> None:
    action = Broken(KeyError("a"), KeyError("a"), KeyError("a"))
    step = Step("admission", action)
    with structlog.testing.capture_logs() as lines:
        for _ in range(200):
            step.run()
            clock.now += 0.1
    assert action.errors == []
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "admission: a defect of labd, trying again"),
        ("info", "admission: works again"),
    ]
    assert lines[0]["exc_info"]
    assert lines[1]["failures"] == 3


def test_a_step_pauses_after_a_failure_and_says_when_it_is_due(clock: SimpleNamespace) -> None:
    action = Broken(UnavailableError("away"))
    step = Step("jobs", action, lambda: 123.0)
    step.run()
    assert step.next_due() == clock.now + 0.5
    step.run()
    assert action.tries == 1
    clock.now += 0.5
    step.run()
    assert action.tries == 2
    assert step.next_due() == 123.0


def test_a_step_that_cannot_say_when_it_is_due_is_asked_again_later(clock: SimpleNamespace) -> None:
    def due() -> float:
        raise ValueError("no idea")

    step = Step("inboxes", lambda: None, due)
    assert step.next_due() == clock.now + 0.5
    assert Step("rest", lambda: None).next_due() == INFINITE
