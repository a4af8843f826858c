"""Who used how much of the machine of late, so that whoever used less goes first.

This module owns what a run is charged: the share of the resource that it had most of (Ghodsi and others, "Dominant
Resource Fairness", NSDI 2011), for as long as it ran, the less the longer ago. It is pure; the clock is handed in.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from labd.model.engine import Capacity
from labd.model.jobs import Grant

FORGOTTEN = 10
"""After so many half-lives, what was used counts less than a thousandth, and no more."""


class Run(NamedTuple):
    """What a program had, and when; small, because many are remembered. Times are seconds since the epoch."""

    user: str
    started: float
    ended: float | None  # None: it runs still
    cpus: float
    memory: int  # bytes
    gpus: int

    @classmethod
    def of(cls, user: str, started: float, ended: float | None, grant: Grant) -> Run:
        """The run of a program that had this `grant`."""
        return cls(sys.intern(user), started, ended, grant.cpus, grant.memory, grant.gpus)


def usage(runs: Iterable[Run], machine: Capacity, half_life: float, now: float) -> dict[str, float]:
    """What each user is charged for `runs`: seconds of the whole `machine`, of which half count after `half_life`."""
    charged: defaultdict[str, float] = defaultdict(float)
    for run in runs:
        charged[run.user] += dominant_share(run, machine) * _decayed(run, half_life, now)
    return dict(charged)


def dominant_share(run: Run, machine: Capacity) -> float:
    """The largest part that `run` had of the CPUs, the memory or the GPUs of `machine`."""
    of_gpus = run.gpus / len(machine.gpus) if machine.gpus else 0.0
    return max(run.cpus / machine.cpus, run.memory / machine.memory, of_gpus)


def _decayed(run: Run, half_life: float, now: float) -> float:
    """The seconds of `run`, each by what it counts `now`: the integral of 0.5 ** (age / half_life) over the run."""
    # A clock that was set back makes neither a debt nor a credit.
    ended = now if run.ended is None else min(run.ended, now)
    started = min(run.started, ended)
    of_end, of_start = (math.exp2((at - now) / half_life) for at in (ended, started))
    return half_life / math.log(2) * (of_end - of_start)
