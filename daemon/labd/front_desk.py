"""Answers to what a researcher asks over SSH: `ssh lab`, `ssh lab queue`, `ssh lab logs -f galaxies`, …

This room owns what may follow each verb; nothing else does, above all no path and no socket. The answers come from the
daemon and look as those of the `labd` command on the machine itself. It never sends or receives files.
"""

from __future__ import annotations

from types import SimpleNamespace as Options

from labd import questions
from labd.client import AnswerError
from labd.errors import Exit, LabdError, UnavailableError
from labd.layout import NAME_HINT, is_valid_name

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_JOB, _MAYBE_JOB, _PROJECT = "JOB", "[JOB]", "NAME"
_FOLLOW, _JSON, _LIMIT = "[-f]", "[--json]", "[-n N]"


class _Verb:
    def __init__(self, answer: Callable[[Options], int], *takes: str) -> None:
        self.answer, self.takes = answer, takes


_VERBS = {
    "status": _Verb(questions.status, _MAYBE_JOB, _JSON),
    "jobs": _Verb(questions.jobs, _JSON, _LIMIT),
    "logs": _Verb(questions.logs, _JOB, _FOLLOW),
    "cancel": _Verb(questions.cancel, _JOB),
    "rerun": _Verb(questions.rerun, _JOB),
    "submit": _Verb(questions.submit, _PROJECT),
    "queue": _Verb(questions.queue, _JSON),
}


class UsageError(LabdError):
    """That is not how this is asked."""

    exit_code = Exit.USAGE


def answer(verb: str, arguments: Sequence[str], home: str) -> int:
    """Answer `verb` ("" for the status screen); the exit code. Raises LabdError."""
    try:
        options = parse(verb, _VERBS[verb].takes, arguments)
        return _VERBS[verb].answer(options)
    except AnswerError:
        raise
    except UnavailableError:
        raise UnavailableError(
            "labd is not running on the server at the moment.",
            "You can send and fetch files all the same; what you send now starts when labd is back.",
        ) from None


def parse(verb: str, takes: Sequence[str], arguments: Sequence[str]) -> Options:
    """The options in `arguments`. Raises UsageError."""
    options = Options(job=None, project=None, json=False, follow=False, limit=50, socket=None)
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument in ("-f", "--follow") and _FOLLOW in takes:
            options.follow = True
        elif argument == "--json" and _JSON in takes:
            options.json = True
        elif argument in ("-n", "--limit") and _LIMIT in takes and rest and rest[0].isdecimal():
            options.limit = min(int(rest.pop(0)), 10_000)
        elif argument.startswith("-") or options.job is not None or not {_JOB, _MAYBE_JOB, _PROJECT} & {*takes}:
            raise _usage(verb, takes)
        else:
            options.job = options.project = _name(argument)
    if options.job is None and {_JOB, _PROJECT} & {*takes}:
        raise _usage(verb, takes)
    return options


def _name(argument: str) -> str:
    name = argument.removeprefix("inbox/").rstrip("/")
    if not is_valid_name(name):
        raise UsageError("That is neither the number of a job nor the name of a project.", NAME_HINT)
    return name


def _usage(verb: str, takes: Sequence[str]) -> UsageError:
    words = " ".join((verb, *takes))
    return UsageError(f"That is not how `{verb}` is asked.", f"It is: ssh HOST {words}")
