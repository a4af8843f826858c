"""Manifests: a line for each file with its SHA-256, and the receipt that they become part of.

This module owns the files that the lists are in. They can be longer than fits into memory, so that they are made,
looked up and copied line by line, in the order of the walk. It imports the standard library only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, TextIO

from labd.privsep.as_user import identity
from labd.privsep.tree_walk import Entry, entries

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LARGEST = 256 * 1024**2
_LONGEST_PATH = 4095
_SPARSE = 1 << 30


def digest(folder: str, known: str, target: str, owner: list[Any] | None, settled: float) -> dict[str, int]:
    """Write to the file `target` a line for each regular file below `folder`: [path, size, mtime_ns, inode, SHA-256].

    The files are read as `owner`. What the manifest `known` says of a file that did not change since is taken over;
    files changed after `settled` (seconds since the epoch) are left out: they are about to change again. A file that is
    almost nothing but a hole has "" for its SHA-256. {"files": lines, "unread": files that could not be read,
    "unlisted": files for which there was no room}. Raises OSError.
    """
    part = f"{target}.part"
    count = {"files": 0, "unread": 0, "unlisted": 0}
    room = _LARGEST
    with ExitStack() as open_files:
        earlier = _Earlier(known, open_files)
        out = open_files.enter_context(open(part, "w", encoding="ascii", opener=_private))
        open_files.enter_context(identity(owner))
        below = open_files.enter_context(closing(entries(folder, lambda _: _add(count, "unread"), _LONGEST_PATH)))
        for entry in below:
            status = entry.status
            if not stat.S_ISREG(status.st_mode):
                continue
            if room <= 0:
                _add(count, "unlisted")
                continue
            mark = [status.st_size, status.st_mtime_ns, status.st_ino]
            before = earlier.entry((*entry.parents, entry.name))
            if before and before[:3] == mark:
                checksum = before[3]
            elif status.st_mtime <= settled:
                try:
                    checksum = _sha256(entry)
                except OSError as error:
                    if error.errno != errno.ENOENT:
                        _add(count, "unread")
                    continue
            else:
                continue
            room -= out.write(json.dumps([entry.path, *mark, checksum]) + "\n")
            _add(count, "files")
    os.replace(part, target)
    return count


def compose(head: str, inputs: str, outputs: str, target: str, owner: list[Any] | None) -> None:
    """Write receipt.json to the file `target`, which is then `owner`'s: the JSON object `head`, and two manifests."""
    part = f"{target}.part"
    with open(part, "w", encoding="ascii") as file:
        if owner is not None and os.getuid() == 0:
            os.fchown(file.fileno(), owner[0], owner[1])
        os.fchmod(file.fileno(), 0o644)
        file.write(head.rstrip().removesuffix("}").rstrip())
        for name, manifest in (("inputs", inputs), ("outputs", outputs)):
            file.write(f',\n "{name}": [')
            _list(manifest, file)
            file.write("]")
        file.write("\n}\n")
    os.replace(part, target)


def _list(manifest: str, file: TextIO) -> None:
    separator = "\n"
    with ExitStack() as open_files:
        for path, size, _, _, checksum in _lines(manifest, open_files):
            file.write(f"{separator}  {json.dumps({'path': path, 'bytes': size, 'sha256': checksum or None})}")
            separator = ",\n"


class _Earlier:
    """An earlier manifest of the same folder, read as far as the walk has come."""

    def __init__(self, file: str, open_files: ExitStack) -> None:
        self._lines = _lines(file, open_files)
        self._next = next(self._lines, None)

    def entry(self, path: tuple[str, ...]) -> list[Any] | None:
        """What was known of `path`: size, mtime, inode, SHA-256. To be asked in the order of the walk."""
        while self._next is not None and (there := tuple(self._next[0].split("/"))) <= path:
            found, self._next = self._next, next(self._lines, None)
            if there == path:
                return found[1:]
        return None


def _lines(file: str, open_files: ExitStack) -> Iterator[list[Any]]:
    """The lines of a manifest, as far as it is one; none when there is no file."""
    if not os.path.exists(file):
        return iter(())
    return _parsed(open_files.enter_context(open(file, encoding="ascii")))


def _parsed(lines: TextIO) -> Iterator[list[Any]]:
    while line := lines.readline(1 << 16):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(entry, list) or list(map(type, entry)) != [str, int, int, int, str]:
            return
        yield entry


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _add(count: dict[str, int], what: str) -> None:
    count[what] += 1


def _sha256(entry: Entry) -> str:
    if entry.status.st_size > _SPARSE and entry.status.st_blocks * 512 < entry.status.st_size // 8:
        return ""
    handle = os.open(entry.name, _FILE, dir_fd=entry.handle)
    with open(handle, "rb", buffering=0) as file:
        state = hashlib.sha256()
        while chunk := file.read(1 << 20):
            state.update(chunk)
        return state.hexdigest()
