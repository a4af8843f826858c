"""What Docker says of itself.

This module owns the facts of `docker info` that matter to labd. It asks nothing.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Facts:
    """What a Docker engine says of itself."""

    id: str
    version: str
    storage: str  # storage driver
    cgroup_driver: str
    cgroup_version: str
    live_restore: bool
    root: str  # where it keeps everything
    limits: Mapping[str, bool]  # what it can limit: "memory", "CPU time", "processes"
    security: tuple[str, ...]  # such as "name=userns"
    runtimes: tuple[str, ...]
    cpus: int = 0  # how many it can give
    default_runtime: str = "runc"
    cdi_devices: tuple[str, ...] = ()  # such as "nvidia.com/gpu=GPU-5d5b…"; from Docker 25 on


def parse(info: Mapping[str, Any]) -> Facts:
    """The engine that Docker's `info` describes."""
    return Facts(
        id=str(info.get("ID", "")),
        version=str(info.get("ServerVersion", "")),
        storage=str(info.get("Driver", "")),
        cgroup_driver=str(info.get("CgroupDriver", "")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        live_restore=bool(info.get("LiveRestoreEnabled")),
        root=str(info.get("DockerRootDir", "/var/lib/docker")),
        limits={
            "memory": bool(info.get("MemoryLimit")),
            "CPU time": bool(info.get("CpuCfsQuota")),
            "processes": bool(info.get("PidsLimit")),
        },
        security=tuple(str(option).partition(",")[0] for option in info.get("SecurityOptions") or ()),
        runtimes=tuple(info.get("Runtimes") or ()),
        cpus=int(info.get("NCPU") or 0),
        default_runtime=str(info.get("DefaultRuntime") or "runc"),
        cdi_devices=tuple(_cdi_devices(info)),
    )


def _cdi_devices(info: Mapping[str, Any]) -> Iterator[str]:
    """Devices that Docker can give by CDI: it names them itself (28.2 on), or says where their specifications are."""
    yield from (
        str(device.get("ID")) for device in info.get("DiscoveredDevices") or () if device.get("Source") == "cdi"
    )
    for folder in info.get("CDISpecDirs") or ():
        for file in sorted(Path(folder).glob("*")):
            with contextlib.suppress(OSError):
                yield from _specified(file.read_text("utf-8", "replace"))


def _specified(text: str) -> Iterator[str]:
    """The devices in a CDI specification, YAML or JSON. By their lines: all of a kind have the form of a GPU's UUID."""
    if kind := re.search(r"""(?:^|[\s{,])"?kind"?:\s*["']?([\w./-]+)""", text):
        for name in re.findall(r"""(?:^|[\s{,])"?name"?:\s*["']?((?:GPU|MIG)-[\w-]+)""", text):
            yield f"{kind[1]}={name}"
