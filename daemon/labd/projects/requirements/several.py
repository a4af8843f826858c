"""Several libraries in one line, as people write them for reading or for a shell.

This module owns the split of such a line, and the decision that a line is prose. It is pure, and knows no library.
"""

from __future__ import annotations

import re

_INSTALL = re.compile(
    r"[!%$>]?\s*(?:sudo )?(?:(?:python[\d.]* |py )(?:-\S+ )?-m )?"
    r"(?:(?:pip[\d.]*|conda|mamba|uv pip) install|(?:uv|poetry|pdm|pipenv) (?:add|install)) +(.*)"
)
_WITH_VALUE = {"-r", "-c", "-i", "-f", "-n", "-p", "-t", "--requirement", "--constraint", "--index-url"} | {
    *("--extra-index-url", "--find-links", "--name", "--prefix", "--target", "--channel", "--python", "-e", "--group"),
}
_MODULE = r"[A-Za-z_][\w.]*"
_IMPORT = re.compile(rf"import ({_MODULE}(?: as \w+)?(?: ?, ?{_MODULE}(?: as \w+)?)*);?")
_FROM = re.compile(rf"from ({_MODULE}) import [\w*(), ]+;?")
_LIMIT = r" ?(?:===?|~=|[<>!]=|[<>]|=) ?\d[\w.!+*]*"
_NAME = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_ONE = re.compile(rf"({_NAME} ?(?:\[[\w ,.-]*\])?(?:{_LIMIT}(?: ?,{_LIMIT})*)?)(?: v?(\d+(?:\.[\w*]+)+))?(?= |,|;|&|$)")
_BETWEEN = re.compile(r" ?[,;&] ?| ")
# What stands in a sentence, and is no library that anyone means in a list.
_PROSE = set(
    "a an the of to in on at for from with by or not no if is are be was it its this that these those my your our we "
    "you i as use used uses using need needs needed require requires required requirements install installed "
    "libraries library packages package version versions please see also here following list all any some plus "
    "optional only code project program python-packages dependencies der die das und fuer für el la los de y et les "
    "le des pour und oder".split()
)


def installed(line: str) -> list[str] | None:
    """The requirements that the command `line` installs; None where it is no such command."""
    order = _INSTALL.fullmatch(line)
    return _arguments(order[1].split()) if order else None


def split(line: str) -> list[str]:
    """The requirements in `line`: the modules of an import, or several side by side; [] for prose."""
    if modules := _IMPORT.fullmatch(line):
        return list(dict.fromkeys(re.split(r"[. ]", one.strip())[0] for one in modules[1].split(",")))
    if module := _FROM.fullmatch(line):
        return [module[1].partition(".")[0]]
    return _side_by_side(line.rstrip(",; "))


def _arguments(words: list[str]) -> list[str]:
    names, skip = [], False
    for word in words:
        if not skip and not word.startswith("-"):
            names.append(word.strip("\"'"))
        skip = word in _WITH_VALUE
    return names


def _side_by_side(line: str) -> list[str]:
    found, at = [], 0
    while at < len(line):
        one = _ONE.match(line, at)
        if one is None:
            return []
        name = one[1].replace(" ", "")
        if one[2] and re.search(r"[<>=]", name):
            return []  # two versions of one library
        found.append(f"{name}=={one[2]}" if one[2] else name)
        between = _BETWEEN.match(line, one.end())
        at = between.end() if between else one.end()
    found = [one for one in found if one.lower() != "and"]
    if len(found) < 2 or any(one.lower() in _PROSE or one.isdecimal() for one in found):
        return []
    return found
