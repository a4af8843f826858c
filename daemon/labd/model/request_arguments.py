"""What a request can be given: one class for each sort of argument, with what it may be and how it is typed.

This module owns the reading of what arrives at the socket: a name that is no project's never becomes a path. It is
imported for every question over ssh, so it imports nothing that takes time.
"""

from __future__ import annotations

from labd.common.errors import RequestError
from labd.model.layout import NAME_HINT, is_valid_name

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LARGEST_NUMBER = 2**63 - 1  # of SQLite's whole numbers
MOST_JOBS = 10_000  # that are listed at a time
_MOST_PROJECTS = 100
_FOLDERS = ("inbox/", "outbox/")


class Target:
    """What JOB in a request can mean: the job of that `number`, or else the latest job of that `project`."""

    def __init__(self, text: str, number: int | None, project: str) -> None:
        """`text` is as it was asked for; `number` is None when only the project can be meant."""
        self.text, self.number, self.project = text, number, project


class Argument:
    """One argument of a request; the name is that of the attribute.

    In a request that was read it gives its value, which is the default where the request has none.
    """

    typed: tuple[str, ...] = ()
    """Its names for argparse: those of an option, or one of what has none; () where nobody types it."""
    word = ""
    """What stands for its value in a usage line."""

    def __init__(self, default: object = None, is_needed: bool = False, help: str = "") -> None:
        self.default, self.is_needed, self.help = default, is_needed, help

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, request: object, value: object) -> None:
        raise AttributeError(f"`{self.name}` of a request is read once, and stays as it is")

    def value(self, request: object) -> Any:
        """Its value in `request`."""
        return vars(request).get(self.name, self.default)

    def read(self, given: Any) -> object:
        """The value that `given` is. Raises ValueError with what it has to be, RequestError."""
        raise NotImplementedError

    def settings(self) -> Mapping[str, Any]:
        """How argparse is told of it, beside its names."""
        return {"metavar": self.word, "help": self.help}

    @property
    def usage(self) -> str:
        """How it stands in a usage line."""
        form = " ".join(filter(None, (self.typed[0] if self.typed[0].startswith("-") else "", self.word)))
        return form if self.is_needed else f"[{form}]"


class Named(Argument):
    """A job, by its number or its project's name, or a project."""


class AnyJob(Named):
    """A job's number, a project's name, or one of inbox/NAME, outbox/NAME and NAME/, which mean the project only."""

    typed, word = ("job",), "JOB"

    def __init__(self, is_needed: bool = False) -> None:
        super().__init__(
            is_needed=is_needed,
            help="number of a job, or name of a project for its latest job (NAME/ if the name is a number)",
        )

    def __get__(self, request: object, owner: type) -> Target | None:
        found: Target | None = self.value(request)
        return found

    def read(self, given: Any) -> Target:
        if isinstance(given, bool) or not isinstance(given, (int, str)):
            raise ValueError("the number of a job or the name of a project")
        text = str(given)
        name = _stripped(text)
        if not is_valid_name(name):
            raise RequestError(
                f"`{_shortened(text)}` is neither the number of a job nor the name of a project.", "`jobs` lists both."
            )
        is_number = name == text and name.isdecimal() and int(name) <= LARGEST_NUMBER
        return Target(text, int(name) if is_number else None, name)

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), **({} if self.is_needed else {"nargs": "?"})}


class JobArgument(AnyJob):
    """As AnyJob, and one has to be given."""

    def __init__(self) -> None:
        super().__init__(is_needed=True)

    def __get__(self, request: object, owner: type) -> Target:
        found: Target = self.value(request)
        return found


class Project(Named):
    """The name of a project, as such or as inbox/NAME, outbox/NAME and NAME/."""

    typed, word = ("project",), "NAME"

    def __init__(self) -> None:
        super().__init__(is_needed=True, help="name of the folder in your inbox")

    def __get__(self, request: object, owner: type) -> str:
        return str(self.value(request))

    def read(self, given: Any) -> str:
        name = _stripped(_text(given))
        if not is_valid_name(name):
            raise RequestError(f"`{_shortened(name)}` cannot be the name of a project.", NAME_HINT)
        return name


class Limit(Argument):
    """How many jobs are listed."""

    typed, word = ("-n", "--limit"), "N"

    def __get__(self, request: object, owner: type) -> int:
        return int(self.value(request))

    def read(self, given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_JOBS:
            raise ValueError(f"a whole number from 1 to {MOST_JOBS:,}")
        return given

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "type": int, "default": self.default}


class Flag(Argument):
    """True or false, and false where it is not given."""

    def __init__(self, *typed: str, help: str) -> None:
        super().__init__(False, help=help)
        self.typed = typed

    def __get__(self, request: object, owner: type) -> bool:
        return bool(self.value(request))

    def read(self, given: Any) -> bool:
        if not isinstance(given, bool):
            raise ValueError("true or false")
        return given

    def settings(self) -> Mapping[str, Any]:
        return {"action": "store_true", "help": self.help}


class Text(Argument):
    """Any text."""

    def __get__(self, request: object, owner: type) -> str:
        return str(self.value(request))

    def read(self, given: Any) -> str:
        return _text(given)


class Choice(Text):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        super().__init__(is_needed=True)
        self._words = words

    def read(self, given: Any) -> str:
        if not isinstance(given, str) or given not in self._words:
            raise ValueError(f"one of {', '.join(self._words)}")
        return given


class Projects(Argument):
    """A list of names, and of them those that can be a project's: there may be other folders in an inbox."""

    def __get__(self, request: object, owner: type) -> list[str]:
        return list(self.value(request))

    def read(self, given: Any) -> list[str]:
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise ValueError("a list of names")
        return [name for name in given if is_valid_name(name)][:_MOST_PROJECTS]


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError("a text")
    return given


def _shortened(text: str) -> str:
    from labd.common.excerpts import shorten  # here: only what is wrong needs it

    return shorten(text, 80)


def _stripped(text: str) -> str:
    """`text` without what shows that it means a folder of the inbox or of the outbox."""
    for folder in _FOLDERS:
        text = text.removeprefix(folder)
    return text.removesuffix("/")
