"""How large a text of a project may be, and what is said of one that no parser can read.

This module owns these limits: they are far above what people write, and keep every parser from taking long. It never
knows what a text means.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.common.text import deep_line

LONGEST = 2000  # characters of a line
_MOST_LINES = 20_000  # as many as a list with checksums of 300 libraries has


def refuse_excess(text: str, name: str) -> None:
    """Raises ProjectError, with the line, where `text` of the file `name` has longer or more lines than it needs."""
    lines = text.split("\n")
    hint = f"Look into {name}: it is probably another file under this name."
    if len(lines) > _MOST_LINES:
        raise ProjectError(f"{name} has {len(lines):,} lines, and labd reads {_MOST_LINES:,} at most.", hint)
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST:
            raise ProjectError(
                f"Line {number:,} of {name} has {len(line):,} characters, and labd reads {LONGEST:,} at most.", hint
            )


@contextmanager
def refusing(name: str, text: str) -> Iterator[None]:
    """Raises ProjectError, with the line where it is known, for what a parser raises over `text` of the file `name`."""
    try:
        yield
    except RecursionError:
        line = deep_line(text)
        where = f"Line {line:,} of {name}" if line else name
        raise ProjectError(
            f"{where} has too many brackets or parts inside each other.", "Write it without most of them."
        ) from None
    except UnicodeError:
        raise ProjectError(f"{name} has a character that no text can have.", f"Save {name} as UTF-8.") from None
    except (ValueError, OverflowError) as error:
        raise ProjectError(f"{name} cannot be read: {shorten(str(error), 100)}.", f"Correct {name}.") from error
