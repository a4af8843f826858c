"""What it means that a program worked on git-lfs pointers in the place of data: whatever error it met, that is why.

This module owns that explanation, for programs in any language. Which files are pointers the upload's listing has.
"""

from __future__ import annotations

import re

from labd.common.excerpts import Diagnosis, shorten
from labd.common.units import human_size
from labd.diagnosis.evidence.project import REQUIREMENTS, Evidence

# Errors that no data can bring about.
_NOT_OF_DATA = re.compile(
    r"^\s*(?:ModuleNotFoundError|ImportError|SyntaxError|IndentationError|NameError|FileNotFoundError)\b"
    r"|there is no package called|could not find function",
    re.MULTILINE,
)


def explain(words: str, evidence: Evidence) -> Diagnosis | None:
    """Why a program that printed `words` failed, if it works on a pointer; the cause has no full stop yet."""
    if _NOT_OF_DATA.search(words):
        return None
    texts = [words, *(text for path, text in evidence.sources.items() if path != REQUIREMENTS)]
    for path, size in evidence.upload.pointers.items():
        name = re.escape(path.rpartition("/")[2])
        if path.startswith(("code/", "input/")) and any(
            re.search(rf"(?<![\w.-]){name}(?![\w-])", text) for text in texts
        ):
            has = evidence.upload.files.get(path, 0)
            return Diagnosis(
                f"{shorten(path, 80)} is a git-lfs pointer of {has} bytes, not the data ({human_size(size)})",
                "Run `git lfs pull` on your own computer, which fetches the data, and send the project again.",
            )
    return None
