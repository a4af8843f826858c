"""The log: structlog, readable on a terminal, native fields under journald.

This module owns how a log line looks and where it goes, and which job the lines of a thread are about. `journalctl
LABD_JOB=42` tells the story of job 42 because whatever is done for a job is done inside `about`, which gives all its
lines `job=42` and `user=…`. It never decides what is worth a line.
"""

from __future__ import annotations

import contextvars
import logging
import os
import socket
import sys
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import structlog

_JOURNAL = "/run/systemd/journal/socket"
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}


def configure() -> None:
    """Send log lines to journald when it started us, else to standard error."""
    processors: list[Any] = [
        _with_job,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
    ]
    if "JOURNAL_STREAM" in os.environ and os.path.exists(_JOURNAL):
        logger: Any = lambda *_: _Journal()  # noqa: E731 - a factory, used once
        processors.append(_to_journal)
    else:
        logger = structlog.PrintLoggerFactory(sys.stderr)
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=logger,
        cache_logger_on_first_use=True,
    )


def get() -> Any:
    """The logger; `get().info("job succeeded", state="succeeded")`."""
    return structlog.get_logger()


def about(job: int, user: str) -> AbstractContextManager[None]:
    """In the block, all lines that this thread logs are about `job` of `user`."""
    return structlog.contextvars.bound_contextvars(job=job, user=user)


def carried(work: Callable[..., object]) -> Callable[..., object]:
    """`work` for another thread: what it logs is about the job that the caller's lines are about now."""
    context = contextvars.copy_context()
    return lambda *arguments: context.run(work, *arguments)


def about_nothing(work: Callable[..., object]) -> Callable[..., object]:
    """`work` for another thread: what it logs is about no job, whoever asked for it, until it says so itself."""
    return lambda *arguments: contextvars.Context().run(work, *arguments)


def _with_job(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The line with what is bound for it, first of all job and user. What is said in the line itself counts more."""
    bound = structlog.contextvars.get_contextvars()
    return {**{key: bound[key] for key in ("job", "user") if key in bound}, **bound, **event}


class _Journal:
    """journald's native protocol: one datagram of fields a message (systemd, "Native Journal Protocol")."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def msg(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, _JOURNAL)
        except OSError:
            # A full or restarting journal must not stop a job; standard error goes to the journal too.
            sys.stderr.write(datagram.decode(errors="replace"))

    debug = info = warning = error = critical = exception = msg


def _to_journal(_: object, __: str, event: MutableMapping[str, Any]) -> bytes:
    level = str(event.pop("level", "info"))
    message = str(event.pop("event"))
    trace = event.pop("exception", None)
    # `job` and `user` are fields to search by, and who reads the plain log wants to see them too.
    words = " ".join(f"{key}={value}" for key, value in event.items())
    fields = {"MESSAGE": f"{message} {words}".strip(), "PRIORITY": str(_PRIORITY.get(level, 6))}
    fields["SYSLOG_IDENTIFIER"] = "labd"
    if trace:
        fields["MESSAGE"] += f"\n{trace}"
    fields.update({f"LABD_{key.upper()}": str(value) for key, value in event.items()})
    return b"".join(_field(key, value.encode(errors="replace")) for key, value in fields.items())


def _field(key: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return key.encode() + b"=" + value + b"\n"
    return key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
