from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from labd.database import MIGRATIONS
from labd.errors import NotFoundError, TransitionError
from labd.jobs import Grant, Job, Signal, State
from labd.store import Store

GRANT = Grant("python", "3.11", 2.0, 4096, 0, 60.0, False, ("-x",), {"A": "b"})


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


def test_usage_counts_what_was_granted_and_the_older_the_less(store: Store) -> None:
    finish(store, store.create("ana", "p", Signal.SETTLED, "f", 1.0))
    now = store.usage(20.0)["ana"]
    later = store.usage(20.0 + 21600)["ana"]
    assert now == pytest.approx(20.0)
    assert later == pytest.approx(10.0)
    assert store.usage(20.0 + 90000) == {}


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
