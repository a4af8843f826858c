"""run.log: what a program printed, growing while it runs, with a bounded size.

This module owns the file's shape: everything while it is small; the first and the last half of the limit, and between
them a line that says what was cut, when it is not. Writing it again from the first byte gives the same file, so a
restart of labd needs no position to be remembered.
"""

from __future__ import annotations

import os
import threading
from io import BufferedWriter
from pathlib import Path

from labd.common.units import human_size


class RunLog:
    """One job's run.log, being written. Any thread may use it."""

    def __init__(self, path: Path, limit: int, uid: int, gid: int) -> None:
        """Write to `path`, `limit` bytes at most; the file belongs to `uid` and `gid`."""
        self._path, self._half, self._uid, self._gid = path, limit // 2, uid, gid
        self._lock = threading.Lock()
        self._head, self._written = bytearray(), 0
        self._tail, self._cut = bytearray(), 0
        self._has_gap = self._is_retired = False
        create(path, uid, gid).close()

    @property
    def head(self) -> bytes | bytearray:
        """The first bytes of output, at most half the limit."""
        return self._head

    def begin_with(self, head: bytes | bytearray) -> None:
        """Take `head` as the beginning of the output; what comes next is from somewhere later."""
        with self._lock:
            self._head, self._has_gap = bytearray(head[: self._half]), True

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of output."""
        with self._lock:
            if self._is_retired:
                return
            room = 0 if self._has_gap else self._half - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:]
            # A quarter more is kept than is written, so that not every chunk moves the whole of it.
            if len(self._tail) > self._half * 5 // 4:
                self._cut += len(self._tail) - self._half
                del self._tail[: -self._half]

    def retire(self) -> None:
        """Never touch the file again: another writes it now. Only the head is kept."""
        with self._lock:
            self._is_retired = True
            self._tail = bytearray()

    def flush(self) -> None:
        """Bring the file up to date."""
        with self._lock:
            if self._is_retired:
                return
            if not self._tail:
                with open(self._path, "ab") as file:
                    file.write(self._head[self._written :])
                self._written = len(self._head)
                return
            # The tail moves, so the whole file is written anew beside the old one; nobody ever sees a half.
            part = self._path.with_name(self._path.name + ".part")
            with create(part, self._uid, self._gid) as file:
                file.write(self._head)
                cut = self._cut + max(0, len(self._tail) - self._half)
                if cut or self._has_gap:
                    size = "some" if self._has_gap else human_size(cut)
                    file.write(f"\n\n[labd: {size} of the output was cut here]\n\n".encode())
                with memoryview(self._tail) as tail:
                    file.write(tail[-self._half :])
            os.replace(part, self._path)


def create(path: Path, uid: int, gid: int) -> BufferedWriter:
    """An empty log at `path` that belongs to `uid` and `gid`, open for writing."""
    file = open(path, "wb")  # noqa: SIM115 - the caller closes it
    os.fchmod(file.fileno(), 0o600)
    os.fchown(file.fileno(), uid, gid)
    return file


def tail(path: Path, size: int = 65536) -> str:
    """The last `size` bytes of the log at `path` as text; "" when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
