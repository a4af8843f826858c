"""STATUS and status.json: a job in a few plain lines, and the same for programs.

This module owns how a job is told, in the outbox, on the command line and over the socket. It is pure: everything that
is told is handed in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from labd.common.units import count, human_duration, human_time
from labd.daemon.outbox.arrivals import Upload, state
from labd.diagnosis.programs import Diagnosis
from labd.model.jobs import Job, State

_MOST_LINES = 5  # of one message; more is not read

_WORDS = {
    State.RECEIVED: "received; its snapshot is being taken",
    State.QUEUED: "queued",
    State.BUILDING: "building the environment (see build.log)",
    State.RUNNING: "running",
    State.DELIVERING: "ended; the results are on their way to the outbox",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.REJECTED: "rejected",
    State.BUILD_FAILED: "failed: the environment could not be built (see build.log)",
    State.TIMED_OUT: "stopped: its time was over",
    State.OUT_OF_MEMORY: "failed: out of memory",
    State.OUTPUT_TOO_LARGE: "failed: it wrote too much",
    State.CANCELLED: "cancelled",
    State.INTERRUPTED: "interrupted",
}

_JOB_FIELDS = (
    *("job", "user", "project", "state", "since", "created", "started", "ended", "place", "running", "waiting"),
    *("exit_code", "cause", "hint", "notes", "grant", "gpu_ids", "peak_memory", "cpu_seconds", "stopping", "trigger"),
)
"""What `job_fields` has of a job."""


def upload_fields(upload: Upload) -> dict[str, Any]:
    """An `upload` in place of a job that there is not: what `job_fields` has, with nothing about a job."""
    return {
        **dict.fromkeys(_JOB_FIELDS),
        "user": upload.user,
        "project": upload.project,
        "since": upload.since,
        "cause": upload.reason.cause if isinstance(upload.reason, Diagnosis) else None,
        "hint": upload.hint,
        "notes": [],
        "gpu_ids": [],
    }


def job_fields(job: Job, place: int = 0, ahead: int = 0, waiting: str = "") -> dict[str, Any]:
    """`job` as a JSON object: what status.json and the socket say. Times are seconds since the epoch.

    `place` is its place in the queue (1 is next, 0: not queued), `ahead` the number of jobs running now,
    `waiting` what else it waits for.
    """
    return {
        "job": job.id,
        "user": job.user,
        "project": job.project,
        "state": job.state.value,
        "since": job.changed,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "place": place,
        "running": ahead,
        "waiting": waiting or None,
        "exit_code": job.exit_code,
        "cause": job.cause,
        "hint": job.hint,
        "notes": list(job.notes),
        "grant": asdict(job.grant) if job.grant else None,
        "gpu_ids": list(job.gpu_ids),
        "peak_memory": job.peak_memory,
        "cpu_seconds": job.cpu_seconds,
        "stopping": job.stop_reason,
        "trigger": job.signal.value,
    }


def sentence(job: Job, now: float, place: int = 0, ahead: int = 0, waiting: str = "") -> str:
    """The state of `job` in one line, as of `now`: "running for 2 minutes", "queued, place 3; 2 jobs are running"."""
    words = _WORDS[job.state]
    if job.stopping and not job.state.is_outcome and job.state is not State.DELIVERING:
        return f"stopping: {job.stop_reason}"
    if waiting and not job.state.is_outcome:
        return waiting
    if job.state is State.QUEUED and place:
        return f"{words}, place {place}; {ahead} running"
    if job.state is State.RUNNING and job.started:
        return f"{words} for {_span(job.started, now)}"
    if job.state.is_outcome and job.started and job.ended:
        return f"{words} after {_span(job.started, job.ended)}"
    return words


def _span(start: float, end: float) -> str:
    """The time between two moments; none when the clock was set back in between."""
    return human_duration(max(end - start, 0.0))


def _notes(notes: Sequence[str], room: int) -> list[str]:
    """`notes` in as many lines as there is `room` for, and at least one."""
    shown = [f"Note: {note}" for note in notes[: max(room, 1)]]
    if len(notes) > len(shown):
        shown[-1] += f" ({count(len(notes) - len(shown), 'more note')} in status.json)"
    return shown


def page(
    project: str,
    job: Job | None,
    upload: str | Diagnosis | None,
    now: float,
    place: int = 0,
    ahead: int = 0,
    waiting: str = "",
    sending: str = "",
) -> dict[str, str]:
    """The files STATUS and status.json for a `project`: its latest `job`, and what there is to say of an `upload`.

    `sending` tells of the results' way to the researcher's own computer.
    """
    lines, data = [], {"project": project, "updated": now, "state": None}
    if job:
        lines += [
            f"{project}: {sentence(job, now, place, ahead, waiting)} (job {job.id})",
            f"Since: {human_time(job.changed)}",
        ]
        lines += [f"{name}: {text}" for name, text in (("Cause", job.cause), ("What to do", job.hint)) if text]
        lines += _notes(job.notes, _MOST_LINES - len(lines))
        lines += [sending] if sending else []
        data |= {**job_fields(job, place, ahead, waiting), "sending": sending or None}
    if isinstance(upload, Diagnosis):
        lines += [f"{'New upload' if job else project}: not started. {upload.cause}", f"What to do: {upload.hint}"]
        data["upload"] = {"state": state(upload), "cause": upload.cause, "hint": upload.hint}
    elif upload:
        lines.append(f"{'New upload' if job else project}: {upload}")
        data["upload"] = {"state": state(upload), "text": upload}
    text = "".join(line + "\n" for line in lines)
    return {"STATUS": text, "status.json": json.dumps(data, indent=1) + "\n"}
