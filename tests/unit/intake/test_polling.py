"""When to look at an inbox next."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from labd.intake.polling import Pace
from labd.intake.proof import Traffic
from labd.intake.transfers import TransferResult
from labd.model.config import InboxSettings

LIMITS = InboxSettings(settle=10.0, rescan=600.0)
UPTIME, NOW = 1000.0, 1_800_000_000.0


def ahead(pace: Pace) -> float:
    """Seconds until the next look."""
    return pace.next_due() - UPTIME


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Of an inbox at which somebody looked just now, where nothing has changed for long. Time stands still."""
    monkeypatch.setattr("labd.intake.polling.time", SimpleNamespace(monotonic=lambda: UPTIME, time=lambda: NOW))
    made = Pace(LIMITS, 0.0)
    assert made.due() is None
    made.looked_at_all(0.0, 0.0, 0.0, LIMITS.rescan)
    assert (made.due(), ahead(made)) == ([], LIMITS.rescan)
    return made


@pytest.mark.parametrize(
    ("age", "cost", "others", "wait"),
    [(5.0, 0.0, 0.0, 10.0), (1800.0, 0.0, 0.0, 30.0), (0.0, 0.02, 0.03, 50.0), (0.0, 2.0, 0.0, 600.0)],
)
def test_the_whole_is_looked_at_again_by_its_age_and_for_a_thousandth_of_the_time(
    pace: Pace, age: float, cost: float, others: float, wait: float
) -> None:
    pace.looked_at_all(NOW - age, cost, others, LIMITS.rescan)
    assert ahead(pace) == wait


def test_what_moves_is_looked_at_at_once_but_no_more_than_a_tenth_of_the_time(pace: Pace) -> None:
    pace.stirred("large", False)
    assert pace.due() == ["large"]
    pace.looked(["large"], 0.5)
    pace.stirred("large", False)
    assert (pace.due(), ahead(pace)) == ([], 5.0)
    pace.stirred("other", False)
    assert pace.due() == ["other"]


def test_an_order_and_a_transfer_that_ended_are_looked_at_at_once(pace: Pace) -> None:
    for name in ("ordered", "sent"):
        pace.looked([name], 0.5)
        pace.stirred(name, False)
    assert pace.due() == []
    pace.stirred("ordered", True)
    pace.ask("sent")
    assert sorted(pace.due() or []) == ["ordered", "sent"]


def test_something_that_moves_in_the_inbox_itself_is_a_look_at_the_whole(pace: Pace) -> None:
    pace.stirred(None, False)
    assert pace.due() is None


@pytest.mark.parametrize(
    ("known", "cost", "wait"),
    [
        (Traffic(), 0.01, 0.5),
        (Traffic(), 0.3, 3.0),
        (Traffic(live="rsync"), 0.01, 10.0),
        (Traffic(live="rsync"), 0.3, 30.0),
        (Traffic(held="interrupted"), 0.01, 600.0),
    ],
)
def test_what_is_not_complete_is_looked_at_again_by_what_is_known_of_its_transfer(
    pace: Pace, known: Traffic, cost: float, wait: float
) -> None:
    pace.looked(["p"], cost)
    pace.again("p", known, cost, 0.0)
    assert ahead(pace) == wait


def test_a_transfer_does_not_wake_looks_at_its_own_project(pace: Pace) -> None:
    pace.again("p", Traffic(live="rsync"), 0.0, 0.0)
    pace.stirred("p", False)
    assert ahead(pace) == 10.0


def test_an_inbox_that_cannot_be_read_is_looked_at_as_a_whole_when_that_is_due(pace: Pace) -> None:
    pace.ask("p")
    pace.failed(UPTIME + 5.0)
    assert (pace.due(), ahead(pace)) == ([], 5.0)


def test_a_transfer_that_may_be_of_another_project_delays_a_look_no_longer_than_none(pace: Pace) -> None:
    pace.again("p", Traffic(live="rsync", is_guess=True), 0.0, 0.0)
    assert ahead(pace) == 0.5


def test_an_upload_that_waits_for_a_known_time_is_not_looked_at_all_the_while(pace: Pace) -> None:
    pace.again("p", Traffic(proof=TransferResult.UNPROVEN), 0.0, 60.0)
    assert ahead(pace) == 60.0 - LIMITS.settle


def test_a_project_that_could_not_be_dealt_with_is_looked_at_again(pace: Pace) -> None:
    pace.later("p", UPTIME + 3.0)
    assert (pace.due(), ahead(pace)) == ([], 3.0)
    pace.later("p", UPTIME)
    assert pace.due() == ["p"]
