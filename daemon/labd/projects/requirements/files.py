"""Lists of requirements as files: which lines they have, where each stands, and which other lists they name.

This module owns the way from files to numbered lines, with those of the lists that `-r` and `-c` name, as pip reads
them. It is pure: contents are handed in. It never judges what a line means.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.common.text import decode
from labd.common.text_limits import refuse_excess

MOST_FILES = 20
_OTHER_LIST = re.compile(r"(?:--(requirement|constraint)s?(?:[ =]+|$)|-([rc])[ =]*)(.*)")
# Also in the pip part of an environment.yml, which is not parsed to find out which files to read.
_NAMES_LIST = re.compile(r"""(?m)^[ \t]*(?:- +)?["']?((?:--(?:requirement|constraint)s?[ =]|-[rc])[^\n]*)""")
_ADDRESS = re.compile(r"[\w+.-]{2,}:")


class Line(NamedTuple):
    """A line of a list."""

    file: str  # in code/
    number: int  # of the file; 0 where it is not known
    text: str  # without comments, white space as single blanks

    @property
    def place(self) -> str:
        """Where it stands, for the middle of a sentence."""
        return f"line {self.number:,} of code/{self.file}" if self.number else f"code/{self.file}"


@dataclass
class Lists:
    """What a list and those that it names say."""

    requirements: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)  # of versions: they ask for nothing themselves
    files: list[str] = field(default_factory=list)  # that were read, the list itself first


def lines(text: str, file: str) -> Iterator[Line]:
    """The lines of `text`, the content of `file`, that say something."""
    pending, start = "", 0
    # pip joins lines first and then looks for comments, but never continues a comment.
    for number, raw in enumerate([*text.split("\n"), ""], 1):
        whole, start = pending + raw, start or number
        if raw.endswith("\\") and "#" not in raw:
            pending = f"{whole[:-1]} "
            continue
        said = " ".join(re.sub(r"(?:^|\s)#.*$", "", whole).split())
        if said:
            yield Line(file, start, said)
        pending, start = "", 0


def named(name: str, content: bytes) -> list[str]:
    """The files of code/ that the list `name`, or one that stands in for it, names with -r and -c."""
    found = []
    for line in _NAMES_LIST.findall(decode(content)):
        value = re.sub(r"\s#.*$", "", line).strip().rstrip("\"',").strip()
        if (match := _OTHER_LIST.fullmatch(value)) and (other := _beside(name, match[3].strip("\"'"))):
            found.append(other)
    return list(dict.fromkeys(found))[:MOST_FILES]


def read(name: str, own: list[Line], files: Mapping[str, bytes]) -> Lists:
    """`own`, the lines of the file `name`, with those of the lists among `files` that they name.

    Raises ProjectError for a list that is not there.
    """
    found = Lists(files=[name])
    _add(own, files, found, found.requirements)
    return found


def _add(listed: list[Line], files: Mapping[str, bytes], found: Lists, to: list[Line]) -> None:
    for line in listed:
        match = _OTHER_LIST.fullmatch(line.text)
        if match is None:
            to.append(line)
            continue
        is_constraint = (match[1] or match[2])[0] == "c"
        other = _other(line, match[3].strip("\"'"), is_constraint, files)
        if other in found.files:
            continue  # lists that name each other say all that they say once
        found.files.append(other)
        if len(found.files) > MOST_FILES:
            raise ProjectError(
                f"code/{found.files[0]} and the lists that it names are more than {MOST_FILES} files.",
                f"Write the libraries into code/{found.files[0]} itself.",
            )
        text = decode(files[other])
        refuse_excess(text, f"code/{other}")
        _add(list(lines(text, other)), files, found, found.constraints if is_constraint else to)


def _other(line: Line, value: str, is_constraint: bool, files: Mapping[str, bytes]) -> str:
    """The file of code/ that `line` names as `value`. Raises ProjectError."""
    start = f"The line `{shorten(line.text, 70)}` in code/{line.file}"
    at = f" (line {line.number:,})" if line.number else ""
    copy = f"Copy the lines of that file into code/{line.file} in place of this line."
    move = f"Put that file into code/ and write `-c {posixpath.basename(value.rstrip('/')) or 'constraints.txt'}`."
    if not value:
        raise ProjectError(f"{start}{at} names no file.", "Name a file of code/ there, or remove the line.")
    if _ADDRESS.match(value):
        raise ProjectError(f"{start}{at} names an address, and labd reads files of code/ only.", copy)
    other = _beside(line.file, value)
    if not other:
        hint = move if is_constraint else copy
        raise ProjectError(f"{start}{at} refers to a file outside code/, which is not read.", hint)
    if other not in files:
        raise ProjectError(
            f"{start}{at} names code/{shorten(other, 120)}, and there is no such file.",
            f"Add that file to code/, or remove the line from code/{line.file}.",
        )
    return other


def _beside(name: str, value: str) -> str:
    """`value`, a path as the file `name` of code/ has it, from code/ on; "" for one that leads out of it."""
    value = value.strip().replace("\\", "/")
    if not value or value[0] in "/~" or _ADDRESS.match(value) or re.match(r"[A-Za-z]:", value):
        return ""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), value))
    return "" if path == "." or path.split("/")[0] == ".." else path
