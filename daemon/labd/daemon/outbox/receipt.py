"""receipt.json: what ran on what, and what came out, in figures that can be checked.

This module owns the receipt's form and the hashing behind it. Hashing is done by the workers beside the running
program; what did not change since is not read twice. The lists of files are never in this process: they can be long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labd.model.jobs import Job, State
from labd.privsep.workers import Identity, Workers

_MANIFEST_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Manifest:
    """A list of files with their SHA-256 (see `manifest`), on disk."""

    file: Path
    files: int  # lines in it
    unread: int = 0  # files and folders that could not be read
    unlisted: int = 0  # files for which there was no room


def hash_files(
    workers: Workers, identity: Identity | None, folder: Path, known: Path, target: Path, settled: float
) -> Manifest:
    """Write to `target` the SHA-256 of the files in `folder` that did not change after `settled` (seconds since epoch).

    Read as `identity`, with what the manifest `known` says taken over for what did not change. Raises WorkerError.
    """
    count = workers.do(
        None,
        "digest",
        timeout=_MANIFEST_SECONDS,
        folder=str(folder),
        known=str(known),
        target=str(target),
        owner=_owner(identity),
        settled=settled,
    )
    return Manifest(target, **count)


def write(workers: Workers, identity: Identity, file: Path, head: str, inputs: Path, outputs: Path) -> None:
    """Make `file` the receipt that begins with `head`, with two manifests; it is `identity`'s. Raises WorkerError."""
    workers.do(
        None,
        "compose",
        timeout=_MANIFEST_SECONDS,
        head=head,
        inputs=str(inputs),
        outputs=str(outputs),
        target=str(file),
        owner=_owner(identity),
    )


def _owner(identity: Identity | None) -> tuple[Any, ...] | None:
    return (identity.uid, identity.gid, identity.groups) if identity else None


def render(
    job: Job,
    events: list[tuple[float, State]],
    environment: Mapping[str, Any],
    exact: Mapping[str, Any] | None = None,
) -> str:
    """The text of receipt.json without its lists of files. Times are ISO 8601 in UTC, sizes bytes.

    `exact`: of which job this one was to have the very environment, and what differs.
    """
    receipt = {
        "job": job.id,
        "user": job.user,
        "project": job.project,
        "outcome": (job.outcome or job.state).value,
        "exit_code": job.exit_code,
        "cause": job.cause,
        "notes": list(job.notes),
        "started": _iso(job.started),
        "ended": _iso(job.ended),
        "timeline": [{"state": state.value, "at": _iso(at)} for at, state in events],
        "grant": asdict(job.grant) if job.grant else None,
        "gpu_ids": list(job.gpu_ids),
        "peak_memory_bytes": job.peak_memory,
        "cpu_seconds": job.cpu_seconds,
        "environment": dict(environment),
        **({"exact": dict(exact)} if exact else {}),
    }
    return json.dumps(receipt, indent=1) + "\n"


def _iso(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


def hash_outputs(workers: Workers, identity: Identity, folder: Path, settled: float) -> Manifest:
    """The manifest of the /output in the job's `folder`, without what changed after `settled`. Raises WorkerError."""
    file = folder / "outputs.jsonl"
    return hash_files(workers, identity, folder / "delivery" / "output", file, file, settled)
