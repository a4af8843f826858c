"""What an old scp that receives (`scp -v -t`, what `scp -O` starts) did, from what it prints about its protocol.

This module owns the meaning of these lines ("Sink: C0644 12 name"; scp.c, measured with OpenSSH 9.2). The protocol has
no end: a client that is cut between two files looks like one that is done, so nothing here is ever proof. It is pure
but for the clock.
"""

from __future__ import annotations

import time

from labd.gateway.records.log import MOST_KNOWN, End, LineLog, decoded, locate, note_place, result

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence

# scp stops waiting for more of a file when it has read as many bytes as were announced (sink() in scp.c).
_ARRIVED = "clearing O_NONBLOCK"


class ScpLog(LineLog):
    """Reads the log of one scp."""

    def __init__(self, destination: str) -> None:
        """`destination` is relative to the inbox; "" for the inbox itself, which leaves the projects to the log."""
        self.news: list[tuple[str, str]] = []
        self.files = 0
        self.whole: dict[str, dict[str, float]] = {}
        self._files: dict[str, int] = {}
        self._destination = destination.rstrip("/")
        self._project, self._scope = locate(destination)
        self._top = self._project
        self._folders: list[str] = []
        self._file: tuple[list[str], int] | None = None  # the latest: parts of its path, bytes
        self._is_arriving = False
        self._is_renamed = False
        self._arrivals: dict[str, list[tuple[list[str], float]]] = {}
        if self._project:
            self._know(self._project)

    def read(self, line: str) -> None:
        """Take one line: D opens a folder, E closes it, C is a file, T the times of what comes next."""
        if self._is_arriving and line.endswith(_ARRIVED):
            self._arrived()
        if not line.startswith("Sink: "):
            return
        letter = line[6:7]
        _, _, size, name = [*line.split(" ", 3), "", ""][:4]
        name = decoded(name)
        if letter == "E":
            del self._folders[-1:]
        elif letter in "DC" and name:
            parts = [*self._folders, name]
            if not self._folders and not self._project:
                self._top = name
                self._know(name)
            if letter == "D":
                self._folders.append(name)
            else:
                self._file, self._is_arriving = (parts, int(size) if size.isdecimal() else 0), True

    def _know(self, project: str) -> None:
        if project not in self._files:
            self._files[project] = 0
            self._arrivals[project] = []
            self.news.append((project, self._scope))

    def _arrived(self) -> None:
        self._is_arriving = False
        self._files[self._top] += 1
        self.files += 1
        if self._file and len(self._arrivals[self._top]) < MOST_KNOWN:
            self._arrivals[self._top].append((self._file[0], time.time()))

    def results(self, end: End) -> dict[str, dict[str, object]]:
        """Clean at best."""
        self._place(end)
        name = "clean" if end.is_orderly else "unproven"
        ends = {project: self._clean(project, name) for project in self._files}
        if end.code and not self._file:
            ends = {project: self._cut(project, f"scp code {end.code}", None) for project in self._files}
        elif self._file and (self._is_arriving or (end.code and end.size(self._path(self._file[0])) != self._file[1])):
            path = self._path(self._file[0])
            why = f"the connection broke in {locate(path)[1]}" if self._is_arriving else f"scp code {end.code}"
            ends[self._top] = self._cut(self._top, why, {locate(path)[1]: end.written(path)})
        elif self._folders:
            ends[self._top] = self._cut(self._top, "the connection broke between two files", None)
        return ends

    def _place(self, end: End) -> None:
        """Find out whether the destination was there before. If not, the first file or folder is called so now."""
        if self._file and self._destination and end.size(self._path(self._file[0])) < 0:
            self._is_renamed = end.size(self._path(self._file[0], is_renamed=True)) >= 0
        self.whole = {
            project: {locate(self._path(parts))[1]: when for parts, when in arrivals}
            for project, arrivals in self._arrivals.items()
        }

    def _path(self, parts: Sequence[str], is_renamed: bool = False) -> str:
        """Where the file is that the client calls by these `parts`, relative to the inbox."""
        below = parts[1:] if is_renamed or self._is_renamed else parts
        return "/".join(part for part in (self._destination, *below) if part)

    def _clean(self, project: str, name: str) -> dict[str, object]:
        return result(name, self._files[project], places=self._places(project))

    def _cut(self, project: str, why: str, broken: dict[str, float] | None) -> dict[str, object]:
        places = self._places(project)
        return result("cut", self._files[project], why, broken, half=bool(self._folders), places=places)

    def _places(self, project: str) -> list[str]:
        found: dict[str, None] = {}
        for parts, _ in self._arrivals[project]:
            note_place(found, self._path(parts))
        return list(found)
