"""What a handler gets to answer a request with, and the table in which it enters itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from labd.daemon.pipeline.lab import Lab
from labd.daemon.pipeline.submission import SubmissionHandler
from labd.daemon.requests.connection import Connection
from labd.intake.inbox import Inbox
from labd.model.jobs import Job
from labd.model.requests import Request

Json = dict[str, Any]


@dataclass
class Parts:
    """What handlers work with."""

    lab: Lab
    inbox: Inbox
    submissions: SubmissionHandler
    queued: Callable[[], list[Job]]
    """The jobs that wait."""
    place: Callable[[Job], tuple[int, int, str]]
    """A job's place among them, the number of running jobs, and why it waits."""
    wake: Callable[[], None]
    """Has the queue looked at."""
    seen: dict[str, float] = field(init=False)
    """When each researcher asked last, in seconds since the epoch."""

    def __post_init__(self) -> None:
        self.seen = self.lab.store.seen()


@dataclass(frozen=True)
class Asking:
    """Who asks, and the parts of the daemon that can answer."""

    user: str | None
    """The researcher; None for the administrator, who may know all."""
    connection: Connection
    parts: Parts

    @property
    def researcher(self) -> str:
        """Who asks, where the administrator may not (`Request.refused_to_administrator`)."""
        assert self.user is not None
        return self.user


R = TypeVar("R", bound=Request)
Handler = Callable[[Any, Asking], Iterator[Json]]
HANDLERS: dict[type[Request], Handler] = {}
"""For each request the function that yields the lines of its answer, and raises LabdError for what cannot be."""


def handles(kind: type[R]) -> Callable[[Callable[[R, Asking], Iterator[Json]]], Handler]:
    """Enter a function as the handler of requests of this `kind`."""

    def enter(handler: Callable[[R, Asking], Iterator[Json]]) -> Handler:
        HANDLERS[kind] = handler
        return handler

    return enter
