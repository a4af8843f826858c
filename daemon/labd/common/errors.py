"""The one family of errors that a person may see.

This module owns how labd says that something is wrong: one sentence, one hint, one exit code. Everything else that is
raised is a defect; its traceback goes to the journal and never to a researcher.
"""

from __future__ import annotations

import errno
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the `labd` command, after sysexits.h where it has a fitting one."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 65
    NOT_FOUND = 66
    UNAVAILABLE = 69
    INTERNAL = 70
    NO_PERMISSION = 77
    BAD_CONFIG = 78
    TIMED_OUT = 124  # with NOT_RUN and CANCELLED: `labd try`, whose other codes are the program's; as timeout(1) has it
    NOT_RUN = 125
    CANCELLED = 130


class LabdError(Exception):
    """Something is wrong that a person can mend."""

    exit_code = Exit.FAILED

    def __init__(self, message: str | None = None, hint: str = "") -> None:
        """Say `message` (default: the class's own sentence) and, as `hint`, what to do about it."""
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        super().__init__(self.message)


class ConfigError(LabdError):
    """The configuration cannot be used."""

    exit_code = Exit.BAD_CONFIG


class ProjectError(LabdError):
    """The project cannot be run as it is."""

    exit_code = Exit.BAD_INPUT


class NotFoundError(LabdError):
    """There is nothing of that name."""

    exit_code = Exit.NOT_FOUND


class NotAllowedError(LabdError):
    """That is not yours to see or change."""

    exit_code = Exit.NO_PERMISSION


class UnavailableError(LabdError):
    """A part that labd needs does not answer."""

    exit_code = Exit.UNAVAILABLE


class RequestError(LabdError):
    """The request is not one that labd knows."""

    exit_code = Exit.USAGE


class DefectError(LabdError):
    """labd met an error of its own."""

    exit_code = Exit.INTERNAL

    def __init__(self) -> None:
        super().__init__(hint="Tell the administrator: journalctl -u labd")


_TROUBLES = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN),
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN),
)
"""What a disk that is full or fails, and a machine without memory, processes or descriptors, say at any line."""


def is_of_the_machine(error: Exception) -> bool:
    """Whether `error` is the machine's trouble, and no defect of labd."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _TROUBLES)


def for_people(error: Exception) -> LabdError:
    """What those are told whose request ended in `error`."""
    if isinstance(error, LabdError):
        return error
    if is_of_the_machine(error):
        return UnavailableError(
            f"The server could not do that at the moment ({in_short(error)}).",
            "Try again in a minute; if it recurs, tell the administrator.",
        )
    return DefectError()


def in_short(error: Exception) -> str:
    """What the system says of `error`, without the path."""
    return str(getattr(error, "strerror", None) or error) or "it has no memory left"


class TransitionError(LabdError):
    """The job cannot go from its state to that one."""

    exit_code = Exit.INTERNAL


class RecordError(LabdError):
    """What the database has of this job cannot be read."""

    exit_code = Exit.INTERNAL
