"""The inboxes: when to look at which, each beside the others.

This module owns the looks under way and what calls for the next ones. Events are a wake-up, a rescan is the truth:
losing every event costs time, never an upload. A home that hangs delays its owner's uploads and nobody else's. It never
makes a job.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from labd.accounts.accounts import Account, Accounts
from labd.common.background import BackgroundWork
from labd.common.errors import LabdError, NotFoundError, for_people
from labd.common.log import get
from labd.common.retry import Retry, tell_failure
from labd.intake.completeness import Look, Wait
from labd.intake.file_events import FileEvents
from labd.intake.inbox_account import AccountInbox, InboxFinding, Scan
from labd.intake.polling import Pace
from labd.model.config import InboxSettings
from labd.model.languages import Language
from labd.privsep.workers import Workers
from labd.storage.store import Store

_AT_ONCE = 4  # looks, not counting those that take long
_BLIND_RESCAN = 15.0  # seconds between looks where there are no file events
_FIRST_PAUSE = 5.0

Deal = Callable[[Account, Sequence[InboxFinding], Collection[str], LabdError | None], Mapping[str, float]]
"""Deals with the findings of a look at an account's inbox, for which these projects were submitted, or why it failed.

Returns the projects at which to look again because of a failure, and when (time.monotonic())."""


@dataclass
class _WatchedInbox:
    """One account's inbox, and what calls for a look at it."""

    inbox: AccountInbox
    pace: Pace
    retry: Retry
    is_looking: bool = False
    submitted: set[str] = field(default_factory=set)
    # File events since the last look began: project (None: the inbox itself) → whether a control file came.
    stirred: dict[str | None, bool] = field(default_factory=dict)
    noted: set[str] = field(default_factory=set)  # projects at which to look at once


