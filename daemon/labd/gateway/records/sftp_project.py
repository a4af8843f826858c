"""What an sftp session did to one project, and whether that is all of it.

This module owns the judgement, and the signature of scp, which is the only client that shows when it is done: it opens
without TRUNCATE, sets the size before it closes, and sets the attributes of the folder that it was given last. Of other
clients it says whether they closed their session. It reads no log, and is pure but for the clock.
"""

from __future__ import annotations

import time

from labd.gateway.records.log import MOST_KNOWN, End, locate, result

_MOST_BROKEN = 20


class SftpProject:
    """What the session did to one project. Paths are relative to the inbox."""

    def __init__(self, name: str, scope: str) -> None:
        self.roots = (name, f"{name}/project")
        self.scope = scope
        self.files = 0
        self.writing: dict[str, int | None] = {}  # open for writing → the size that was set
        self.faults: dict[str, str] = {}  # what is not there as it was sent → why
        self.made: dict[str, bool] = {}  # folders that the client made, or tried to → whether they are new
        self.finished: set[str] = set()  # those whose attributes were set
        self.unclosed: set[str] = set()  # folders in which something is that no closing attributes cover yet
        self.closed = ""  # the folder whose attributes were set last, "" when something was done since
        self.is_scp = True  # nothing was done in another way than scp's
        self.resumed: dict[str, float] = {}  # files of which less was written than their size says → when
        self.whole: dict[str, float] = {}  # files that arrived whole, relative to the project → when
        self.places: dict[str, None] = {}
        self.makes_rights = self.opens_plainly = False  # as OpenSSH's programs do
        self.is_moved = False  # some of it came from another project, and was not sent in this session

    def act(self, folder: str) -> None:
        self.closed = ""
        self.unclosed.add(folder)

    def close_folder(self, folder: str) -> None:
        self.unclosed = {path for path in self.unclosed if path != folder and not path.startswith(f"{folder}/")}
        self.closed = folder
        self.finished.add(folder)

    def settle(self, path: str, when: float = 0.0) -> None:
        """Note that the file at `path` is there as it was sent."""
        if len(self.whole) < MOST_KNOWN:
            self.whole[locate(path)[1]] = when or time.time()

    @property
    def is_half_an_scp(self) -> bool:
        """Whether a folder that scp began is not finished. Newer ones only finish those that they made themselves."""
        finishes_all = any(not self.made[folder] for folder in self.finished)
        begun = {folder for folder, is_new in self.made.items() if is_new or finishes_all}
        return self.is_scp and self.files > 0 and not begun <= self.finished

    @property
    def is_half_finished(self) -> bool:
        """Whether a client that sets the attributes of folders at their end has not done so for all that it made.

        OpenSSH's sftp is known before its first folder ends: it alone makes folders with the rights that they have at
        home, and files without the bits of their kind.
        """
        ends_folders = bool(self.finished) or (self.makes_rights and self.opens_plainly)
        return ends_folders and any(is_new and path not in self.finished for path, is_new in self.made.items())

    def _judge_resumed(self, end: End) -> None:
        """A client may go on where another session was cut: then the rest of the file is there already."""
        for path, when in self.resumed.items():
            if end.is_filled(path):
                self.settle(path, when)
            else:
                self.faults.setdefault(path, "not all arrived of")
        self.resumed.clear()

    def result(self, end: End, is_broken: bool) -> dict[str, object]:
        self._judge_resumed(end)
        places = list(self.places)
        faults = {**dict.fromkeys(self.writing, "the connection broke in"), **self.faults}
        if faults:
            path, why = next(iter(faults.items()))
            broken = {locate(path)[1]: end.written(path) for path in [*faults][:_MOST_BROKEN]}
            is_known = len(broken) == len(faults)
            is_half = self.is_scp and bool(self.made)
            why = f"{why} {locate(path)[1]}"
            return result("cut", self.files, why, broken if is_known else None, half=is_half, places=places)
        if self.is_scp and self.closed in self.roots and not self.unclosed:
            return result("complete", self.files, places=places)
        if self.is_half_an_scp:
            return result("cut", self.files, "the connection broke between two files", places=places)
        if end.code or is_broken:
            return result("cut", self.files, "the connection broke", {}, places=places)
        is_whole = self.is_scp and bool(self.made) and self.files > 0
        is_clean = end.is_orderly and not self.is_half_finished and not self.is_moved
        name = "clean" if is_clean else "unproven"
        return result(name, self.files, whole=is_whole, places=places)
