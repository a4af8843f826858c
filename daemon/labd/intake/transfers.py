"""The gateway's notes of transfers over SSH, read.

This module owns the form of what the gateway noted: which transfers there were, and what each did to which project. It
is pure; what they prove together is for `proof`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_to_bytes


class TransferResult(StrEnum):
    """How a transfer ended for one project."""

    COMPLETE = "complete"  # its own protocol proves that all of it is there
    UNCHANGED = "unchanged"  # the same proof, and nothing but times or permissions changed
    CLEAN = "clean"  # no error, and the client closed its session while the connection lived: it had no more to send
    UNPROVEN = "unproven"  # no error, but the session ended with the connection: the client may have been killed
    CUT = "cut"  # interrupted


@dataclass(frozen=True)
class Part:
    """What one transfer did to one project."""

    scope: str = ""  # the part of the project that it was about: "" for the whole, else a path in it
    result: TransferResult | None = None  # None while the transfer goes on
    why: str = ""  # of a transfer that was cut
    files: int = 0
    is_whole: bool = False  # of a CLEAN one: all of its scope was sent
    places: tuple[str, ...] = ()  # what it changed: names in the project's folder, or in project/ in it
    # Files that are not there as they were sent → when each was written to last (0: it is gone); None: no one knows.
    broken: Mapping[str, float] | None = None
    is_half: bool = False  # and others that were to follow them never came
    closed: Mapping[str, float] = field(default_factory=dict)  # some of the files that arrived whole → when


_UNKNOWN = Part()
_LATEST = 1e11  # seconds since the epoch; later than any clock says
CLOCKS = 1.0  # seconds by which the clocks of a file server and of this machine may differ


@dataclass(frozen=True)
class TransferRecord:
    """One session of a client that sends. Times are seconds since the epoch."""

    id: str
    kind: str  # "rsync", "scp" or "sftp"
    alive: bool
    began: float
    ended: float | None = None  # None while it goes on, and for one that was killed with its gateway
    projects: Mapping[str, Part] = field(default_factory=dict)

    def may_concern(self, newest: float, explained: float) -> bool:
        """Whether it may be about a project that it has not named, in which something changed last at `newest`.

        One that sends to the inbox itself does not know its project before the first file is whole: it may be any that
        changed meanwhile, if none of those that named the project and ended well by `explained` changed it.
        """
        if self.projects or newest < self.began - CLOCKS:
            return False
        if self.alive:
            return newest > explained + CLOCKS
        return explained < newest <= (self.ended or float("inf")) + CLOCKS

    @property
    def is_idle(self) -> bool:
        """Whether it is over without ever having been about a project that is known."""
        return not self.alive and not self.projects

    def part(self, project: str) -> Part:
        """What it did to `project`."""
        return self.projects.get(project, _UNKNOWN)


def parse(reports: Iterable[Mapping[str, Any]]) -> list[TransferRecord]:
    """From `session_records.read_sessions`; what makes no sense is left out: the researcher could have written it."""
    transfers = []
    for report in reports:
        try:
            transfers.append(_parse(report))
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
            continue
    return transfers


def _parse(report: Mapping[str, Any]) -> TransferRecord:
    if not report["lines"]:
        return _named(report)
    first, *others = report["lines"]
    last = next((line for line in others if "ended" in line), None)
    scopes = {str(line["project"]): str(line["scope"]) for line in others if "project" in line}
    results: Mapping[str, Any] = last["projects"] if last else {}
    return TransferRecord(
        id=str(report["id"]),
        kind=str(first["kind"]),
        alive=bool(report["alive"]) and last is None,
        began=_time(first["began"]),
        ended=_time(last["ended"]) if last else None,
        projects={name: _part(scopes.get(name, ""), results.get(name)) for name in {**scopes, **results}},
    )


def _named(report: Mapping[str, Any]) -> TransferRecord:
    """From a file that has nothing but its name and its time, because the disk was full (`gateway.records.record`)."""
    name, *about = str(report["id"]).split(",")
    project, scope = (os.fsdecode(unquote_to_bytes(text)) for text in about or ("", ""))
    return TransferRecord(
        id=str(report["id"]),
        kind="transfer",
        alive=bool(report["alive"]),
        began=_time(int(name.partition("-")[0]) / 1e9),
        ended=None if report["alive"] else _time(report["changed"]),
        projects={project: Part(scope)} if project else {},
    )


def _part(scope: str, end: Mapping[str, Any] | None) -> Part:
    if not end:
        return Part(scope)
    broken = end.get("broken")
    return Part(
        scope,
        TransferResult(end["result"]),
        str(end.get("why", "")),
        int(end["files"]),
        bool(end.get("whole")),
        tuple(map(str, end.get("places", ()))),
        None if broken is None else _times(broken),
        bool(end.get("half")),
        _times(end.get("closed", {})),
    )


def _times(times: Mapping[str, Any]) -> dict[str, float]:
    return {str(path): _time(when) for path, when in times.items()}


def _time(value: float | str) -> float:
    when = float(value)
    if not 0 <= when < _LATEST:
        raise ValueError
    return when
