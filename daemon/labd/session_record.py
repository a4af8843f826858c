"""The gateway's record of a transfer that receives: a file of JSON lines in ~/.labd/sessions.

This room owns the writing of that file. It is locked (flock(2)) before it has its name, and the transfer's program
inherits the lock, so that whoever finds it unlocked and without an end knows that the gateway was killed. A record that
cannot be written is left out: recording never changes a transfer.
"""

from __future__ import annotations

import fcntl
import os
import time

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping

    Results = Mapping[str, Mapping[str, object]]

FOLDER = ".labd/sessions"


class Record:
    """The record of one transfer."""

    def __init__(self, home: str, kind: str, address: str) -> None:
        """Lock a record that nobody sees yet. `kind` is rsync, scp or sftp, `address` the client's."""
        self._file = self.lock = -1
        self._folder = f"{home}/{FOLDER}"
        self._name = f"{time.time_ns()}-{os.getpid()}"
        self._shown = False
        self._first = f'{{"kind": "{kind}", "began": {time.time():.6f}, "address": "{_plain(address)}"}}\n'
        try:
            self._make()
        except OSError:
            self._close()

    def _make(self) -> None:
        os.makedirs(self._folder, 0o700, exist_ok=True)
        hidden = self._hidden
        self._file = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        # A second opening for the lock: the program that inherits it must not be able to write.
        self.lock = os.open(hidden, os.O_RDONLY | os.O_NOFOLLOW)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(self._file, self._first.encode())

    @property
    def _hidden(self) -> str:
        return f"{self._folder}/.{self._name}"

    def show(self) -> None:
        """Let the daemon find the record: something is being written."""
        if self._file >= 0 and not self._shown:
            try:
                os.rename(self._hidden, f"{self._folder}/{self._name}")
            except OSError:
                return
            self._shown = True

    def touch(self, project: str, scope: str) -> None:
        """Note that the transfer is about the part `scope` of `project` ("": all of it)."""
        self.show()
        self._write({"project": project, "scope": scope})

    def end(self, code: int, files: int, projects: Results) -> None:
        """Note how the transfer ended, and give the lock back. A record that was never shown is removed."""
        if self._shown:
            self._write({"ended": time.time(), "code": code, "files": files, "projects": projects})
        elif self._file >= 0:
            import contextlib

            with contextlib.suppress(OSError):
                os.unlink(self._hidden)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._file, self.lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self.lock = -1

    def _write(self, line: Mapping[str, object]) -> None:
        # While the program runs there is time to import it.
        import json

        if self._file >= 0:
            try:
                os.write(self._file, json.dumps(line).encode() + b"\n")
            except OSError:
                self._close()


def _plain(address: str) -> str:
    return "".join(character for character in address if character.isalnum() or character in ".:%-")[:64]
