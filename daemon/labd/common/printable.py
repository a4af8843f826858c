"""Text of others, made safe to show: in a sentence, a line of a table or a log, or on a terminal.

This module owns which characters those are that only look like text: control characters, line ends inside a line, marks
that turn the direction of writing around, and bytes that are no UTF-8 (Python's surrogates, PEP 383). It never shortens
text, and never decides where it goes.
"""

from __future__ import annotations

import re

# Colours are harmless (ESC [ … m); all else that begins with ESC, and all other control characters, can do more than
# show text. A sequence that is cut off at the end of a piece loses its ESC and stays as text.
_UNSAFE = (
    r"(\x1b\[[\d;]*m)|\x1b\[[\d;?]*[ -/]*[@-ln-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str, instead: str = "?") -> str:
    """`text` as it is safe in a line: `instead` of each character that `str.isprintable` knows for none to show."""
    return text if text.isprintable() else "".join(one if one.isprintable() else instead for one in text)


def one_line(text: object) -> str:
    """`text` as it may stand in a table: spaces in place of line ends, tabs and what else cannot be shown."""
    return printable(str(text), " ").strip()


def for_terminal(text: str) -> str:
    """A program's output as a terminal may get it: line ends, tabs and colours stay, what else controls it does not."""
    return re.sub(_UNSAFE, lambda match: match[1] or "", text)


def well_formed(text: str) -> str:
    """`text`, decoded with "surrogateescape" in pieces, in whole characters: U+FFFD for bytes that are no UTF-8."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
