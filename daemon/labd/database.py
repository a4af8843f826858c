"""The database file: how it is opened, brought up to date and changed.

This room owns the connection, its lock, transactions and the tables. What they mean is told in `records` and `store`,
which have all other SQL.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL, project TEXT NOT NULL, state TEXT NOT NULL, signal TEXT NOT NULL,
        created REAL NOT NULL, changed REAL NOT NULL, snapshot INTEGER NOT NULL,
        grant TEXT, gpu_ids TEXT NOT NULL DEFAULT '[]', image TEXT NOT NULL DEFAULT '',
        started REAL, ended REAL, exit_code INTEGER, outcome TEXT,
        stopping TEXT, stop_reason TEXT NOT NULL DEFAULT '',
        cause TEXT NOT NULL DEFAULT '', hint TEXT NOT NULL DEFAULT '', notes TEXT NOT NULL DEFAULT '[]',
        peak_memory INTEGER, cpu_seconds REAL
    );
    CREATE INDEX jobs_by_state ON jobs (state);
    CREATE INDEX jobs_by_project ON jobs (user, project, id);
    CREATE TABLE events (
        job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, at REAL NOT NULL, state TEXT NOT NULL
    );
    CREATE INDEX events_by_job ON events (job);
    CREATE TABLE projects (
        user TEXT NOT NULL, project TEXT NOT NULL,
        accepted TEXT NOT NULL DEFAULT '', snapshot INTEGER NOT NULL DEFAULT 0, occupant INTEGER NOT NULL DEFAULT 0,
        rerun INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (user, project)
    );
    CREATE TABLE environments (
        tag TEXT PRIMARY KEY, language TEXT NOT NULL, version TEXT NOT NULL, created REAL NOT NULL, used REAL NOT NULL
    );
    """,
    """
    CREATE TABLE seen (user TEXT PRIMARY KEY, at REAL NOT NULL);
    CREATE TABLE pushes (
        job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        since REAL NOT NULL, due REAL, attempts INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT ''
    );
    """,
    "ALTER TABLE jobs ADD COLUMN exact INTEGER NOT NULL DEFAULT 0",
)
"""Applied in order, each once; PRAGMA user_version counts them. Only ever appended to."""


class Database:
    """SQLite in WAL mode. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path` and bring it up to date."""
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        for number in range(self._db.execute("PRAGMA user_version").fetchone()[0], len(MIGRATIONS)):
            # executescript commits what is open first, so the transaction has to be in the script itself.
            self._db.executescript(f"BEGIN; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;")

    def close(self) -> None:
        """Close the database; the write-ahead log is folded into it."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self, durable: bool = False) -> Iterator[None]:
        """All or nothing; with `durable` also after a power cut (https://sqlite.org/pragma.html#pragma_synchronous)."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                self._rolled_back()
                raise
            self._db.execute("COMMIT")

    def _rolled_back(self) -> None:
        """Nothing of the last transaction happened: forget what was remembered of it."""
