from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.units import clock, count, human_duration, human_size, human_time, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("512m", 512 * 1024**2), ("8g", 8 * 1024**3), ("8GB", 8 * 1024**3), (7, 7), ("1.5k", 1536)]
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("2d", 172800), (5, 5), ("250ms", 0.25)])
def test_durations_are_read_as_people_write_them(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "lots", "8x", "-1g", "g", True, None, "1 2"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a size"):
        parse_size(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "soon", "12 hours of", "h", True, None, "-5s"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse_duration(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (950, "950 bytes"), (1024, "1 kB"), (3.1 * 1024**3, "3.1 GB"), (2**50, "1024 TB")],
)
def test_sizes_are_told_in_one_decimal(size: float, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (0.04, "0.04 seconds"),
        (1, "1 second"),
        (9.96, "10 seconds"),
        (90, "1 minute 30 seconds"),
        (43200, "12 hours"),
        (90061, "1 day 1 hour"),
        (0.5, "0.5 seconds"),
        (3600, "1 hour"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e15))
def test_every_size_has_a_short_text(size: float) -> None:
    assert len(human_size(size)) <= 14


def test_counts_have_thousands_and_a_plural() -> None:
    assert count(1, "file") == "1 file"
    assert count(1204, "file") == "1,204 files"


@pytest.mark.parametrize("text", [-1, 2**60 + 1, 10**4000, "9" * 50 + "t", "1048577t"])
def test_no_size_is_negative_or_beyond_all_disks(text: str | int) -> None:
    with pytest.raises(ValueError, match="a size from 0 to"):
        parse_size(text)


@pytest.mark.parametrize("text", [math.nan, math.inf, -math.inf, -1, 1e300, 10**4000, "9" * 50 + "d", "36501d"])
def test_no_duration_is_negative_or_longer_than_a_thread_can_wait(text: str | float) -> None:
    with pytest.raises(ValueError, match="a duration from 0 to"):
        parse_duration(text)
    assert parse_duration("36500d") < threading.TIMEOUT_MAX


@pytest.mark.parametrize("text", ["nan", "inf", "1e400g", "1e3", "9" * 100_000, " " * 100_000 + "1g", "1s" * 100_000])
@pytest.mark.parametrize("parse", [parse_size, parse_duration])
def test_strange_or_long_texts_are_refused_at_once(parse: Callable[[str], float], text: str) -> None:
    began = time.thread_time()
    with pytest.raises(ValueError, match="such as"):
        parse(text)
    assert time.thread_time() - began < 1.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.0, "0 seconds"),
        (-1e-9, "0 seconds"),
        (-3600.0, "0 seconds"),
        (math.nan, "0 seconds"),
        (math.inf, "more than 36500 days"),
        (1e300, "more than 36500 days"),
    ],
)
def test_no_duration_is_told_that_cannot_be(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.floats())
def test_every_duration_and_time_has_a_short_text_without_a_sign(seconds: float) -> None:
    assert not human_duration(seconds).startswith("-")
    assert len(human_duration(seconds)) <= 30
    assert len(human_time(seconds)) <= 30


@pytest.mark.parametrize("timestamp", [math.nan, math.inf, -math.inf, 1e20, -1e20])
def test_a_time_that_no_calendar_has_is_told_as_unknown(timestamp: float) -> None:
    assert human_time(timestamp) == clock(timestamp) == "an unknown time"


def test_no_size_is_told_with_a_sign() -> None:
    assert human_size(-5) == human_size(-0.0) == "0 bytes"
