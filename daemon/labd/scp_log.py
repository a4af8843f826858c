"""What an old scp that receives (`scp -v -t`, what `scp -O` starts) did, from what it prints about its protocol.

This room owns the meaning of these lines ("Sink: C0644 12 name"; scp.c, measured with OpenSSH 9.2). The protocol has no
end: a client that is cut between two files looks like one that is done, so nothing here is ever proof. It is pure but
for the clock.
"""

from __future__ import annotations

import time

from labd.transfer_log import MOST_PLACES, End, LineLog, decoded, locate, place, result

# scp stops waiting for more of a file when it has read as many bytes as were announced (sink() in scp.c).
_ARRIVED = "clearing O_NONBLOCK"
_MOST_KNOWN = 100_000


class ScpLog(LineLog):
    """Reads the log of one scp."""

    def __init__(self, destination: str) -> None:
        """`destination` is relative to the inbox; "" for the inbox itself, which leaves the projects to the log."""
        self.news: list[tuple[str, str]] = []
        self.files = 0
        self.whole: dict[str, dict[str, float]] = {}
        self._files: dict[str, int] = {}
        self._places: dict[str, dict[str, None]] = {}
        self._destination = destination.rstrip("/")
        self._project, self._scope = locate(destination)
        self._top = self._project
        self._folders: list[str] = []
        self._file: tuple[str, int] | None = None  # the latest: path relative to the inbox, bytes
        self._is_arriving = False
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
            path = "/".join(part for part in (self._destination, *self._folders, name) if part)
            if not self._folders and not self._project:
                self._top = name
                self._know(name)
            self._note_place(path)
            if letter == "D":
                self._folders.append(name)
            else:
                self._file, self._is_arriving = (path, int(size) if size.isdecimal() else 0), True

    def _know(self, project: str) -> None:
        if project not in self._files:
            self._files[project] = 0
            self._places[project], self.whole[project] = {}, {}
            self.news.append((project, self._scope))

    def _note_place(self, path: str) -> None:
        places = self._places[self._top]
        if len(places) < MOST_PLACES and place(path):
            places[place(path)] = None

    def _arrived(self) -> None:
        self._is_arriving = False
        self._files[self._top] += 1
        self.files += 1
        if self._file and len(self.whole[self._top]) < _MOST_KNOWN:
            self.whole[self._top][locate(self._file[0])[1]] = time.time()

    def results(self, end: End) -> dict[str, dict[str, object]]:
        """Clean at best."""
        name = "clean" if end.is_orderly else "unproven"
        ends = {project: self._clean(project, name) for project in self._files}
        if end.code and not self._file:
            ends = {project: self._cut(project, f"scp code {end.code}", None) for project in self._files}
        elif self._file and (self._is_arriving or (end.code and not self._is_there(end))):
            path, _ = self._file
            # Where one file was sent under a new name, that is the destination.
            path = path if end.changed(path) else self._destination or path
            why = f"the connection broke in {locate(path)[1]}" if self._is_arriving else f"scp code {end.code}"
            ends[self._top] = self._cut(self._top, why, {locate(path)[1]: end.changed(path)})
        elif self._folders:
            ends[self._top] = self._cut(self._top, "the connection broke between two files", None)
        return ends

    def _is_there(self, end: End) -> bool:
        """Whether the latest file has as many bytes as were announced: curl, say, does not wait for the answer."""
        path, size = self._file or ("", 0)
        return size in (end.size(path), end.size(self._destination))

    def _clean(self, project: str, name: str) -> dict[str, object]:
        return result(name, self._files[project], places=list(self._places[project]))

    def _cut(self, project: str, why: str, broken: dict[str, float] | None) -> dict[str, object]:
        places, is_half = list(self._places[project]), bool(self._folders)
        return result("cut", self._files[project], why, broken, half=is_half, places=places)
