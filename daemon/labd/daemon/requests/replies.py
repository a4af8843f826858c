"""From a request that has arrived to the lines of its answer, and what is said when there is none.

This module owns the difference between what a person can mend, which they are told, and a defect of labd, whose
traceback goes to the log. It never knows what is asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from labd.common.errors import LabdError, RequestError, for_people, is_of_the_machine
from labd.common.log import get
from labd.daemon.requests.connection import Connection, GoneError, as_line

Json = dict[str, Any]
Answer = Callable[[Json, Connection], Iterator[Json]]


def reply(answer: Answer, connection: Connection, request: bytes) -> None:
    """Send what `answer` makes of `request`; the last line says what went wrong, if anything did."""
    # Who asked may be gone before the answer.
    with contextlib.suppress(GoneError):
        try:
            with connection.turn:
                lines = answer(_parsed(request), connection)
            while (line := _next(lines, connection)) is not None:
                connection.send(line)
        except GoneError:
            raise
        except Exception as error:
            connection.send(as_line(_told(error, connection.uid)))


def _next(lines: Iterator[Json], connection: Connection) -> Json | None:
    """The next line of an answer, made when it is its turn; None after the last."""
    with connection.turn:
        return next(lines, None)


def _told(error: Exception, uid: int) -> LabdError:
    """What `uid` is told of an error that ended an answer; what only the administrator can mend is in the log."""
    if isinstance(error, RequestError):
        get().warning("request not understood", uid=uid, reason=error.message)
    elif not isinstance(error, LabdError):
        what = "no answer to a request" if is_of_the_machine(error) else "defect of labd in the answer to a request"
        get().exception(what, uid=uid)
    return for_people(error)


def _parsed(request: bytes) -> Json:
    """The JSON object that a request is. Raises RequestError."""
    try:
        parsed = json.loads(request)
    except (ValueError, RecursionError):
        raise RequestError("That is no request: it is not JSON.") from None
    if not isinstance(parsed, dict):
        raise RequestError("That is no request: it is not a JSON object.")
    return parsed
