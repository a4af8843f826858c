"""The status screen: what does not fit is counted, and the rest is told where."""

from __future__ import annotations

import re
from typing import Any

import pytest

from labd.client.screen import Disk, screen

NOW = 1_700_000_000.0
DISK = Disk(1024, 2048, 1 << 40)


def overview(jobs: int = 0, uploads: int = 0, queue: int = 0, older: int = 0) -> dict[str, Any]:
    job = {"project": "galaxies", "state": "running", "sentence": "running for 2 minutes", "cause": ""}
    line = {"state": "queued", "cpus": 2.0, "memory": 4 << 30, "gpus": 0, "mine": False, "since": NOW + 3600}
    return {
        "user": "ana-silva",
        "active": [{**job, "job": number} for number in range(jobs)],
        "recent": [],
        "older": older,
        "uploads": [
            {"project": f"sent-{number}", "state": "waiting", "text": "upload interrupted"} for number in range(uploads)
        ],
        "queue": [{**line, "place": place, "job": None, "project": None} for place in range(1, queue + 1)],
        "running": jobs,
        "queued": queue,
        "machine": {
            "cpus": 8.0,
            "cpus_used": 2.0,
            "memory": 1 << 36,
            "memory_used": 1 << 33,
            "gpus": 0,
            "gpus_used": 0,
            "load": 1.5,
        },
    }


def shown(text: list[str], part: str) -> int:
    """How many of a part's entries are there, with those that are only counted."""
    there = [line for line in text if re.search(part, line)]
    command = {"sent-": "status", "galaxies": "jobs", "someone": "queue"}[part]
    more = [re.search(r"and ([\d,]+) more: ssh lab (\w+)", line) for line in text]
    return len(there) + sum(int(found[1].replace(",", "")) for found in more if found and found[2] == command)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 40])
@pytest.mark.parametrize("part", ["sent-", "galaxies", "someone"])
def test_what_is_not_shown_is_counted(part: str, number: int) -> None:
    key = {"sent-": "uploads", "galaxies": "jobs", "someone": "queue"}[part]
    lines = screen(overview(**{key: number}), DISK, "lab", NOW)
    assert shown(lines, part) == number
    assert len(lines) <= 23


def test_jobs_from_before_are_counted() -> None:
    lines = screen(overview(jobs=2, older=1234), DISK, "lab", NOW)
    assert any("and 1,234 more: ssh lab jobs" in line for line in lines)


@pytest.mark.parametrize("rows", range(5, 40))
def test_whatever_the_size_nothing_is_left_out_without_a_word(rows: int) -> None:
    lines = screen(overview(jobs=9, uploads=9, queue=9), DISK, "lab", NOW, rows=rows)
    assert len(lines) <= rows
    is_all = all(shown(lines, part) == 9 for part in ("sent-", "galaxies", "someone"))
    assert is_all or any("lines that have no room here: ssh lab status" in line for line in lines)


def test_an_upload_that_is_refused_is_told_with_what_to_do() -> None:
    told = overview()
    told["uploads"] = [
        {
            "project": "nile",
            "state": "refused",
            "sentence": "not started. No program.",
            "hint": "Add one.",
            "text": "No",
        }
    ]
    assert any("nile: not started. No program. Add one." in line for line in screen(told, DISK, "lab", NOW))


def test_a_clock_that_was_set_back_makes_no_negative_times() -> None:
    assert any("waiting for 0 seconds" in line for line in screen(overview(queue=1), DISK, "lab", NOW, columns=100))
