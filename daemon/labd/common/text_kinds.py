"""What a text file really is, where its name says that it is a program or a list.

This module owns the marks by which other kinds of files are known. It sees text only, and never opens a file.
"""

from __future__ import annotations

import re

_MARKS = (
    (re.compile(r"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE), "a web page (HTML)"),
    (re.compile(r"\s*<\?xml\b"), "an XML file"),
    (re.compile(r"\s*\{\\rtf"), "a document of a word processor (RTF)"),
    (re.compile(r"PK\x03\x04"), "a document of a word processor, or an archive"),
    (re.compile(r"%PDF-"), "a PDF document"),
    (re.compile(r"version https?://git-lfs\.github\.com/spec/"), "a git-lfs pointer"),
    (re.compile(r"\s*404: Not Found\s*\Z"), "the answer of a web server that has not found it"),
    (re.compile(r"\s*\{(?=.{0,4000}\"cells\"\s*:\s*\[)", re.DOTALL), "a notebook"),
)
NOTEBOOK, POINTER = "a notebook", "a git-lfs pointer"


def kind_of(text: str) -> str:
    """What `text` is instead of a program or a list, in words: "a web page (HTML)"; "" if nothing shows that."""
    return next((kind for mark, kind in _MARKS if mark.match(text)), "")
