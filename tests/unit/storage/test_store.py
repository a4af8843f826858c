from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from labd.common.errors import ConfigError, NotFoundError, RecordError, TransitionError
from labd.model.jobs import LIMITS, Grant, Job, Signal, State
from labd.scheduling.fair_share import RunUsage
from labd.storage.database import MIGRATIONS
from labd.storage.store import Store

GRANT = Grant("python", "3.11", 2.0, 1 << 30, 0, 60.0, False, ("-x",), {"A": "b"})

GRANT_TEXT = json.dumps(asdict(GRANT))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "labd.db")) as made:
        yield made


def finish(store: Store, job: Job, outcome: State = State.SUCCEEDED) -> Job:
    job = store.queue(job, 2.0, grant=GRANT)
    for state in (State.BUILDING, State.RUNNING):
        job = store.move(job, state, 3.0)
    job = store.update(job, started=10.0)
    job = store.move(job, State.DELIVERING, 4.0, outcome=outcome, ended=20.0, exit_code=0)
    return store.move(job, outcome, 5.0)


def test_a_job_comes_back_as_it_was_put_in_also_by_another_process(store: Store, tmp_path: Path) -> None:
    job = store.create("ana-silva", "galaxies", Signal.SUBMIT, "f1", 1.0)
    job = store.queue(job, 2.0, grant=GRANT, notes=("one", "two"))
    job = store.move(job, State.BUILDING, 3.0, gpu_ids=("0", "1"))
    store.close()
    with closing(Store(tmp_path / "labd.db")) as opened:
        again = opened.job(job.id)
    assert again == job
    assert again.grant == GRANT
    assert again.gpu_ids == ("0", "1")


def test_numbers_are_never_given_twice_not_even_those_of_withdrawn_jobs(store: Store) -> None:
    first = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    store.withdraw(first, "f")
    assert store.create("ana", "p", Signal.SETTLED, "f", 1.0).id == first.id + 1
    with pytest.raises(NotFoundError):
        store.job(first.id)


def test_accepting_an_upload_and_its_job_are_one_thing(store: Store) -> None:
    job = store.create("ana", "p", Signal.SETTLED, "fingerprint", 1.0)
    assert store.project("ana", "p").accepted == "fingerprint"
    store.withdraw(job, "")
    assert store.project("ana", "p").accepted == ""


def test_only_the_allowed_transitions_are_made(store: Store) -> None:
    job = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    with pytest.raises(TransitionError):
        store.move(job, State.SUCCEEDED, 2.0)
    assert store.job(job.id) == job
    assert [state for _, state in store.events(job.id)] == [State.RECEIVED]


