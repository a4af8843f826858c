"""Which version of Python suits what a project's own files ask for.

This module owns the comparison of such a condition, as PEP 440 has it, with versions of two numbers that a server
offers. It is pure, and never decides whether the condition counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.specifiers import InvalidSpecifier, SpecifierSet

_MOST_PATCHES = 60  # of a minor version of Python; no version had more than 20


def fits(asked: str, version: str) -> bool:
    """Whether some Python of `version`, "3.11", meets the condition `asked`; one that nobody can read is met."""
    try:
        specifier = SpecifierSet(asked)
    except InvalidSpecifier:
        return True
    # Any 3.11 will do where 3.11.4, or at least that, is asked for.
    return any(specifier.filter([version, *(f"{version}.{patch}" for patch in range(_MOST_PATCHES))], prereleases=True))


def nearest(asked: str, offered: Iterable[str], version: str) -> str:
    """That of the versions `offered` which meets `asked` and is nearest to `version`; "" if none does."""
    fitting = [one for one in offered if fits(asked, one)]
    return min(fitting, key=lambda one: (abs(_minor(one) - _minor(version)), -_minor(one)), default="")


def closest(asked: str, offered: Iterable[str], version: str) -> str:
    """That of the versions `offered`, none of which meets `asked`, which is nearer to it than `version`; or ""."""
    wanted = re.search(r"3\.(\d{1,3})", asked)
    if not wanted:
        return ""
    one = min(offered, key=lambda one: abs(_minor(one) - int(wanted[1])), default=version)
    return one if abs(_minor(one) - int(wanted[1])) < abs(_minor(version) - int(wanted[1])) else ""


def _minor(version: str) -> int:
    numbers = version.split(".")
    return int(numbers[1]) if len(numbers) > 1 and numbers[1].isdecimal() else 0
