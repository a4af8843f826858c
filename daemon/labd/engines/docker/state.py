"""What Docker's description of a container or an image means.

This module owns the reading of `docker inspect`: the times, and which of Docker's many states is which of ours. It is
pure, and takes what Docker may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from labd.model.engine import Condition, Image, Phase

_UNKNOWN_EXIT = 255
_KILLED = (137, _UNKNOWN_EXIT)
_REMOVED = ("removing", "dead")


def condition(described: Mapping[str, Any]) -> Condition:
    """The state of a container's program. One that never started is absent, whatever else Docker says of it."""
    state = described.get("State") or {}
    started = timestamp(state.get("StartedAt"))
    if state.get("Running") or state.get("Paused"):
        return Condition(Phase.RUNNING, started)
    if started is None:
        return Condition(Phase.ABSENT)
    code = _UNKNOWN_EXIT if state.get("ExitCode") is None else int(state["ExitCode"])
    # Docker may not know when. A container that goes away by somebody's hand was killed for it.
    removed = state.get("Status") in _REMOVED and code in _KILLED
    ended = timestamp(state.get("FinishedAt"))
    # Docker 20.10 notes the start of a program of some milliseconds after its end.
    return Condition(Phase.ENDED, started, ended and max(started, ended), code, removed)


def process(described: Mapping[str, Any]) -> int:
    """Id of the first process of a container that runs, else 0."""
    return int((described.get("State") or {}).get("Pid") or 0)


def timestamp(text: Any) -> float | None:
    """Seconds since the epoch of Docker's "2025-03-01T13:05:09.123456789Z"; None for none (Docker's year 1)."""
    try:
        time = datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return None
    return time if time > 0 else None


def as_image(described: Any) -> Image:
    """The image that Docker has `described`."""
    return Image(
        id=str(described["Id"]),
        tags=tuple(described["RepoTags"] or ()),
        labels=described["Config"]["Labels"] or {},
        size=int(described["Size"]),
        digests=tuple(described["RepoDigests"] or ()),
    )
