"""job.toml as researchers write it, within the limits of what is read.

This module owns the way from its bytes to options without an error that nobody expects, and the line to write in place
of one that cannot be read. What an option means others know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.common.text import decode
from labd.common.text_limits import refuse_excess, refusing
from labd.model.jobs import JobOptions, read_options
from labd.projects.job_lines import corrections

NAME = "job.toml"
_MESSAGE = 300  # characters; what is wrong can be a value of any length
# These hints of the reader say less than the line to write; all others know better.
_GENERAL = re.compile(r"$|Correct (?:line|the end) |Did you mean |Known here: |Write `\w+` below |Options stand ")


def read(content: bytes, languages: Iterable[str]) -> JobOptions:
    """The options in a job.toml of this `content`, which can ask for versions of `languages`. Raises ProjectError."""
    text = decode(content)
    known = tuple(languages)
    refuse_excess(text, NAME)
    with refusing(NAME, text):
        try:
            return read_options(content, known)
        except ProjectError as error:
            # Windows writes UTF-16, and word processors put other signs in place of quotes.
            plain = _options(text, known) if text.encode("utf-8", "replace") != content else None
            if plain:
                return plain
            raise _explained(error, text, known) from None


def _options(text: str, languages: tuple[str, ...]) -> JobOptions | None:
    """The options in `text`; None if it cannot be read."""
    try:
        return read_options(text.encode("utf-8", "replace"), languages)
    except ProjectError:
        return None


def _explained(error: ProjectError, text: str, languages: tuple[str, ...]) -> ProjectError:
    """The `error` with what to write instead, as far as that can be told."""
    message, hint = error.message, error.hint
    if _GENERAL.match(hint):
        names = [one.name for one in fields(JobOptions)] + list(languages)
        found = corrections(text, names, lambda part: _options(part, languages) is not None)
        if found.first and message.startswith(f"{NAME} is not valid TOML"):
            line = text.split("\n")[found.first - 1].strip()
            message = f"{NAME} is not valid TOML: line {found.first} is `{shorten(line, 100)}`."
        meant = hint if hint.startswith("Did you mean ") else ""
        if remedy := found.sentences(_MESSAGE - len(meant) - 1):
            hint = f"{meant} {remedy}".strip()
    return ProjectError(shorten(message, _MESSAGE), shorten(hint, _MESSAGE))
