"""An engine in memory: all that the Engine protocol asks for, without Docker.

A `FakeMachine` has the programs and the images, and outlives a restart of labd; a `FakeEngine` is how one labd reaches
it. `tests/integration/test_engine_contract.py` runs the same tests on it and on Docker, so that it stays true.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from labd.common.errors import UnavailableError
from labd.model.engine import (
    FINISHED,
    AwayError,
    BuildFailed,
    Capacity,
    Condition,
    EngineError,
    Image,
    Phase,
    Recipe,
    Report,
    Run,
    StartError,
    Usage,
)
from labd.model.languages import Language
from support.engine.fake_program import FakeProgram

BASE = "python:3.11-slim-bookworm"
Build = Callable[[Recipe, Report, threading.Event], None]
_LEAST_CPUS, _LEAST_MEMORY = 0.01, 6 * 1024**2


class LabIsDead(BaseException):
    """Ends a thread of a labd that has been killed, as if there was no next line."""


def build_at_once(recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
    """A build that succeeds."""
    report("Installing")


class SlowBuild:
    """A build that goes on until it is let go, or cancelled."""

    def __init__(self) -> None:
        self.has_begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        report("Installing slowly")
        self.has_begun.set()
        while not self.go_on.wait(0.02):
            if cancelled.is_set():
                raise BuildFailed(cancelled=True)


def failing_build(said: str, exit_code: int = 1) -> Build:
    """A build whose installer says that, and ends with `exit_code`."""

    def build(recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        for line in said.splitlines():
            report(line)
        raise BuildFailed(log_tail=said, exit_code=exit_code)

    return build


@dataclass
class FakeMachine:
    """What there is, whoever asks, and what shall happen."""

    capacity: Capacity = Capacity(4.0, 16 * 1024**3, ())
    build: Build = build_at_once
    has_registry: bool = True  # whether a base image that is not there can be had
    is_away: bool = False  # whether the engine does not answer
    start_error: StartError | None = None  # why no program can be started
    programs: dict[int, FakeProgram] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)  # by id
    built: list[Recipe] = field(default_factory=list)
    started: list[int] = field(default_factory=list)  # jobs, as often as their programs were started
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.add_image(BASE, {})

    def add_image(self, tag: str, labels: dict[str, str]) -> Image:
        """Have an image `tag`, which is taken from the one that has it."""
        number = hashlib.sha256(f"{tag} {len(self.images)} {time.time_ns()}".encode()).hexdigest()
        with self.lock:
            self.take_tag(tag)
            made = Image(f"sha256:{number}", (tag,), labels, 1000, ())
            self.images[made.id] = made
        return made

    def take_tag(self, tag: str) -> None:
        """Nothing has the `tag` any more; an image that had no other stays, without a name."""
        for image in list(self.images.values()):
            if tag in image.tags:
                self.images[image.id] = replace(image, tags=tuple(other for other in image.tags if other != tag))

    def jobs_left(self) -> set[int]:
        """The jobs of which something is left."""
        return set(self.programs)

    def stop(self) -> None:
        """A power cut: all programs end."""
        for program in self.programs.values():
            program.kill(interrupted=True)


class _Connection:
    """How a labd reaches the machine, until it is cut."""

    def __init__(self, machine: FakeMachine) -> None:
        self.machine, self.is_cut = machine, False

    def check(self, error: EngineError) -> FakeMachine:
        """Raises `error` while the engine is away; ends the thread of a labd that is dead."""
        if self.is_cut:
            raise LabIsDead
        if self.machine.is_away:
            raise error
        return self.machine


class FakeImages:
    """See the ImageStore protocol."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def find(self, name: str) -> Image | None:
        machine = self._machine()
        with machine.lock:
            return machine.images.get(name) or next((i for i in machine.images.values() if name in i.tags), None)

    def tag(self, tag: str, name: str) -> None:
        image = self._there(tag)
        machine = self._machine()
        with machine.lock:
            machine.take_tag(f"{name}:latest")
            image = machine.images[image.id]
            machine.images[image.id] = replace(image, tags=(*image.tags, f"{name}:latest"))

    def build(self, recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        machine = self._machine()
        if self.find(recipe.arguments.get("BASE", BASE)) is None:
            raise BuildFailed(log_tail="failed to resolve source metadata\n")
        machine.built.append(recipe)
        machine.build(recipe, report, cancelled)
        if cancelled.is_set():
            raise BuildFailed(cancelled=True)
        self._machine().add_image(recipe.tag, dict(recipe.labels))

    def get_base(self, name: str, language: Language, version: str, report: Report, cancelled: threading.Event) -> None:
        machine = self._machine()
        report(f"Fetching {name}")
        if not machine.has_registry:
            raise UnavailableError(f"{name} cannot be pulled.", "Load it.")
        machine.add_image(name, {})

    def finish(self, tag: str, image: Image) -> None:
        machine = self._machine()
        with machine.lock:
            here = machine.images[image.id]
            finished = machine.add_image(tag, {**here.labels, FINISHED: "1"})
            for other in machine.images[image.id].tags:
                machine.take_tag(other)
            machine.images[finished.id] = replace(finished, tags=here.tags)

    def remove_unused(self, tags: Collection[str], before: float) -> list[str]:
        machine = self._machine()
        with machine.lock:
            busy = {program.run.image for program in machine.programs.values()}
            found = {tag: self.find(tag) for tag in tags}
            gone = {tag: image for tag, image in found.items() if image is None or image.id not in busy}
            for image in filter(None, gone.values()):
                machine.images.pop(image.id, None)
        return list(gone)

    def read_file(self, image: str, path: str) -> str:
        self._there(image)
        return ""

    def settle(self, timeout: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing goes on in the background."""

    def _there(self, name: str) -> Image:
        image = self.find(name)
        if image is None:
            raise UnavailableError(f"Docker refuses: No such image: {name}", "See `journalctl -u docker`.")
        return image

    def _machine(self) -> FakeMachine:
        return self._connection.check(AwayError("Docker does not answer.", "Start it: systemctl start docker", False))


class FakeEngine:
    """See the Engine protocol."""

    def __init__(self, machine: FakeMachine) -> None:
        self._connection = _Connection(machine)
        self._images = FakeImages(self._connection)

    @property
    def images(self) -> FakeImages:
        return self._images

    def cut(self) -> None:
        """The labd behind this engine is dead: each thread of it that asks ends, as if there was no next line."""
        self._connection.is_cut = True
        for program in self._connection.machine.programs.values():
            program.notify()

    def capacity(self) -> Capacity:
        # Of the machine: it is known while the engine is away.
        return self._connection.machine.capacity

    def start(self, run: Run) -> None:
        machine = self._machine()
        if run.cpus < _LEAST_CPUS or run.memory < _LEAST_MEMORY:
            raise StartError("A program needs more than it was given.", "Ask for more in job.toml.")
        if machine.start_error:
            raise machine.start_error
        if self._images.find(run.image) is None:
            raise StartError("The server could not start the program: its image is gone.", "Tell the administrator.")
        with machine.lock:
            if run.job not in machine.programs:
                machine.started.append(run.job)
                machine.programs[run.job] = FakeProgram(run)

    def poll(self, job: int) -> Condition:
        program = self._machine().programs.get(job)
        return program.condition if program else Condition(Phase.ABSENT)

    def wait(self, job: int, timeout: float) -> bool:
        # A process can be waited for also while the engine is away.
        program = self._connection.machine.programs.get(job)
        if program is None:
            time.sleep(min(timeout, 0.1))
            return True
        ended = program.wait(timeout, lambda: self._connection.is_cut)
        if self._connection.is_cut:
            raise LabIsDead
        return ended

    def stop(self, job: int, grace: float) -> None:
        if program := self._machine().programs.get(job):
            program.ask_to_end()
            if not program.wait(grace, lambda: self._connection.is_cut):
                program.kill()
                program.wait(10.0, lambda: self._connection.is_cut)

    def logs(self, job: int, follow: bool) -> Iterator[bytes]:
        if program := self._machine().programs.get(job):
            if follow:
                yield from program.follow(lambda: self._connection.is_cut)
            else:
                yield program.printed()

    def usage(self, job: int) -> Usage | None:
        program = self._connection.machine.programs.get(job)
        return program.usage if program else None

    def processes(self, job: int) -> list[int]:
        return []

    def remove(self, job: int) -> None:
        machine = self._machine()
        with machine.lock:
            program = machine.programs.pop(job, None)
        if program:
            program.kill()

    def jobs(self) -> set[int]:
        return set(self._machine().programs)

    def rest(self, keep: int = 0) -> None:
        """Nothing is held."""

    def _machine(self) -> FakeMachine:
        return self._connection.check(EngineError("Docker does not answer.", "Start it: systemctl start docker"))


def engines_of(machine: FakeMachine, made: list[FakeEngine]) -> Callable[..., FakeEngine]:
    """What a lab makes its engine with; each one is noted in `made`."""

    def make(*_: Any) -> FakeEngine:
        made.append(FakeEngine(machine))
        return made[-1]

    return make
