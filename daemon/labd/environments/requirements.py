"""What a project asks for, without what makes no difference.

This module owns the normal form of the files that an environment is made from, so that two projects that ask for the
same get the same environment. It is pure: it reads no file and installs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from labd.common.text import decode

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PLAIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) ?(?P<extras>\[[\w .,-]*\])? ?(?P<version>[<>=!~(][\w .,<>=!~*+()-]*)?"
)
_TWO_WORDS = re.compile(r"[\w.*+)] [\w<>=!~(-]")


def is_list(name: str) -> bool:
    """Whether the file `name` is a list of requirements as pip reads it."""
    return re.fullmatch(r"(?:.*/)?requirements[^/]*\.txt", name) is not None


def normalise(name: str, content: bytes) -> bytes:
    """`content` of the file `name` in its normal form, UTF-8.

    In a list of requirements, comments, blank lines, white space, the order of the requirements and the spelling of
    names make no difference. In other files only the encoding and the line ends do not.
    """
    text = decode(content)
    if not is_list(name):
        return text.encode()
    # pip joins lines first and then looks for comments, but never continues a comment.
    whole = re.sub(r"(?m)^([^#\n]*)\\\n", r"\1 ", text)
    lines = [line for raw in whole.split("\n") if (line := _line(raw))]
    # Options, such as an index, are for the whole file, and their order can matter.
    ordered = [line for line in lines if line.startswith("-")] + sorted({*requirements(lines)})
    return "".join(f"{line}\n" for line in ordered).encode()


def requirements(lines: Iterable[str]) -> list[str]:
    """Those of `lines`, in normal form, that are requirements and not options."""
    return [line for line in lines if not line.startswith("-")]


def _line(raw: str) -> str:
    line = " ".join(_COMMENT.sub("", raw).split()).rstrip("\\ ")
    requirement, semicolon, marker = line.partition(";")
    plain = _PLAIN.fullmatch(requirement.strip())
    if not plain or _TWO_WORDS.search(plain["version"] or ""):
        return line  # an option, an address, or a mistake: for the installer, as it stands
    name = re.sub(r"[-_.]+", "-", plain["name"]).lower()
    rest = "".join(((plain["extras"] or "") + (plain["version"] or "")).split())
    return f"{name}{rest}" + (f";{marker.strip()}" if semicolon else "")
