"""What can be asked at the daemon's socket: the verbs, and the arguments of each with their types.

This module owns the table of requests and what is said of one that is wrong. All that a request names (jobs, projects)
passes here first: a name that is no project's never becomes a path. It never answers anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labd.common.errors import NotFoundError, RequestError
from labd.common.excerpts import shorten
from labd.model.layout import NAME_HINT, is_valid_name

Json = dict[str, Any]

_LARGEST = 2**63 - 1  # of SQLite's whole numbers
_MOST_JOBS = 10_000
_MOST_PROJECTS = 100
_EVENTS = ("began", "transfer", "refused")
_FOLDERS = ("inbox/", "outbox/")


@dataclass(frozen=True)
class Target:
    """What JOB in a request can mean: the job of that `number`, or else the latest job of that `project`."""

    text: str  # as it was asked for
    number: int | None  # None when only the project can be meant
    project: str


@dataclass(frozen=True)
class _Argument:
    """One argument. `read` returns its value; raises ValueError with what it has to be, or RequestError."""

    name: str
    read: Callable[[Any], Any]
    default: object = None
    is_needed: bool = False


def read(request: Json) -> tuple[str, Json]:
    """The verb of `request`, and all arguments of that verb.

    Raises RequestError for one that is missing or wrong, NotFoundError for a verb that there is not.
    """
    verb = request.get("verb")
    if not isinstance(verb, str):
        raise RequestError("A request needs a `verb`, and this one has none.")
    if verb not in VERBS:
        raise NotFoundError(f"labd has no request `{shorten(verb, 40)}`.")
    return verb, {argument.name: _value(verb, argument, request.get(argument.name)) for argument in VERBS[verb]}


def _value(verb: str, argument: _Argument, given: object) -> object:
    if given is None and not argument.is_needed:
        return argument.default
    try:
        return argument.read(given)
    except ValueError as wanted:
        raise RequestError(f"`{argument.name}` of the request `{verb}` has to be {wanted}.") from None


def _target(given: object) -> Target:
    """A job's number, a project's name, or one of inbox/NAME, outbox/NAME and NAME/, which mean the project only."""
    if isinstance(given, bool) or not isinstance(given, (int, str)):
        raise ValueError("the number of a job or the name of a project")
    text = str(given)
    name = _stripped(text)
    if not is_valid_name(name):
        raise RequestError(
            f"`{shorten(text, 80)}` is neither the number of a job nor the name of a project.", "`jobs` lists both."
        )
    is_number = name == text and name.isdecimal() and int(name) <= _LARGEST
    return Target(text, int(name) if is_number else None, name)


def _project(given: object) -> str:
    name = _stripped(_text(given))
    if not is_valid_name(name):
        raise RequestError(f"`{shorten(name, 80)}` cannot be the name of a project.", NAME_HINT)
    return name


def _stripped(text: str) -> str:
    """`text` without what shows that it means a folder of the inbox or of the outbox."""
    for folder in _FOLDERS:
        text = text.removeprefix(folder)
    return text.removesuffix("/")


def _projects(given: object) -> list[str]:
    """Of a list of names those that can be a project's; there may be other folders in an inbox."""
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError("a list of names")
    return [name for name in given if is_valid_name(name)][:_MOST_PROJECTS]


def _limit(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= _MOST_JOBS:
        raise ValueError(f"a whole number from 1 to {_MOST_JOBS:,}")
    return given


def _event(given: object) -> str:
    if not isinstance(given, str) or given not in _EVENTS:
        raise ValueError(f"one of {', '.join(_EVENTS)}")
    return given


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError("a text")
    return given


def _truth(given: object) -> bool:
    if not isinstance(given, bool):
        raise ValueError("true or false")
    return given


_JOB = _Argument("job", _target, is_needed=True)
VERBS: Mapping[str, tuple[_Argument, ...]] = {
    "status": (_Argument("job", _target),),
    "jobs": (_Argument("limit", _limit, 50),),
    "logs": (_JOB, _Argument("follow", _truth, False)),
    "cancel": (_JOB,),
    "rerun": (_JOB, _Argument("exact", _truth, False)),
    "submit": (_Argument("project", _project, is_needed=True),),
    "note": (
        _Argument("event", _event, is_needed=True),
        _Argument("text", _text, ""),
        _Argument("address", _text, ""),
        _Argument("projects", _projects, ()),
    ),
    "overview": (),
    "queue": (),
    "images": (),
    "settings": (),
    "users": (),
    "reload": (),
}
"""For each verb, what it takes."""
