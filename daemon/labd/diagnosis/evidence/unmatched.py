"""Files that a program did not find without an error of its own: patterns that match nothing, pictures, databases.

This module owns the proof that such a call in an own source finds nothing in the upload. Only a listing that is whole
can prove that; without it, nothing is said.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from labd.common.excerpts import Diagnosis, shorten
from labd.diagnosis.evidence import upload_search
from labd.diagnosis.evidence.project import Evidence

# Errors that empty lists, pictures that are None and new databases bring about.
_EMPTY = re.compile(
    r"^(?:IndexError|ZeroDivisionError|StopIteration|EmptyDataError|OperationalError|error)\b|NoneType|empty sequence"
    r"|No objects to concat|need at least one array|iterable argument is empty|zero-size array|cannot be empty"
    r"|Found array with 0|no data|not enough values to unpack",
    re.IGNORECASE,
)
_TEXT = r"r?['\"]([^'\"\n]{1,200})['\"]"
_GLOB = re.compile(rf"\bi?glob\(\s*{_TEXT}")
_PATH_GLOB = re.compile(rf"\bPath\(\s*{_TEXT}\s*\)\.(r?)glob\(\s*{_TEXT}")
_OPENING = re.compile(rf"\b(?:cv2\.imread|sqlite3\.connect)\(\s*{_TEXT}")
_MAKES = re.compile(
    r"['\"][wax]b?\+?['\"]|\.(?:to_|save|dump|write|extract)\w*\(|mkdir|makedirs|urlretrieve|chdir|create table"
)
_MADE_HERE = ("/output", "/tmp", ":memory:")


def explain(error: str, file: str, line: int, evidence: Evidence) -> Diagnosis | None:
    """What in `file`, at or above `line` where an `error` came, finds nothing; the cause has no full stop yet."""
    lines = evidence.sources.get(file, "").splitlines()[:line]
    # What the program makes itself is in no upload.
    if not evidence.upload.is_whole or not _EMPTY.search(error) or any(map(_MAKES.search, lines)):
        return None
    for number, text in reversed(list(enumerate(lines, 1))):
        for pattern in _patterns(text[:500]):
            if not pattern.startswith(_MADE_HERE) and not _matching(pattern, evidence):
                cause = f"No file of your upload matches `{shorten(pattern, 60)}` in line {number}"
                return Diagnosis(cause, _instead(pattern, evidence))
        for opened in _OPENING.findall(text[:500]):
            remedy = upload_search.remedy(upload_search.find(evidence.upload, opened), opened)
            if remedy and not opened.startswith(_MADE_HERE) and not _matching(opened, evidence):
                return Diagnosis(f"Your program could not find `{shorten(opened, 60)}` in line {number}", remedy)
    return None


def _patterns(text: str) -> Iterator[str]:
    for folder, deep, pattern in _PATH_GLOB.findall(text):
        yield f"{folder}/{'**/' if deep else ''}{pattern}"
        return
    yield from _GLOB.findall(text)


def _matching(pattern: str, evidence: Evidence) -> list[str]:
    """The files and folders that a job sees and that match the `pattern` of a program in /code."""
    wanted = _regular(posixpath.normpath(posixpath.join("/code", pattern)))
    names = [*evidence.upload.files, *evidence.upload.folders()]
    return [name for name in names if wanted.fullmatch(f"/{name.rstrip('/')}")]


def _regular(pattern: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces))


def _instead(pattern: str, evidence: Evidence) -> str:
    """The pattern that matches what was probably meant."""
    name = pattern.replace("\\", "/").rpartition("/")[2]
    folders: dict[str, str] = {}
    for path in evidence.upload.files:
        folder, _, file = path.rpartition("/")
        if path.startswith(("input/", "code/")) and _regular(name).fullmatch(file):
            folders.setdefault(folder, path)
    if len(folders) == 1:
        ((folder, path),) = folders.items()
        return f"Your upload has {shorten(path, 60)}: write `/{shorten(f'{folder}/{name}', 80)}`."
    return f"Your data are in /input: write a pattern that begins like that, such as `/input/{shorten(name, 60)}`."
