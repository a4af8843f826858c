"""What is wrong with a list of requirements, whatever the package index has.

This module owns the refusals of lines that nobody can read, that are too long, or that contradict each other. It is
pure, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.common.text_limits import LONGEST
from labd.projects.requirements.files import Line
from labd.projects.requirements.forms import CHECKSUMS, parse

_LONGEST_WITH_CHECKSUMS = 64_000  # characters; a library has some hundred files, each with one of 80
_SHOWN_BAD = 5


def refuse_unread(lines: Iterable[Line]) -> None:
    """Raises ProjectError with all of `lines`, which nobody can read, if there are any."""
    unread = list(dict.fromkeys(lines))
    if not unread:
        return
    shown = unread[:_SHOWN_BAD]
    files = list(dict.fromkeys(line.file for line in shown))
    texts = "; ".join(
        (f"line {line.number:,}, " if line.number else "") + f"`{shorten(line.text, 36)}`"
        if len(files) == 1
        else f"{line.place}, `{shorten(line.text, 24)}`"
        for line in shown
    )
    more = f"; and {len(unread) - _SHOWN_BAD:,} more" if len(unread) > _SHOWN_BAD else ""
    where = f" in code/{files[0]}" if len(files) == 1 else ""
    what = f"A line{where} is" if len(unread) == 1 else f"Lines{where} are"
    hint = "Write one library a line, such as `numpy` or `numpy==1.26.4`; put all other text after a `#`."
    if len(unread) == 1 and re.match(r"[\w.\[\]-]+ ?[<>=!~]=?[^,;#]+ [<>=!~]", unread[0].text):
        hint = "Put a comma between the two limits, such as `pandas>=2.0,<3`."
    raise ProjectError(f"{what} not understood: {texts}{more}.", hint)


def refuse_contradictions(lines: Iterable[Line]) -> None:
    """Raises ProjectError where two of `lines` cannot both be met, whatever the index has."""
    pinned: dict[str, Line] = {}
    parsed = [(line, requirement) for line in lines if (requirement := parse(line.text)) and not requirement.marker]
    for line, requirement in parsed:
        if re.fullmatch(r"===?[^*,]+", str(requirement.specifier)):
            pinned.setdefault(canonicalize_name(requirement.name), line)
    for line, requirement in parsed:
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None or pin.text == line.text:
            continue
        (exact,) = Requirement(CHECKSUMS.split(pin.text, maxsplit=1)[0]).specifier
        try:
            fits = requirement.specifier.contains(Version(exact.version), prereleases=True)
        except InvalidVersion:
            continue
        if not fits:
            both = f"`{shorten(pin.text, 50)}` and `{shorten(line.text, 50)}`"
            if pin.file == line.file:
                raise ProjectError(
                    f"code/{pin.file} contradicts itself: {both}.", f"Keep one of these two lines in code/{pin.file}."
                )
            raise ProjectError(
                f"code/{pin.file} and code/{line.file} contradict each other: {both}.",
                "Keep one of these two lines.",
            )


def refuse_long(line: str, name: str) -> None:
    """Raises ProjectError for a `line` that is longer than any requirement; it may have many checksums."""
    requirement = CHECKSUMS.split(line, maxsplit=1)[0]
    if len(requirement) > LONGEST or len(line) > _LONGEST_WITH_CHECKSUMS:
        raise ProjectError(
            f"The line `{shorten(line, 60)}` in code/{name} has {len(line):,} characters, which no requirement needs.",
            "Write one library a line, such as `numpy` or `numpy==1.26.4`.",
        )
