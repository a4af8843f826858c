"""What is known of a project beside what its program printed: which files were uploaded, and what own files say.

This module owns the form of that evidence; it is pure data, and all of it may be missing. It never opens a file and
never judges. What is not in the evidence is not known: only a listing that `is_whole` tells that a file is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

REQUIREMENTS = "code/requirements.txt"
JOB_FILE = "job.toml"


@dataclass(frozen=True)
class UploadListing:
    """All that was sent, also beside code/ and input/."""

    files: Mapping[str, int] = field(default_factory=dict)  # path → bytes; an empty folder has a slash at its end
    pointers: Mapping[str, int] = field(default_factory=dict)  # git-lfs pointer → bytes of the data it stands for
    is_whole: bool = False  # whether everything is in `files`

    def top(self) -> set[str]:
        """The names that are beside code/ and input/, and these."""
        return {path.partition("/")[0] for path in self.files}

    def folders(self) -> set[str]:
        """All folders that have a file or a folder in them, or that are listed as empty."""
        found = set[str]()
        for path in self.files:
            parts = path.split("/")[:-1]
            found.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
        return found


@dataclass(frozen=True)
class Evidence:
    """What an explanation of a program's end can stand on."""

    distributions: Mapping[str, str] = field(default_factory=dict)  # import name → requirement that provides it
    upload: UploadListing = UploadListing()
    sources: Mapping[str, str] = field(default_factory=dict)  # path, such as code/app.py → text

    @property
    def arguments(self) -> list[str]:
        """What job.toml gives the program as `args`, if that can be seen at a glance."""
        given = re.search(r"^\s*args\s*=\s*\[([^\[\]]{0,500})\]", self.sources.get(JOB_FILE, ""), re.MULTILINE)
        return re.findall(r"""["']([^"'\n]*)["']""", given[1]) if given else []

    def lines(self) -> Iterator[str]:
        """The lines of the program's own files, and of the cells of a notebook."""
        for path, text in self.sources.items():
            if path.endswith(".ipynb"):
                yield from _cells(text)
            elif path not in (REQUIREMENTS, JOB_FILE):
                yield from text.splitlines()

    def asks_for(self, requirement: str) -> bool:
        """Whether code/requirements.txt is known to have a line for the library of `requirement`."""
        name = _library(requirement)
        return bool(name) and any(_library(line) == name for line in self.sources.get(REQUIREMENTS, "").splitlines())


def _cells(text: str) -> Iterator[str]:
    """The lines of a notebook's cells of code, as far as the notebook can be read."""
    try:
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "code":
                yield from "".join(cell["source"]).splitlines()
    except (ValueError, TypeError, LookupError, RecursionError):
        return


def _library(line: str) -> str:
    """The name of the library in a requirement, in the one spelling that the index compares by."""
    name = re.match(r"\s*([A-Za-z0-9][\w.-]*)", line)
    return re.sub(r"[-_.]+", "-", name[1]).strip("-").lower() if name else ""
