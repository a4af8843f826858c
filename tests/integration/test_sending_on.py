"""Sending results on with the real rsync and ssh, to computers that mean harm or do nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labd.accounts import push_keys
from labd.accounts.accounts import Account
from labd.common.commands import run
from labd.daemon import push
from labd.daemon.push import Pushing
from labd.model.account_settings import AccountSettings, PushTarget
from labd.model.jobs import Grant, Job, Signal, State
from labd.privsep.workers import Identity
from labd.storage.database import DatabaseError
from labd.storage.store import Store
from support.gateway import AS_ROOT, DEADLINE
from support.lab import wait_for

GRANT = Grant("python", "3.11", 2.0, 4096, 0, 60.0, False, (), {})
NOBODY = Identity(65534, 65534) if AS_ROOT else Identity(os.getuid(), os.getgid())


class Silent:
    """A computer that takes connections, says `banner`, and then nothing."""

    def __init__(self, banner: bytes = b"") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.guests: list[socket.socket] = []
        threading.Thread(target=self._take, args=(banner,), daemon=True).start()

    def _take(self, banner: bytes) -> None:
        while True:
            try:
                guest, _ = self._socket.accept()
            except OSError:
                return
            guest.sendall(banner)
            self.guests.append(guest)

    def close(self) -> None:
        for one in (self._socket, *self.guests):
            one.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent(b"SSH-2.0-OpenSSH_9.2\r\n")
    yield made
    made.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def lab(tmp_path: Path, silent: Silent) -> Iterator[Any]:
    """Two researchers: the computer of one is silent, that of the other off. No daemon."""
    store = Store(tmp_path / "labd.db")
    # Not in pytest's own folders: they are closed to who sends.
    home = Path(tempfile.mkdtemp(prefix="labd-test-home-", dir="/var/tmp"))
    os.chown(home, NOBODY.uid, NOBODY.gid)
    accounts = {
        name: Account(name, NOBODY, home, settings=AccountSettings(push=PushTarget("x", "127.0.0.1", "results", port)))
        for name, port in (("ana", silent.port), ("bo", free_port()))
    }
    yield SimpleNamespace(store=store, accounts=accounts)
    store.close()
    shutil.rmtree(home)


def results(lab: Any, user: str, project: str) -> Job:
    """Results of a job that wait to be sent."""
    job = lab.store.queue(lab.store.create(user, project, Signal.SUBMIT, "f", 1.0), 2.0, grant=GRANT)
    for state in (State.BUILDING, State.RUNNING):
        job = lab.store.move(job, state, 3.0)
    job = lab.store.move(job, State.DELIVERING, 4.0, outcome=State.SUCCEEDED, ended=20.0, exit_code=0)
    lab.store.occupy(job)
    lab.store.add_push(job, time.time())
    return lab.store.move(job, State.SUCCEEDED, 5.0)


@pytest.fixture
def sending(lab: Any) -> Iterator[Pushing]:
    told: list[Job] = []
    made = Pushing(lab, told.append)
    yield made
    made.close()


def attempts() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("push-")]


def test_a_computer_that_says_nothing_holds_up_its_owner_alone(lab: Any, sending: Pushing, silent: Silent) -> None:
    for number in range(40):
        results(lab, "ana", f"p{number}")
    other = results(lab, "bo", "galaxies")
    sending.start()
    wait_for("the other to be tried", lambda: lab.store.push(other.id).reason != "", DEADLINE)
    assert lab.store.push(other.id).reason == "it does not answer; it may be off"
    wait_for("the silent one to be tried", lambda: len(silent.guests) == 1, DEADLINE)
    assert len(attempts()) == 1


def test_an_attempt_whose_end_cannot_be_noted_is_not_made_again_at_once(
    lab: Any, sending: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(job: int, due: float | None, reason: str) -> None:
        tried.append(job)
        raise DatabaseError(5, "disk I/O error")

    first = results(lab, "bo", "galaxies")
    monkeypatch.setattr(lab.store, "update_push", fail)
    sending.start()
    wait_for("an attempt", lambda: tried == 2 * [first.id], DEADLINE)
    for _ in range(20):
        sending.wake()
        time.sleep(0.05)
    assert tried == 2 * [first.id]  # the second one as an error of labd
    sending.close()
    assert attempts() == []


def test_a_look_at_what_is_due_that_fails_does_not_end_the_sending(
    lab: Any, sending: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looked = lab.store.pushes, []

    def fail_once() -> Any:
        looked.append(1)
        if len(looked) == 1:
            raise DatabaseError(5, "disk I/O error")
        return look()

    job = results(lab, "bo", "galaxies")
    monkeypatch.setattr(lab.store, "pushes", fail_once)
    monkeypatch.setattr(push, "_FIRST_WAIT", 0.1)
    sending.start()
    wait_for("the next look", lambda: lab.store.push(job.id).reason != "", DEADLINE)


def test_what_a_computer_says_is_kept_short_while_it_says_it() -> None:
    before = _memory()
    said = run(["sh", "-c", "head -c 300000000 /dev/zero | tr '\\0' x"], timeout=DEADLINE)
    assert len(said.output) == 65536
    assert _memory() - before < 100 << 20


def _memory() -> int:
    """The most that this process has used, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_a_computer_that_answers_with_something_else_than_keys_is_asked_again_later() -> None:
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        public = f"pc {key.with_suffix('.pub').read_text().strip()}"
    lines, prints = push_keys.scanned_keys(f"{public}\npc ssh-ed25519 AAAAnonsense\n# a comment\nwords AAAA\n")
    assert lines == [public]
    assert [line.split()[0] for line in prints] == ["ED25519"]
