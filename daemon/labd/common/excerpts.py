"""What a program printed, as evidence: lines as a terminal would show them.

This module owns the reading of printed text and the form in which a verdict is given (cause and hint). It never judges
what an error means, and never opens a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labd.common.printable import printable

_LONGEST = 8000  # characters of a line; more than any message has, and few enough for every pattern
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True)
class Diagnosis:
    """A verdict for the researcher."""

    cause: str  # one plain sentence: what happened
    hint: str  # one plain sentence: what to do; may be ""


class Advice(NamedTuple):
    """What to do about a program's end, where that depends on its language: one plain sentence each."""

    crashed: str = "Let it print a line before each step, to see which one crashes; then try it with smaller data."
    said_nothing: str = "Let it print what is wrong before it ends itself."
    no_command: str = "Do without it, or ask the administrator to add the command."
    no_screen: str = "Save pictures to files in /output instead of showing them."


def lines(text: str) -> list[str]:
    """What a terminal would show of `text`: no colours, of each progress bar its last state, nothing unprintable."""
    shown = []
    for line in _ESCAPES.sub("", text).split("\n"):
        last_state = line.rstrip("\r").rsplit("\r", 1)[-1].expandtabs(4)
        if len(last_state) > _LONGEST:
            last_state = f"{last_state[: _LONGEST // 2]} … {last_state[-_LONGEST // 2 :]}"
        shown.append(printable(last_state, " ").rstrip())
    return shown


def shorten(text: str, limit: int) -> str:
    """`text` as one printable line of at most `limit` characters; what is cut is cut from the middle."""
    line = " ".join(printable(text, " ").split())
    if len(line) <= limit:
        return line
    head = limit * 2 // 3
    return f"{line[: head - 1].rstrip()}…{line[head - limit :].lstrip()}"


def sentence(text: str) -> str:
    """`text` with a full stop, unless it ends in a mark of its own."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def last_words(shown: Sequence[str], noise: re.Pattern[str]) -> str:
    """The last line that says something and is no `noise`; "" if none does."""
    spoken = [line.strip() for line in shown if any(char.isalnum() for char in line)]
    return next((line for line in reversed(spoken) if not noise.search(line)), spoken[-1] if spoken else "")
