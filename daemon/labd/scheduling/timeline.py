"""What of the machine is free, and from when: the limits of time of what runs say it beforehand.

This module owns the arithmetic of amounts over time. It never knows a job, a user or a clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

ROUNDING = 1e-9  # of sums of fractions of a CPU


class Amount(NamedTuple):
    """So much of the machine."""

    cpus: float
    memory: int  # bytes
    gpus: int

    def holds(self, other: Amount) -> bool:
        """Whether `other` fits into this."""
        return other.cpus <= self.cpus + ROUNDING and other.memory <= self.memory and other.gpus <= self.gpus

    def less(self, other: Amount) -> Amount:
        return Amount(self.cpus - other.cpus, self.memory - other.memory, self.gpus - other.gpus)

    def more(self, other: Amount) -> Amount:
        return Amount(self.cpus + other.cpus, self.memory + other.memory, self.gpus + other.gpus)


class Timeline:
    """The free amount as a function of time: it changes at each of `_times`, and the last one is for ever."""

    def __init__(self, free: Amount, now: float, held: Iterable[tuple[float, Amount]]) -> None:
        """`free` is what there is `now`; each of `held` comes back at its time, which is later than `now`."""
        self._times, self._free = [now], [free]
        for end, amount in sorted(held):
            if end > self._times[-1]:
                self._times.append(end)
                self._free.append(self._free[-1])
            self._free[-1] = self._free[-1].more(amount)

    @property
    def now(self) -> Amount:
        """What is free at the beginning."""
        return self._free[0]

    def fits(self, amount: Amount, start: float, end: float) -> bool:
        """Whether `amount` is free from `start` to `end`."""
        first, last = bisect_right(self._times, start) - 1, bisect_left(self._times, end)
        return all(free.holds(amount) for free in self._free[first:last])

    def earliest(self, amount: Amount, duration: float) -> float | None:
        """The first time from which `amount` is free for `duration`; None when it never is."""
        return next((start for start in self._times if self.fits(amount, start, start + duration)), None)

    def take(self, amount: Amount, start: float, end: float) -> None:
        """`amount` is not free any more from `start` to `end`."""
        for at in (start, end):
            if at not in self._times:
                place = bisect_left(self._times, at)
                self._times.insert(place, at)
                self._free.insert(place, self._free[place - 1])
        for number, at in enumerate(self._times):
            if start <= at < end:
                self._free[number] = self._free[number].less(amount)
