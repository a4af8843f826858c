"""When an upload is complete: the judgement on one look at a project in an inbox.

This module owns the rules of completeness (told, known, inferred, settled) as a pure function of what was
seen and what is remembered. It never looks itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labd.common.printable import printable
from labd.common.units import clock, count, human_size, human_time
from labd.diagnosis.programs import Diagnosis, no_program
from labd.intake.proof import Traffic
from labd.intake.sending_advice import misplaced
from labd.intake.transfers import CLOCKS, TransferResult
from labd.model.config import InboxSettings
from labd.model.jobs import Signal
from labd.model.languages import Language
from labd.model.layout import NAME_HINT, is_junk, is_temporary, is_valid_name

_SCP = 2.0  # seconds after the end of an scp that was complete by its own signature
_LONGEST = 200  # characters of a path that is named
_NO_TRAFFIC = Traffic()


@dataclass(frozen=True)
class Look:
    """One look at one entry of an inbox, as `scan.scan` reports it."""

    name: str
    folder: bool
    root: str = ""  # "" or "project": where in the entry the project is
    controls: Mapping[str, int] = field(default_factory=dict)  # control file → its ctime in nanoseconds
    sample: tuple[str, ...] = ()  # names of the first files, relative to the entry
    files: int = 0
    bytes: int = 0
    newest: int = 0  # newest ctime of a file or folder, in nanoseconds since the epoch
    oldest: int = 0  # oldest ctime of a file
    fingerprint: str = ""
    code: tuple[str, ...] = ()  # those of the languages' programs that are directly in code/
    temporaries: tuple[str, ...] = ()  # transfers' unfinished files
    unfinished: tuple[str, ...] = ()  # files with mtime 0, which is what `rsync --partial` leaves of a cut transfer
    unreadable: tuple[str, ...] = ()  # paths in it; "" is all of it
    why: str = ""  # the system's reason why all of it cannot be read
    too_deep: bool = False

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Look:
        """From the worker's report."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in report.items()
        }
        return cls(**values)


class Verdict:
    """What to do about a project."""


@dataclass(frozen=True)
class Nothing(Verdict):
    """It has been dealt with; nothing that counts changed since."""

    misplaced: Diagnosis | None = None  # what was sent last is no part of the project


@dataclass(frozen=True)
class Gone(Verdict):
    """It was there at the last look, and is no more."""


@dataclass(frozen=True)
class Wait(Verdict):
    """It is not complete yet, or nothing proves that it is."""

    why: str
    until: float = 0.0  # when it starts if nothing more comes, in seconds since the epoch; 0 when that is not known


@dataclass(frozen=True)
class Refuse(Verdict):
    """It cannot become a job as it is. No job is made."""

    diagnosis: Diagnosis


@dataclass(frozen=True)
class Complete(Verdict):
    """It is one job."""

    signal: Signal


def judge(
    look: Look,
    accepted: str,
    languages: Mapping[str, Language],
    limits: InboxSettings,
    now: float,
    first_seen: float,
    traffic: Traffic = _NO_TRAFFIC,
) -> Verdict:
    """What to do about a project after `look`.

    `accepted` is the fingerprint of the upload that was dealt with last, `first_seen` when this fingerprint was first
    seen, both times in seconds since the epoch; `traffic` is what the gateway knows. A Complete with signal SETTLED
    still needs the proof that no process has a file of it open for writing.
    """
    is_submitted = "SUBMIT" in look.controls
    if is_junk(look.name) or is_temporary(look.name):
        return Nothing()
    if look.folder and look.fingerprint and look.fingerprint == accepted:
        return Nothing(misplaced(look.name, look.root, traffic.places))
    signal = Signal.SUBMIT if is_submitted else _signal(look, traffic)
    if not is_submitted and (wait := _under_way(look, traffic)):
        return wait
    is_scp = signal is Signal.INFERRED and traffic.proof is TransferResult.COMPLETE
    if signal in (Signal.INFERRED, Signal.SETTLED, Signal.UNPROVEN):
        settle = min(_SCP, limits.settle) if is_scp else limits.settle
        if signal is Signal.UNPROVEN:
            settle = max(limits.settle, limits.unproven)
        if (left := settle - _quiet(look, traffic, now, first_seen)) > 0:
            return _settling(look, signal, now + left)
        if not is_scp and (wait := _unfinished(look, traffic)):
            return wait
    if refused := _refused(look, languages, limits):
        return Refuse(refused)
    return Complete(signal)


