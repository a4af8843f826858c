"""What transfers over SSH prove about uploads.

This room owns the meaning of the gateway's notes: which projects are being received, which are held because a transfer
was cut, and which are known to be complete (docs/architecture.md, The way of a job). It is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from labd.units import count


class Result(StrEnum):
    """How a transfer ended for one project."""

    COMPLETE = "complete"  # its own protocol proves that all of it is there
    UNCHANGED = "unchanged"  # the same proof, and nothing but times or permissions changed
    CLEAN = "clean"  # no error, but no proof either: the client may have been cut between two files
    CUT = "cut"  # interrupted


@dataclass(frozen=True)
class Part:
    """What one transfer did to one project."""

    scope: str = ""  # the part of the project that it was about: "" for the whole, else a path in it
    result: Result | None = None  # None while the transfer goes on
    why: str = ""  # of a transfer that was cut
    files: int = 0


_UNKNOWN = Part()
CLOCKS = 1.0  # seconds by which the clocks of a file server and of this machine may differ


@dataclass(frozen=True)
class Transfer:
    """One session of a client that sends. Times are seconds since the epoch."""

    id: str
    kind: str  # "rsync", "scp" or "sftp"
    alive: bool
    began: float
    ended: float | None = None  # None while it goes on, and for one that was killed with its gateway
    projects: Mapping[str, Part] = field(default_factory=dict)

    def concerns(self, project: str, newest: float) -> bool:
        """Whether it is, or may be, about `project`, in which something changed last at `newest`.

        One that sends to the inbox itself does not know its project before the first file is whole: while it goes on
        it may be any, and when it was cut before that, it was the one that changed meanwhile.
        """
        if self.projects:
            return project in self.projects
        return self.alive or self.began - CLOCKS <= newest <= (self.ended or float("inf")) + CLOCKS

    @property
    def is_idle(self) -> bool:
        """Whether it is over without ever having been about a project that is known."""
        return not self.alive and not self.projects

    def part(self, project: str) -> Part:
        """What it did to `project`."""
        return self.projects.get(project, _UNKNOWN)


@dataclass(frozen=True)
class Traffic:
    """What all transfers together say about one project."""

    live: str = ""  # the kind of a transfer that goes on
    held: str = ""  # why it must not start, in words for STATUS
    kind: str = ""  # of the latest transfer that ended well
    proof: Result | None = None  # and how
    ended: float = 0.0  # when that was


def parse(reports: Iterable[Mapping[str, Any]]) -> list[Transfer]:
    """From `session_files.read_sessions`; what makes no sense is left out, for the researcher could have written it."""
    transfers = []
    for report in reports:
        try:
            transfers.append(_parse(report))
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
            continue
    return transfers


def _parse(report: Mapping[str, Any]) -> Transfer:
    first, *others = report["lines"]
    last = next((line for line in others if "ended" in line), None)
    scopes = {str(line["project"]): str(line["scope"]) for line in others if "project" in line}
    results: Mapping[str, Any] = last["projects"] if last else {}
    parts = {}
    for name in {**scopes, **results}:
        told = results.get(name)
        if told:
            part = Part(scopes.get(name, ""), Result(told["result"]), str(told.get("why", "")), int(told["files"]))
        else:
            part = Part(scopes.get(name, ""))
        parts[name] = part
    return Transfer(
        id=str(report["id"]),
        kind=str(first["kind"]),
        alive=bool(report["alive"]) and last is None,
        began=float(first["began"]),
        ended=float(last["ended"]) if last else None,
        projects=parts,
    )


def traffic(project: str, transfers: Sequence[Transfer], newest: float) -> Traffic:
    """What `transfers` say about `project`, in which something changed last at `newest` (seconds since the epoch)."""
    about = [transfer for transfer in transfers if transfer.concerns(project, newest)]
    live = [transfer.kind for transfer in about if transfer.alive]
    over = [transfer for transfer in about if not transfer.alive]
    good = [transfer for transfer in over if not _is_cut(transfer, project)]
    held = [
        transfer
        for transfer in over
        if _is_cut(transfer, project) and not any(_makes_good(later, transfer, project) for later in good)
    ]
    latest = max(good, key=lambda transfer: transfer.ended or 0.0, default=None)
    return Traffic(
        live=live[0] if live else "",
        held=_words(held[-1], project) if held else "",
        kind=latest.kind if latest else "",
        proof=latest.part(project).result if latest else None,
        ended=(latest.ended or 0.0) if latest else 0.0,
    )


def _is_cut(transfer: Transfer, project: str) -> bool:
    return transfer.part(project).result in (None, Result.CUT)


def _makes_good(later: Transfer, cut: Transfer, project: str) -> bool:
    """Whether `later` sent again what `cut` left open: begun after its end, and about at least the same part."""
    wide, narrow = later.part(project).scope, cut.part(project).scope
    return later.began >= (cut.ended or cut.began) and (wide in ("", narrow) or narrow.startswith(f"{wide}/"))


def _words(cut: Transfer, project: str) -> str:
    part = cut.part(project)
    why = f" ({part.why})" if part.why else ""
    after = f" after {count(part.files, 'file')}" if part.files else ""
    return f"upload interrupted{why}{after}; send it again to continue"
