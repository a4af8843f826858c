"""The inboxes: looks at them, and what each look means.

This room owns what is known between looks. Events are a wake-up, a rescan is the truth: losing every event costs time,
never an upload. It never touches an inbox itself (the hands do), never decides when to look, and never makes a job.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labd.accounts import Account, Accounts
from labd.config import Inbox as Limits
from labd.file_events import FileEvents
from labd.hands import Hands, HandsError
from labd.jobs import Signal
from labd.languages import Language
from labd.log import get
from labd.pace import Pace
from labd.store import Store
from labd.transfers import Traffic, Transfer, parse, traffic
from labd.uploads import Complete, Gone, Look, Nothing, Verdict, Wait, judge
from labd.writers import open_for_writing


@dataclass(frozen=True)
class Finding:
    """One look at one project, and what to do about it."""

    account: Account
    look: Look
    verdict: Verdict


@dataclass
class _Watched:
    """What is known of one account's inbox between looks."""

    account: Account
    pace: Pace
    bytes: int = 0
    there: set[str] = field(default_factory=set)  # projects that were there at the last look at them
    first_seen: dict[str, tuple[str, float]] = field(default_factory=dict)  # project → fingerprint, wall-clock time
    transfers: list[Transfer] = field(default_factory=list)  # what the gateway has noted
    told: dict[str, set[str]] = field(default_factory=dict)  # transfer → its projects that have been dealt with


