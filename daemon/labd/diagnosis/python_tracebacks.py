"""Python's tracebacks: which error ended a program, and in which line of the researcher's own code.

This module owns the reading of tracebacks, and of the dump that Python leaves after a crash of native code. It never
judges what an error means, and never opens a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from labd.common.excerpts import shorten

_FRAME = re.compile(r'(?P<indent>\s*)File "(?P<file>[^"]+)", line (?P<line>\d{1,9})(?:, in (?P<function>.*?))?\s*')
_DUMPED_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d{1,9}) in ')
_ERROR = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?::\s*(?P<message>.*)|:?)")
_NAMED = re.compile(r"[\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Timeout)")
_HEADER = "Traceback (most recent call last)"
_GROUP_HEADER = "Exception Group " + _HEADER
_GROUP_MARGIN = re.compile(r"\s+(?:\+ |\| ?)")
_GROUP_MEMBER = re.compile(r"\s*\+[-+]{5,} \d+ -{5,}")
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")
# Tracebacks that end a thread, a worker or nothing at all: the program's own end, if there is one, matters more.
_SIDE_EVENT = re.compile(
    r"Exception (?:ignored|in thread) |Process \S+:$|Error in |--- Logging error|Task exception was"
)
# Some systems' Python 3.8 shows the program's own file without its folder.
_OWN_FILE = re.compile(r"/code/(?P<name>(?!.*(?:site|dist)-packages/).+)|(?P<relative>[^/<\\:]+\.py)")
_NOT_UTF8 = re.compile(
    r"SyntaxError: (?P<message>Non-UTF-8 code .{1,40} in file (?P<file>\S.{0,500}?) on line (?P<line>\d{1,9}), .*)"
)
_UNGUARDED = "An attempt has been made to start a new process before"


class Frame(NamedTuple):
    """One call of a traceback."""

    file: str
    line: int
    function: str = ""
    code: str = ""  # what stands in that line, if the traceback shows it


@dataclass(frozen=True)
class Raised:
    """One Python error as its traceback shows it."""

    type: str  # without the modules before it: "JSONDecodeError"
    message: str  # its first line
    frames: tuple[Frame, ...]  # outermost first
    end: int  # where in the text it was printed: number of the error's line
    is_side_event: bool  # ended a thread or was ignored, so it is not why the program ended

    @property
    def text(self) -> str:
        return ": ".join(filter(None, (self.type, self.message)))

    @property
    def place(self) -> str:
        """The innermost line of the researcher's own code: "code/app.py, line 12", or "" if there is none."""
        return next(filter(None, (_own_place(frame.file, frame.line) for frame in reversed(self.frames))), "")

    @property
    def is_in_own_code(self) -> bool:
        return bool(self.frames) and bool(_own_place(*self.frames[-1][:2]))

    @property
    def own_code(self) -> str:
        """What stands in the innermost line of the researcher's own code, if the traceback shows it."""
        return next((frame.code for frame in reversed(self.frames) if _own_place(frame.file, frame.line)), "")

    @property
    def called(self) -> tuple[str, ...]:
        """The names of the functions of libraries below that line, outermost first."""
        own = max((at for at, frame in enumerate(self.frames) if _own_place(*frame[:2])), default=-1)
        return tuple(frame.function.rpartition(".")[2] for frame in self.frames[own + 1 :])

    @property
    def is_in_subprocess(self) -> bool:
        """Whether it was raised when the program tried to start another one."""
        return bool(self.frames) and self.frames[-1].file.endswith("/subprocess.py")


def ending_error(shown: Sequence[str]) -> Raised | None:
    """The error that ended the program, as far as its printed `shown` lines tell."""
    raised = _last_raised(shown) or _not_utf8(shown)
    # Said by a process that the program started; the program itself fails later, in words that do not tell why.
    if raised and (unguarded := next((line for line in shown if _UNGUARDED in line), "")):
        return replace(raised, type="RuntimeError", message=unguarded.strip())
    return raised


def _not_utf8(shown: Sequence[str]) -> Raised | None:
    """The one error that has no traceback: Python could not read the program itself, and says where in its message."""
    for number, line in enumerate(shown):
        if found := _NOT_UTF8.fullmatch(line):
            frame = Frame(found["file"], int(found["line"]))
            return Raised("SyntaxError", found["message"], (frame,), number, False)
    return None


