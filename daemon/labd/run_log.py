"""run.log: what a program printed, growing while it runs, with a bounded size.

This room owns the file's shape: everything while it is small; the first and the last half of the limit, and between
them a line that says what was cut, when it is not. Writing it again from the first byte gives the same file, so a
restart of labd needs no position to be remembered.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from io import BufferedWriter
from pathlib import Path

from labd.units import human_size


class RunLog:
    """One job's run.log, being written."""

    def __init__(self, path: Path, limit: int, uid: int, gid: int) -> None:
        """Write to `path`, `limit` bytes at most; the file belongs to `uid` and `gid`."""
        self._path, self._half, self._uid, self._gid = path, limit // 2, uid, gid
        self._lock = threading.Lock()
        self._head_size = self._tail_size = self._cut = 0
        self._tail: deque[bytes] = deque()
        self._pending: list[bytes] = []
        self._file = create(path, uid, gid)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of output."""
        with self._lock:
            self._feed(chunk)

    def _feed(self, chunk: bytes) -> None:
        room = self._half - self._head_size
        if room > 0:
            self._file.write(chunk[:room])
            self._head_size += len(chunk[:room])
            chunk = chunk[room:]
        if chunk:
            self._tail.append(chunk)
            self._tail_size += len(chunk)
            while self._tail_size - len(self._tail[0]) >= self._half:
                dropped = self._tail.popleft()
                self._tail_size -= len(dropped)
                self._cut += len(dropped)

    def flush(self) -> None:
        """Bring the file up to date."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        self._file.flush()
        if not self._tail:
            return
        # The tail moves, so the whole file is written anew beside the old one; nobody ever sees a half.
        part = self._path.with_name(self._path.name + ".part")
        with create(part, self._uid, self._gid) as file:
            file.write(self._path.read_bytes()[: self._head_size])
            if self._cut:
                file.write(f"\n\n[labd: {human_size(self._cut)} of output were cut here]\n\n".encode())
            file.write(b"".join(self._tail))
        os.replace(part, self._path)

    def close(self) -> None:
        """Bring the file up to date and let go of it."""
        with self._lock:
            if not self._file.closed:
                self._flush()
                self._file.close()


def create(path: Path, uid: int, gid: int) -> BufferedWriter:
    """An empty log at `path` that belongs to `uid` and `gid`, open for writing."""
    file = open(path, "wb")  # noqa: SIM115 - the caller closes it
    os.fchmod(file.fileno(), 0o644)
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
