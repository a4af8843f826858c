"""How things look: tables that are aligned on a terminal and plain when piped, and jobs in rows and lines.

This module owns columns, widths and emphasis, and what a terminal must not get to see: a program's output can hold
sequences that change the terminal itself. It never asks for what it shows.
"""

from __future__ import annotations

import os
import sys

from labd.common.printable import one_line
from labd.common.units import count, human_duration, human_size, human_time

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TextIO

    Row = Sequence[object]

_UNPROVEN = ("unproven", "settled")  # triggers of jobs whose upload may not have been whole (`jobs.Signal`)
_FEW = 8  # names in a line
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at `stream`, on something that can show emphasis."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    """`text` in `style` where `stream` can show it and the user did not say otherwise (NO_COLOR)."""
    return f"{style}{text}{PLAIN}" if is_terminal(stream) and not os.environ.get("NO_COLOR") else text


def width(stream: TextIO) -> int:
    """Columns of the terminal at `stream`."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def show_table(
    header: Sequence[str], rows: Sequence[Row], right: Sequence[int] = (), out: TextIO | None = None
) -> None:
    """Print `rows`: aligned below a bold header on a terminal (columns in `right` to the right), else one line each
    with tabs between.

    On a terminal the last column is cut to what fits.
    """
    out = out or sys.stdout
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not is_terminal(out):
        out.writelines("\t".join(row) + "\n" for row in cells)
        return
    if not cells:
        return
    table = [list(header), *cells] if header else cells
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for number, row in enumerate(table):
        aligned = [
            cell.rjust(size) if column in right else cell.ljust(size)
            for column, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        line = shortened("  ".join(aligned).rstrip(), width(out))
        out.write((styled(line, BOLD, out) if header and number == 0 else line) + "\n")


def shortened(text: str, columns: int) -> str:
    """`text` in `columns` at most."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def wrapped(text: str, stream: TextIO, indent: int = 0) -> str:
    """`text` broken between words for the terminal at `stream`, further lines indented; as it is for anything else."""
    if not is_terminal(stream) or len(text) <= width(stream):
        return text
    import textwrap

    return textwrap.fill(text, width(stream), subsequent_indent=" " * indent, break_on_hyphens=False)


def granted(grant: Mapping[str, Any], gpu_ids: Sequence[str] = ()) -> str:
    """What a job gets, in one line: "1 CPU, 4 GB of memory, up to 1 day"."""
    cpus = f"{grant['cpus']:g} CPU{'' if grant['cpus'] == 1 else 's'}"
    gpus = f", {count(grant['gpus'], 'GPU')}" if grant["gpus"] else ""
    if gpu_ids:
        gpus = f", GPU {', '.join(gpu_ids)}"
    network = ", with network" if grant["network"] else ""
    memory, timeout = human_size(grant["memory"]), human_duration(grant["timeout"])
    return f"{cpus}, {memory} of memory{gpus}{network}, up to {timeout}"


def show_jobs(jobs: Sequence[Mapping[str, Any]], uploads: Sequence[Mapping[str, Any]] = ()) -> None:
    """Jobs as they are now, one a line, after `uploads` that are no jobs (yet): what `labd status` prints."""
    rows: list[Row] = [("-", *_origin(upload), upload["sentence"]) for upload in uploads]
    rows += [(job["job"], *_origin(job), in_a_line(job)) for job in jobs]
    show_table(("JOB", "PROJECT", "USER", "SINCE", "STATE"), rows, right=[0])


def show_history(jobs: Sequence[Mapping[str, Any]], now: float) -> None:
    """Jobs with their figures, one a line: what `labd jobs` prints. `now` is in seconds since the epoch."""
    rows = []
    for job in jobs:
        took = human_duration(max((job["ended"] or now) - job["started"], 0.0)) if job["started"] else "-"
        memory = human_size(job["peak_memory"]) if job["peak_memory"] else "-"
        code = "-" if job["exit_code"] is None else job["exit_code"]
        submitted = human_time(job["created"])
        rows.append((job["job"], job["project"], job["user"], job["state"], code, submitted, memory, took))
    show_table(("JOB", "PROJECT", "USER", "STATE", "EXIT", "SUBMITTED", "MEMORY", "RAN FOR"), rows, right=[0, 4, 6])


def show_job(job: Mapping[str, Any], words: Callable[[str], str] = str) -> None:
    """All about one job and its project's upload, a line for each thing that is known: what `labd status JOB` prints.

    `words` gets each fact that is text, and gives it as it is to be shown.
    """
    upload = job.get("upload")
    if job["job"] is None:
        whose = ("Project", f"{job['project']} of {job['user']}")
        _show_facts([whose, ("State", job["sentence"]), *_upload_facts({**job, **job["upload"]})], words)
        return
    facts: list[tuple[str, object]] = []
    if upload:
        facts += [("New upload", upload["sentence"]), *_upload_facts(upload, "To start it")]
    facts += [("Job", f"{job['job']}, {job['project']} of {job['user']}")]
    facts += [("State", job["sentence"]), ("Cause", job["cause"]), ("What to do", job["hint"])]
    facts += [("Note", note) for note in job["notes"]]
    moments = (("Submitted", "created"), ("Started", "started"), ("Ended", "ended"))
    facts += [(name, human_time(job[key])) for name, key in moments if job[key]]
    if job["grant"]:
        facts.append(("Granted", granted(job["grant"], job["gpu_ids"])))
    if job["cpu_seconds"] is not None:
        used = f"{human_duration(job['cpu_seconds'])} of CPU time"
        facts.append(("Used", used + (f", {human_size(job['peak_memory'])} of memory" if job["peak_memory"] else "")))
    if job["exit_code"] is not None:
        facts.append(("Exit code", job["exit_code"]))
    _show_facts(facts, words)


def _upload_facts(upload: Mapping[str, Any], remedy: str = "What to do") -> list[tuple[str, object]]:
    # A daemon from before an update may not tell.
    starts = f"{human_time(upload['until'])}, unless more arrives" if upload.get("until") else ""
    return [("Since", human_time(upload["since"])), ("Starts", starts), (remedy, upload["hint"])]


def _show_facts(facts: Sequence[tuple[str, object]], words: Callable[[str], str]) -> None:
    shown = [(name, words(one_line(fact))) for name, fact in facts if fact != ""]
    # Not as a table: a cause is worth all of its words.
    form = "{:<11} {}" if is_terminal(sys.stdout) else "{}\t{}"
    sys.stdout.writelines(wrapped(form.format(name, fact), sys.stdout, 12) + "\n" for name, fact in shown)


def show_queue(lines: Sequence[Mapping[str, Any]]) -> None:
    """The queue, one job a line; whose the jobs of others are is not told."""
    rows = []
    for line in lines:
        holds = f"{line['cpus']:g} CPU, {human_size(line['memory'])}" if line["cpus"] else "-"
        if line["gpus"]:
            holds += f", {count(line['gpus'], 'GPU')}"
        whose = (line["job"], line["project"], line["user"]) if line["mine"] else ("-", "another researcher's", "-")
        rows.append((line["place"] or "-", line["state"], human_time(line["since"]), holds, *whose))
    show_table(("PLACE", "STATE", "SINCE", "HOLDS", "JOB", "PROJECT", "USER"), rows, right=[0])


def show_images(images: Sequence[Mapping[str, Any]]) -> None:
    """Environment images, one a line."""
    rows = [
        (
            image["tag"],
            f"{image['language']} {image['version']}",
            human_size(image["size"]),
            human_time(image["created"]),
            human_time(image["used"]),
        )
        for image in images
    ]
    show_table(("ENVIRONMENT", "LANGUAGE", "SIZE", "MADE", "LAST USED"), rows, right=[2])


def _origin(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["project"], entry["user"], human_time(entry["since"])


def in_a_line(job: Mapping[str, Any]) -> str:
    """What `job`, as `status.job_fields` has it, is doing, why, and what is uncertain about it."""
    text = f"{job['sentence']}: {job['cause']}" if job["cause"] else str(job["sentence"])
    return f"{text} (the end of its upload was not proven)" if job.get("trigger") in _UNPROVEN else text


def few(names: Sequence[str], most: int = _FEW) -> str:
    """The first of `names`, `most` of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(one_line(name) for name in names[:most]) + more
