"""A real lab in this process, on a folder of its own, with an engine in memory.

Its loop, pipeline, supervision, requests and delivery are labd's own, and so are its files, its database and its
helpers; only programs and images are not there. All researchers are whoever runs the tests.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from labd.accounts.accounts import Account, Accounts, Read
from labd.common.schema import Duration
from labd.daemon.loop import Service
from labd.model.config import Config, Paths
from labd.model.jobs import State
from labd.privsep.workers import Identity
from support.engine.fake_engine import FakeEngine, FakeMachine, engines_of
from support.lab import Researcher, wait_for

DEADLINE = 30.0


class Person(Researcher):
    """A researcher who has the uid of the tests."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home, self.uid = name, home, os.getuid()
        for part in ("inbox", "outbox"):
            (home / part).mkdir(parents=True)

    def upload(self, name: str, source: str, **files: str) -> None:
        """Put a project into the inbox, and say that it is complete."""
        self.program(name, source, **files)
        self.submit(name)


class LabInMemory:
    """A lab that can be restarted, also in the middle of something."""

    def __init__(self, folder: Path, config: Config | None = None, users: tuple[str, ...] = ("ana",)) -> None:
        self.machine = FakeMachine()
        state = folder / "state"
        config = config or Config()
        self.config = replace(
            config,
            paths=replace(Paths(), state=state, socket=folder / "labd.sock", accounts=folder / "accounts"),
            inbox=replace(config.inbox, settle=Duration(0.2), unproven=Duration(0.4), rescan=Duration(1.0)),
            output=replace(config.output, interval=Duration(0.1)),
        )
        self.users = {name: Person(name, folder / "home" / name) for name in users}
        self.ana = self.users[users[0]]
        self.service: Service | None = None
        self._engines: list[FakeEngine] = []
        self._before: set[threading.Thread] = set()

    def _accounts(self) -> Accounts:
        me = Identity(os.getuid(), os.getgid(), tuple(os.getgroups()))
        found = {name: Account(name, me, person.home) for name, person in self.users.items()}
        return Accounts(lambda: Read(found))

    def start(self) -> None:
        self._before = set(threading.enumerate())
        self.service = Service(self.config, self._accounts(), engines_of(self.machine, self._engines))
        threading.Thread(target=self.service.run, name="loop", daemon=True).start()
        wait_for("the lab", self._answers, DEADLINE)

    def start_with_cpus(self, cpus: float) -> None:
        """Start on a machine that has so many CPUs."""
        self.machine.capacity = replace(self.machine.capacity, cpus=cpus)
        self.start()

    def cut(self) -> None:
        """From now on, each thread of this labd that asks the engine ends, as if labd was dead."""
        self._engines[-1].cut()

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("status"))
        return False

    def stop(self) -> None:
        """End this labd. Threads of it that ask the engine end there; programs go on."""
        if self.service is None:
            return
        self.cut()
        self.service.stop()
        wait_for("the end of the lab's threads", lambda: self._own_threads() == [], DEADLINE)
        # Those that were at work when the loop ended came back later.
        self.service.lab.workers.trim(0)
        self.service.lab.store.close()
        self.service = None

    def _own_threads(self) -> list[str]:
        mine = set(threading.enumerate()) - self._before
        return [thread.name for thread in mine if not thread.name.startswith("fake-program-")]

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        for program in self.machine.programs.values():
            program.kill()
        self.stop()

    def ask(self, verb: str, **request: Any) -> list[dict[str, Any]]:
        """The lines of the daemon's answer on its socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.config.paths.socket))
            connection.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
            with connection.makefile() as lines:
                return [json.loads(line) for line in lines]

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that there ever were, oldest first."""
        return self.ask("jobs", limit=1000)

    def state(self, job: int) -> str:
        return next((str(one["state"]) for one in self.jobs() if one["job"] == job), "")

    def wait_state(self, job: int, state: State) -> None:
        wait_for(f"job {job} to be {state.value}; it is {self.jobs()}", lambda: self.state(job) == state, DEADLINE)

    def wait_complete(self, name: str, job: int = 1, person: Person | None = None) -> dict[str, Any]:
        """status.json once COMPLETE names `job` and that is committed."""
        person = person or self.ana

        def is_done() -> bool:
            return person.complete(name) == job and self.state(job) not in {"delivering", "running"}

        wait_for(f"job {job} of {name} complete", is_done, DEADLINE)
        return person.status(name)

    def run(self, name: str, source: str, **files: str) -> dict[str, Any]:
        """Upload a program, wait for its end: status.json."""
        number = len(self.jobs()) + 1
        self.ana.upload(name, source, **files)
        return self.wait_complete(name, number)
