"""The database file: how it is opened, brought up to date and changed.

This module owns the connection, its lock, transactions and the tables. What they mean is told in `records` and `store`,
which have all other SQL.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from labd.common.errors import ConfigError
from labd.common.log import get

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
    "CREATE INDEX jobs_by_end ON jobs (ended)",
)
"""Applied in order, each once; PRAGMA user_version counts them. Only ever appended to."""


Row = sqlite3.Row
_LARGEST = 2**63 - 1  # of SQLite's integers


class DatabaseError(OSError):
    """What any question to the database, and any change, may raise while a disk is full or fails."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """What SQLite says of the disk as DatabaseError; what it says of our SQL is a defect, and stays as it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        is_of_the_disk = isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
        if not is_of_the_disk or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            raise
        raise DatabaseError(errno.EIO, str(error)) from error


class Connection(sqlite3.Connection):
    """A connection that takes every text and every whole number."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        """As sqlite3 has it, with `values` put as SQLite can hold them."""
        return super().execute(sql, [_storable(value) for value in values])


def _storable(value: object) -> object:
    """`value`; a byte of a name that is no UTF-8 as `\\udcff`, a number that is too large as the largest there is.

    The same name or number always becomes the same value, so what is stored under it is found under it.
    """
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int):
        return max(-_LARGEST, min(value, _LARGEST))
    return value


class Database:
    """SQLite in WAL mode. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path` and bring it up to date. Raises ConfigError when it is damaged."""
        self._path = path
        self._lock = threading.RLock()
        self._changing = False
        try:
            self._connection: Connection | None = _open(path)
        except sqlite3.OperationalError:
            raise  # a full disk, say: the next start may go better
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{path} is damaged: {error}.", "Put a backup of it in its place.") from None

    @property
    def _db(self) -> Connection:
        """The connection; a new one where the last could not even undo its work. Raises sqlite3.Error."""
        if self._connection is None:
            self._connection = _open(self._path)
        return self._connection

    def close(self) -> None:
        """Close the database; the write-ahead log is folded into it."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """The database to oneself. Raises DatabaseError."""
        with self._lock, _translated():
            yield

    @contextlib.contextmanager
    def _transaction(self, durable: bool = False) -> Iterator[None]:
        """All or nothing; with `durable` also after a power cut (https://sqlite.org/pragma.html#pragma_synchronous).

        One inside another is part of it. Whatever fails, COMMIT too, none of it happened and the next one works.
        Raises DatabaseError.
        """
        with self._reading():
            if self._changing:
                yield
                return
            self._changing = True
            try:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise
            finally:
                self._changing = False

    def _undo(self) -> None:
        self._forget()
        if self._connection is None:
            return
        try:
            # SQLite itself rolls back after some errors (https://sqlite.org/lang_transaction.html).
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            connection, self._connection = self._connection, None
            # Closing undoes what is open, too.
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            get().error("the database could not undo a change, it is opened again", reason=str(error))

    def _forget(self) -> None:
        """Nothing of the last transaction is certain: what is remembered of the database has to be read again."""


def _open(path: Path) -> Connection:
    """A connection to the database at `path`, with all migrations applied. Raises sqlite3.Error."""
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, factory=Connection)
    try:
        database.row_factory = sqlite3.Row
        database.text_factory = partial(str, encoding="utf-8", errors="replace")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        for number in range(database.execute("PRAGMA user_version").fetchone()[0], len(MIGRATIONS)):
            # executescript commits what is open first, so the transaction has to be in the script itself.
            database.executescript(f"BEGIN; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;")
    except BaseException:
        database.close()
        raise
    return database
