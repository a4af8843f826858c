"""What runs programs: the small contract between the story of a job and an engine.

This module owns the words (Run, Condition, Usage) and the Protocol. Every method is named after a job and safe to
repeat: the caller may have been killed after any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from labd.common.errors import UnavailableError


class EngineError(UnavailableError):
    """The engine that runs programs does not answer."""


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


class Engine(Protocol):
    """Runs programs."""

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
