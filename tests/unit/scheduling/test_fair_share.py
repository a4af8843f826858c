from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.model.engine import Capacity
from labd.model.jobs import Grant
from labd.scheduling.fair_share import FORGOTTEN, Run, dominant_share, usage

MACHINE = Capacity(10.0, 1000, ("a", "b"))
GRANT = Grant("python", "3.11", 1.0, 100, 0, 60.0, False)
WEEK = 7 * 86400.0


def run(user: str, started: float, ended: float | None, **grant: float) -> Run:
    return Run.of(user, started, ended, replace(GRANT, **grant))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grant", "share"),
    [({}, 0.1), ({"cpus": 5.0}, 0.5), ({"memory": 900}, 0.9), ({"gpus": 1}, 0.5), ({"gpus": 2, "cpus": 8.0}, 1.0)],
)
def test_a_run_is_charged_the_resource_that_it_had_most_of(grant: dict[str, float], share: float) -> None:
    assert dominant_share(run("ana", 0.0, None, **grant), MACHINE) == pytest.approx(share)


def test_a_machine_without_gpus_charges_cpus_and_memory() -> None:
    assert dominant_share(run("ana", 0.0, None), Capacity(10.0, 1000, ())) == pytest.approx(0.1)


def test_what_ended_just_now_counts_whole_and_after_a_half_life_half() -> None:
    one = [run("ana", 0.0, 10.0)]
    assert usage(one, MACHINE, WEEK, 10.0)["ana"] == pytest.approx(1.0, rel=1e-4)
    assert usage(one, MACHINE, WEEK, 10.0 + WEEK)["ana"] == pytest.approx(0.5, rel=1e-4)
    assert usage(one, MACHINE, WEEK, 10.0 + FORGOTTEN * WEEK)["ana"] < 0.001


def test_what_runs_still_is_charged_so_far() -> None:
    assert usage([run("ana", 0.0, None)], MACHINE, WEEK, 100.0) == usage([run("ana", 0.0, 100.0)], MACHINE, WEEK, 100.0)


def test_a_clock_that_was_set_back_makes_no_debt_and_no_credit() -> None:
    assert usage([run("ana", 500.0, None), run("ana", 500.0, 600.0)], MACHINE, WEEK, 100.0) == {"ana": 0.0}


@given(st.floats(1, 1e6), st.floats(0, 1), st.floats(0, 1e6), st.floats(60, 1e7))
def test_a_long_run_is_charged_as_its_parts_are(lasts: float, part: float, ago: float, half_life: float) -> None:
    middle, now = lasts * part, lasts + ago
    whole = usage([run("ana", 0.0, lasts)], MACHINE, half_life, now)["ana"]
    parts = usage([run("ana", 0.0, middle), run("ana", middle, lasts)], MACHINE, half_life, now)["ana"]
    assert parts == pytest.approx(whole, rel=1e-6, abs=1e-6)
    assert 0.0 <= whole <= 0.1 * lasts * (1 + 1e-9)
