"""receipt.json: what ran on what, and what came out, in figures that can be checked.

This room owns the receipt's form and the hashing behind it. Hashing is done by the hands beside the running program;
what did not change since is not read twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labd.hands import Hands, Identity
from labd.jobs import Job, State

_TIMEOUT = 6 * 3600.0
Manifest = dict[str, list[Any]]
"""Path → size in bytes, mtime in ns, inode, SHA-256."""


def hash_files(
    hands: Hands, identity: Identity | None, folder: Path, known: Manifest, settled: float
) -> tuple[Manifest, int]:
    """SHA-256 of the files in `folder` that did not change after `settled`, and the bytes that all of them hold.

    Read as `identity`, with `known` taken over for what did not change. Raises HandsError.
    """
    found = hands.do(identity, "digest", timeout=_TIMEOUT, folder=str(folder), known=known, settled=settled)
    return found["files"], found["bytes"]


def load_manifest(file: Path) -> Manifest:
    """The manifest that an earlier job left in `file`; empty when there is none."""
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError):
        return {}


def save_manifest(file: Path, manifest: Manifest) -> None:
    """Keep `manifest` in `file` for the next job of the project."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps(manifest))
    os.replace(part, file)


def render(
    job: Job,
    events: list[tuple[float, State]],
    environment: Mapping[str, Any],
    inputs: Manifest,
    outputs: Manifest,
    exact: Mapping[str, Any] | None = None,
) -> str:
    """The text of receipt.json. Times are ISO 8601 in UTC, sizes bytes, hashes SHA-256 in hex.

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
        "inputs": _listed(inputs),
        "outputs": _listed(outputs),
    }
    return json.dumps(receipt, indent=1) + "\n"


def _listed(manifest: Manifest) -> list[dict[str, Any]]:
    return [{"path": path, "bytes": entry[0], "sha256": entry[3]} for path, entry in sorted(manifest.items())]


def _iso(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
