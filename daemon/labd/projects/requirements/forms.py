"""Ways to write one library with its version that are not the package index's own.

This module owns the notations of conda, of `pip list` and of lists for reading, and the question whether a line is one
that an installer can read. It is pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.projects.requirements import conda_names

_FROM_FILE = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\]\s*)?@\s*(?:file:/*|[A-Za-z]:[\\/]|/)(\S*).*")
_CONDA_FILE = re.compile(  # of a list for `conda create --file`, with @EXPLICIT
    r"https?://\S+/(?:noarch|linux-\w+|win-\w+|osx-\w+)/([\w.-]+?)-(\d[\w.!+]*)(-[\w.]+)\.(?:tar\.bz2|conda)(?:#\w+)?"
)
_CONDA = re.compile(r"([A-Za-z0-9_][\w.-]*)\s*=\s*(\d[\w.!+*]*)(=\S+)?")
_COLUMNS = re.compile(
    r"((?=[\w.-]*[A-Za-z])[A-Za-z0-9][\w.-]*)\s+(\d[\w.!+]*)"
    r"(?:\s+(?:\w+_\w+|<pip>|pypi|\d)(?:\s+[\w./-]+)?|\s+(?:/|[A-Za-z]:\\)\S*)?"
)
_VERSIONED = re.compile(r"([A-Za-z0-9][\w.-]*)(?: ?\(v?(\d[\w.!+*]*)\)| ?: ?v?(\d[\w.!+*]*)| v(\d[\w.!+*]*))")
_REVERSED = re.compile(r"([A-Za-z0-9][\w.-]*) ?=([<>]) ?(\d[\w.!+]*)")
_PLACE = re.compile(r"(?:[A-Za-z][\w+.-]*://|git\+|\.{0,2}/|\.$)\S*|\S+\.(?:whl|zip|tar\.\w+|tgz)")
_TRAILING_OPTION = re.compile(r"\s--?[A-Za-z]")
_VARIABLE = re.compile(r"\$(?:\{|[A-Za-z_])")
WEB_PAGE = re.compile(r"(?i)<(?:!doctype html|html|head|\?xml)\b")
PYTHON_ITSELF = {"python", "python3", "python-version", "cpython"}
CHECKSUMS = re.compile(r"\s--hash")


class Form(NamedTuple):
    """One library in a notation that is not the index's."""

    name: str  # as it is written
    meant: str  # the requirement; "" for what asks for no library
    why: str  # half a sentence for the researcher; may be "". Without `meant`: what it is, in `conda_names`' words


def index_form(line: str) -> Form | None:
    """What `line` asks for, if it is in another notation than the package index's; otherwise None."""
    for pattern, read_as in _FORMS:
        if match := pattern.fullmatch(line):
            return Form(match[1], *read_as(match))
    return None


def is_readable(line: str) -> bool:
    """Whether `line` is a requirement, an option or a place, or something that is refused with words of its own."""
    if line.startswith("-") or _PLACE.fullmatch(line) or _VARIABLE.search(line) or _TRAILING_OPTION.search(line):
        return True
    return parse(line) is not None


def parse(line: str) -> Requirement | None:
    """`line` as a requirement; None when it is something else. Raises ProjectError for one that nobody can read."""
    try:
        return Requirement(CHECKSUMS.split(line, maxsplit=1)[0])
    except InvalidRequirement:
        return None
    except (RecursionError, ValueError):
        raise ProjectError(
            f"The line `{shorten(line, 60)}` cannot be read: it has too many brackets or too long a number.",
            "Write the library's name and version, such as `numpy==1.26.4`.",
        ) from None


def _from_file(match: re.Match[str]) -> tuple[str, str]:
    file = match[2].partition("#")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]
    why = "that place is on your computer"
    try:
        _, version, _, _ = parse_wheel_filename(file)
    except (InvalidWheelFilename, InvalidVersion):
        source = re.fullmatch(r".+-(\d[\w.]*)\.(?:tar\.\w+|zip)", file)
        return (f"{match[1]}=={source[1]}" if source else match[1]), why
    return f"{match[1]}=={version}", why


def _from_conda(match: re.Match[str]) -> tuple[str, str]:
    name, version, build = match[1], match[2], match[3]
    if name.lower() in PYTHON_ITSELF:
        return f"python=={version}", ""
    known = conda_names.on_index(name)
    if not known:
        return "", conda_names.what_is(name)
    if build or version.endswith("*"):
        return f"{known}=={version}", ""
    return f"{known}=={version}.*", "conda's way to write a version"  # conda's MatchSpec: = is fuzzy


_FORMS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]]] = [
    (_FROM_FILE, _from_file),
    (_CONDA_FILE, _from_conda),
    (_CONDA, _from_conda),
    (_COLUMNS, lambda match: (f"{match[1]}=={match[2]}", "")),
    (_VERSIONED, lambda match: (f"{match[1]}=={match[2] or match[3] or match[4]}", "")),
    (_REVERSED, lambda match: (f"{match[1]}{match[2]}={match[3]}", "")),
]
