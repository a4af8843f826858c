"""The GPUs of this machine, as NVIDIA's driver lists them.

This module owns the reading of `nvidia-smi -L`, and what the names in the config mean. It never gives a GPU to anybody.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labd.common import installation
from labd.common.commands import run
from labd.common.errors import UnavailableError

_NVIDIA_SMI_SECONDS = 30.0  # without its persistence mode, the driver takes seconds to come up
_GPU = re.compile(r"GPU (\d+): (.*?) \(UUID: (GPU-[\w-]+)\)")
_PART = re.compile(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[\w/-]+)\)")


@dataclass(frozen=True)
class Gpu:
    """One that can be given to a program: a whole one, or a MIG part of one."""

    uuid: str
    number: str  # "0", a part's "0:1"; not the same after a restart of the machine
    kind: str  # "NVIDIA A100-SXM4-40GB", "MIG 1g.5gb"
    within: str = ""  # the UUID of the GPU that it is a part of


def listed(noted: Path = installation.GPUS) -> tuple[Gpu, ...]:
    """The GPUs that the driver knows; `noted` tells where the service may not ask it. Raises UnavailableError."""
    with contextlib.suppress(UnavailableError):
        result = run(["nvidia-smi", "-L"], timeout=_NVIDIA_SMI_SECONDS)
        if result.code == 0 and (found := parse(result.output)):
            return found
    with contextlib.suppress(OSError):
        if found := parse(noted.read_text("utf-8", "replace")):
            return found
    raise UnavailableError("NVIDIA's driver does not tell which GPUs there are.", "Try `nvidia-smi -L`.")


def parse(text: str) -> tuple[Gpu, ...]:
    """The GPUs in what `nvidia-smi -L` prints."""
    found: list[Gpu] = []
    whole = Gpu("", "", "")
    for line in text.splitlines():
        if match := _GPU.match(line):
            whole = Gpu(match[3], match[1], match[2])
            found.append(whole)
        elif match := _PART.match(line):
            found.append(Gpu(match[3], f"{whole.number}:{match[2]}", f"MIG {match[1]}", whole.uuid))
    return tuple(found)


def resolve(names: Sequence[str], there: Sequence[Gpu]) -> Mapping[str, Gpu | None]:
    """The GPU that each of `names` (a UUID or a number) means among those that are `there`; None: it is not there."""
    known = {gpu.number: gpu for gpu in there} | {gpu.uuid.lower(): gpu for gpu in there}
    return {name: known.get(name.strip().lower()) for name in names}


def uuids(names: Sequence[str], there: Sequence[Gpu]) -> tuple[str, ...]:
    """The UUIDs of those of `names` that are `there`, each once, however often and by whatever name it is named."""
    return tuple(dict.fromkeys(gpu.uuid for gpu in resolve(names, there).values() if gpu))
