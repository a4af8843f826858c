"""What several threads of the daemon do at once, and what a thread leaves behind: with a real store and real files."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from labd.accounts.accounts import Account, Accounts, Read
from labd.common.background import BackgroundWork
from labd.common.errors import TransitionError
from labd.common.log import configure, get
from labd.daemon.admission import Admission
from labd.daemon.housekeeping import Housekeeping
from labd.daemon.job_threads import JobThreads
from labd.daemon.outbox.mirror import Outbox
from labd.daemon.pipeline import stages
from labd.daemon.pipeline.lab import Lab, abandon, occupy, request_stop, stop_event
from labd.daemon.pipeline.supervision import Supervision
from labd.daemon.status_pages import Pages
from labd.engines.docker.client import DockerClient
from labd.intake.inbox import Inbox
from labd.model.config import Config, Output, Paths
from labd.model.config import InboxSettings as Limits
from labd.model.engine import Capacity, Condition, EngineError, Phase
from labd.model.jobs import Grant, Job, Signal, State
from labd.privsep.workers import Identity, WorkerError, Workers
from labd.storage.database import DatabaseError
from labd.storage.store import Store
from support.lab import wait_for

GRANT = Grant("python", "3.11", 1.0, 1000, 0, 60.0, False)
ME = Identity(os.getuid(), os.getgid())


class Images:
    """No image has ever been made here."""

    def provenance(self, image: str) -> Mapping[str, Any]:
        return {}


class Away:
    """A Docker that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*given: object, **named: object) -> None:
            raise EngineError

        return refuse


@pytest.fixture
def account(tmp_path: Path) -> Account:
    (tmp_path / "home" / "inbox").mkdir(parents=True)
    return Account("ana", ME, tmp_path / "home")


@pytest.fixture
def lab(tmp_path: Path, account: Account) -> Iterator[Lab]:
    workers, store = Workers(), Store(tmp_path / "labd.db")
    (tmp_path / "jobs").mkdir()
    made = Lab(
        config=Config(paths=Paths(state=tmp_path)),
        machine=Capacity(4.0, 8000, ()),
        accounts=Accounts(lambda: Read({"ana": account})),
        languages={},
        store=store,
        workers=workers,
        images=Images(),  # type: ignore[arg-type]
        engine=Away(),  # type: ignore[arg-type]
        root=lambda account, project: "",
        fingerprint=lambda account, project: "f",
        announce=lambda job: None,
    )
    yield made
    workers.trim(0)
    store.close()


def created(lab: Lab, project: str = "galaxies") -> Job:
    return lab.store.create("ana", project, Signal.SUBMIT, "f", time.time())


def running(lab: Lab) -> Job:
    job = lab.store.queue(created(lab), time.time(), grant=GRANT)
    job = lab.store.move(job, State.BUILDING, time.time())
    return lab.store.move(job, State.RUNNING, time.time(), image="sha256:1")


@pytest.fixture
def threads(lab: Lab) -> Iterator[JobThreads]:
    made = JobThreads(lab, admit=lambda: None, wake=lambda: None)
    yield made
    made.close()


# What is logged of jobs


class Talking(Away):
    """An engine that logs something without being told what job's thread it is in."""

    def poll(self, job: int) -> Condition:
        get().info("deep in the engine", container="c1")
        return Condition(Phase.ABSENT)


