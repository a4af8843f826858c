"""What a build printed, as those who look for its cause want to read it.

This module owns what the builder and the installers draw around their words. It judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from labd.common.excerpts import lines

_PREFIX = re.compile(r"^(?:#\d+ )?(?:\d+\.\d+ )?")  # the builder's: number of the step, seconds since it began
_DRAWING = re.compile(r"^[\s×│├╰─▶]*(?:> )?")  # uv's and pip's drawings before a message
_MARKER = re.compile(r"\{[^{}\s][^{}]{0,200}\}")  # uv writes numpy{python_full_version < '3.12'}>=1.23
# What a template says of versions after a failure; see install.sh of Python's.
_OTHERS = re.compile(
    r"Other versions of Python that satisfy the whole file:((?: \d{1,3}(?:\.\d{1,5}){1,3}){1,50}| none)"
)


@dataclass(frozen=True)
class BuildLog:
    """A build's output, without what the builder and the installers draw around their words."""

    lines: list[str]
    words: str  # all of it as one line, so that what uv wrapped is whole again
    distributions: Mapping[str, str]  # import name → requirement that provides it

    @classmethod
    def read(cls, log_tail: str, distributions: Mapping[str, str]) -> BuildLog:
        """The output whose last part is `log_tail`."""
        shown = [_PREFIX.sub("", line, count=1) for line in lines(log_tail)]
        words = " ".join(" ".join(_DRAWING.sub("", line, count=1).split()) for line in shown)
        return cls(shown, _MARKER.sub("", words), distributions)

    def find(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        return re.search(pattern, self.words)

    @property
    def other_pythons(self) -> tuple[str, ...] | None:
        """The versions that are offered and would satisfy all requirements, the newest first; None: not tried."""
        if not (found := self.find(_OTHERS)):
            return None
        versions = found[1].replace("none", "").split()
        return tuple(sorted(versions, key=lambda version: [int(part) for part in version.split(".")], reverse=True))
