"""What Docker is told for every container of labd's: the runtime, the system calls, the devices.

This module owns these settings. They are a function of what Docker says of itself; it never asks Docker, and never
starts anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from labd.engines.docker.facts import Facts
from labd.model.config import bundled

NO_GPUS: Mapping[str, str] = {
    # "void" is the word that NVIDIA's runtime takes for: hands off. An image may say "all" of its own.
    "NVIDIA_VISIBLE_DEVICES": "void",
    # For CUDA itself, if a device got in all the same. Empty is its own way of saying: none.
    "CUDA_VISIBLE_DEVICES": "",
}
"""Environment of a container that gets no GPU, whatever its image and its job say."""

_RUNTIME = "runc"
_GPU_ABILITIES = ["gpu", "compute", "utility"]
_KNOWN_ARCHITECTURES = ("x86_64", "aarch64")  # elsewhere system calls have other names and arguments


def settings(found: Facts, gpus: Sequence[str] = ()) -> dict[str, Any]:
    """Arguments for the SDK's `create_host_config`, for a container that gets `gpus`."""
    chosen: dict[str, Any] = {"security_opt": security(found), "cap_drop": ["ALL"]}
    if _RUNTIME in found.runtimes:
        # Docker's default may be NVIDIA's, which gives devices to whoever's environment names them.
        chosen["runtime"] = _RUNTIME
    if gpus:
        chosen["device_requests"] = [device_request(found, gpus)]
    return chosen


def environment(found: Facts, gpus: Sequence[str] = ()) -> Mapping[str, str | None]:
    """Variables that a container with `gpus` gets, and that nothing may overrule; None: it must not have it."""
    if not gpus:
        return NO_GPUS
    # With CDI the devices come by the request alone. Without, Docker sets the very same value.
    given = "void" if has_cdi(found, gpus) else ",".join(gpus)
    # In the container these are all there are, whatever an image says of the GPUs where it was made.
    return {"NVIDIA_VISIBLE_DEVICES": given, "CUDA_VISIBLE_DEVICES": None}


def security(found: Facts) -> list[str]:
    """Docker's `--security-opt`. Where Docker cannot filter system calls, or we do not know them, its own default."""
    options = ["no-new-privileges"]
    if "name=seccomp" in found.security and os.uname().machine in _KNOWN_ARCHITECTURES:
        options.append(f"seccomp={_profile()}")
    return options


def device_request(found: Facts, gpus: Sequence[str]) -> Mapping[str, Any]:
    """How Docker is asked for `gpus`: by CDI where all of them are known to it, else by NVIDIA's hook."""
    if has_cdi(found, gpus):
        return {"driver": "cdi", "device_ids": [cdi_name(gpu) for gpu in gpus]}
    return {"driver": "nvidia", "device_ids": list(gpus), "capabilities": [_GPU_ABILITIES]}


def has_cdi(found: Facts, gpus: Sequence[str]) -> bool:
    """Whether Docker knows all of `gpus` by CDI."""
    return {cdi_name(gpu) for gpu in gpus} <= set(found.cdi_devices)


def cdi_name(gpu: str) -> str:
    """The name of `gpu` in CDI's specifications."""
    return f"nvidia.com/gpu={gpu}"


@cache
def _profile() -> str:
    """System calls that programs may make (docs/security.md says why)."""
    return (bundled("system") / "seccomp.json").read_text()