def test_a_line_from_deep_in_the_engine_carries_the_number_and_the_user_of_the_job(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = replace(lab, engine=Talking())  # type: ignore[arg-type]
    job = lab.store.ask_to_stop(running(lab).id, State.CANCELLED, "a test")
    threads = JobThreads(lab, admit=lambda: None, wake=lambda: None)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    configure()
    try:
        threads.start(job)
        wait_for("its end", lambda: all(one.name != f"job-{job.id}" for one in threading.enumerate()), 10.0)
    finally:
        threads.close()
        structlog.reset_defaults()
    line = next(line for line in capsys.readouterr().err.splitlines() if "deep in the engine" in line)
    assert {f"job={job.id}", "user=ana", "container=c1"} <= set(line.split())


# What is kept in mind of jobs


def test_a_job_that_went_back_to_the_queue_with_a_trouble_does_not_keep_the_loop_busy(
    lab: Lab, threads: JobThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(lab)

    def run(lab: Lab, job: Job) -> None:
        lab.store.move(job, State.QUEUED, time.time())
        lab.engine.remove(job.id)

    monkeypatch.setattr(stages, "advance", run)
    threads.start(job)
    wait_for("the trouble", lambda: job.id in lab.troubles, 10.0)
    wait_for("its thread's end", lambda: threads.next_try() == float("inf"), 10.0)
    assert lab.troubles == {}
    assert lab.waiting == {}


def test_a_job_that_waited_long_for_a_disk_is_not_given_up_over_a_single_defect(
    lab: Lab, threads: JobThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(lab)
    errors: list[Exception] = [WorkerError("The disk is full.")] * 5 + [KeyError("a defect")]
    met: list[Exception] = []

    def run(lab: Lab, job: Job) -> None:
        met.append(errors[len(met)])
        raise met[-1]

    monkeypatch.setattr(stages, "advance", run)
    for number in range(len(errors)):
        if trouble := lab.troubles.get(job.id):
            trouble.due = 0.0
        wait_for("the next try", lambda number=number: threads.start(job) or len(met) > number, 10.0)  # type: ignore[misc]
        wait_for("its end", lambda: job.id not in threads._working, 10.0)
    assert lab.store.job(job.id).state is State.RUNNING


def test_nothing_is_kept_of_an_upload_that_was_no_job_after_all(lab: Lab, threads: JobThreads) -> None:
    withdrawn, there = created(lab), created(lab, "stars")
    for job in (withdrawn, there):
        stop_event(lab, job)
    lab.store.withdraw(withdrawn, "f")
    threads.next_try()
    assert set(lab.stop_events) == {there.id}


def test_a_job_is_tried_again_when_there_was_no_thread_for_it(
    lab: Lab, threads: JobThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = created(lab)
    taken = threading.Event()

    def take(lab: Lab, job: Job) -> None:
        lab.store.withdraw(job, "f")
        taken.set()

    monkeypatch.setattr(stages, "advance", take)
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError):
            threads.start(job)
    threads.start(job)
    assert taken.wait(10.0)


def test_worker_pools_work_again_when_there_was_no_thread_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    background, done = BackgroundWork("test", at_once=1), threading.Event()
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError):
            background.put("ana", "a", done.set)
    background.put("ana", "a", done.set)
    assert done.wait(10.0)
    background.close()


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# A job that is cancelled before its first step


def test_a_job_that_is_cancelled_before_its_first_step_ends_and_says_so(lab: Lab, account: Account) -> None:
    job = request_stop(lab, created(lab), State.CANCELLED, "its owner cancelled it")
    stages.advance(lab, job)
    assert lab.store.job(job.id).state is State.CANCELLED
    assert (account.outbox / "galaxies" / "COMPLETE").read_text() == f"{job.id} cancelled\n"


def test_such_a_job_ends_also_when_its_owner_has_no_account_any_more(lab: Lab) -> None:
    lab.engine.remove = lambda job: None  # type: ignore[method-assign]
    job = lab.store.create("left", "galaxies", Signal.SUBMIT, "f", time.time())
    stages.advance(lab, request_stop(lab, job, State.CANCELLED, "the administrator cancelled it"))
    ended = lab.store.job(job.id)
    assert ended.state is State.CANCELLED
    assert ended.notes == ()


def test_status_tells_of_a_job_whose_results_cannot_be_delivered(
    lab: Lab, threads: JobThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Pages(lab, lambda key: None, Admission(lab, lambda: None).place)
    job = request_stop(lab, created(lab), State.CANCELLED, "its owner cancelled it")
    lab.store.move(job, State.DELIVERING, time.time(), outcome=State.CANCELLED)
    assert pages.page(("ana", "galaxies")) is None

    def advance(lab: Lab, job: Job) -> None:
        raise WorkerError("The disk of the outbox is full.")

    monkeypatch.setattr(stages, "advance", advance)
    threads.start(lab.store.job(job.id))
    page = wait_for("the page", lambda: pages.page(("ana", "galaxies")), 10.0)
    assert "held up: The disk of the outbox is full." in page["STATUS"]


# The outbox of a project


def test_the_outbox_becomes_a_job_s_once_also_when_two_threads_see_to_it(
    lab: Lab, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = running(lab)
    occupy(lab, before)
    lab.outbox(before).show({"build.log": "of the first job"})
    lab.store.move(before, State.DELIVERING, time.time(), outcome=State.FAILED)
    job = created(lab)
    moved, go_on = threading.Event(), threading.Event()
    rotate = Outbox.rotate

    def slow(outbox: Outbox, *given: Any) -> None:
        rotate(outbox, *given)
        moved.set()
        assert go_on.wait(10.0)

    monkeypatch.setattr(Outbox, "rotate", slow)
    first = threading.Thread(target=occupy, args=(lab, job))
    first.start()
    assert moved.wait(10.0)
    lab.outbox(job).show({"build.log": "of the second job"})
    second = threading.Thread(target=occupy, args=(lab, job))
    second.start()
    second.join(0.3)
    go_on.set()
    for thread in (first, second):
        thread.join(10.0)
    outbox = account.outbox / "galaxies"
    assert (outbox / "history" / str(before.id) / "build.log").read_text() == "of the first job"
    assert (outbox / "build.log").read_text() == "of the second job"


def test_a_delivery_that_was_given_up_does_not_come_between_those_of_the_next_job(
    lab: Lab, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, go_on = threading.Event(), threading.Event()
    mirror = Outbox.mirror

    def slow(outbox: Outbox, *given: Any, **more: Any) -> tuple[str, ...]:
        if threading.current_thread().name == "first":
            hung.set()
            assert go_on.wait(20.0)
        return mirror(outbox, *given, **more)

    monkeypatch.setattr(Outbox, "mirror", slow)
    first = request_stop(lab, created(lab), State.CANCELLED, "its owner cancelled it")
    delivering = threading.Thread(target=until_moved, args=(lab, first), name="first")
    delivering.start()
    assert hung.wait(10.0)
    abandon(lab, lab.store.job(first.id))
    second = request_stop(lab, created(lab), State.CANCELLED, "its owner cancelled it")
    after = threading.Thread(target=until_moved, args=(lab, second))
    after.start()
    after.join(0.5)
    go_on.set()
    for thread in (delivering, after):
        thread.join(20.0)
    assert (account.outbox / "galaxies" / "COMPLETE").read_text() == f"{second.id} cancelled\n"
    assert lab.store.job(second.id).state is State.CANCELLED


def until_moved(lab: Lab, job: Job) -> None:
    """Take `job` as far as it goes, or until somebody else takes it further."""
    with contextlib.suppress(TransitionError):
        stages.advance(lab, job)


def test_a_helper_that_died_while_idle_leaves_nothing_open(lab: Lab, account: Account) -> None:
    lab.workers.do(ME, "remove", paths=[])
    worker = lab.workers._idle[0]
    os.kill(worker.pid, signal.SIGKILL)
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    lab.workers.do(ME, "remove", paths=[])
    assert worker.stdin is not None
    assert worker.stdin.closed


# Accounts that are read again in another thread


def test_accounts_that_were_read_earlier_do_not_take_the_place_of_those_read_later(account: Account) -> None:
    found, asked, go_on = {"ana": account}, threading.Event(), threading.Event()

    def read() -> Read:
        seen = Read(dict(found))
        if threading.current_thread() is not threading.main_thread():
            asked.set()
            assert go_on.wait(10.0)
        return seen

    accounts = Accounts(read)
    slow = threading.Thread(target=accounts.refresh)
    slow.start()
    assert asked.wait(10.0)
    found["ben"] = Account("ben", ME, account.home)
    threading.Timer(0.2, go_on.set).start()
    accounts.refresh()
    slow.join(10.0)
    assert set(accounts) == {"ana", "ben"}


def test_who_goes_through_the_accounts_does_not_stumble_over_one_that_is_removed(account: Account) -> None:
    found = {"ana": account, "ben": Account("ben", ME, account.home)}
    accounts = Accounts(lambda: Read(dict(found)))
    through = iter(accounts.items())
    assert next(through)[0] == "ana"
    del found["ben"]
    accounts.refresh()
    assert [name for name, _ in through] == ["ben"]
    assert set(accounts) == {"ana"}


def test_somebody_whose_job_came_while_the_accounts_were_read_stays_known(lab: Lab, account: Account) -> None:
    def read() -> Read:
        if lab.store.jobs():
            return Read({})
        created(lab)
        return Read({})

    lab.accounts._read = read
    lab.refresh_accounts()
    assert set(lab.accounts) == {"ana"}


# What somebody asks for while a look is on its way


def test_who_submits_between_the_decision_to_look_and_the_look_is_answered_truly(lab: Lab, account: Account) -> None:
    for project in ("galaxies", "stars"):
        (account.inbox / project / "code").mkdir(parents=True)
    inbox = Inbox(lab.accounts, Limits(), {}, lab.store, lab.workers, wake=lambda: None)
    seen: list[tuple[set[str], set[str]]] = []

    def deal(account: Account, findings: Any, submitted: Any, failure: Any) -> Mapping[str, float]:
        seen.append(({finding.look.name for finding in findings}, set(submitted)))
        return {}

    inbox.start_looks(deal)
    wait_for("the first look", lambda: seen, 10.0)
    watched = inbox._watched["ana"]
    wait_for("its end", lambda: not watched.is_looking, 10.0)
    watched.pace.ask("stars")
    inbox.submit("ana", "galaxies")
    inbox._look(watched, deal)
    inbox.close()
    assert seen[-1] == ({"galaxies", "stars"}, {"galaxies"})


def test_all_inboxes_are_looked_at_at_once_and_oftener_when_there_are_no_file_events_any_more(lab: Lab) -> None:
    inbox = Inbox(lab.accounts, Limits(), {}, lab.store, lab.workers, wake=lambda: None)
    seen: list[str] = []

    def deal(account: Account, findings: Any, submitted: Any, failure: Any) -> Mapping[str, float]:
        seen.append(account.name)
        return {}

    inbox.start_looks(deal)
    wait_for("the first look", lambda: seen, 10.0)
    watched = inbox._watched["ana"]
    wait_for("its end", lambda: not watched.is_looking, 10.0)
    watched.pace.failed(time.monotonic() + 600.0)
    inbox._events._errand_began = time.monotonic() - 10.0  # a folder that does not answer
    inbox.start_looks(deal)
    wait_for("another look", lambda: len(seen) == 2, 10.0)
    wait_for("its end", lambda: not watched.is_looking, 10.0)
    assert inbox.next_due() - time.monotonic() < 16.0
    inbox._events._errand_began = None
    inbox.close()


# A program that writes too much, and a disk that is full


def test_a_program_that_writes_too_much_is_stopped_by_the_next_look_when_the_database_was_full(
    lab: Lab, account: Account
) -> None:
    job = running(lab)
    output = lab.folder(job.id) / "delivery" / "output"
    output.mkdir(parents=True)
    (output / "large").write_bytes(b"x" * 100_000)
    asked: list[State] = []

    def stop(why: State, reason: str) -> None:
        asked.append(why)
        if len(asked) == 1:
            raise DatabaseError(5, "database or disk is full")

    settings = Output(max_bytes=10_000)  # type: ignore[arg-type]
    over = Supervision(job, lab.engine, lab.workers, account, None, output.parent, settings, stop, lambda: None)  # type: ignore[arg-type]
    over._limits._processes = list
    for _ in range(3):
        over._look()
    assert asked == [State.OUTPUT_TOO_LARGE] * 2


# A Docker that hangs


def test_a_docker_that_hangs_keeps_all_who_ask_waiting_once_and_not_one_after_the_other(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen(16)
        docker, said = DockerClient(f"unix://{tmp_path}/docker.sock", timeout=1), list[EngineError]()

        def ask() -> None:
            try:
                _ = docker.api
            except EngineError as error:
                said.append(error)

        asking = [threading.Thread(target=ask) for _ in range(8)]
        began = time.monotonic()
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(30.0)
    assert len(said) == 8
    assert time.monotonic() - began < 6.0


# Housekeeping


def test_one_folder_that_cannot_be_removed_keeps_no_other_from_being_removed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    for _ in range(3):
        job = created(lab)
        lab.store.withdraw(job, "f")
        folders.append(lab.folder(job.id))
        folders[-1].mkdir()
    do = lab.workers.do

    def refuse(identity: Identity | None, action: str, **given: Any) -> Any:
        if action == "remove" and given["paths"][0].endswith(f"-{folders[-1].name}"):
            raise WorkerError("it cannot be removed")
        return do(identity, action, **given)

    monkeypatch.setattr(lab.workers, "do", refuse)
    housekeeping = Housekeeping(lab)
    chore = next(chore for chore in housekeeping._chores if chore.name == "folders")
    housekeeping._do(chore)
    assert [path.name for path in (lab.config.paths.state / "jobs").iterdir()] == [f".removing-{folders[-1].name}"]
    assert chore.retry.failures == 1
