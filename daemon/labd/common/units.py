"""Sizes, durations and times as people write and read them.

This module owns the two-way translation between numbers and words: "8g", "12h", "3.1 GB", "2 minutes". It never looks
at a clock or a file.
"""

from __future__ import annotations

import re
import time

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_SIZE_STEPS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.IGNORECASE)
_DURATION_STEPS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_TEXT = 60  # characters; trying all ways to read a long row of digits would take long
LARGEST_SIZE = 2**60  # bytes; larger than any disk, and what a file system and SQLite can count
LONGEST_DURATION = 36500 * 86400.0  # seconds; less than threading.TIMEOUT_MAX


def parse_size(text: str | int) -> int:
    """Bytes in `text`: a number of bytes or "512k", "64m", "8g", "2t" (powers of 1024, like Docker's --memory).

    Raises ValueError for anything else, for less than 0 and for more than LARGEST_SIZE.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        size: float = text
    else:
        match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= _LONGEST_TEXT else None
        if not match:
            raise ValueError('a size such as "512m" or "8g"')
        size = float(match[1]) * _SIZE_STEPS[match[2].lower()]
    if not 0 <= size <= LARGEST_SIZE:
        raise ValueError(f'a size from 0 to "{LARGEST_SIZE // 1024**4}t"')
    return int(size)


def parse_duration(text: str | float) -> float:
    """Seconds in `text`: a number of seconds or "30s", "10m", "12h", "2d", "1h30m".

    Raises ValueError for anything else, for less than 0 and for more than LONGEST_DURATION.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds: float = text
    else:
        parts = _DURATION.findall(text) if isinstance(text, str) and len(text) <= _LONGEST_TEXT else []
        if not parts or _DURATION.sub("", str(text)).strip():
            raise ValueError('a duration such as "90s", "30m" or "12h"')
        seconds = sum(float(number) * _DURATION_STEPS[step.lower()] for number, step in parts)
    # The comparison is written so that nan fails it.
    if not 0 <= seconds <= LONGEST_DURATION:
        raise ValueError(f'a duration from 0 to "{LONGEST_DURATION / 86400:.0f}d"')
    return float(seconds)


def human_size(count: float) -> str:
    """`count` bytes in at most one decimal: "950 bytes", "3.1 GB"."""
    count = max(count, 0)
    if count < 1024:
        return f"{int(count)} byte{'' if int(count) == 1 else 's'}"
    power = 1
    while power < 4 and count / 1024**power >= 1023.95:
        power += 1
    return f"{count / 1024**power:.1f}".removesuffix(".0") + (" kB", " MB", " GB", " TB")[power - 1]


def human_duration(seconds: float) -> str:
    """`seconds` in its two largest units: "0.4 seconds", "1 minute 30 seconds", "12 hours".

    A clock that was set back makes none of less than 0.
    """
    # Written so that nan and -0.0 count as 0, too.
    seconds = seconds if seconds > 0 else 0.0
    if seconds > LONGEST_DURATION:
        return f"more than {LONGEST_DURATION / 86400:.0f} days"
    if seconds < 10:
        text = f"{seconds:.1g}" if 0.01 <= seconds < 1 else f"{seconds:.1f}".removesuffix(".0")
        return f"{text} second{'' if text == '1' else 's'}"
    left, parts = round(seconds), []
    for name, step in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, step)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2])


def human_time(timestamp: float) -> str:
    """Local date and time of `timestamp` (seconds since the epoch), to the second: "2025-03-01 14:05:09"."""
    return _local(timestamp, "%Y-%m-%d %H:%M:%S")


def clock(timestamp: float) -> str:
    """Local time of day of `timestamp` (seconds since the epoch), to the second: "14:05:09"."""
    return _local(timestamp, "%H:%M:%S")


def _local(timestamp: float, form: str) -> str:
    try:
        return time.strftime(form, time.localtime(timestamp))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"  # beyond what a calendar holds, or no number


def count(number: int, noun: str) -> str:
    """`number` with its noun: "1 file", "1,204 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