def _last_raised(shown: Sequence[str]) -> Raised | None:
    """The last error with a traceback that is the program's own."""
    starts = [number for number, line in enumerate(shown) if line.lstrip().startswith("+ " + _GROUP_HEADER)]
    if starts:
        shown = [_GROUP_MARGIN.sub("", line, count=1) for line in shown]
    errors = _tracebacks(shown)
    if not errors:
        return None
    if starts and (members := [error for error in errors if error.end > starts[-1]]):
        return _first_member(members)
    # Some messages hold tracebacks of others, whole; the program's own end always passes through its own code.
    last = max(range(len(errors)), key=lambda at: (not errors[at].is_side_event, bool(errors[at].place), at))
    cause = errors[last - 1]
    # A pool shows the worker's error first and then the same error again where the result was asked for.
    same = (
        last > 0
        and cause.place
        and cause.text == errors[last].text
        and any(line.startswith(_CHAINED[0]) for line in shown[cause.end : errors[last].end])
    )
    return cause if same else errors[last]


def dumped_place(shown: Sequence[str]) -> str:
    """The innermost own line in Python's dump after a crash of native code, or ""."""
    frames = filter(None, (_DUMPED_FRAME.match(line) for line in shown))
    return next(filter(None, (_own_place(frame["file"], int(frame["line"])) for frame in frames)), "")


def _own_place(file: str, line: int) -> str:
    own = _OWN_FILE.fullmatch(file)
    return f"code/{shorten(own['name'] or own['relative'], 50)}, line {line}" if own else ""


def _first_member(errors: Iterable[Raised]) -> Raised:
    """Of an exception group's `errors`, the group itself first, the first that tells what went wrong."""
    group, *members = errors
    member = next((error for error in members if not error.type.endswith("Group")), group)
    return Raised(member.type, member.message, member.frames or group.frames, member.end, False)


def _tracebacks(shown: Sequence[str]) -> list[Raised]:
    """All errors with a traceback, also where the beginning of the traceback was cut off."""
    errors: list[Raised] = []
    frames: list[Frame] = []
    began, indent, shown_at = 0, 0, 0
    for number, line in enumerate(shown):
        if frame := _FRAME.fullmatch(line):
            began, indent, shown_at = (began if frames else number), len(frame["indent"]), number
            frames.append(Frame(frame["file"], int(frame["line"]), frame["function"] or ""))
        elif _HEADER in line:
            frames = []
        elif not frames and not (number and _GROUP_MEMBER.match(shown[number - 1])):
            continue
        elif frames and number == shown_at + 1 and len(line) - len(line.lstrip()) > indent:
            frames[-1] = frames[-1]._replace(code=line.strip())
        elif (
            line.strip()
            and len(line) - len(line.lstrip()) < max(indent, 1)
            and (error := _ERROR.fullmatch(line.strip()))
            and not _is_in_between(error, shown[number + 1 : number + 4])
        ):
            side = _is_side_event(shown, began, errors)
            message = error["message"] or (_continued(shown, number) if ":" in line else "")
            errors.append(Raised(error["type"].rsplit(".", 1)[-1], message[:1000], tuple(frames), number, side))
            frames = []
    return errors


def _is_in_between(error: re.Match[str], below: Sequence[str]) -> bool:
    """Whether what looks like an error is output that came in between: what follows looks like one much more."""
    if _NAMED.fullmatch(error["type"]):
        return False
    return any((later := _ERROR.fullmatch(line)) and _NAMED.fullmatch(later["type"]) for line in below)


def _is_side_event(shown: Sequence[str], began: int, errors: Sequence[Raised]) -> bool:
    before = shown[errors[-1].end + 1 if errors else 0 : began]
    if errors and any(line.startswith(_CHAINED) for line in before):
        return errors[-1].is_side_event
    return any(_SIDE_EVENT.match(line) for line in before[-3:])


def _continued(shown: Sequence[str], number: int) -> str:
    """The message of an error whose message begins below its type."""
    below = (line.strip() for line in shown[number + 1 : number + 8])
    return next((line for line in below if any(char.isalnum() for char in line)), "")