def test_who_knows_an_old_state_of_a_job_cannot_move_it(store: Store) -> None:
    old = store.queue(store.create("ana", "p", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT)
    store.move(old, State.BUILDING, 3.0)
    with pytest.raises(TransitionError, match="building by now"):
        store.move(old, State.DELIVERING, 4.0)


def test_the_first_reason_to_stop_stays(store: Store) -> None:
    job = store.queue(store.create("ana", "p", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT)
    store.ask_to_stop(job.id, State.TIMED_OUT, "first")
    again = store.ask_to_stop(job.id, State.CANCELLED, "second")
    assert (again.stopping, again.stop_reason) == (State.TIMED_OUT, "first")


def test_active_jobs_are_those_without_an_outcome_in_their_order(store: Store) -> None:
    jobs = [store.create("ana", f"p{n}", Signal.SETTLED, "f", 1.0) for n in range(3)]
    finish(store, jobs[1])
    assert [job.id for job in store.active()] == [jobs[0].id, jobs[2].id]


def test_what_a_failed_transaction_did_is_undone_also_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    monkeypatch.setattr(store, "_event", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.queue(job, 2.0, grant=GRANT)
    assert store.active() == [job]
    assert store.project("ana", "p").snapshot == 0


def test_the_runs_of_late_are_those_that_ended_since_and_those_that_run(store: Store) -> None:
    finish(store, store.create("ana", "p", Signal.SETTLED, "f", 1.0))
    job = store.queue(store.create("ben", "p", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT)
    for state in (State.BUILDING, State.RUNNING):
        job = store.move(job, state, 3.0)
    assert store.runs(0.0) == [RunUsage.of("ana", 10.0, 20.0, GRANT)]
    store.update(job, started=15.0)
    assert store.runs(0.0) == [RunUsage.of("ana", 10.0, 20.0, GRANT), RunUsage.of("ben", 15.0, None, GRANT)]
    assert store.runs(20.0) == [RunUsage.of("ben", 15.0, None, GRANT)]


def test_the_runs_of_late_are_found_without_reading_all_jobs(store: Store, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "labd.db")) as database:
        rows = database.execute("EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE ended > 0").fetchall()
    assert "USING COVERING INDEX jobs_by_end" in rows[0][3]


def test_a_rerun_shares_the_snapshot_and_leaves_the_latest_one_known(store: Store) -> None:
    job = finish(store, store.create("ana", "p", Signal.SETTLED, "f", 1.0))
    again = store.create_rerun(job, 77, 6.0)
    assert (again.snapshot, again.signal) == (job.id, Signal.RERUN)
    store.queue(again, 7.0, grant=GRANT)
    assert store.project("ana", "p").snapshot == job.id
    assert store.project("ana", "p").rerun == 77


def test_each_migration_is_applied_once(tmp_path: Path) -> None:
    for _ in range(2):
        Store(tmp_path / "labd.db").close()
    database = sqlite3.connect(tmp_path / "labd.db")
    assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_environments_are_listed_by_their_last_use(store: Store) -> None:
    store.use_environment("a", "python", "3.11", 1.0)
    store.use_environment("b", "python", "3.11", 2.0)
    store.use_environment("a", "python", "3.11", 3.0)
    assert [(row.tag, row.created, row.used) for row in store.environments()] == [("a", 1.0, 3.0), ("b", 2.0, 2.0)]
    store.forget_environment("a")
    assert [row.tag for row in store.environments()] == ["b"]


def test_a_job_that_went_on_is_not_withdrawn(store: Store) -> None:
    old = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    job = store.queue(old, 2.0, grant=GRANT)
    for known in (old, job):
        with pytest.raises(TransitionError, match="cannot be withdrawn"):
            store.withdraw(known, "")
    assert store.active() == [job]
    assert store.project("ana", "p").accepted == "f"


def test_a_job_is_withdrawn_once(store: Store) -> None:
    job = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    store.withdraw(job, "")
    for step in (lambda: store.withdraw(job, ""), lambda: store.update(job, image="x"), lambda: store.occupy(job)):
        with contextlib.suppress(NotFoundError):
            step()
    with pytest.raises(NotFoundError):
        store.ask_to_stop(job.id, State.CANCELLED, "")
    assert store.active() == []


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**30, -(10**30)])
def test_a_number_that_no_job_has_is_not_found(store: Store, number: int) -> None:
    with pytest.raises(NotFoundError):
        store.job(number)
    with pytest.raises(NotFoundError):
        store.ask_to_stop(number, State.CANCELLED, "")
    assert store.events(number) == []
    assert store.push(number) is None
    assert store.jobs(limit=10**30) == store.jobs(limit=-(10**30)) == []


@pytest.mark.parametrize("name", ["\udcdcbung", "a\0b", "\n", "", "x" * 5000, "\U0010ffff"])
def test_every_name_whatsoever_is_found_again_and_stops_nothing(store: Store, name: str) -> None:
    assert store.project("ana", name).accepted == ""
    for user, project in ((name, "p"), ("ana", name)):
        job = store.queue(store.create(user, project, Signal.SETTLED, f"f{name}", 1.0), 2.0, grant=GRANT)
        store.update(job, notes=(name,), cause=name, hint=name)
        store.occupy(job)
        store.see(user, 1.0)
        assert [found.id for found in store.jobs(user, project)] == [job.id]
        assert store.project(user, project).occupant == job.id
    assert store.project("ana", "another").occupant == 0
    assert len(store.active()) == 2


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_grant_is_stored_that_json_has_no_number_for(store: Store, number: float) -> None:
    job = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.queue(job, 2.0, grant=replace(GRANT, timeout=number))
    assert store.active() == [job]


DAMAGED = [
    ("state", "hibernating", None),
    ("signal", "telepathy", None),
    ("notes", "[", None),
    ("notes", "{", None),
    ("gpu_ids", "null", None),
    ("grant", "{}", None),
    ("grant", "[" * 100_000, None),
    ("grant", None, None),
    ("created", "yesterday", None),
    ("user", b"ana", None),
    ("outcome", "splendid", None),
    ("snapshot", "one", None),
    ("grant", GRANT_TEXT.replace("2.0", '"two"'), None),
    ("grant", GRANT_TEXT.replace("60.0", "NaN"), replace(GRANT, timeout=1.0)),
    ("grant", GRANT_TEXT.replace("60.0", "Infinity"), replace(GRANT, timeout=LIMITS["timeout"][1])),
    ("grant", GRANT_TEXT.replace("2.0", "NaN"), replace(GRANT, cpus=0.01)),
    ("grant", GRANT_TEXT.replace("2.0", "1e-12"), replace(GRANT, cpus=0.01)),
    ("grant", GRANT_TEXT.replace(str(1 << 30), "1"), replace(GRANT, memory=16 << 20)),
    ("grant", GRANT_TEXT.replace("{", '{"planet": "mars", ', 1), GRANT),
]


@pytest.mark.parametrize(("column", "value", "grant"), DAMAGED)
def test_a_row_that_cannot_be_read_is_left_out_and_told_once(
    store: Store, tmp_path: Path, column: str, value: object, grant: Grant | None
) -> None:
    ended = finish(store, store.create("eva", "p", Signal.SETTLED, "f", 1.0))
    jobs = [store.queue(store.create(user, "p", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT) for user in ("ana", "ben")]
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "labd.db")) as database, database:
        database.execute(f"UPDATE jobs SET {column} = ? WHERE id IN (?, ?)", (value, jobs[0].id, ended.id))
    with capture_logs() as told:
        check_what_is_read(Store(tmp_path / "labd.db"), jobs, grant)
    assert sum(line.get("job") == jobs[0].id for line in told) == (grant is None)


