"""How administrator's commands write and tell: files whole or not at all, and a line for each thing done.

This module owns the form of what `labd setup` says, and that a dry run says the same and does nothing. It never decides
what is done.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from labd.client.rendering import wrapped

_INDENT = 9


class Teller:
    """Says and does one thing after the other."""

    def __init__(self, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.changed = False

    def found(self, what: str) -> None:
        """Say that `what` is as it should be."""
        self._say("found", what)

    def change(self, verb: str, what: str, do: Callable[[], object]) -> None:
        """Say `verb` and `what`, and do it unless this is a dry run."""
        self._say(verb, what)
        self.changed = True
        if not self.dry_run:
            do()

    def note(self, sentence: str, hint: str = "") -> None:
        """Say what the administrator should know, and do about it."""
        self._say("note", sentence)
        if hint:
            self._say("", hint)

    def step(self, text: str) -> None:
        """Say how far something long is."""
        self._say("", text)

    def _say(self, verb: str, what: str) -> None:
        print(wrapped(f"{verb:<{_INDENT - 1}} {what}", sys.stdout, _INDENT), flush=True)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Put `content` into the file at `path`, all of it or none: temporary file, then rename. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
