"""Every statement of every change to the database fails once, in each way; memory and disk must stay one.

A connection of its own kind counts the statements and raises at the chosen one, before it is carried out or after, as
a disk that fails does. Where a failure can be had from SQLite itself, it is.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labd.common.errors import NotFoundError
from labd.model.jobs import OUTCOMES, Grant, Job, Signal, State
from labd.storage import database
from labd.storage.database import DatabaseError
from labd.storage.store import Store

GRANT = Grant("python", "3.11", 2.0, 1 << 30, 0, 60.0, False)
IO = sqlite3.OperationalError("disk I/O error")
BUSY = sqlite3.OperationalError("database is locked")
FULL = sqlite3.OperationalError("database or disk is full")
CORRUPT = sqlite3.DatabaseError("database disk image is malformed")
FAULTS = {  # error, raised after the statement was carried out, ROLLBACK fails too, so many openings after it fail
    "i/o": (IO, False, False, 0),
    "i/o, but done": (IO, True, False, 0),
    "busy": (BUSY, False, False, 0),
    "full, cannot roll back": (FULL, False, True, 0),
    "i/o, but done, cannot roll back": (IO, True, True, 0),
    "damaged, cannot roll back, cannot reopen": (CORRUPT, False, True, 2),
    "i/o, but done, cannot roll back, cannot reopen": (IO, True, True, 2),
    "no memory": (MemoryError(), False, False, 0),
}
TABLES = ("jobs", "events", "projects", "environments", "seen", "pushes")


class Fault:
    """What fails: statement number `at` from now on, and ROLLBACK and opening too if so asked."""

    def __init__(self) -> None:
        self.count = 0
        self.at = 0
        self.error: BaseException = IO
        self.after = False
        self.rollback = False
        self.openings = 0

    def arm(self, at: int, error: BaseException, after: bool, rollback: bool, openings: int) -> None:
        self.count, self.at, self.error, self.after = 0, at, error, after
        self.rollback, self.openings = rollback, openings

    def disarm(self) -> None:
        self.at, self.rollback, self.openings = 0, False, 0


FAULT = Fault()


class Failing(database.Connection):
    """A connection on a failing disk."""

    def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        if sql.startswith("PRAGMA journal_mode") and FAULT.openings:
            FAULT.openings -= 1
            raise sqlite3.OperationalError("unable to open database file")
        if sql == "ROLLBACK":
            if FAULT.rollback:
                FAULT.rollback = False
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql)
        FAULT.count += 1
        if FAULT.count != FAULT.at:
            return super().execute(sql, values)  # type: ignore[arg-type]
        if FAULT.after:
            super().execute(sql, values)  # type: ignore[arg-type]
        raise FAULT.error


@pytest.fixture(autouse=True)
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    FAULT.disarm()
    monkeypatch.setattr(database, "Connection", Failing)
    yield
    FAULT.disarm()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a job in each state that matters."""
    file = tmp_path_factory.mktemp("example") / "labd.db"
    store = Store(file)
    store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    store.queue(store.create("ben", "p", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT)
    job = store.queue(store.create("eva", "p", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT)
    for state in (State.BUILDING, State.RUNNING):
        job = store.move(job, state, 3.0)
    job = store.move(job, State.DELIVERING, 4.0, outcome=State.SUCCEEDED)
    store.add_push(job, 5.0)
    store.use_environment("old", "python", "3.11", 1.0)
    store.close()
    return file


@pytest.fixture
def prepared(example: Path) -> Callable[[Path], tuple[Store, dict[str, Job]]]:
    """A store in a folder of its own that is as `example`, and its jobs by their states."""

    def prepare(folder: Path) -> tuple[Store, dict[str, Job]]:
        folder.mkdir(exist_ok=True)
        shutil.copy(example, folder / "labd.db")
        store = Store(folder / "labd.db")
        return store, {job.state.value: job for job in store.active()}

    return prepare


Prepared = Callable[[Path], tuple[Store, dict[str, Job]]]
CHANGES: dict[str, Callable[[Store, dict[str, Job]], object]] = {
    "create": lambda store, jobs: store.create("ana", "new", Signal.SUBMIT, "g", 6.0),
    "create_rerun": lambda store, jobs: store.create_rerun(jobs["queued"], 7, 6.0, exact=True),
    "withdraw": lambda store, jobs: store.withdraw(jobs["received"], "g"),
    "move": lambda store, jobs: store.move(jobs["queued"], State.BUILDING, 6.0, gpu_ids=("0",)),
    "move to an outcome": lambda store, jobs: store.move(jobs["delivering"], State.SUCCEEDED, 6.0),
    "queue": lambda store, jobs: store.queue(jobs["received"], 6.0, grant=GRANT),
    "update": lambda store, jobs: store.update(jobs["queued"], notes=("one",)),
    "ask_to_stop": lambda store, jobs: store.ask_to_stop(jobs["queued"].id, State.CANCELLED, "why"),
    "occupy": lambda store, jobs: store.occupy(jobs["delivering"]),
    "add_push": lambda store, jobs: store.add_push(jobs["queued"], 6.0),
    "update_push": lambda store, jobs: store.update_push(jobs["delivering"].id, None, "no"),
    "see": lambda store, jobs: store.see("ana", 6.0),
    "use_environment": lambda store, jobs: store.use_environment("new", "python", "3.11", 6.0),
    "forget_environment": lambda store, jobs: store.forget_environment("old"),
}


def on_disk(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(folder / "labd.db")) as other:
        return {table: other.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in TABLES}


def check_that_memory_is_the_disk(store: Store, folder: Path) -> None:
    with contextlib.closing(Store(folder / "labd.db")) as other:
        assert store.active() == other.active()
        assert store.jobs() == other.jobs()
        for job in store.jobs():
            assert store.job(job.id) == other.job(job.id)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_fails_has_never_been(tmp_path: Path, prepared: Prepared, change: str, fault: str) -> None:
    make, (error, after, rollback, openings) = CHANGES[change], FAULTS[fault]
    model, jobs = prepared(tmp_path / "model")
    before = on_disk(tmp_path / "model")
    FAULT.count = 0
    make(model, jobs)
    statements, done = FAULT.count, on_disk(tmp_path / "model")
    model.close()
    assert statements >= 4  # PRAGMA, BEGIN, the change, COMMIT
    for at in range(1, statements + 1):
        folder = tmp_path / str(at)
        store, jobs = prepared(folder)
        FAULT.arm(at, error, after, rollback, openings)
        with pytest.raises(MemoryError if isinstance(error, MemoryError) else DatabaseError):
            make(store, jobs)
        expected = done if at == statements and after else before
        # While the disk fails, reading may fail too; what it must not do is to tell what is not so.
        with contextlib.suppress(DatabaseError):
            ended = {state.value for state in OUTCOMES}
            assert [job.id for job in store.active()] == [row[0] for row in expected["jobs"] if row[3] not in ended]
        FAULT.disarm()
        assert on_disk(folder) == expected
        check_that_memory_is_the_disk(store, folder)
        given = store.create("zoe", "later", Signal.SUBMIT, "h", 9.0)
        assert given.id == max(row[0] for row in on_disk(folder)["jobs"])
        check_that_memory_is_the_disk(store, folder)
        store.close()


def test_a_number_that_somebody_was_told_is_not_given_out_again(tmp_path: Path, prepared: Prepared) -> None:
    store, _ = prepared(tmp_path)
    told = set()
    for at in range(12):
        FAULT.arm(at, IO, at % 2 == 0, at % 3 == 0, 0)
        with contextlib.suppress(DatabaseError):
            number = store.create("ana", f"n{at}", Signal.SUBMIT, "f", 1.0).id
            assert number not in told
            told.add(number)
        FAULT.disarm()
    assert told
    assert {job.id for job in store.jobs()} >= told


@pytest.mark.parametrize("change", CHANGES)
def test_a_full_disk_takes_nothing_away(tmp_path: Path, prepared: Prepared, change: str) -> None:
    store, jobs = prepared(tmp_path)
    before = store.active()
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseError, match="full"):  # noqa: PT012 - it takes some to fill it
        for number in range(500):
            store.create("ana", f"{number}-{'x' * 2000}", Signal.SUBMIT, "f", 1.0)
    assert store.active()[: len(before)] == before
    check_that_memory_is_the_disk(store, tmp_path)
    with contextlib.suppress(DatabaseError):
        CHANGES[change](store, jobs)
    check_that_memory_is_the_disk(store, tmp_path)
    store._db.execute("PRAGMA max_page_count = 100000")
    assert store.create("ana", "later", Signal.SUBMIT, "f", 1.0).id == max(job.id for job in store.jobs())


def test_a_database_that_another_program_holds_is_told_and_later_work_goes_on(
    tmp_path: Path, prepared: Prepared
) -> None:
    store, jobs = prepared(tmp_path)
    store._db.execute("PRAGMA busy_timeout = 20")
    with contextlib.closing(sqlite3.connect(tmp_path / "labd.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for make in CHANGES.values():
            with pytest.raises(DatabaseError, match="locked"):
                make(store, jobs)
            assert store.job(jobs["queued"].id) == jobs["queued"]
        other.execute("ROLLBACK")
    assert store.move(jobs["queued"], State.BUILDING, 6.0).state is State.BUILDING
    check_that_memory_is_the_disk(store, tmp_path)


def test_what_fails_inside_another_change_undoes_both(tmp_path: Path, prepared: Prepared) -> None:
    store, jobs = prepared(tmp_path)
    before = on_disk(tmp_path)
    with pytest.raises(NotFoundError), store._transaction():  # noqa: PT012 - the last of them raises
        store.see("ana", 8.0)
        store.withdraw(jobs["received"], "")
        store.withdraw(jobs["received"], "")
    assert on_disk(tmp_path) == before
    check_that_memory_is_the_disk(store, tmp_path)


def test_threads_see_only_what_is_committed_while_others_fail(tmp_path: Path, prepared: Prepared) -> None:
    store, _ = prepared(tmp_path)
    start, wrong = threading.Barrier(5), []

    def change(number: int) -> None:
        start.wait()
        for turn in range(30):
            with contextlib.suppress(ZeroDivisionError), store._transaction():
                job = store.create(f"u{number}", f"p{turn}", Signal.SUBMIT, "f", 1.0)
                if turn % 3 == number % 3:
                    raise ZeroDivisionError
                store.queue(job, 2.0, grant=GRANT)

    def look() -> None:
        start.wait()
        for _ in range(200):
            wrong.extend(job for job in store.active() if job.user[0] == "u" and job.state is not State.QUEUED)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    threads.append(threading.Thread(target=look))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert sum(job.user[0] == "u" for job in store.active()) == 80
    check_that_memory_is_the_disk(store, tmp_path)


def test_a_database_cut_off_while_it_was_brought_up_to_date_is_opened_again(tmp_path: Path) -> None:
    whole = database.MIGRATIONS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*whole, "CREATE TABLE new (a); CREATE TABLE new (a);"))
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            Store(tmp_path / "labd.db")
        patch.setattr(database, "MIGRATIONS", (*whole, "CREATE TABLE new (a);"))
        Store(tmp_path / "labd.db").close()
    with contextlib.closing(Store(tmp_path / "labd.db")) as store:
        assert store.create("ana", "p", Signal.SUBMIT, "f", 1.0).id == 1


def test_what_sqlite_says_of_our_own_sql_is_no_trouble_of_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "labd.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"), store._transaction():
        store._db.execute("INSERT INTO nowhere VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), store._transaction():
        store._db.execute("INSERT INTO jobs (id) VALUES (1)")
    store.close()
