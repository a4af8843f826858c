"""Submissions: what becomes of what was seen in the inboxes, and of what is asked for.

This module owns the step from a finding to a job, from a control file to its effect, and the words in STATUS for an
upload that is no job (yet). It never runs a job: it hands new ones on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Sequence

from labd.accounts.accounts import Account
from labd.common.errors import LabdError, NotFoundError, ProjectError, UnavailableError, for_people
from labd.common.log import about, get
from labd.common.retry import Retry, tell_failure
from labd.daemon.outbox import arrivals
from labd.daemon.outbox.arrivals import GONE, UNCHANGED, Upload
from labd.daemon.pipeline import control
from labd.daemon.pipeline.lab import Lab
from labd.diagnosis.programs import Diagnosis
from labd.intake.completeness import Complete, Gone, Nothing, Refuse, Wait
from labd.intake.inbox import Inbox
from labd.intake.inbox_account import InboxFinding
from labd.intake.sending_advice import sent_in_parts
from labd.intake.submissions import Key, Submissions
from labd.model.jobs import Job, Signal
from labd.model.layout import is_valid_name
from labd.privsep.workers import WorkerError

_SUPERSEDED = 60.0
_IN_PARTS = 600.0  # seconds between the first job of a project and the rest of what belongs to it


class SubmissionHandler:
    """Where uploads and requests arrive."""

    def __init__(self, lab: Lab, inbox: Inbox, start: Callable[[Job], None], announce: Callable[[Key], None]) -> None:
        """`start` takes new jobs; `announce` is told whose STATUS has to change."""
        self._lab, self._inbox, self._start, self._announce = lab, inbox, start, announce
        self._submissions = Submissions()
        self._uploads: dict[Key, Upload | None] = {}
        self._refused: dict[Key, str] = {}  # fingerprint of the upload that was refused last
        self._cancelled: dict[Key, int] = {}  # mark of the CANCEL file that was obeyed last
        self._troubles: dict[Key, Retry] = {}  # uploads that could not be dealt with
        self._answers: dict[Key, str | Diagnosis] = {}  # to control files that asked for what cannot be done

    def deal(
        self,
        account: Account,
        findings: Sequence[InboxFinding],
        submitted: Collection[str],
        failure: LabdError | None,
    ) -> dict[str, float]:
        """Deal with what a look at the inbox of `account` found, or with why it failed.

        The projects in `submitted` were looked at as somebody asked; who asked is answered. A project with which
        something goes wrong keeps no other waiting: it is in what is returned, with the time.monotonic() at which to
        look again.
        """
        answers: dict[str, Job | LabdError | None] = {}
        for finding in findings:
            answers[finding.look.name] = self._dealt_with(finding)
        for project in submitted:
            answer = failure or answers.get(project, _missing(project))
            self._submissions.answer((account.name, project), answer)
        return {
            project: self._troubles[account.name, project].due
            for project in answers
            if (account.name, project) in self._troubles
        }

    def _dealt_with(self, finding: InboxFinding) -> Job | LabdError | None:
        """The job that came of `finding`, if any, or why there is none."""
        user, project = key = finding.account.name, finding.look.name
        try:
            if isinstance(finding.verdict, Gone):
                self._forget(user, project)
                return _missing(project)
            job = self._deal_with(finding)
            self._troubles.pop(key, None)
        except Exception as error:
            if self._troubles.setdefault(key, Retry()).failed(error):
                words = "upload not dealt with"
                tell_failure(error, words, f"{words}: a defect of labd", user=user, project=project)
            return for_people(error)
        if isinstance(finding.verdict, Refuse):
            return ProjectError(finding.verdict.diagnosis.cause, finding.verdict.diagnosis.hint)
        return job

    def submit(self, user: str, project: str, still_asked: Callable[[], None]) -> Job | None:
        """Take the project's upload as complete: its job, or None when nothing has changed since its last.

        `still_asked` is called from time to time, and ends the wait by what it raises. Raises ProjectError for what
        cannot be a job, NotFoundError when there is no such upload, UnavailableError.
        """
        return self._submissions.wait((user, project), lambda: self._inbox.submit(user, project), still_asked)

    def uploads(self, user: str | None, project: str | None = None) -> list[Upload]:
        """The uploads of `user` (None: of everybody) that are no jobs (yet), by user and project.

        With `project` only that of this name. One that is gone is among them only then.
        """
        # A copy, because other threads note what they see meanwhile.
        return [
            upload
            for (owner, name), upload in sorted(self._uploads.copy().items(), key=lambda entry: entry[0])
            if upload and user in (None, owner) and (name == project or (project is None and upload.reason != GONE))
        ]

    def upload(self, key: Key) -> str | Diagnosis | None:
        """What there is to say of a project's upload that is no job (yet)."""
        upload = self._uploads.get(key)
        return upload.reason if upload else None

    def cancel(self, user: str, project: str, reason: str) -> list[Job]:
        """Stop the project's active jobs; those that were. Raises NotFoundError when there are none."""
        return control.cancel(self._lab, user, project, reason)

    def rerun(
        self, user: str, project: str, job_id: int | None = None, mark: int = 0, exact: bool = False
    ) -> Job | None:
        """Run a snapshot of the project once more, as `control.rerun` has it."""
        again = control.rerun(self._lab, user, project, job_id, mark, exact)
        if again:
            self._start(again)
        return again

    def _deal_with(self, finding: InboxFinding) -> Job | None:
        user, project = key = finding.account.name, finding.look.name
        job = None
        if isinstance(finding.verdict, Complete):
            try:
                control.check_number(self._lab, user)
            except UnavailableError as error:
                self._tell(key, f"waiting: {error.message}", finding)
                raise
        reason = self._words(finding)
        self._note_growth(finding)
        if isinstance(finding.verdict, Complete):
            self._answers.pop(key, None)
            advice = self._advice(finding)
            job = self._lab.store.create(user, project, finding.verdict.signal, finding.look.fingerprint, time.time())
            if advice:
                job = self._lab.store.update(job, notes=(advice,))
            with about(job.id, user):
                get().info("upload complete", state="received", project=project, files=finding.look.files)
            self._start(job)
        self._note_place(finding)
        self._obey(finding)
        self._tell(key, reason or self._answers.get(key), finding)
        # Last: a crash before these lines makes labd see them again, and doing them again changes nothing.
        if not isinstance(finding.verdict, Wait) and self._inbox.forget(finding.account, project):
            # The daemon before this one may have told that they go on.
            self._announce(key)
        self._remove_controls(finding)
        return job

    def _note_place(self, finding: InboxFinding) -> None:
        """Remember that what was sent last went where nothing counts, until something else is sent."""
        key = finding.account.name, finding.look.name
        if isinstance(finding.verdict, Nothing) and finding.traffic.ended:
            self._answers.pop(key, None)
            if finding.verdict.misplaced:
                self._answers[key] = finding.verdict.misplaced

    def _advice(self, finding: InboxFinding) -> str:
        """What to say to somebody who sends a new project's parts one after the other."""
        user, look = finding.account.name, finding.look
        before = self._lab.store.jobs(user, look.name, limit=2)
        if len(before) != 1 or time.time() - before[0].created > _IN_PARTS:
            return ""
        advice = sent_in_parts(look.name, look.root, finding.traffic.places, before[0].id)
        with contextlib.suppress(OSError):
            if advice and os.listdir(self._lab.folder(before[0].snapshot) / "snapshot" / "input"):
                return ""
        return advice

    def _remove_controls(self, finding: InboxFinding) -> None:
        if not finding.look.controls:
            return
        try:
            self._inbox.remove_controls(finding.account, finding.look)
        except WorkerError as error:
            # The next look sees them again, and to obey them again changes nothing.
            get().warning(
                "control file not removed",
                user=finding.account.name,
                project=finding.look.name,
                reason=error.message,
            )

    def _forget(self, user: str, project: str) -> None:
        """Its upload was removed before it became a job, or after."""
        key = user, project
        for known in (self._refused, self._answers, self._cancelled, self._troubles):
            known.pop(key, None)
        if self._uploads.pop(key, None):
            if is_valid_name(project) and not self._lab.store.jobs(user, project, limit=1):
                self._uploads[key] = arrivals.upload(None, key, GONE, time.time())
            self._announce(key)

    def _obey(self, finding: InboxFinding) -> None:
        user, project = key = finding.account.name, finding.look.name
        if not is_valid_name(project):
            return
        if "SUBMIT" in finding.look.controls and isinstance(finding.verdict, Nothing):
            self._answers[key] = UNCHANGED
        mark = finding.look.controls.get("CANCEL")
        # One that cannot be removed does not cancel what comes after it.
        if mark and mark != self._cancelled.get(key):
            self._cancelled[key] = mark
            with contextlib.suppress(NotFoundError):
                self.cancel(user, project, "its owner created CANCEL")
        if "RERUN" in finding.look.controls:
            try:
                self._answers.pop(key, None)
                self.rerun(user, project, mark=finding.look.controls["RERUN"])
            except (NotFoundError, UnavailableError) as error:
                self._answers[key] = Diagnosis(error.message, error.hint)

    def _words(self, finding: InboxFinding) -> str | Diagnosis | None:
        user, project, verdict = finding.account.name, finding.look.name, finding.verdict
        if isinstance(verdict, Refuse):
            self._refused[user, project] = finding.look.fingerprint
            if self.upload((user, project)) != verdict.diagnosis:
                get().info("upload refused", user=user, project=project, cause=verdict.diagnosis.cause)
            return verdict.diagnosis
        if isinstance(verdict, Wait) and finding.look.fingerprint == self._refused.get((user, project)):
            return self.upload((user, project))
        return verdict.why if isinstance(verdict, Wait) else None

    def _note_growth(self, finding: InboxFinding) -> None:
        """An upload that goes on within a minute of its start was not complete: its job will be superseded."""
        if isinstance(finding.verdict, (Wait, Complete)):
            for job in control.active(self._lab, finding.account.name, finding.look.name):
                if (
                    job.signal in (Signal.SETTLED, Signal.UNPROVEN, Signal.INFERRED)
                    and finding.look.newest / 1e9 - job.created < _SUPERSEDED
                ):
                    self._lab.growing.add(job.id)

    def _tell(self, key: Key, reason: str | Diagnosis | None, finding: InboxFinding) -> None:
        """Have STATUS say what there is to say of an upload."""
        before, upload = self._uploads.get(key), None
        if reason:
            wait = finding.verdict if isinstance(finding.verdict, Wait) else None
            changed, until = finding.look.newest / 1e9, wait.until if wait else 0.0
            upload = arrivals.upload(before, key, reason, time.time(), changed, bool(wait), until)
        self._uploads[key] = upload
        if (before.reason if before else None) != reason:
            self._announce(key)


def _missing(project: str) -> NotFoundError:
    return NotFoundError(f"There is no {project} in your inbox.", f"Send it to inbox/{project}/ first.")
