"""Results that travel on: from the outbox to a researcher's own computer, where that accepts SSH.

This module owns the attempts: when, for how long, and what is said of one that failed. The work is done as the
researcher, with a key of the account's own, against a pinned host key. It happens after a job has its outcome and never
touches it: a computer that is off delays nothing. What it says is a stranger's word: short when it is told, and limited
in time and length; and an account has one attempt at a time, so that a slow computer delays only its owner.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import threading
import time
from collections.abc import Callable

from labd.accounts.accounts import PUSH_HOSTS, PUSH_KEY, Account
from labd.common.commands import Result, run
from labd.common.errors import LabdError, NotFoundError, RecordError
from labd.common.log import about, get
from labd.common.printable import one_line
from labd.daemon.pipeline.lab import Lab
from labd.model.account_settings import PushTarget
from labd.model.jobs import Job
from labd.storage.records import Push

_FIRST_WAIT, _LONGEST_WAIT = 60.0, 3600.0
_GIVE_UP = 86400.0
_RSYNC_SECONDS = 6 * 3600.0
_ENDING = 5.0
_AT_A_TIME = 16
_FILE_ERROR = 11  # rsync(1), "error in file I/O"; what it was does not always arrive
_REASONS = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed", "its host key is not the one known here"),
    (r"Permission denied \([a-z]", "it does not accept the key of this account"),
    (r"Permission denied|Read-only file system", "the folder there is not writable"),
    (r"No space left|Disk quota exceeded", "its disk is full"),
    (r"mkdir .* failed: No such file", "the folder there cannot be made, because the one above it is missing"),
    (r"command not found|rsync: not found", "it has no rsync"),
    (r"Could not resolve hostname", "its name is not known"),
    (r"Connection refused|timed out|No route to host|Network is unreachable", "it does not answer; it may be off"),
    # Last: rsync says so, too, when ssh has said why.
    (r"[Cc]onnection (closed|reset|unexpectedly closed)|Broken pipe|io timeout", "the connection to it broke"),
)


class Pushing:
    """The thread that waits for the next attempt, and one for each attempt."""

    def __init__(self, lab: Lab, announce: Callable[[Job], None]) -> None:
        """`announce` is told whose STATUS has to change."""
        self._lab, self._announce = lab, announce
        self._changed, self._closing = threading.Event(), threading.Event()
        self._busy: dict[str, threading.Thread] = {}  # by the name of the account

    def start(self) -> None:
        """Take up what waits, also from before a restart."""
        threading.Thread(target=self._watch, name="pushing", daemon=True).start()

    def wake(self) -> None:
        """There may be something new to send."""
        self._changed.set()

    def close(self) -> None:
        """End; what is under way is taken up by the next daemon, and what has just been sent is told of."""
        self._closing.set()
        self._changed.set()
        for attempt in [*self._busy.values()]:
            attempt.join(_ENDING)

    def _watch(self) -> None:
        self._guarded(self._tell_again)
        while not self._closing.is_set():
            self._changed.clear()
            self._changed.wait(self._guarded(self._begin))

    def _guarded(self, step: Callable[[], float | None]) -> float | None:
        """Take `step`; the seconds until the next one, None: until something changes."""
        try:
            return step()
        except Exception:
            get().exception("sending results on failed; it goes on in a minute")
            return _FIRST_WAIT

    def _tell_again(self) -> None:
        """Tell of what a daemon that was killed may have sent without telling of it."""
        for push in self._lab.store.pushes_over(time.time() - 2 * _GIVE_UP):
            with contextlib.suppress(NotFoundError, RecordError):
                self._announce(self._lab.store.job(push.job))

    def _begin(self) -> float | None:
        """Begin the attempts that are due, one for an account; the seconds until the next is, None for no other.

        Those that have to wait for one under way begin at its end.
        """
        later = []
        for push in self._lab.store.pushes():
            wait = (push.due or 0.0) - time.time()
            if wait > 0:
                later.append(wait)
            elif len(self._busy) < _AT_A_TIME:
                # One whose job cannot be read is told by the store, and keeps no other waiting.
                with contextlib.suppress(NotFoundError, RecordError):
                    self._attempt_beside(push, self._lab.store.job(push.job).user)
        return min(later, default=None)

    def _attempt_beside(self, push: Push, user: str) -> None:
        """Begin an attempt, unless one of `user` is under way. Raises RuntimeError when there is no thread for it."""
        if user in self._busy:
            return
        attempt = threading.Thread(target=self._attempt, args=(push, user), name=f"push-{push.job}", daemon=True)
        self._busy[user] = attempt
        try:
            attempt.start()
        except RuntimeError:
            del self._busy[user]
            raise

    def _attempt(self, push: Push, user: str) -> None:
        with about(push.job, user):
            try:
                self._try(push)
            except Exception:
                get().exception("an attempt to send results on was not noted")
                # It would be due again at once.
                self._closing.wait(_FIRST_WAIT)
            finally:
                del self._busy[user]
                self.wake()

    def _try(self, push: Push) -> None:
        try:
            if not self._closing.is_set():
                self._send(push)
        except LabdError as error:
            self._failed(push, error.message)
        except Exception:
            get().exception("results not sent on")
            self._failed(push, "labd met an error of its own")

    def _send(self, push: Push) -> None:
        job = self._lab.store.job(push.job)
        account = self._lab.accounts.get(job.user)
        target = account.settings.push if account else None
        is_shown = self._lab.store.project(job.user, job.project).occupant == job.id
        if account is None or target is None or not is_shown:
            # The results of the job that has taken its place will be sent instead.
            self._lab.store.update_push(push.job, None, "newer results are on their way")
            return
        done = _rsync(account, target, job.project, self._closing)
        if done.code == _FILE_ERROR:
            # Perhaps folders are missing. Not at once with this option: rsync before 3.2.3 does not know it.
            again = _rsync(account, target, job.project, self._closing, "--mkpath")
            done = done if re.search("(unknown|unrecognized) option", again.output) else again
        if done.cancelled:
            return
        if done.code == 0:
            self._lab.store.update_push(push.job, None, "")
            get().info("results sent on", to=f"{target.user}@{target.host}")
            self._announce(job)
        else:
            self._failed(push, _reason(done))

    def _failed(self, push: Push, reason: str) -> None:
        now = time.time()
        wait = min(_FIRST_WAIT * 2**push.attempts, _LONGEST_WAIT)
        due = now + wait if now + wait < push.since + _GIVE_UP else None
        self._lab.store.update_push(push.job, due, reason)
        job = self._lab.store.job(push.job)
        get().warning("results not sent on", reason=reason, again=due is not None)
        self._announce(job)


def _rsync(account: Account, target: PushTarget, project: str, closing: threading.Event, *options: str) -> Result:
    ssh = [
        *("ssh", "-F", "none", "-p", str(target.port), "-i", str(account.home / PUSH_KEY)),
        *("-o", f"UserKnownHostsFile={account.home / PUSH_HOSTS}", "-o", "StrictHostKeyChecking=accept-new"),
        *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"),
    ]
    host = f"[{target.host}]" if ":" in target.host else target.host
    command = [
        *("rsync", "--archive", "--relative", "--no-implied-dirs", "--no-devices", "--no-specials", "--safe-links"),
        *("--timeout=120", f"--rsh={shlex.join(ssh)}", *options),
        # What stands after /./ is made below the target, with every rsync since 2.6.7 (rsync(1), --relative).
        f"{account.outbox}/./{project}/output/",
        f"{target.user}@{host}:{target.path}/",
    ]
    return run([*account.identity.prefix(), *command], timeout=_RSYNC_SECONDS, cancelled=closing)


def _reason(done: Result) -> str:
    if done.timed_out:
        return f"it took longer than {_RSYNC_SECONDS / 3600:.0f} hours"
    for pattern, words in _REASONS:
        if re.search(pattern, done.output):
            return words
    lines = [line for line in done.output.splitlines() if line.startswith("rsync: ")]
    return f"rsync ended with code {done.code}" + (f" ({one_line(lines[0][7:127])})" if lines else "")
