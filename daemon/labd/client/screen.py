"""The status screen of `ssh lab` and `ssh -t lab top`: jobs, uploads, the queue, the machine, the disk, three hints.

This module owns what is on it and what is left out when there is less room than things to say. It is pure: the answer
of the daemon and the sizes are handed in, and it returns lines that fit. It never writes to a terminal.
"""

from __future__ import annotations

from labd.client.rendering import BOLD, DIM, PLAIN, in_a_line, shortened
from labd.common.printable import one_line, printable
from labd.common.units import human_duration, human_size, human_time

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Json = Mapping[str, Any]
    Line = tuple[str, str]  # text and style

_GREEN, _RED, _YELLOW = "\x1b[32m", "\x1b[31m", "\x1b[33m"
_STYLES = {"running": _YELLOW, "building": _YELLOW, "delivering": _YELLOW, "succeeded": _GREEN, "cancelled": DIM}
_WAITING = ("received", "queued")
_MOST_UPLOADS = 3
_QUEUE_SHARE = 5  # a fifth of the screen, at most


class Disk:
    """What of the disk is taken, in bytes; `is_all` is False when there was no time to count everything."""

    def __init__(self, inbox: int, outbox: int, free: int, is_all: bool = True) -> None:
        self.inbox, self.outbox, self.free, self.is_all = inbox, outbox, free, is_all


def screen(
    overview: Json, disk: Disk, place: str, now: float, columns: int = 80, rows: int = 23, colours: bool = False
) -> list[str]:
    """The lines of the screen, at most `rows` of at most `columns` characters.

    `place` is how the researcher calls the server, `now` in seconds since the epoch.
    """
    top: list[Line] = [(f"{overview['user'] or 'all researchers'}   {human_time(now)}", BOLD)]
    top += [(_machine(overview["machine"]), ""), (_disk(disk), "")]
    hints = _hints(place)
    # A blank line before each part, and one before the hints.
    room = rows - len(top) - len(hints) - 1
    queue = _queue(overview, now, max(rows // _QUEUE_SHARE, 1), place)
    parts = [part for part in (_uploads(overview, place), queue) if part]
    room -= sum(len(part) + 1 for part in parts)
    parts.insert(0, _jobs(overview, max(room - 2, 1), place))
    lines = top
    for part in parts:
        lines = [*lines, ("", ""), *part]
    lines = [*_cut(lines, rows - len(hints) - 1, place), ("", ""), *((hint, DIM) for hint in hints)]
    return [_painted(text, style, columns, colours) for text, style in lines[:rows]]


def _cut(lines: list[Line], room: int, place: str) -> list[Line]:
    """As many of the `lines` as there is `room` for, and how many more there are."""
    if len(lines) <= max(room, 1):
        return lines
    shown = lines[: max(room - 1, 0)]
    return [*shown, (f"  and {len(lines) - len(shown)} lines that have no room here: ssh {place} status", DIM)]


def _painted(text: str, style: str, columns: int, colours: bool) -> str:
    # Names and causes come from others' files: nothing of them may control a terminal.
    text = shortened(printable(text, " "), columns)
    return f"{style}{text}{PLAIN}" if style and colours and text else text


def _machine(machine: Json) -> str:
    cpus = f"CPUs {machine['cpus_used']:g} of {machine['cpus']:g}"
    memory = f"memory {human_size(machine['memory_used'])} of {human_size(machine['memory'])}"
    gpus = f"   GPUs {machine['gpus_used']} of {machine['gpus']}" if machine["gpus"] else ""
    return f"Taken    {cpus}   {memory}{gpus}   load {machine['load']:g}"


def _disk(disk: Disk) -> str:
    more = "" if disk.is_all else "more than "
    taken = f"inbox {more}{human_size(disk.inbox)}   outbox {more}{human_size(disk.outbox)}"
    return f"Disk     {taken}   free {human_size(disk.free)}"


def _jobs(overview: Json, room: int, place: str) -> list[Line]:
    jobs = [*overview["active"], *overview["recent"]]
    if not jobs:
        return [("Your jobs", BOLD), ("  You have no jobs yet: send a folder, and it starts.", "")]
    older = overview.get("older", 0)
    shown = jobs[:room] if len(jobs) + bool(older) <= room else jobs[: max(room - 1, 1)]
    widest = min(max(len(job["project"]) for job in shown), 24)
    lines: list[Line] = [("Your jobs", BOLD)]
    for job in shown:
        name = shortened(one_line(job["project"]), widest).ljust(widest)
        lines.append((f"  {job['job']:>5}  {name}  {one_line(in_a_line(job))}", _style(job["state"])))
    if more := len(jobs) - len(shown) + older:
        lines.append(_more(more, f"ssh {place} jobs"))
    return lines


def _more(number: int, command: str) -> Line:
    return f"         and {number:,} more: {command}", DIM


def _style(state: str) -> str:
    return "" if state in _WAITING else _STYLES.get(state, _RED)


def _uploads(overview: Json, place: str) -> list[Line]:
    uploads: Sequence[Json] = overview["uploads"]
    lines: list[Line] = [("Uploads", BOLD)] if uploads else []
    most = _MOST_UPLOADS if len(uploads) <= _MOST_UPLOADS else _MOST_UPLOADS - 1
    for upload in uploads[:most]:
        is_refused = upload.get("state") == "refused"
        sentence = f"{upload['sentence']} {upload['hint']}" if is_refused else upload["text"]
        lines.append((f"  {one_line(upload['project'])}: {one_line(sentence)}", ""))
    if most < len(uploads):
        lines.append(_more(len(uploads) - most, f"ssh {place} status"))
    return lines


def _queue(overview: Json, now: float, room: int, place: str) -> list[Line]:
    queue: Sequence[Json] = overview["queue"]
    lines: list[Line] = [(f"Everybody: {overview['running']} running, {overview['queued']} waiting", BOLD)]
    most = room if len(queue) <= room else room - 1
    for job in queue[:most]:
        turn = f"{job['place']:>3}." if job["place"] else " now"
        whose = f"{one_line(job['project'])} ({job['job']})" if job["mine"] else "someone else's"
        verb = "waiting" if job["place"] else job["state"]
        since = human_duration(now - job["since"])
        text = f"  {turn} {shortened(whose, 20):<20} {_takes(job):<18} {verb} for {since}"
        lines.append((text, "" if job["mine"] else DIM))
    if most < len(queue):
        lines.append(_more(len(queue) - most, f"ssh {place} queue"))
    return lines


def _takes(job: Json) -> str:
    if job["cpus"] is None:
        return ""
    gpus = f", {job['gpus']} GPU" if job["gpus"] else ""
    return f"{job['cpus']:g} CPU, {human_size(job['memory'])}{gpus}"


def _hints(place: str) -> list[str]:
    return [
        f"send    rsync -a project/ {place}:inbox/NAME/project/",
        f"look    ssh {place} logs -f NAME   (or top, queue, help)",
        f"fetch   rsync -a {place}:outbox/NAME/output/ output/",
    ]
