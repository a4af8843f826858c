"""System libraries and programs by the names of their Debian packages: code/apt.txt.

This module owns which names apt.txt may have (Debian Policy 5.6.1) and whether it may have any. It is pure: only a
build asks Debian.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.model.config import Build

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_ORDER = re.compile(r"^(?:\$ *)?(?:sudo +)?apt(?:-get)? +(?:-\S+ +)*install +|(?<=\s)-\S+|^[-*] +")


def read(content: str) -> tuple[str, ...]:
    """The packages that apt.txt asks for, sorted: one or several a line, `#` begins a comment.

    Raises ProjectError for a line that is something else.
    """
    names = set()
    for raw in content.split("\n"):
        line = raw.partition("#")[0].strip()
        for word in _ORDER.sub(" ", line).lower().split():
            if not _NAME.fullmatch(word):
                raise ProjectError(
                    f"The line `{shorten(line, 60)}` in code/apt.txt is not the name of a Debian package.",
                    "Write one name a line in code/apt.txt, such as `libgl1`, and no version.",
                )
            names.add(word)
    return tuple(sorted(names))


def allowed(names: Collection[str], build: Build) -> None:
    """Raises ProjectError if there are `names` and the administrator forbids them."""
    if names and not build.system_packages:
        raise ProjectError(
            "code/apt.txt asks for system libraries, and this server installs none for projects.",
            f"Ask the administrator for {shorten(', '.join(names), 150)}, or remove code/apt.txt.",
        )
