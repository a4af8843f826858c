"""What a job is: its states, the transitions between them, its options, and everything that is known of it.

This room owns the vocabulary that all others share. It never touches a disk, a clock, Docker or the database.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from enum import StrEnum
from typing import cast

from labd.errors import ProjectError, TransitionError
from labd.schema import Duration, SchemaError, Size, read_text


class State(StrEnum):
    """Where a job is; the second half are outcomes, which no job ever leaves."""

    RECEIVED = "received"  # the upload is complete; its snapshot is being taken
    QUEUED = "queued"  # the snapshot is safe; the job waits for a free place
    BUILDING = "building"  # admitted; its environment image is being made or found
    RUNNING = "running"  # its container exists, or is about to
    DELIVERING = "delivering"  # nothing runs any more; results go to the outbox

    SUCCEEDED = "succeeded"  # the program ended with exit code 0
    FAILED = "failed"  # the program ended with another exit code
    REJECTED = "rejected"  # the upload cannot be a job: bad job.toml, over a limit, asks for too much
    BUILD_FAILED = "build-failed"  # its environment image could not be made
    TIMED_OUT = "timed-out"  # stopped because its time was over
    OUT_OF_MEMORY = "out-of-memory"  # the kernel killed a process of it at its memory limit
    OUTPUT_TOO_LARGE = "output-too-large"  # stopped because /output outgrew its limit
    CANCELLED = "cancelled"  # stopped by its owner, by the administrator or by a newer upload
    INTERRUPTED = "interrupted"  # the machine or Docker stopped under it

    @property
    def is_outcome(self) -> bool:
        return self in OUTCOMES


OUTCOMES = frozenset(list(State)[list(State).index(State.SUCCEEDED) :])
ADMITTED = frozenset({State.BUILDING, State.RUNNING})
"""States in which a job holds its CPUs, memory and GPUs."""

# Every end goes through DELIVERING: logs and partial output are brought home whatever happened.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.QUEUED, State.DELIVERING}),
    State.QUEUED: frozenset({State.BUILDING, State.DELIVERING}),
    State.BUILDING: frozenset({State.RUNNING, State.DELIVERING}),
    # Back to the queue only when the program could not begin its work, for want of a licence.
    State.RUNNING: frozenset({State.QUEUED, State.DELIVERING}),
    State.DELIVERING: OUTCOMES,
    **{outcome: frozenset() for outcome in OUTCOMES},
}


def check_transition(old: State, new: State) -> None:
    """Raise TransitionError unless a job may go from `old` to `new`."""
    if new not in TRANSITIONS[old]:
        raise TransitionError(f"A job cannot go from {old.value} to {new.value}.")


class Signal(StrEnum):
    """How labd knew that an upload was complete (DESIGN: told, known, inferred, settled)."""

    SUBMIT = "submit"  # the researcher said so
    KNOWN = "known"  # rsync ended well under the gateway's eyes
    INFERRED = "inferred"  # scp or sftp ended cleanly there; more may still come
    SETTLED = "settled"  # nothing changed any more; more may still come
    RERUN = "rerun"  # the same snapshot once more


@dataclass(frozen=True)
class Options:
    """What a job asks for: the table [job] of job.toml, or the administrator's default where a key is None."""

    language: str | None = None
    cpus: float | None = None
    memory: Size | None = None  # bytes
    gpus: int | None = None
    timeout: Duration | None = None  # seconds
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool | None = None

    def __post_init__(self) -> None:
        for key, value in self.env.items():
            if not key or "=" in key or "\0" in key + value:
                raise ValueError(f"env: {key!r} cannot be the name of a variable.")
        if any("\0" in argument for argument in self.args):
            raise ValueError("args: an argument cannot contain a NUL character.")
        for name in ("cpus", "memory", "timeout"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than zero.")
        if self.gpus is not None and self.gpus < 0:
            raise ValueError("gpus must not be negative.")

    def version(self, language: str) -> str | None:
        """The version of `language` that is asked for."""
        asked: str | None = getattr(self, language, None)
        return asked


def read_options(content: bytes, languages: Iterable[str] = ("python",)) -> Options:
    """The options in a job.toml of this `content`, which can ask for versions of `languages`.

    Raises ProjectError with the key, what was found and expected.
    """
    versions = [(name, str | None, field(default=None, kw_only=True)) for name in languages]
    table = make_dataclass("Table", versions, bases=(Options,), frozen=True)
    whole = make_dataclass("JobFile", [("job", table, field(default_factory=table))], frozen=True)
    try:
        return cast(Options, read_text(whole, content, "job.toml").job)
    except SchemaError as error:
        hint = error.hint
        if error.message.startswith("job.toml: there is no option `") and "." not in error.message.split("`")[1]:
            near = difflib.get_close_matches(
                error.message.split("`")[1], [one.name for one in fields(table)], n=1, cutoff=0.5
            )
            hint = f"Write `{near[0]}` below a line [job]." if near else "Options stand below a line [job]."
        raise ProjectError(error.message, hint) from None


@dataclass(frozen=True)
class Grant:
    """What the job really gets, settled once when it is queued."""

    language: str
    version: str
    cpus: float
    memory: int  # bytes
    gpus: int
    timeout: float  # seconds
    network: bool
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run of one project, as the store keeps it. Times are seconds since the epoch."""

    id: int
    user: str
    project: str  # the folder's name in the inbox
    state: State
    signal: Signal
    created: float  # when the upload was known to be complete
    changed: float  # when the state was entered
    snapshot: int  # the job whose folder holds the snapshot: this one, or an earlier one for a rerun
    exact: int = 0  # the job whose very environment a rerun is to have; 0 for none
    grant: Grant | None = None  # None until the snapshot is taken and its job.toml read
    gpu_ids: tuple[str, ...] = ()  # devices held while admitted
    image: str = ""  # id of the environment image it runs in
    started: float | None = None  # program started
    ended: float | None = None  # program ended
    exit_code: int | None = None
    outcome: State | None = None  # what DELIVERING will end in
    stopping: State | None = None  # why it is being stopped, decided before the stop so that no crash can lose it
    stop_reason: str = ""  # the sentence that goes with `stopping`
    cause: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()  # warnings that do not change the outcome
    peak_memory: int | None = None  # bytes
    cpu_seconds: float | None = None