class Inbox:
    """All inboxes of the lab."""

    def __init__(
        self,
        accounts: Accounts,
        limits: InboxSettings,
        languages: Mapping[str, Language],
        store: Store,
        workers: Workers,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called from another thread when a look is due earlier than `next_due` said."""
        self._limits, self._languages, self._store, self._workers = limits, languages, store, workers
        self._accounts, self._wake = accounts, wake
        self._lock = threading.Lock()
        self._watched: dict[str, _WatchedInbox] = {}
        self._background = BackgroundWork("looks", _AT_ONCE)
        self._events = FileEvents(wake)
        self._is_blind = False
        self._see_whether_blind()

    def note(self, account: str, projects: Sequence[str]) -> None:
        """A transfer to these projects ended, the gateway says: look at them at once. From any thread."""
        with self._lock:
            if account in self._watched:
                self._watched[account].noted.update(projects)
        self._wake()

    def submit(self, account: str, project: str) -> None:
        """Look at `project` at once, as if it had the control file SUBMIT. Raises NotFoundError. From any thread."""
        with self._lock:
            if account not in self._watched:
                raise NotFoundError("Your inbox is not looked at.", "Ask the administrator whether it is disabled.")
            self._watched[account].submitted.add(project)
        self._wake()

    def start_looks(self, deal: Deal) -> None:
        """Begin all looks that are due, beside the caller; `deal` gets what each finds."""
        with self._lock:
            self._know_accounts()
            self._see_whether_blind()
            for (name, project), is_order in self._events.take().items():
                if name in self._watched:
                    stirred = self._watched[name].stirred
                    stirred[project] = stirred.get(project, False) or is_order
            for name, watched in self._watched.items():
                if not watched.is_looking and self._is_due(watched):
                    watched.is_looking = True
                    self._background.put(name, "look", lambda watched=watched: self._look(watched, deal))  # type: ignore[misc]

    def next_due(self) -> float:
        """When the next look is due, by time.monotonic()."""
        with self._lock:
            idle = [watched.pace.next_due() for watched in self._watched.values() if not watched.is_looking]
        return min(idle, default=time.monotonic() + self._limits.rescan)

    def root(self, account: Account, project: str) -> str:
        """Where in its inbox entry `project` was at the last look: "" or "project". Raises WorkerError."""
        return self._of(account).root(project)

    def fingerprint(self, account: Account, project: str) -> str:
        """The fingerprint of `project` as it is now; "" when it cannot be had. Raises WorkerError."""
        return self._of(account).fingerprint(project)

    def forget(self, account: Account, project: str) -> bool:
        """The transfers about `project` that are over have been dealt with. Whether there are any."""
        return self._of(account).forget(project)

    def sizes(self) -> dict[str, int]:
        """Bytes in each account's projects at the last full look."""
        with self._lock:
            return {name: watched.inbox.bytes for name, watched in self._watched.items()}

    def remove_controls(self, account: Account, look: Look) -> None:
        """Remove the control files that `look` saw, now that they have been obeyed. Raises WorkerError."""
        paths = [str(account.inbox / look.name / control) for control in look.controls]
        self._workers.do(account.identity, "remove", paths=paths)

    def close(self) -> None:
        """Stop watching."""
        self._background.close()
        self._events.close()

    def _know_accounts(self) -> None:
        """Look at the inboxes of those who are researchers now, and no others."""
        serving = {name: account for name, account in self._accounts.items() if not account.settings.disabled}
        for number, (name, account) in enumerate(serving.items()):
            known = self._watched.get(name)
            if known is None:
                # Spread over time, or 200 accounts would all be looked at in the same second.
                pace, retry = Pace(self._limits, number * 0.001), Retry(_FIRST_PAUSE, self._limits.rescan)
                self._watched[name] = _WatchedInbox(self._make(account), pace, retry)
            else:
                known.inbox.account = account
        for name in self._watched.keys() - serving.keys():
            del self._watched[name]
            self._events.forget(name)

    def _see_whether_blind(self) -> None:
        """Look at all inboxes when there are no file events any more, and oftener from then on."""
        reason = self._events.why_blind()
        if reason and not self._is_blind:
            get().warning("no file events: inboxes are looked at from time to time only", reason=reason)
            for watched in self._watched.values():
                watched.stirred.setdefault(None, False)
        elif self._is_blind and not reason:
            get().info("there are file events again")
        self._is_blind = bool(reason)

    def _make(self, account: Account) -> AccountInbox:
        return AccountInbox(account, self._limits, self._languages, self._store, self._workers, self._events)

    def _of(self, account: Account) -> AccountInbox:
        """The inbox of `account`; one of its own for somebody whose inbox is not looked at any more."""
        with self._lock:
            watched = self._watched.get(account.name)
        return watched.inbox if watched else self._make(account)

    def _is_due(self, watched: _WatchedInbox) -> bool:
        """Whether to look now. What moved while a look was under way may have been missed by it."""
        if watched.retry.failures and time.monotonic() < watched.retry.due and not watched.submitted:
            return False
        for project, is_order in watched.stirred.items():
            watched.pace.stirred(project, is_order)
        for project in (*watched.noted, *watched.submitted):
            watched.pace.ask(project)
        watched.stirred.clear()
        watched.noted.clear()
        return watched.pace.due() != []

    def _look(self, watched: _WatchedInbox, deal: Deal) -> None:
        with self._lock:
            submitted, watched.submitted = watched.submitted, set()
            # Somebody may have asked since it was found that a look is due.
            for project in submitted:
                watched.pace.ask(project)
            projects = watched.pace.due()
        account = watched.inbox.account
        failure: LabdError | None = None
        findings: Sequence[InboxFinding] = ()
        try:
            if projects is None or projects:
                scan, findings = watched.inbox.look(projects, submitted)
                self._pace(watched, projects, scan, findings)
            if failures := watched.retry.succeeded():
                get().info("the inbox can be read again", user=account.name, failures=failures)
        except Exception as error:
            failure = for_people(error)
            self._failed(watched, error)
        again: Mapping[str, float] = {}
        try:
            again = deal(account, findings, submitted, failure)
        finally:
            with self._lock:
                for project, due in again.items():
                    watched.pace.later(project, due)
                watched.is_looking = False
            self._wake()

    def _failed(self, watched: _WatchedInbox, error: Exception) -> None:
        if watched.retry.failed(error):
            words = "inbox cannot be read"
            tell_failure(error, words, f"{words}: a defect of labd", user=watched.inbox.account.name)
        with self._lock:
            watched.pace.failed(watched.retry.due)

    def _pace(
        self, watched: _WatchedInbox, projects: list[str] | None, scan: Scan, findings: Sequence[InboxFinding]
    ) -> None:
        with self._lock:
            if projects is None:
                newest = max((look.newest for look in scan.looks), default=0)
                others = sum(other.pace.cost for other in self._watched.values() if other is not watched)
                rescan: float = self._limits.rescan
                if self._is_blind:
                    rescan = min(rescan, _BLIND_RESCAN)
                watched.pace.looked_at_all(newest / 1e9, scan.cost, others, rescan)
            else:
                watched.pace.looked(projects, scan.cost)
            for finding in findings:
                until = finding.verdict.until if isinstance(finding.verdict, Wait) else 0.0
                if finding.traffic.live or isinstance(finding.verdict, Wait):
                    watched.pace.again(finding.look.name, finding.traffic, scan.cost, until - time.time())