def _signal(look: Look, traffic: Traffic) -> Signal:
    """What the end of the latest transfer says, unless something else has changed the project since."""
    if traffic.proof is TransferResult.UNPROVEN:
        return Signal.UNPROVEN
    if traffic.proof is None or look.newest / 1e9 > traffic.ended + CLOCKS:
        return Signal.SETTLED
    return Signal.KNOWN if traffic.kind == "rsync" else Signal.INFERRED


def _under_way(look: Look, traffic: Traffic) -> Wait | None:
    if traffic.live == "sftp":
        return Wait(
            f"receiving: {_so_far(look)}; it starts when your transfer program disconnects, or with {_submit(look)}"
        )
    if traffic.live:
        return Wait(f"receiving: {_so_far(look)}")
    if not traffic.held:
        return None
    again, others = "it", len(traffic.missing) - 1
    if traffic.missing:
        first = traffic.missing[0]
        again = printable(first if len(first) <= _LONGEST else f"…{first[-_LONGEST:]}")
    if others > 0:
        again += f" and {count(others, 'other file')}"
    return Wait(f"{traffic.held}; send {again} again to continue, or start it as it is: {_submit(look)}")


def _settling(look: Look, signal: Signal, until: float) -> Wait:
    if signal is not Signal.UNPROVEN:
        return Wait(f"receiving: {_so_far(look)}", until)
    return Wait(
        f"{_so_far(look)}; nothing says that this is all of it: starts at {clock(until)} unless more "
        f"arrives; {_submit(look)} starts it now",
        until,
    )


def _submit(look: Look) -> str:
    return f"`ssh lab submit {printable(look.name)}`"


def _quiet(look: Look, traffic: Traffic, now: float, first_seen: float) -> float:
    """Seconds since anything changed."""
    changed = max(look.newest / 1e9, traffic.ended)
    # A file server's clock may run ahead of ours: then only our own watch tells how long nothing changed.
    return now - (changed if changed <= now else first_seen)


def _unfinished(look: Look, traffic: Traffic) -> Wait | None:
    """Why a quiet upload may all the same be incomplete, when nothing proves the contrary."""
    # What a client leaves that has begun anew under another temporary name.
    temporaries = [path for path in look.temporaries if path not in traffic.mended]
    since = f"nothing has changed since {human_time(look.newest / 1e9)}"
    more = f"{_so_far(look)}, {since}; send it again to continue, or start it as it is: {_submit(look)}"
    if temporaries:
        return Wait(f"waiting for an unfinished transfer ({printable(temporaries[0])}): {more}")
    if look.unfinished:
        return Wait(f"a transfer was cut in {printable(look.unfinished[0])}: {more}")
    return None


def _so_far(look: Look) -> str:
    return f"{count(look.files, 'file')}, {human_size(look.bytes)} so far"


def _refused(look: Look, languages: Mapping[str, Language], limits: InboxSettings) -> Diagnosis | None:
    programs = list(dict.fromkeys(language.template.program for language in languages.values()))
    if not is_valid_name(look.name):
        return Diagnosis(f"{printable(look.name)} cannot be the name of a project.", NAME_HINT)
    if not look.folder:
        return Diagnosis(
            f"{look.name} is a file; labd runs folders.",
            f"Upload a folder that has code/{programs[0]} in it, for example to inbox/my-project/.",
        )
    if look.unreadable:
        what = f"{printable(look.unreadable[0])} in {look.name}" if look.unreadable[0] else f"The folder {look.name}"
        return Diagnosis(
            f"{what} cannot be read{f' ({look.why})' if look.why else ''}.",
            "Give yourself the right to read it (chmod -R u+rX, on your own computer) and send it again.",
        )
    # The walk ended there, in whatever order the disk has the names: whether there is a program is not known.
    if look.files > limits.max_files:
        return Diagnosis(
            f"The project has more than {count(limits.max_files, 'file')}, the limit of this server.",
            "Pack small files into an archive, or ask the administrator for a higher limit.",
        )
    if not any(program in look.code for program in programs):
        if look.name in ("code", "input"):
            return Diagnosis(
                f"This is the folder {look.name} alone, without a project around it.",
                "Upload the whole project folder to inbox/my-project/, so that it becomes inbox/my-project/code/.",
            )
        return no_program(look.sample, programs)
    if look.too_deep:
        return Diagnosis(
            f"The folders are nested more than {limits.max_depth} levels deep.",
            "Pack what is that deep into an archive.",
        )
    if look.bytes > limits.max_bytes:
        return Diagnosis(
            f"The project has {human_size(look.bytes)}; the limit of this server is {human_size(limits.max_bytes)}.",
            "Send less data, or ask the administrator for a higher limit.",
        )
    return None
