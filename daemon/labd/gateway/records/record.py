"""The gateway's record of a transfer that receives: a file of JSON lines in ~/.labd/sessions.

This module owns the writing of that file. It is locked (flock(2)) before it has its name, and the transfer's program
inherits the lock, so that whoever finds it unlocked and without an end knows that the gateway was killed. A disk that
is full takes no line, but a name: then that says what the transfer is about. A record that cannot be made is left out:
recording never changes a transfer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping

    Results = Mapping[str, Mapping[str, object]]
    Closed = Mapping[str, Mapping[str, float]]  # project → file → when

FOLDER = ".labd/sessions"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LARGEST = 1 << 20  # bytes that the daemon reads of a record (`session_records`)
_LONGEST_WHY = 200
_LONGER = ("broken", "half", "whole", "places", "closed")
_END = 6 * _LONGEST_WHY + 100  # bytes of the end of a project, at the most, but for its name and its files


class Record:
    """The record of one transfer."""

    def __init__(self, home: str, kind: str, address: str) -> None:
        """Begin a record that nobody sees yet. `kind` is rsync, scp or sftp, `address` the client's."""
        self._folder = self._file = self.lock = -1
        self._path = f"{home}/{FOLDER}"
        self.name = f"{time.time_ns()}-{os.getpid()}"
        self._shown = False
        self._is_empty = True
        self._unwritten = bytearray()
        self._noted: set[str] = set()
        self._free = _LARGEST - 4096
        try:
            self._make(f'{{"kind": "{kind}", "began": {time.time():.6f}, "address": "{_address(address)}"}}\n'.encode())
        except OSError:
            self._forget()

    def _make(self, first: bytes) -> None:
        os.makedirs(self._path, 0o700, exist_ok=True)
        self._folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = os.open(self._hidden, flags, 0o600, dir_fd=self._folder)
        self._unwritten += first
        try:
            self._write_rest()
        except OSError as error:
            if error.errno not in _FULL:
                raise

    @property
    def _hidden(self) -> str:
        return f".{self.name}"

    @property
    def is_alone(self) -> bool:
        """Whether there are no records of other transfers beside this one."""
        try:
            return all(name.startswith(".") or name == self.name for name in os.listdir(self._folder))
        except OSError:
            return False

    def guard(self) -> None:
        """Lock the record. Comes after `read_only`: the program inherits the lock, and must not change its file."""
        if self._file < 0:
            return
        try:
            # A second opening: the first one can write. By its whole path, so that it is read-only where all else is.
            self.lock = os.open(f"{self._path}/{self._hidden}", os.O_RDONLY | os.O_NOFOLLOW)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._forget()

    def show(self) -> None:
        """Let the daemon find the record: something is being written."""
        if self._file >= 0 and not self._shown:
            try:
                os.rename(self._hidden, self.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except OSError:
                return
            self._shown = True

    def touch(self, project: str, scope: str) -> None:
        """Note that the transfer is about the part `scope` of `project` ("": all of it).

        What the record has no room for is left out, and nothing is said of how it ended.
        """
        import json

        self.show()
        needed = 2 * len(json.dumps(project)) + len(json.dumps(scope)) + _END
        if needed <= self._free:
            self._free -= needed
            self._noted.add(project)
            self._write({"project": project, "scope": scope})
            if self._is_empty and self._shown and len(self._noted) == 1:
                self._name_after(project, scope)

    def end(self, code: int, files: int, projects: Results | None, closed: Closed) -> None:
        """Note how the transfer ended, for each of its `projects` (None: nobody knows), and give the lock back.

        `closed` are files that others may have broken and that arrived whole here. A record that was never shown is
        removed. So is one that does not say how all of a good transfer ended: it would hold the upload for ever.
        """
        if self._shown and projects is not None:
            ends = {
                project: {
                    **{key: end[key] for key in ("result", "files")},
                    "why": str(end["why"])[:_LONGEST_WHY],
                    **self._as_fits({"closed": closed.get(project), **end}),
                }
                for project, end in projects.items()
                if project in self._noted
            }
            self._write({"ended": time.time(), "code": code, "files": files, "projects": ends})
        is_good = code == 0 and not any(end["result"] == "cut" for end in (projects or {}).values())
        is_whole = projects is not None and not self._unwritten
        if not self._shown or (is_good and not is_whole):
            self._forget()
        elif self._is_empty:
            self._note_time()
        self._close()

    def _as_fits(self, end: Mapping[str, object]) -> dict[str, object]:
        """Those of the longer things that there are to say of an `end` for which the record has room."""
        import json

        known = {}
        for key in _LONGER:
            if end.get(key) is not None:
                needed = len(json.dumps({key: end[key]}))
                if needed <= self._free:
                    self._free -= needed
                    known[key] = end[key]
        return known

    def _note_time(self) -> None:
        """Say by the file's time when the transfer ended."""
        import contextlib

        with contextlib.suppress(OSError):
            os.utime(self._file)

    def _forget(self) -> None:
        """Remove the record, under the name that it has."""
        if self._file >= 0:
            import contextlib

            with contextlib.suppress(OSError):
                os.unlink(self.name if self._shown else self._hidden, dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._file, self._folder, self.lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._folder = self.lock = -1

    def _write(self, line: Mapping[str, object]) -> None:
        """Write `line`, after what a full disk did not take before."""
        # While the program runs there is time to import it.
        import json

        if self._file < 0:
            return
        self._unwritten += json.dumps(line).encode() + b"\n"
        try:
            self._write_rest()
        except OSError:
            return

    def _write_rest(self) -> None:
        while self._unwritten:
            del self._unwritten[: os.write(self._file, self._unwritten)]
            self._is_empty = False

    def _name_after(self, project: str, scope: str) -> None:
        """Say by the file's name what the transfer is about: a disk that is full takes that."""
        from urllib.parse import quote

        name = ",".join((self.name, *(quote(os.fsencode(text), safe="") for text in (project, scope))))
        try:
            os.rename(self.name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            return
        self.name = name


def _address(text: str) -> str:
    """`text` as an IP address with its zone: what else it may hold could end the string that it stands in."""
    return "".join(character for character in text if character.isalnum() or character in ".:%-")[:64]
