"""Text as researchers' machines write it, as plain text.

This module owns the encodings of small files that people write or redirect into: UTF-16 from PowerShell, marks at the
beginning, line ends of Windows, letters that word processors put in place of plain ones. It never looks at meaning.
"""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DEEPEST = 90  # brackets in brackets; parsers give up at about 100
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\ufeff\u200b\u200c\u200d\u2060\x00", None),
        **dict.fromkeys("\u00a0\u2007\u202f", " "),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
    }
)


def decode(content: bytes) -> str:
    """`content` as text with Unix line ends and without invisible marks. What is no UTF-8 is read as Latin-1."""
    return _text(content).translate(_TYPOGRAPHY).replace("\r\n", "\n").replace("\r", "\n")


def is_wide(content: bytes) -> bool:
    """Whether `content` is UTF-16 or UTF-32, which PowerShell 5 writes where output is sent into a file."""
    return _encoding(content).startswith(("utf-16", "utf-32"))


def _text(content: bytes) -> str:
    if encoding := _encoding(content):
        return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _encoding(content: bytes) -> str:
    """The encoding that a mark or, in UTF-16 without one, the zeros give away; "" for neither."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    # Plain letters in UTF-16 have a zero beside each; no other text has zeros at all.
    even, odd = content[0:200:2], content[1:200:2]
    if len(odd) > 1 and odd.count(0) > 0.8 * len(odd) and 0 not in even:
        return "utf-16-le"
    if len(odd) > 1 and even.count(0) > 0.8 * len(even) and 0 not in odd:
        return "utf-16-be"
    return ""


def deep_line(text: str) -> int:
    """The number of the line in which more brackets are open than parsers can follow; 0 if there is none."""
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        depth += sum(map(line.count, "[{(")) - sum(map(line.count, "]})"))
        if depth > _DEEPEST:
            return number
    return 0
