"""The other end of the daemon's socket: a question, and the lines of its answer.

This module owns the way to a running daemon and the words for one that does not answer. It imports as little as it can,
because everybody's `labd status` waits for it; it never knows what an answer means.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct

from labd.common.errors import Exit, LabdError, NotAllowedError, UnavailableError

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Json = dict[str, Any]

# What config says of the socket; to read the config would take longer than to ask the question.
SYSTEM_SOCKET = "/run/labd/labd.sock"
USER_SOCKET = "~/.labd/labd.sock"
_ANSWER_SECONDS = 60.0  # that the daemon has for a line of its answer


class NotRunningError(UnavailableError):
    """No labd daemon is running here."""


class AnswerError(LabdError):
    """The daemon refused the request."""

    def __init__(self, answer: Json) -> None:
        super().__init__(str(answer["error"]), str(answer.get("hint") or ""))
        self.exit_code = _exit_code(answer.get("exit"))


def find_socket(named: str | None = None) -> str:
    """Path of the socket to ask at: `named`, else LABD_SOCKET, else the system's, else that of one's own lab."""
    if path := named or os.environ.get("LABD_SOCKET"):
        return path
    return SYSTEM_SOCKET if os.path.exists(SYSTEM_SOCKET) else os.path.expanduser(USER_SOCKET)


def ask(path: str, verb: str, patience: float | None = _ANSWER_SECONDS, /, **request: object) -> Iterator[Json]:
    """The lines of the answer to `verb` from the daemon at `path`, as they come.

    `patience` is the longest wait for a line in seconds, None: without end. Raises NotRunningError when no daemon is
    there, AnswerError when it refuses, UnavailableError when it does not answer, ends in mid-answer or says what nobody
    here understands.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            _connect(connection, path, patience)
            # Who is turned away is so before they have asked: the reason is there to be read all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    yield _read(line)
        except PermissionError:
            raise NotAllowedError(f"You may not talk to the daemon at {path}.", "Ask the administrator.") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunningError(
                f"No labd daemon is running here (there is none at {path}).",
                "Start it: `systemctl start labd`, or `labd daemon` for a lab of your own.",
            ) from None
        except TimeoutError:
            raise UnavailableError(
                f"The labd daemon did not answer within {patience:g} seconds.", "See `journalctl -u labd`."
            ) from None
        except OSError as error:
            raise UnavailableError(
                f"The labd daemon at {path} stopped in the middle of its answer ({error}).", "See `journalctl -u labd`."
            ) from None


def _connect(connection: socket.socket, path: str, patience: float | None) -> None:
    """Connect, waiting in turn while many others do. Raises TimeoutError, OSError."""
    if patience is not None:
        # A socket with Python's own limit of time would not wait at all (connect(2), EAGAIN).
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", *divmod(int(patience * 1e6), 10**6))
        )
    try:
        connection.connect(path)
    except BlockingIOError:
        raise TimeoutError from None
    connection.settimeout(patience)


def _read(line: bytes) -> Json:
    """One line of an answer. Raises AnswerError, UnavailableError."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise UnavailableError(
            "The labd daemon gave an answer that cannot be understood.",
            "Ask again; if it recurs, tell the administrator: journalctl -u labd",
        )
    if "error" in answer:
        raise AnswerError(answer)
    return answer


def _exit_code(code: Any) -> Exit:
    try:
        return Exit(code)
    except ValueError:
        return Exit.FAILED
