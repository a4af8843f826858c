"""The inboxes: when to look, and what each look means.

This room owns the schedule of looks. Events are a wake-up, a rescan is the truth: losing every event costs time, never
an upload. It never touches an inbox itself (the hands do) and never makes a job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labd.accounts import Account
from labd.config import Inbox as Limits
from labd.file_events import FileEvents
from labd.hands import Hands, HandsError
from labd.languages import Language
from labd.log import get
from labd.store import Store
from labd.uploads import Complete, Look, Nothing, Verdict, Wait, judge
from labd.writers import open_for_writing

# While something is on its way we look often, but never more than a tenth of the time; for the rest, a thousandth.
_HOT = 0.5
_HOT_SHARE = 10
_LOOKING_SHARE = 1000
_AGE_SHARE = 60
_OWN_REMOVAL = 1.0


@dataclass(frozen=True)
class Finding:
    """One look at one project, and what to do about it."""

    account: Account
    look: Look
    verdict: Verdict


@dataclass
class _Watched:
    """What is known of one account's inbox between looks. Times are time.monotonic()."""

    account: Account
    next_full: float = 0.0
    cost: float = 0.0  # CPU seconds that the last full look took
    hot: dict[str, float] = field(default_factory=dict)  # project → when to look again
    roots: dict[str, str] = field(default_factory=dict)
    first_seen: dict[str, tuple[str, float]] = field(default_factory=dict)  # project → fingerprint, wall-clock time


class Inbox:
    """All inboxes of the lab."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        limits: Limits,
        languages: Mapping[str, Language],
        store: Store,
        hands: Hands,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called from another thread when a look is due earlier than `next_due` said."""
        self._limits, self._languages, self._store, self._hands = limits, languages, store, hands
        self._watched = {name: _Watched(account) for name, account in accounts.items()}
        self._events = FileEvents(wake)
        self._quiet: dict[tuple[str, str], float] = {}  # (account, project) → no look on an event before this time
        self._stagger()

    def _stagger(self) -> None:
        """Spread the full looks over time, or 200 accounts would all be looked at in the same second."""
        now = time.monotonic()
        for number, watched in enumerate(self._watched.values()):
            watched.next_full = now + number * 0.001

    def next_due(self) -> float:
        """When the next look is due, by time.monotonic()."""
        return min(
            (min([watched.next_full, *watched.hot.values()]) for watched in self._watched.values()),
            default=time.monotonic() + self._limits.rescan,
        )

    def look(self) -> list[Finding]:
        """Look at all that is due; the projects about which there is something to do."""
        for name, project in self._events.take():
            self._due(name, project)
        self._quiet = {key: end for key, end in self._quiet.items() if end > time.monotonic()}
        findings = []
        now = time.monotonic()
        for watched in self._watched.values():
            if watched.next_full <= now:
                findings += self._full_look(watched)
            elif due := [project for project, when in watched.hot.items() if when <= now]:
                findings += self._look_at(watched, due)
        return findings

    def root(self, account: Account, project: str) -> str:
        """Where in its inbox entry `project` was at the last look: "" or "project"."""
        known = self._watched[account.name].roots
        if project not in known:
            self.fingerprint(account, project)
        return known.get(project, "")

    def fingerprint(self, account: Account, project: str) -> str:
        """The fingerprint of `project` as it is now; "" when it cannot be had. Raises HandsError."""
        looks, _ = self._scan(account, [project])
        return looks[0].fingerprint if looks else ""

    def remove_controls(self, account: Account, look: Look) -> None:
        """Remove the control files that `look` saw, now that they have been obeyed. Raises HandsError."""
        paths = [str(account.inbox / look.name / control) for control in look.controls]
        # The look that this removal wakes up would find nothing new, and cost a walk while the job starts.
        self._quiet[account.name, look.name] = time.monotonic() + _OWN_REMOVAL
        self._hands.do(account.identity, "remove", paths=paths)

    def close(self) -> None:
        """Stop watching."""
        self._events.close()

    def _due(self, name: str, project: str | None) -> None:
        watched = self._watched[name]
        if project is None:
            watched.next_full = time.monotonic()
        else:
            watched.hot[project] = max(time.monotonic(), self._quiet.get((name, project), 0.0))

    def _full_look(self, watched: _Watched) -> list[Finding]:
        account = watched.account
        self._events.watch(account.name, None, account.inbox)
        findings = self._look_at(watched, None)
        newest = max((finding.look.newest for finding in findings), default=0)
        age = max(time.time() - newest / 1e9, 0.0)
        costs = sum(other.cost for other in self._watched.values())
        wait = max(age / _AGE_SHARE, costs * _LOOKING_SHARE, self._limits.settle)
        watched.next_full = time.monotonic() + min(wait, self._limits.rescan)
        return findings

    def _look_at(self, watched: _Watched, projects: list[str] | None) -> list[Finding]:
        account = watched.account
        try:
            looks, cost = self._scan(account, projects)
        except HandsError as error:
            get().warning("inbox cannot be read", user=account.name, reason=error.message)
            watched.hot.clear()
            watched.next_full = time.monotonic() + self._limits.rescan
            return []
        for name in projects if projects is not None else list(watched.hot):
            watched.hot.pop(name, None)
        if projects is None:
            watched.cost = cost
        patience = max(min(_HOT, self._limits.settle / 2), _HOT_SHARE * cost)
        findings = [Finding(account, look, self._judge(watched, look)) for look in looks]
        for finding in findings:
            if isinstance(finding.verdict, Wait):
                watched.hot[finding.look.name] = time.monotonic() + patience
        return findings

    def _scan(self, account: Account, projects: list[str] | None) -> tuple[list[Look], float]:
        """What is there, and the CPU time that it took to see it, in seconds."""
        report = self._hands.do(
            account.identity,
            "scan",
            timeout=60.0,
            inbox=str(account.inbox),
            names=projects,
            max_files=self._limits.max_files,
            max_depth=self._limits.max_depth,
        )
        looks = [Look.of(entry) for entry in report["entries"]]
        self._watched[account.name].roots.update((look.name, look.root) for look in looks)
        return looks, report["cost"]

    def _judge(self, watched: _Watched, look: Look) -> Verdict:
        now = time.time()
        fingerprint, first_seen = watched.first_seen.get(look.name, ("", now))
        if fingerprint != look.fingerprint:
            first_seen = now
            watched.first_seen[look.name] = (look.fingerprint, now)
        if look.folder:
            self._events.watch(watched.account.name, look.name, watched.account.inbox / look.name)
        accepted = self._store.project(watched.account.name, look.name).accepted
        verdict = judge(look, accepted, self._languages, self._limits, now, first_seen)
        if isinstance(verdict, Complete) and "SUBMIT" not in look.controls:
            root = watched.account.inbox / look.name
            if writer := open_for_writing(root):
                verdict = Wait(f"waiting: {writer} is still open for writing")
        if isinstance(verdict, Nothing):
            watched.first_seen.pop(look.name, None)
        return verdict
