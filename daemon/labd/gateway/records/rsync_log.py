"""What an rsync that receives did, from the log that its server writes (--log-file-format='%i %n').

This module owns the meaning of these lines (rsync(1), --itemize-changes; rsyncd.conf(5), log format; measured with
rsync 3.5 and protocols 29 to 32) and of rsync's exit codes. It is pure but for the clock.
"""

from __future__ import annotations

import re
import time

from labd.common.octal import octal_decoded
from labd.gateway.records.log import MOST_KNOWN, MOST_PLACES, End, LineLog, locate, note_place, result

# As they stand after the process number; a file's name that looks the same only makes a count too high.
_FILES = (b"] >f", b"] cL", b"] hf", b"] hL")
_OTHERS = (b"] cd", b"] cD", b"] cS", b"] *deleting")
# The first two names of a path, which rsync writes from its destination on.
_FIRST_NAMES = re.compile(rb"\] (?:[>h]f|[ch]L)\S{9} ([^/\n]*(?:/[^/\n]*)?)")
_SENT = re.compile(rb"\] >f\S{9} (.+)")
_ESCAPE = "\\#"  # with three octal digits, for a byte that rsync cannot print; all else stands as it is (rsync(1), -8)
_FULL = ("No space left on device", "Disk quota exceeded")


class RsyncLog(LineLog):
    """Reads the log of one rsync."""

    def __init__(self, destination: str) -> None:
        """`destination` is relative to the inbox; "" for the inbox itself, which leaves the projects to the log."""
        self.news: list[tuple[str, str]] = []
        self.files = 0
        self._changes: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._places: dict[str, dict[str, None]] = {}
        self._destination = destination
        self._project, scope = locate(destination)
        self._disk_is_full = False
        self._arrived: dict[bytes, float] = {}  # as they stand in the log → when
        self._end: End | None = None
        if self._project:
            self._know(self._project, scope)

    def take(self, block: bytes) -> None:
        """Take whole lines; where it is known whose they are, they only have to be counted."""
        if len(self._arrived) < MOST_KNOWN:
            self._arrived |= dict.fromkeys(_SENT.findall(block), time.time())
        if not self._project:
            super().take(block)
            return
        files = sum(map(block.count, _FILES))
        self.files += files
        self._files[self._project] += files
        self._changes[self._project] += files + sum(map(block.count, _OTHERS))
        self._disk_is_full |= any(words.encode() in block for words in _FULL)
        if files and len(self._places[self._project]) < MOST_PLACES:
            for name in {*_FIRST_NAMES.findall(block)}:
                path = f"{self._destination}/{name.decode(errors='surrogateescape')}"
                note_place(self._places[self._project], path)

    def read(self, line: str) -> None:
        """Take one line: date, time, [pid], and what happened."""
        parts = line.split(" ", 3)
        if len(parts) < 4:
            return
        item, _, path = parts[3].partition(" ")
        if len(item) == 11 and item[0] in "<>ch." and item[1] in "fdLDS":
            self._changed(item, path)
        elif item == "*deleting":
            self._changed(item, path.lstrip(" "))
        elif parts[3].startswith("rsync") and any(words in line for words in _FULL):
            self._disk_is_full = True

    def _changed(self, item: str, path: str) -> None:
        if self._project:
            project = self._project
        else:
            project = octal_decoded(path.partition("/")[0], _ESCAPE)
            if project in ("", "."):
                return
        self._know(project, "")
        if item[0] != ".":
            self._changes[project] += 1
            if item[0] != "*" and item[1] != "d":
                self._files[project] += 1
                self.files += 1
                note_place(self._places[project], path)

    def _know(self, project: str, scope: str) -> None:
        if project not in self._changes:
            self._changes[project] = self._files[project] = 0
            self._places[project] = {}
            self.news.append((project, scope))

    @property
    def whole(self) -> dict[str, dict[str, float]]:
        """By project, the files that arrived; none before a good end. They are in the destination, or are that."""
        found: dict[str, dict[str, float]] = {}
        is_file = self._end and len(self._arrived) == 1 and self._end.size(self._destination) >= 0
        for name, when in self._arrived.items() if self._end else ():
            inner = "" if is_file else octal_decoded(name.decode(errors="surrogateescape"), _ESCAPE)
            project, path = locate(f"{self._destination}/{inner}")
            found.setdefault(project, {})[path] = when
        return found

    def results(self, end: End) -> dict[str, dict[str, object]]:
        """Exit code 0 of a server that receives is proof, any other a transfer that was cut (rsync(1), EXIT VALUES)."""
        if end.code:
            why = f"rsync code {end.code}" + (", the disk is full" if self._disk_is_full else "")
            return {project: result("cut", files, why) for project, files in self._files.items()}
        self._end = end
        return {
            project: result(
                "complete" if self._changes[project] else "unchanged", files, places=list(self._places[project])
            )
            for project, files in self._files.items()
        }