def check_what_is_read(store: Store, jobs: list[Job], grant: Grant | None) -> None:
    if grant is not None:
        assert store.active() == [replace(jobs[0], grant=grant), jobs[1]]
        assert store.runs(0.0) == [RunUsage.of("eva", 10.0, 20.0, grant)]
        return
    assert store.active() == [jobs[1]]
    assert jobs[0].id not in [job.id for job in store.jobs()]
    for _ in range(2):
        with pytest.raises(RecordError, match=f"job {jobs[0].id}"):
            store.job(jobs[0].id)
        with pytest.raises(RecordError):
            store.withdraw(jobs[0], "")
        store.runs(0.0)
    assert store.queue(store.create("ana", "q", Signal.SETTLED, "f", 1.0), 2.0, grant=GRANT).id == jobs[1].id + 1


def test_the_state_of_a_newer_labd_in_a_history_is_left_out(store: Store, tmp_path: Path) -> None:
    job = store.create("ana", "p", Signal.SETTLED, "f", 1.0)
    with contextlib.closing(sqlite3.connect(tmp_path / "labd.db")) as database, database:
        database.execute("INSERT INTO events VALUES (?, 2.0, 'hibernating')", (job.id,))
    assert store.events(job.id) == [(1.0, State.RECEIVED)]


@pytest.mark.parametrize("content", [b"x" * 4096, b"SQLite format 3\0" + b"x" * 8192])
def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labd.db").write_bytes(content)
    with pytest.raises(ConfigError, match="is damaged"):
        Store(tmp_path / "labd.db")
