"""What a list of requirements may ask of the installer, beside libraries.

This module owns the options that labd takes in requirements.txt, and the refusal of all others. The installer reads the
list where it knows the passwords of the server's package index, so nothing in it may lead them elsewhere. It is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten

_WITH_ADDRESS = {"-i", "--index-url", "--extra-index-url", "-f", "--find-links"}
_ABOUT_LIBRARIES = {"--no-binary", "--only-binary", "--no-index", "--pre", "--prefer-binary", "--require-hashes"}
_OTHER_FILES = {"-r", "--requirement", "--requirements", "-c", "--constraint", "--constraints"}
_LOCAL = {"-e", "--editable"}  # the installer's own words for it are told
_OPTION = re.compile(r"(--[\w-]*|-\w)[ =]*(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{|[A-Za-z_])")
_FILE_BESIDE = re.compile(r"(?!.*(?:^|/)\.\.(?:/|$))(?![\w+.-]*:)[^/~].*")
_ADDRESS = re.compile(r"https?://\S+")
_TRAILING = re.compile(r"\s(--?[A-Za-z][\w-]*)")


def refuse_foreign(lines: Iterable[str], name: str) -> None:
    """Raises ProjectError for the first of `lines` of the file `name` that asks for what labd does not take."""
    for line in lines:
        if _VARIABLE.search(line):
            raise _refusal(line, name, "has a variable, and none is filled in here", "Write out what it stands for")
        if line.startswith("-"):
            _judge_option(line, name)
        elif options := [option for option in _TRAILING.findall(line.partition(";")[0]) if option != "--hash"]:
            raise _refusal(line, name, f"has the option `{options[0]}`, which is not taken here", "Leave it out")


def _judge_option(line: str, name: str) -> None:
    found = _OPTION.match(line)
    option, value = (found[1], found[2]) if found else (line, "")
    if option in _WITH_ADDRESS:
        if not _ADDRESS.fullmatch(value):
            raise _refusal(line, name, "names no address of a package index", "Give one that begins with https://")
    elif option in _OTHER_FILES:
        if not _FILE_BESIDE.fullmatch(value):
            hint = f"Copy the lines of that file into code/{name} itself"
            raise _refusal(line, name, "refers to a file outside the project, which is not read", hint)
    elif option not in _ABOUT_LIBRARIES | _LOCAL:
        raise _refusal(line, name, f"has the option `{shorten(option, 30)}`, which is not taken here", "Leave it out")


def _refusal(line: str, name: str, what: str, hint: str) -> ProjectError:
    return ProjectError(f"The line `{shorten(line, 70)}` in code/{name} {what}.", f"{hint}.")
