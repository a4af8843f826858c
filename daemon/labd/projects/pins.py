"""Requirements in the very versions that an earlier environment had.

This module owns how a list of requirements is changed for that. What the environment had is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from labd.projects.dependencies import Dependencies

_LISTED = "requirements.txt"
_WITHOUT_PIN = re.compile(r"--require-hashes|--hash|-r\b|-c\b|-e\b")
_PIN = re.compile(r"[A-Za-z0-9][\w.-]*==\w[\w.+!-]*")
_PLACE = re.compile(r"([\w.-]+)\s*(?:\[[^\]]*\]\s*)?@\s")  # a library from a place of its own has no version to ask for


def pinned(asked: Dependencies, packages: Sequence[str]) -> Dependencies:
    """`asked`, with each library in the version that is among `packages`, such as "numpy==1.26.4".

    As it is where it has no list of requirements, or there are no packages.
    """
    if _LISTED not in asked.files or not packages:
        return asked
    lines = asked.files[_LISTED].decode().splitlines()
    options = [line for line in lines if line.startswith("-") and not _WITHOUT_PIN.match(line)]
    placed = {canonicalize_name(found[1]): line for line in lines if (found := _PLACE.match(line))}
    # The list comes from the image, where code of packages may have written into it.
    pins = [
        package
        for package in packages
        if _PIN.fullmatch(package) and canonicalize_name(package.partition("==")[0]) not in {"python", *placed}
    ]
    text = "\n".join([*options, *placed.values(), *pins, ""])
    return replace(asked, files={**asked.files, _LISTED: text.encode()})
