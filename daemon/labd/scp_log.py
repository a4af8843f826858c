"""What an old scp that receives (`scp -v -t`, what `scp -O` starts) did, from what it prints about its protocol.

This room owns the meaning of these lines ("Sink: C0644 12 name"; scp.c, measured with OpenSSH 9.2). The protocol has no
end: a client that is cut between two files looks like one that is done, so nothing here is ever proof. It is pure.
"""

from __future__ import annotations

from labd.transfer_log import LineLog, decoded, locate, result


class ScpLog(LineLog):
    """Reads the log of one scp."""

    def __init__(self, destination: str) -> None:
        """`destination` is relative to the inbox; "" for the inbox itself, which leaves the projects to the log."""
        self.news: list[tuple[str, str]] = []
        self.files = 0
        self._files: dict[str, int] = {}
        self._project, self._scope = locate(destination)
        self._top = self._project
        self._depth = 0
        if self._project:
            self._know(self._project)

    def read(self, line: str) -> None:
        """Take one line: D opens a folder, E closes it, C is a file, T the times of what comes next."""
        if not line.startswith("Sink: "):
            return
        letter = line[6:7]
        name = decoded(line.split(" ", 3)[-1])
        if letter == "E":
            self._depth -= 1
        elif letter in "DC":
            if self._depth == 0 and not self._project:
                self._top = name
                self._know(name)
            self._depth += letter == "D"
            if letter == "C":
                self._files[self._top] += 1
                self.files += 1

    def _know(self, project: str) -> None:
        if project not in self._files:
            self._files[project] = 0
            self.news.append((project, self._scope))

    def results(self, code: int) -> dict[str, dict[str, object]]:
        """Clean at best."""
        ends = {project: result("clean", files) for project, files in self._files.items()}
        if code:
            ends = {project: result("cut", files, f"scp code {code}") for project, files in self._files.items()}
        elif self._depth:
            ends[self._top] = result("cut", self._files[self._top], "the connection broke between two files")
        return ends
