"""job.toml as researchers write it, within the limits of what is read.

This module owns the way from its bytes to options without an error that nobody expects. What an option means others
know.
"""

from __future__ import annotations

from collections.abc import Iterable

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.common.text import decode
from labd.common.text_limits import refuse_excess, refusing
from labd.model.jobs import JobOptions, read_options

NAME = "job.toml"
_MESSAGE = 300  # characters; what is wrong can be a value of any length


def read(content: bytes, languages: Iterable[str]) -> JobOptions:
    """The options in a job.toml of this `content`, which can ask for versions of `languages`. Raises ProjectError."""
    text = decode(content)
    refuse_excess(text, NAME)
    with refusing(NAME, text):
        try:
            return read_options(content, languages)
        except ProjectError as error:
            raise ProjectError(shorten(error.message, _MESSAGE), shorten(error.hint, _MESSAGE)) from None
