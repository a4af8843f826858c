"""What a program finds in its container's folders: its upload, /output, its HOME.

This module owns the mounts. Docker makes them when the container starts; it never starts one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from labd.common.errors import LabdError
from labd.common.log import get
from labd.engines import copies
from labd.engines.docker.start_errors import start_error
from labd.model.engine import Run

_VOLATILE_SINCE = (5, 10)


def mounts(run: Run, copied: bool) -> list[Any]:
    """The SDK's mounts for `run`; /code and /input are views of the upload, or copies. Raises StartError."""
    from docker.types import Mount

    present = _copy if copied else _overlay
    return [
        present("/code", run.code, run.scratch / "code"),
        present("/input", run.input, run.scratch / "input"),
        Mount("/output", str(run.output), type="bind"),
        Mount(run.env["HOME"], str(run.home), type="bind"),
        Mount("/etc/passwd", str(run.passwd), type="bind", read_only=True),
        Mount("/etc/group", str(run.group), type="bind", read_only=True),
        *(Mount(str(at), str(file), type="bind", read_only=True) for at, file in run.further.items()),
    ]


def _copy(target: str, frozen: Path, scratch: Path) -> Any:
    """A copy of `frozen` that is the program's own."""
    from docker.types import Mount

    try:
        return Mount(target, str(copies.make(frozen, scratch)), type="bind")
    except LabdError as error:
        get().error("an upload could not be copied for its program", folder=str(frozen), reason=error.message)
        raise start_error(error.message) from error


def _overlay(target: str, lower: Path, scratch: Path) -> Any:
    """A copy-on-write view of `lower`; Docker mounts it when the container starts."""
    from docker.types import DriverConfig, Mount

    layers = f"lowerdir={_escaped(lower)},upperdir={_escaped(scratch / 'upper')},workdir={_escaped(scratch / 'work')}"
    if _kernel() >= _VOLATILE_SINCE:
        # Without it, the unmount at the program's end waits until all that anybody wrote to the disk is on it.
        layers += ",volatile"
    options = {"type": "overlay", "device": "overlay", "o": layers}
    return Mount(target, "", type="volume", no_copy=True, driver_config=DriverConfig("local", options))


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def _escaped(path: Any) -> str:
    """`path` inside overlayfs's option string, where colon, comma and backslash have a meaning."""
    return "".join(f"\\{character}" if character in ":,\\" else character for character in str(path))
