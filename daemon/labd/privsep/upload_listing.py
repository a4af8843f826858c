"""What is in a whole upload, also beside the parts that a job can see: names and sizes, as evidence for explanations.

This module owns the walk that makes the listing and its limits. It runs in the workers' process with the researcher's
rights, imports the standard library only, follows no link, and opens no file but very small ones, of which it reads the
beginning: a git-lfs pointer is told by its text only.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from typing import Any

from labd.model.layout import CONTROLS, PARTS, is_junk

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_NAMES = 5000
_MOST_TEXT = 1 << 20
_DEEPEST = 8
_NOT_LISTED = frozenset((".git", ".venv", "__pycache__", "node_modules"))
_POINTER = re.compile(rb"version https?://(?:git-lfs|hawser)\.github\.com/spec/v1\r?\n.*?^size (\d{1,18})", re.M | re.S)
_LARGEST_POINTER = 1024  # bytes, by git-lfs's own specification


def list_upload(folder: str) -> dict[str, Any]:
    """The files below the project `folder`: {"files": {path: bytes}, "pointers": {path: bytes}, "is_whole": bool}.

    A folder that has nothing in it stands among the files with a slash at its end. "pointers" are files that only stand
    for data which git-lfs keeps elsewhere, with the size of these data. "is_whole" is false when anything was left out:
    a link, what cannot be read, or what is beyond 5,000 names, 1 MB of names or 8 levels. Raises OSError when `folder`
    itself cannot be opened.
    """
    listing = _Listing()
    top = os.open(folder, _FOLDER)
    try:
        listing.visit(top, "", 0)
    finally:
        os.close(top)
    return {"files": listing.files, "pointers": listing.pointers, "is_whole": listing.is_whole}


class _Listing:
    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.pointers: dict[str, int] = {}
        self.is_whole = True
        self._room = _MOST_TEXT

    def visit(self, folder: int, path: str, depth: int) -> None:
        listed = 0
        for name in self._names(folder, bool(path)):
            if name in _NOT_LISTED or is_junk(name) or (not path and name in CONTROLS):
                continue
            listed += 1
            try:
                self._look(folder, name, path + name, depth)
            except FileNotFoundError:
                self.is_whole = self.is_whole and name in PARTS  # which a project need not have
            except OSError:
                self.is_whole = False
        if path and not listed:
            self._add(path, 0)

    def _names(self, folder: int, is_below: bool) -> list[str]:
        """What is in `folder`, no more than can be listed; first, should there not be room for all, what a job sees."""
        with os.scandir(folder) as entries:
            names = {entry.name for entry in itertools.islice(entries, _MOST_NAMES + 1)}
        if len(names) > _MOST_NAMES:
            self.is_whole = False
        if is_below:
            return sorted(names)
        return [*PARTS, *sorted(names - {*PARTS})]

    def _look(self, folder: int, name: str, path: str, depth: int) -> None:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            if self._add(path, status.st_size) and status.st_size < _LARGEST_POINTER:
                self._read_pointer(folder, name, path)
        elif stat.S_ISDIR(status.st_mode) and depth < _DEEPEST and self._room > 0:
            handle = os.open(name, _FOLDER, dir_fd=folder)
            try:
                self.visit(handle, f"{path}/", depth + 1)
            finally:
                os.close(handle)
        else:
            self.is_whole = False

    def _add(self, path: str, size: int) -> bool:
        self._room -= len(path)
        # A name that is no text can be shown to nobody, and is found by no program under what is shown of it.
        if self._room <= 0 or len(self.files) >= _MOST_NAMES or not _is_text(path):
            self.is_whole = False
            return False
        self.files[path] = size
        return True

    def _read_pointer(self, folder: int, name: str, path: str) -> None:
        with contextlib.suppress(OSError):
            handle = os.open(name, _FILE, dir_fd=folder)
            try:
                found = _POINTER.match(os.read(handle, _LARGEST_POINTER))
            finally:
                os.close(handle)
            if found:
                self.pointers[path] = int(found[1])


def _is_text(path: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in path)
