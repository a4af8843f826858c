"""What labd asks of systemd on the machine: whether it runs, what a service does, when it reads its units again.

This module owns every call of systemctl. It never lets systemd read its units while programs use GPUs, because that can
take the devices away from containers that run (NVIDIA's container toolkit describes it).
"""

from __future__ import annotations

from pathlib import Path

from labd.client.connection import SYSTEM_SOCKET, ask
from labd.common.commands import must, run
from labd.common.errors import LabdError

_SERVICE = "labd.service"
_SYSTEMCTL_SECONDS = 120.0  # a stop waits for what labd is doing


def is_here() -> bool:
    """Whether systemd runs this machine (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def is_active(service: str) -> bool:
    """Whether `service` runs."""
    return is_here() and run(["systemctl", "is-active", "--quiet", service], timeout=_SYSTEMCTL_SECONDS).code == 0


def is_enabled() -> bool:
    """Whether labd starts with the machine."""
    return run(["systemctl", "is-enabled", "--quiet", _SERVICE], timeout=_SYSTEMCTL_SECONDS).code == 0


def is_behind() -> bool:
    """Whether labd's unit changed since systemd read it."""
    shown = run(["systemctl", "show", "--property=NeedDaemonReload", _SERVICE], timeout=_SYSTEMCTL_SECONDS)
    return shown.output.strip() == "NeedDaemonReload=yes"


def read_units() -> None:
    """Have systemd read its units again. Raises CommandError."""
    must(["systemctl", "daemon-reload"], timeout=_SYSTEMCTL_SECONDS)


def enable() -> None:
    """Have labd start with the machine."""
    must(["systemctl", "enable", "--quiet", "--no-reload", _SERVICE], timeout=_SYSTEMCTL_SECONDS)


def stop_and_disable() -> None:
    """Stop labd, and have it no longer start with the machine."""
    must(["systemctl", "stop", _SERVICE], timeout=_SYSTEMCTL_SECONDS)
    must(["systemctl", "disable", "--quiet", "--no-reload", _SERVICE], timeout=_SYSTEMCTL_SECONDS)


def reload(service: str) -> None:
    """Have `service` read its settings again."""
    must(["systemctl", "reload", service], timeout=_SYSTEMCTL_SECONDS)


def jobs_with_gpus() -> list[int]:
    """Numbers of the jobs that use GPUs now, as a running daemon tells; none when there is no daemon."""
    try:
        return [job["job"] for answer in ask(SYSTEM_SOCKET, "status") for job in answer["active"] if job["gpu_ids"]]
    except LabdError:
        return []
