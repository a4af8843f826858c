"""What this machine has to give to jobs.

This module owns the reading of the machine's size, where the configuration leaves it open, and of the GPUs that the
configuration names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from labd.common.errors import UnavailableError
from labd.common.log import get
from labd.model.config import Machine
from labd.model.engine import Capacity
from labd.scheduling import gpus

_SHARE_OF_MEMORY = 0.9


def capacity(settings: Machine) -> Capacity:
    """What all jobs together may use: `settings`, and the machine's own figures where they are 0.

    GPUs are named by UUID. Numbers are not the same after a restart of the machine, and the same GPU by two names
    would be given out twice.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Capacity(
        cpus=settings.cpus or float(len(os.sched_getaffinity(0))),
        memory=settings.memory or int(memory * _SHARE_OF_MEMORY),
        gpus=gpu_ids(settings.gpus),
    )


def gpu_ids(names: Sequence[str]) -> tuple[str, ...]:
    """The UUIDs of those GPUs in `names`, numbers or UUIDs, that are there.

    While the driver does not answer, `names` as they are: programs that run may hold these GPUs.
    """
    if not names:
        return ()
    try:
        there = gpus.listed()
    except UnavailableError as error:
        get().warning("GPUs could not be looked up", reason=error.message, hint="labd doctor")
        return tuple(dict.fromkeys(names))
    for name, gpu in gpus.resolve(names, there).items():
        if gpu is None:
            get().error(f"GPU {name} of the config is not there, and is not given out", hint="labd doctor")
    return gpus.uuids(names, there)
