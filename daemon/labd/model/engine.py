"""What makes images and runs programs: the contract between the way of a job and an engine.

This module owns the words (Run, Condition, Usage; Recipe, Image) and the Protocols. What is done for a job is named
after it and safe to repeat: the caller may have been killed after any of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from labd.common.errors import LabdError, UnavailableError
from labd.model.languages import Language

Report = Callable[[str], None]
"""Gets what a build prints, line by line."""
_NEEDS_CODE = 75  # EX_TEMPFAIL (sysexits.h); see docs/languages.md


class EngineError(UnavailableError):
    """The engine that runs programs does not answer."""


class AwayError(EngineError):
    """The engine does not answer, or has trouble of its own, while it is asked for an image."""

    def __init__(self, message: str, hint: str, was_there: bool) -> None:
        """`was_there`: it answered, and went away in the middle."""
        super().__init__(message, hint)
        self.was_there = was_there


class BuildFailed(LabdError):  # noqa: N818 - a sentence: except BuildFailed
    """The environment could not be built."""

    def __init__(
        self,
        message: str | None = None,
        hint: str = "build.log has the whole story.",
        *,
        log_tail: str = "",
        exit_code: int = 1,
        timed_out: bool = False,
        cancelled: bool = False,
        is_cut: bool = False,
    ) -> None:
        """`log_tail`: what the step that failed printed, 64 KiB at most; `exit_code`: its exit code.

        `is_cut`: the beginning of what it printed may be missing, if its template has headings.
        """
        super().__init__(message, hint)
        self.log_tail = log_tail
        self.exit_code = exit_code  # type: ignore[assignment] # the builder's: this never ends a labd command
        self.timed_out = timed_out
        self.cancelled = cancelled
        self.is_cut = is_cut

    def copy(self) -> BuildFailed:
        """The same failure, to be raised in another thread."""
        again = BuildFailed(self.message, self.hint, log_tail=self.log_tail, exit_code=self.exit_code)
        again.timed_out, again.cancelled = self.timed_out, self.cancelled
        return again

    @property
    def needs_code(self) -> bool:
        """Whether the packages can be installed only by running code of theirs."""
        return self.exit_code == _NEEDS_CODE


class StartError(EngineError):
    """The program could not be started: a sentence and a hint for the researcher."""


@dataclass(frozen=True)
class Run:
    """All that an engine needs to know to run a job's program."""

    job: int
    user: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    image: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    code: Path  # read-only lower layer of /code
    input: Path  # read-only lower layer of /input
    scratch: Path  # where what is written under /code and /input goes: <scratch>/{code,input}/{upper,work,copy}
    output: Path  # /output
    home: Path  # the program's HOME
    passwd: Path  # /etc/passwd
    group: Path  # /etc/group
    further: Mapping[Path, Path]  # more files that it can read: place in the container → file
    cpus: float
    memory: int  # bytes
    gpu_ids: tuple[str, ...]  # UUIDs
    network: bool
    pids: int
    tmp: int  # bytes
    shm: int  # bytes
    log: int  # bytes of output that must stay retrievable


class Phase(StrEnum):
    """What an engine knows of a job's program."""

    ABSENT = "absent"  # never started here, or removed
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True)
class Condition:
    """What the engine says of a job's program. Times are seconds since the epoch."""

    phase: Phase
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    interrupted: bool = False  # the machine or the engine stopped under it
    lost_output: bool = False  # it ended, and the engine may not have kept all that it printed


@dataclass(frozen=True)
class Usage:
    """What a program has used so far."""

    cpu_seconds: float
    memory: int  # bytes now
    peak_memory: int  # bytes
    oom_kills: int  # processes that the kernel killed at the memory limit


@dataclass(frozen=True)
class Capacity:
    """What there is to give to jobs."""

    cpus: float
    memory: int  # bytes
    gpus: tuple[str, ...]  # UUIDs


@dataclass(frozen=True)
class Recipe:
    """What to build."""

    tag: str
    dockerfile: Path
    target: str  # stage
    files: Mapping[str, bytes]  # the build context: content by name
    arguments: Mapping[str, str]
    labels: Mapping[str, str]


FINISH, FINISHED = "labd.finish", "labd.finished"
"""Labels: the command that makes an image better, and need not hold up the first program; and whether it was run."""


@dataclass(frozen=True)
class Image:
    """An image that the engine has."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size: int  # bytes
    digests: tuple[str, ...]  # by which a registry knows it

    @property
    def is_unfinished(self) -> bool:
        """Whether something is left to do for it."""
        return bool(self.labels.get(FINISH)) and not self.labels.get(FINISHED)


class ImageStore(Protocol):
    """The images of an engine. Any thread may use it. Whatever asks the engine may raise AwayError."""

    def find(self, name: str) -> Image | None:
        """The image with that tag or id; None when it is not there. Raises UnavailableError."""

    def tag(self, tag: str, name: str) -> None:
        """Give the image `tag` the further tag `name`:latest. Raises UnavailableError."""

    def build(self, recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        """Make the image of `recipe`. Raises BuildFailed, UnavailableError, ConfigError."""

    def get_base(self, name: str, language: Language, version: str, report: Report, cancelled: threading.Event) -> None:
        """Bring the base image `name` here. Raises UnavailableError when it cannot be had, BuildFailed when cut off."""

    def finish(self, tag: str, image: Image) -> None:
        """See to it that what is left to do for `image`, tagged `tag`, gets done. Returns at once."""

    def remove_unused(self, tags: Collection[str], before: float) -> list[str]:
        """Remove those images `tags` that no container uses; those that are not there any more then.

        Also environments that lost their last tag before that time, in seconds since the epoch. Raises
        UnavailableError.
        """

    def read_file(self, image: str, path: str) -> str:
        """The text of a file in the image with that id. Raises UnavailableError."""

    def settle(self, timeout: float) -> bool:
        """Wait until nothing goes on in the background, `timeout` seconds at most; whether that is so."""

    def close(self) -> None:
        """Stop what goes on in the background."""


class Engine(Protocol):
    """Makes images and runs programs."""

    @property
    def images(self) -> ImageStore:
        """Its images."""

    def capacity(self) -> Capacity:
        """What all jobs together may use."""

    def start(self, run: Run) -> None:
        """Start the program, unless it was started before. Raises StartError, EngineError."""

    def poll(self, job: int) -> Condition:
        """What is known of the job's program now. Raises EngineError."""

    def wait(self, job: int, timeout: float) -> bool:
        """Wait until the program ends, `timeout` seconds at most; whether it has ended. May return early."""

    def stop(self, job: int, grace: float) -> None:
        """Ask the program to end, and end it after `grace` seconds. Raises EngineError."""

    def logs(self, job: int, follow: bool) -> Iterator[bytes]:
        """What the program printed, from its first byte; with `follow` until it ends. Raises EngineError."""

    def usage(self, job: int) -> Usage | None:
        """What the program used, by the last measurement there is; None if there never was one."""

    def processes(self, job: int) -> list[int]:
        """Ids of the program's processes on this machine, as far as they are known here."""

    def remove(self, job: int) -> None:
        """Remove what is left of the job in the engine. Raises EngineError."""

    def jobs(self) -> set[int]:
        """The jobs of which something is left in the engine. Raises EngineError."""

    def rest(self, keep: int = 0) -> None:
        """Give back what is held only to start the next programs faster, but for what `keep` of them need."""
