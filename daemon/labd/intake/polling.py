"""When to look at an inbox next.

This module owns the pace of looks: soon where something is on its way, and never more than a share of the time. It
never looks itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from labd.intake.proof import Traffic
from labd.model.config import InboxSettings

# While something is on its way we look often, but never more than a tenth of the time; for the rest, a thousandth.
_HOT = 0.5
_HOT_SHARE = 10
# The gateway tells when a transfer ends: until then a look is only for STATUS, and to see that the gateway is alive.
_LIVE = 10.0
_LIVE_SHARE = 100
_LOOKING_SHARE = 1000
_AGE_SHARE = 60


class Pace:
    """When to look at one inbox as a whole, and when at single projects in it. Times are time.monotonic()."""

    def __init__(self, limits: InboxSettings, delay: float) -> None:
        """The first look is due in `delay` seconds."""
        self._limits = limits
        self._whole = time.monotonic() + delay
        self._projects: dict[str, float] = {}
        self._quiet: dict[str, float] = {}  # no look on an event before this time
        self._whole_quiet = 0.0  # the same for the whole
        self.cost = 0.0  # CPU seconds that the last look at the whole took

    def next_due(self) -> float:
        """When the next look is due."""
        return min([self._whole, *self._projects.values()])

    def due(self) -> list[str] | None:
        """The projects at which to look now; None for all that there are."""
        now = time.monotonic()
        if self._whole <= now:
            return None
        return [project for project, when in self._projects.items() if when <= now]

    def ask(self, project: str) -> None:
        """Look at `project` at once: a transfer to it ended, or somebody asked."""
        self._projects[project] = time.monotonic()

    def stirred(self, project: str | None, is_order: bool) -> None:
        """Something moved in `project`, or in the inbox itself; a control file `is_order`."""
        if project is None:
            self._whole = min(self._whole, max(time.monotonic(), self._whole_quiet))
        else:
            quiet_until = 0.0 if is_order else self._quiet.get(project, 0.0)
            self._projects[project] = max(time.monotonic(), quiet_until)

    def looked(self, projects: Sequence[str], cost: float) -> None:
        """A look at these took `cost` CPU seconds."""
        for project in projects:
            self._projects.pop(project, None)
        # Somebody may never stop making events.
        now = time.monotonic()
        self._quiet = {project: end for project, end in self._quiet.items() if end > now}
        self._quiet |= dict.fromkeys(projects, now + _HOT_SHARE * cost)

    def looked_at_all(self, newest: float, cost: float, others: float, rescan: float) -> None:
        """A look at the whole took `cost` CPU seconds; those at all other inboxes take `others`.

        `newest` is when something last changed in it, in seconds since the epoch; the next look is due after `rescan`
        seconds at the latest.
        """
        self.cost = cost
        self._projects.clear()
        age = max(time.time() - newest, 0.0)
        self._whole_quiet = time.monotonic() + _HOT_SHARE * cost
        wait = max(age / _AGE_SHARE, (cost + others) * _LOOKING_SHARE, self._limits.settle)
        self._whole = time.monotonic() + min(wait, rescan)

    def later(self, project: str, due: float) -> None:
        """Look at `project` again at `due`: what was found could not be dealt with."""
        self._projects[project] = due

    def failed(self, due: float) -> None:
        """The inbox cannot be read: the next look is at the whole, at `due`."""
        self._projects.clear()
        self._whole = due

    def again(self, project: str, known: Traffic, cost: float, patience: float) -> None:
        """Look once more at `project`, which is not complete yet; the look before took `cost` CPU seconds.

        In `patience` seconds it will be, if nothing changes; not above 0 when that is not known.
        """
        now = time.monotonic()
        if known.live and not known.is_guess:
            wait = max(_LIVE, _LIVE_SHARE * cost)
            # What the transfer itself stirs up says nothing new.
            self._quiet[project] = now + wait
        elif known.held:
            # Only another transfer, SUBMIT or a removal changes that: all of them wake us.
            return
        else:
            wait = max(min(_HOT, self._limits.settle / 2), _HOT_SHARE * cost, patience - self._limits.settle)
        self._projects[project] = now + wait
