"""Where in an upload the file is that a program did not find, and how to open it there.

This module owns the comparison of a path, as a program wrote it, with the names in the upload, for programs in any
language. It knows only what the listing has, and says nothing of what is not in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from labd.diagnosis.evidence.project import UploadListing

_ANOTHER_COMPUTER = re.compile(r"[A-Za-z]:(?=[/\\])|~(?=/)")
# Files of the image and of libraries: nothing of an upload was meant.
_SYSTEM = re.compile(r"/(?:bin|dev|etc|lib\w*|opt|proc|root|run|sbin|sys|tmp|usr|var)/")
_SOURCES = (".py", ".r", ".m", ".jl")
_PACKED = (".gz", ".zip", ".bz2", ".xz")
# Another ending than the program names, and yet the same name to whoever looks at a folder that hides endings.
_SAME, _OTHER_LETTERS, _OTHER_ENDING = range(3)
_LONGEST = 80  # characters of a path in a remedy: one that is cut cannot be followed


@dataclass(frozen=True)
class Candidate:
    """What of an upload was probably meant by a path."""

    path: str  # in the upload: "input/data.csv"
    likeness: int
    tail: int  # how many parts at its end are those of the path that was written
    is_folder: bool

    @property
    def is_visible(self) -> bool:
        """Whether a job can see it."""
        return self.path.startswith(("code/", "input/"))


def find(upload: UploadListing, written: str) -> list[Candidate]:
    """What in `upload` was probably meant by the path `written` in a program: the best ones; [] for none."""
    parts = _parts(written)
    if not parts or _SYSTEM.match(written) or any(part.startswith(".") for part in parts):
        return []
    names = {path.rstrip("/"): path.endswith("/") for path in upload.files}
    names |= dict.fromkeys(upload.folders(), True)
    found = [one for path, is_folder in names.items() if (one := _compare(parts, path, is_folder))]
    best = min(map(_rank, found), default=None)
    return sorted((one for one in found if _rank(one) == best), key=lambda one: one.path)


def remedy(found: Sequence[Candidate], written: str) -> str:
    """What to do about the path `written`, where the search has `found` something; "" if there are too many ways."""
    paths = [one.path for one in found]
    if not found or len(found) > 2 or any(len(path) > _LONGEST or not path.isprintable() for path in paths):
        return ""
    if len(found) == 2:
        here = [f"/{one.path}" if one.is_visible else one.path for one in found]
        return f"Your upload has {paths[0]} and {paths[1]}: open the one that you mean, such as {here[0]}."
    one = found[0]
    has = f"Your upload has the folder {one.path}/" if one.is_folder else f"Your upload has {one.path}"
    return f"{has}{_what_to_do(one, written)}."


def _what_to_do(one: Candidate, written: str) -> str:
    top, _, rest = one.path.partition("/")
    name = one.path.rpartition("/")[2]
    use = "its path is" if one.is_folder else "open it as"
    if not one.is_visible:
        if top in ("input", "code") or top.lower() not in ("input", "code") or not rest:
            place = "code" if name.lower().endswith(_SOURCES) else "input"
            way = "" if place == "code" else f" and {'use' if one.is_folder else 'open'} /input/{name}"
            return f", which is no part of the job: move it to {place}/{name}{way}"
        return f", and the folder must be called {top.lower()}/, in small letters: rename {top}/ to {top.lower()}/"
    if f"/{one.path}" == written:
        return ": look whether your program itself moves or removes it, or works in another folder"
    if one.likeness == _OTHER_ENDING:
        return f", with another ending: open /{one.path}, or send it as {_name(written)}"
    if one.likeness == _OTHER_LETTERS:
        return f", and capital and small letters differ here: {use} /{one.path}"
    return f": {use} /{one.path}" + (", with / instead of \\" if "\\" in written else "")


def _parts(path: str) -> list[str]:
    plain = _ANOTHER_COMPUTER.sub("", path).replace("\\", "/")
    return [part for part in plain.strip().split("/") if part not in ("", ".", "..")]


def _name(path: str) -> str:
    return (_parts(path) or [""])[-1]


def _compare(wanted: Sequence[str], path: str, is_folder: bool) -> Candidate | None:
    """`path` as what was meant by the parts `wanted`; None if its name is another."""
    there = path.split("/")
    likeness = _alike(wanted[-1], there[-1], is_folder)
    if likeness is None:
        return None
    tail = 1
    for one, other in zip(reversed(wanted[:-1]), reversed(there[:-1]), strict=False):
        if _folded(one) != _folded(other):
            break
        if one != other:
            likeness = max(likeness, _OTHER_LETTERS)
        tail += 1
    return Candidate(path, likeness, tail, is_folder)


def _alike(wanted: str, there: str, is_folder: bool) -> int | None:
    if wanted == there:
        return _SAME
    one, other = _folded(wanted), _folded(there)
    if one == other:
        return _OTHER_LETTERS
    if is_folder or "." not in one.strip("."):
        return None
    stem = one.rpartition(".")[0]
    endings = {f"{one}{more}" for more in (".txt", *_PACKED)} | {one.removesuffix(more) for more in (".txt", *_PACKED)}
    if one.endswith((".xls", ".xlsx", ".csv", ".tsv")):
        endings |= {f"{stem}{ending}" for ending in (".xls", ".xlsx", ".csv", ".tsv")}
    return _OTHER_ENDING if other in endings and "." in other else None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _rank(one: Candidate) -> tuple[int, int, bool]:
    """The smaller, the more probable."""
    return (one.likeness == _OTHER_ENDING, -one.tail, not one.is_visible)
