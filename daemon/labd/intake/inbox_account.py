"""One researcher's inbox: a look at it, and what the look means.

This module owns what is known of one inbox between looks. It never touches the inbox itself (the workers do), never
decides when to look, and never makes a job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from labd.accounts.accounts import Account
from labd.common.log import get
from labd.intake.completeness import Complete, Gone, Look, Nothing, Verdict, Wait, judge
from labd.intake.file_events import FileEvents
from labd.intake.open_files import open_for_writing
from labd.intake.proof import Traffic, superseded, traffic
from labd.intake.transfers import TransferRecord, parse
from labd.model.config import InboxSettings
from labd.model.jobs import Signal
from labd.model.languages import Language
from labd.model.layout import is_valid_name
from labd.privsep.workers import WorkerError, Workers
from labd.storage.store import Store

_LOOKING = 60.0  # seconds
_MISNAMED = 20  # folders that cannot be projects, and are told about


@dataclass(frozen=True)
class InboxFinding:
    """One look at one project, and what to do about it."""

    account: Account
    look: Look
    verdict: Verdict
    traffic: Traffic = Traffic()  # what the gateway knows of transfers to it


@dataclass(frozen=True)
class Scan:
    """What a look saw."""

    looks: Sequence[Look]
    cost: float  # CPU seconds that it took
    transfers: Sequence[TransferRecord]  # what the gateway has noted


class AccountInbox:
    """The inbox of one account. One thread at a time looks; `scan` any may call."""

    def __init__(
        self,
        account: Account,
        limits: InboxSettings,
        languages: Mapping[str, Language],
        store: Store,
        workers: Workers,
        events: FileEvents,
    ) -> None:
        self.account = account
        self.bytes = 0  # in all projects at the last look at the whole
        self._limits, self._languages, self._store, self._workers = limits, languages, store, workers
        self._events = events
        self._misnamed: set[str] = set()  # folders that cannot be projects, as far as they are told about
        self._roots: dict[str, str] = {}
        self._there: set[str] = set()  # projects that were there at the last look at them
        self._first_seen: dict[str, tuple[str, float]] = {}  # project → fingerprint, wall-clock time
        self._transfers: Sequence[TransferRecord] = ()
        self._dealt: dict[str, set[str]] = {}  # transfer → its projects that have been dealt with

    def look(self, projects: Sequence[str] | None, submitted: Collection[str]) -> tuple[Scan, list[InboxFinding]]:
        """Look at `projects`, or at all that there are: what was seen, and what to do about each.

        Those in `submitted` are looked at as if they had the control file SUBMIT. Raises WorkerError.
        """
        account = self.account
        if projects is None:
            self._events.watch(account.name, None, account.inbox)
        scan = self.scan(projects)
        self._transfers = scan.transfers
        looks = self._named(scan.looks)
        if projects is None:
            self.bytes = sum(look.bytes for look in looks)
        findings = []
        for look in looks:
            if look.name in submitted:
                look = replace(look, controls={**look.controls, "SUBMIT": 0})
            known = traffic(look.name, self._transfers, look.newest / 1e9, look.oldest / 1e9)
            findings.append(InboxFinding(account, look, self._judge(look, known), known))
        if projects is None and not any(isinstance(finding.verdict, Wait) for finding in findings):
            self._remove_notes([transfer for transfer in self._transfers if transfer.is_idle])
        there = {look.name for look in looks}
        expected = self._there if projects is None else self._there.intersection(projects)
        for name in sorted(expected - there):
            self._first_seen.pop(name, None)
            findings.append(InboxFinding(account, Look(name, folder=False), Gone()))
        self._remove_notes(superseded(self._transfers))
        self._there = (self._there - expected) | there
        # A transfer's project may have been removed, or never made: then there is nothing to deal with.
        self._forget(lambda name: name not in there and (projects is None or name in projects))
        return scan, findings

    def forget(self, project: str) -> bool:
        """The transfers about `project` that are over have been dealt with. Whether there are any."""
        return self._forget(lambda name: name == project)

    def _forget(self, is_meant: Callable[[str], bool]) -> bool:
        spent, is_any = [], False
        for transfer in self._transfers:
            names = [] if transfer.alive else list(filter(is_meant, transfer.projects))
            if names:
                is_any = True
                dealt = self._dealt.setdefault(transfer.id, set())
                dealt.update(names)
                if dealt >= transfer.projects.keys():
                    spent.append(transfer)
                    del self._dealt[transfer.id]
        self._remove_notes(spent)
        return is_any

    def root(self, project: str) -> str:
        """Where in its inbox entry `project` was at the last look: "" or "project". Raises WorkerError."""
        if project not in self._roots:
            self.scan([project])
        return self._roots.get(project, "")

    def fingerprint(self, project: str) -> str:
        """The fingerprint of `project` as it is now; "" when it cannot be had. Raises WorkerError."""
        looks = self.scan([project]).looks
        return looks[0].fingerprint if looks else ""

    def scan(self, projects: Sequence[str] | None) -> Scan:
        """What is there now. Raises WorkerError."""
        report = self._workers.do(
            self.account.identity,
            "look",
            timeout=_LOOKING,
            sessions=str(self.account.sessions),
            inbox=str(self.account.inbox),
            names=projects,
            programs=[language.template.program for language in self._languages.values()],
            max_files=self._limits.max_files,
            max_depth=self._limits.max_depth,
        )
        looks = [Look.of(entry) for entry in report["entries"]]
        if projects is None:
            self._roots = {}
        self._roots.update((look.name, look.root) for look in looks)
        return Scan(looks, report["cost"], parse(report["transfers"]))

    def _named(self, looks: Sequence[Look]) -> list[Look]:
        """Those of `looks` that can be projects, and a few of the others: each gets a folder in the outbox."""
        for look in looks:
            if not is_valid_name(look.name) and len(self._misnamed) < _MISNAMED:
                self._misnamed.add(look.name)
        return [look for look in looks if is_valid_name(look.name) or look.name in self._misnamed]

    def _remove_notes(self, spent: Sequence[TransferRecord]) -> None:
        if not spent:
            return
        try:
            paths = [str(self.account.sessions / transfer.id) for transfer in spent]
            self._workers.do(self.account.identity, "remove", paths=paths)
        except WorkerError as error:
            # They are read again at the next look, and say the same as now.
            get().warning("notes of transfers stay", user=self.account.name, reason=error.message)

    def _judge(self, look: Look, known: Traffic) -> Verdict:
        now = time.time()
        fingerprint, first_seen = self._first_seen.get(look.name, ("", now))
        if fingerprint != look.fingerprint:
            first_seen = now
            self._first_seen[look.name] = (look.fingerprint, now)
        can_be_project = is_valid_name(look.name)
        if look.folder and can_be_project:
            self._events.watch(self.account.name, look.name, self.account.inbox / look.name)
        accepted = self._store.project(self.account.name, look.name).accepted if can_be_project else ""
        verdict = judge(look, accepted, self._languages, self._limits, now, first_seen, known)
        if isinstance(verdict, Complete) and verdict.signal in (Signal.INFERRED, Signal.UNPROVEN, Signal.SETTLED):
            root = self.account.inbox / look.name
            if writer := open_for_writing(root, self.account.identity.uid):
                verdict = Wait(f"waiting: {writer} is still open for writing")
        if isinstance(verdict, Nothing):
            self._first_seen.pop(look.name, None)
        return verdict
