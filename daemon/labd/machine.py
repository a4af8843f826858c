"""What this machine has to give to jobs.

This room owns the reading of the machine's size, where the configuration leaves it open.
"""

from __future__ import annotations

import os

from labd.config import Machine
from labd.scheduling import Capacity

_SHARE_OF_MEMORY = 0.9


def capacity(settings: Machine) -> Capacity:
    """What all jobs together may use: `settings`, and the machine's own figures where they are 0."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Capacity(
        cpus=settings.cpus or float(len(os.sched_getaffinity(0))),
        memory=settings.memory or int(memory * _SHARE_OF_MEMORY),
        gpus=settings.gpus,
    )
