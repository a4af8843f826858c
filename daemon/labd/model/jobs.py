"""What a job is: its states, the transitions between them, its options, and everything that is known of it.

This module owns the vocabulary that all others share. It never touches a disk, a clock, Docker or the database.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, cast

from labd.common.errors import ProjectError, TransitionError
from labd.common.schema import Duration, SchemaError, Size, read_text
from labd.common.units import LARGEST_SIZE, LONGEST_DURATION, human_size


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
GRANTED = frozenset({State.QUEUED, *ADMITTED})
"""States that no job enters without a grant."""

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
    """How labd knew that an upload was complete (docs/architecture.md, The way of a job)."""

    SUBMIT = "submit"  # the researcher said so
    KNOWN = "known"  # rsync ended well under the gateway's eyes
    INFERRED = "inferred"  # scp or sftp ended cleanly there; more may still come
    UNPROVEN = "unproven"  # sftp ended there with its connection, and nothing came for long; more may still come
    SETTLED = "settled"  # nothing changed any more; more may still come
    RERUN = "rerun"  # the same snapshot once more


UNPROVEN_NOTES = {
    Signal.UNPROVEN: "The end of its upload was not proven: nothing said that this was all of it. If something is "
    "missing, send it again.",
    Signal.SETTLED: "The end of its upload was not proven: nothing changed any more, so labd took it as complete. If "
    "something is missing, send it again.",
}
"""What is said of a job that started without a proof that all of its upload was there."""


LIMITS: Mapping[str, tuple[float, float]] = {
    "cpus": (0.01, 1e6),  # Docker takes less for no limit at all
    "memory": (16 * 1024**2, LARGEST_SIZE),  # in less, no interpreter starts
    "timeout": (1.0, LONGEST_DURATION),
}
"""The least and the most that any job can have, whatever the machine; in CPUs, bytes and seconds."""
_LEAST = {"cpus": "0.01", "memory": '"16m"', "timeout": '"1s"'}
_LARGEST_FILE = 64 * 1024
_MOST_ENTRIES = 1000  # of args or env
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}")
_GPU_VARIABLE = re.compile(r"NVIDIA_.*|.*_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ZE_AFFINITY_MASK", re.IGNORECASE)
"""By these, the container runtimes and libraries of GPU makers choose the GPUs that a program sees."""
_OWN_VARIABLE = re.compile(r"HOME|USER|LABD_.*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_NAME = 100


def within(name: str, value: float) -> float:
    """`value`, brought between the least and the most of LIMITS[`name`]; nan becomes the least."""
    least, most = LIMITS[name]
    return type(least)(min(value, most)) if value > least else least


@dataclass(frozen=True)
class JobOptions:
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
        for name, least in _LEAST.items():
            asked = getattr(self, name)
            if asked is not None and asked < LIMITS[name][0]:
                raise ValueError(f"{name} must be at least {least}.")
            if asked is not None and asked > LIMITS[name][1]:
                raise ValueError(f"{name} is more than any machine has.")
        if max(len(self.args), len(self.env)) > _MOST_ENTRIES:
            name = "args" if len(self.args) > _MOST_ENTRIES else "env"
            raise ValueError(
                f"{name} has {len(getattr(self, name)):,} entries; the most is {_MOST_ENTRIES:,}.",
                "Put long lists into a file in input/.",
            )
        for one in fields(self):
            name = getattr(self, one.name)
            if isinstance(name, str) and (len(name) > _LONGEST_NAME or _CONTROL.search(name)):
                raise ValueError(f"{one.name} is longer than any name, or has a control character.")
        for number, argument in enumerate(self.args):
            if _CONTROL.search(argument):
                raise ValueError(f"args.{number} has a control character, which no argument can have.")
        for key, value in self.env.items():
            _check_variable(key, value)

    def version(self, language: str) -> str | None:
        """The version of `language` that is asked for."""
        asked: str | None = getattr(self, language, None)
        return asked


def _check_variable(name: str, value: str) -> None:
    """Raise ValueError unless a job may set the environment variable `name` to `value`."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            f"env: {name[:60]!r} cannot be the name of a variable.",
            "Names have letters, digits and underscores, and do not begin with a digit.",
        )
    if _GPU_VARIABLE.fullmatch(name):
        raise ValueError(
            f"env: {name} is not a job's to set; labd decides which GPUs it sees.",
            f"Remove {name} from env; a job that needs a GPU has the line `gpus = 1`.",
        )
    if _OWN_VARIABLE.fullmatch(name):
        raise ValueError(f"env: {name} is set by labd itself.", f"Remove {name} from env.")
    if _CONTROL.search(value):
        raise ValueError(f"env: the value of {name} has a control character, which no value can have.")


def read_options(content: bytes, languages: Iterable[str] = ()) -> JobOptions:
    """The options in a job.toml of this `content`, which can ask for versions of `languages`.

    Raises ProjectError with the key, what was found and expected.
    """
    if len(content) > _LARGEST_FILE:
        raise ProjectError(
            f"job.toml has {human_size(len(content))}; the most is {human_size(_LARGEST_FILE)}.",
            "Put data and long lists into files in input/.",
        )
    table, whole = _tables(tuple(languages))
    try:
        return cast(JobOptions, read_text(whole, content, "job.toml").job)
    except SchemaError as error:
        hint, key = error.hint, error.key
        if f": there is no option `{key}`" in error.message:
            near = difflib.get_close_matches(key, [one.name for one in fields(table)], n=1, cutoff=0.5)
            hint = f"Write `{near[0]}` below a line [job]." if near else "Options stand below a line [job]."
        raise ProjectError(error.message, hint) from None


@lru_cache(maxsize=8)
def _tables(languages: tuple[str, ...]) -> tuple[type[JobOptions], type[Any]]:
    """The table [job] with versions of `languages`, and job.toml as a whole. To make a class takes long."""
    versions = [(name, str | None, field(default=None, kw_only=True)) for name in languages]
    table = make_dataclass("Table", versions, bases=(JobOptions,), frozen=True)
    return table, make_dataclass("JobFile", [("job", table, field(default_factory=table))], frozen=True)


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

    @cached_property
    def shape(self) -> tuple[float, int, int, float]:
        """All that decides where it fits: CPUs, memory, GPUs and limit of time. Asked for each job at each choice."""
        return self.cpus, self.memory, self.gpus, self.timeout


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
