"""What a project's STATUS says now: which of its jobs is shown, and what else there is to tell.

This module owns the choice; the words are in `status`, the writing is in `status_writer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from labd.common.units import human_time
from labd.daemon.outbox.status import page
from labd.daemon.pipeline.lab import Lab
from labd.daemon.status_writer import Key
from labd.diagnosis.programs import Diagnosis
from labd.model.jobs import Job, State
from labd.model.layout import is_valid_name


class Pages:
    """The pages of all projects."""

    def __init__(
        self,
        lab: Lab,
        upload: Callable[[Key], str | Diagnosis | None],
        place: Callable[[Job | None], tuple[int, int, str]],
    ) -> None:
        """`upload` is what there is to say of an upload that is no job yet; `place` that of `Admission`."""
        self._lab, self._upload, self._place = lab, upload, place

    def page(self, key: Key) -> Mapping[str, str] | None:
        """STATUS and status.json of a project; None while its last page is on its way with the results."""
        user, project = key
        jobs = self._lab.store.jobs(user, project, limit=20) if is_valid_name(project) else []
        active = [job for job in jobs if not job.state.is_outcome]
        # The job that is furthest is the one that the outbox shows; those that wait behind it come after it.
        shown = next(iter(sorted(active, key=lambda job: (job.state is State.QUEUED, job.id))), None) or next(
            iter(jobs), None
        )
        if shown and shown.state is State.DELIVERING and shown.id not in self._lab.waiting:
            return None
        upload = self._upload(key)
        if shown is None and upload is None:
            return None
        return page(project, shown, upload, time.time(), *self._place(shown), sending=self._sending(shown))

    def _sending(self, job: Job | None) -> str:
        """How far the results are on their way to the researcher's own computer."""
        push = self._lab.store.push(job.id) if job else None
        account = self._lab.accounts.get(job.user) if job else None
        target = account.settings.push if account else None
        if push is None or target is None:
            return ""
        where = f"{target.user}@{target.host}"
        if push.reason and push.due:
            return f"Sending to {where}: {push.reason}. Next try: {human_time(push.due)}"
        if push.reason:
            return f"Not sent to {where}: {push.reason}. Fetch the results from the outbox."
        return f"Sending to {where}: under way" if push.due else f"Sent to {where}"