class Inbox:
    """All inboxes of the lab."""

    def __init__(
        self,
        accounts: Accounts,
        limits: Limits,
        languages: Mapping[str, Language],
        store: Store,
        hands: Hands,
        wake: Callable[[], None],
        alive: Callable[[], None],
    ) -> None:
        """`wake` is called from another thread when a look is due earlier than `next_due` said, `alive` after each look
        at an account: homes on a network that hangs can make a round of them take long.
        """
        self._alive = alive
        self._limits, self._languages, self._store, self._hands = limits, languages, store, hands
        self._accounts, self._wake = accounts, wake
        self._watched: dict[str, _Watched] = {}
        self._roots: dict[str, dict[str, str]] = {}
        self._events = FileEvents(wake)
        self._noted: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._submitted: Collection[tuple[str, str]] = ()
        self._know_accounts()

    def note(self, account: str, projects: Sequence[str]) -> None:
        """A transfer to these projects ended, the gateway says: look at them at once. From any thread."""
        for project in projects:
            self._noted.put((account, project))
        self._wake()

    def _know_accounts(self) -> None:
        """Look at the inboxes of those who are researchers now, and no others."""
        serving = {name: account for name, account in self._accounts.items() if not account.settings.disabled}
        for number, (name, account) in enumerate(serving.items()):
            known = self._watched.get(name)
            if known is None:
                # Spread over time, or 200 accounts would all be looked at in the same second.
                self._watched[name] = _Watched(account, Pace(self._limits, number * 0.001))
            else:
                known.account = account
        for name in self._watched.keys() - serving.keys():
            del self._watched[name]

    def next_due(self) -> float:
        """When the next look is due, by time.monotonic()."""
        return min(
            (watched.pace.next_due() for watched in self._watched.values()),
            default=time.monotonic() + self._limits.rescan,
        )

    def look(self, submitted: Collection[tuple[str, str]] = ()) -> list[Finding]:
        """Look at all that is due; the projects about which there is something to do.

        The (account, project) in `submitted` are looked at as if they had the control file SUBMIT.
        """
        self._know_accounts()
        self._submitted = submitted
        for asked in submitted:
            self._noted.put(asked)
        for (name, project), is_order in self._events.take().items():
            if name in self._watched:
                self._watched[name].pace.stirred(project, is_order)
        while not self._noted.empty():
            name, noted = self._noted.get()
            if name in self._watched:
                self._watched[name].pace.ask(noted)
        findings = []
        for watched in self._watched.values():
            due = watched.pace.due()
            if due is None or due:
                findings += self._look_at(watched, due)
                self._alive()
        return findings

    def root(self, account: Account, project: str) -> str:
        """Where in its inbox entry `project` was at the last look: "" or "project"."""
        if project not in self._roots.setdefault(account.name, {}):
            self.fingerprint(account, project)
        return self._roots[account.name].get(project, "")

    def fingerprint(self, account: Account, project: str) -> str:
        """The fingerprint of `project` as it is now; "" when it cannot be had. Raises HandsError."""
        looks, _, _ = self._scan(account, [project])
        return looks[0].fingerprint if looks else ""

    def sizes(self) -> dict[str, int]:
        """Bytes in each account's projects at the last full look."""
        return {name: watched.bytes for name, watched in list(self._watched.items())}

    def remove_controls(self, account: Account, look: Look) -> None:
        """Remove the control files that `look` saw, now that they have been obeyed. Raises HandsError."""
        paths = [str(account.inbox / look.name / control) for control in look.controls]
        self._hands.do(account.identity, "remove", paths=paths)

    def close(self) -> None:
        """Stop watching."""
        self._events.close()

    def _look_at(self, watched: _Watched, projects: list[str] | None) -> list[Finding]:
        """Look at `projects`, or at all that there are."""
        account = watched.account
        if projects is None:
            self._events.watch(account.name, None, account.inbox)
        try:
            looks, cost, watched.transfers = self._scan(account, projects)
        except HandsError as error:
            get().warning("inbox cannot be read", user=account.name, reason=error.message)
            watched.pace.failed()
            return []
        if projects is None:
            watched.bytes = sum(look.bytes for look in looks)
            newest = max((look.newest for look in looks), default=0)
            others = sum(other.pace.cost for other in self._watched.values() if other is not watched)
            watched.pace.looked_at_all(newest / 1e9, cost, others)
        else:
            watched.pace.looked(projects, cost)
        findings = []
        for look in looks:
            if (account.name, look.name) in self._submitted:
                look = replace(look, controls={**look.controls, "SUBMIT": 0})
            known = traffic(look.name, watched.transfers, look.newest / 1e9)
            verdict = self._judge(watched, look, known)
            findings.append(Finding(account, look, verdict))
            if known.live or isinstance(verdict, Wait):
                watched.pace.again(look.name, known, cost)
        if projects is None and not any(isinstance(finding.verdict, Wait) for finding in findings):
            self._remove_notes(account, [transfer for transfer in watched.transfers if transfer.is_idle])
        there = {look.name for look in looks}
        expected = watched.there if projects is None else watched.there.intersection(projects)
        for name in sorted(expected - there):
            watched.first_seen.pop(name, None)
            findings.append(Finding(account, Look(name, folder=False), Gone()))
        watched.there = (watched.there - expected) | there
        # A transfer's project may have been removed, or never made: then there is nothing to deal with.
        for project in {name for transfer in watched.transfers for name in transfer.projects} - there:
            if projects is None or project in projects:
                self.forget(account, project)
        return findings

    def forget(self, account: Account, project: str) -> bool:
        """The transfers about `project` that are over have been dealt with. Raises HandsError.

        Whether there are any.
        """
        watched = self._watched[account.name]
        over = [transfer for transfer in watched.transfers if not transfer.alive and project in transfer.projects]
        for transfer in over:
            dealt = watched.told.setdefault(transfer.id, set())
            dealt.add(project)
        spent = [transfer for transfer in over if watched.told[transfer.id] >= set(transfer.projects)]
        self._remove_notes(account, spent)
        for transfer in spent:
            del watched.told[transfer.id]
        return bool(over)

    def _remove_notes(self, account: Account, spent: Sequence[Transfer]) -> None:
        if spent:
            paths = [str(account.sessions / transfer.id) for transfer in spent]
            self._hands.do(account.identity, "remove", paths=paths)

    def _scan(self, account: Account, projects: list[str] | None) -> tuple[list[Look], float, list[Transfer]]:
        """What is there, the CPU time that it took to see it, in seconds, and what the gateway has noted."""
        report = self._hands.do(
            account.identity,
            "look",
            timeout=60.0,
            sessions=str(account.sessions),
            inbox=str(account.inbox),
            names=projects,
            max_files=self._limits.max_files,
            max_depth=self._limits.max_depth,
        )
        looks = [Look.of(entry) for entry in report["entries"]]
        self._roots.setdefault(account.name, {}).update((look.name, look.root) for look in looks)
        return looks, report["cost"], parse(report["transfers"])

    def _judge(self, watched: _Watched, look: Look, known: Traffic) -> Verdict:
        now = time.time()
        fingerprint, first_seen = watched.first_seen.get(look.name, ("", now))
        if fingerprint != look.fingerprint:
            first_seen = now
            watched.first_seen[look.name] = (look.fingerprint, now)
        if look.folder:
            self._events.watch(watched.account.name, look.name, watched.account.inbox / look.name)
        accepted = self._store.project(watched.account.name, look.name).accepted
        verdict = judge(look, accepted, self._languages, self._limits, now, first_seen, known)
        if isinstance(verdict, Complete) and verdict.signal in (Signal.INFERRED, Signal.SETTLED):
            root = watched.account.inbox / look.name
            if writer := open_for_writing(root):
                verdict = Wait(f"waiting: {writer} is still open for writing")
        if isinstance(verdict, Nothing):
            watched.first_seen.pop(look.name, None)
        return verdict
