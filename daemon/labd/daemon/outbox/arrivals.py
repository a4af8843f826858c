"""Uploads that are no jobs (yet): what there is to say of each, since when, and what its owner can do.

This module owns these words, for people and for programs. It is pure: what was seen is handed in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from labd.diagnosis.programs import Diagnosis

GONE = "its upload is not in the inbox any more; send it again to run it"
UNCHANGED = "nothing has changed since the last job; create the file RERUN to run it again"


class Upload(NamedTuple):
    """One upload, and what there is to say of it."""

    user: str
    project: str
    reason: str | Diagnosis
    since: float  # seconds since the epoch
    is_arriving: bool  # it may not all be there
    until: float = 0.0  # when it starts if nothing more comes, in seconds since the epoch; 0: that is not known

    @property
    def is_refused(self) -> bool:
        """Whether it cannot be a job as it is."""
        return isinstance(self.reason, Diagnosis)

    @property
    def text(self) -> str:
        """Why it is no job."""
        return self.reason.cause if isinstance(self.reason, Diagnosis) else self.reason

    @property
    def sentence(self) -> str:
        """Its state in one line."""
        return f"not started. {self.text}" if self.is_refused else f"not started: {self.text}"

    @property
    def hint(self) -> str:
        """What to do to have it started."""
        if isinstance(self.reason, Diagnosis):
            return self.reason.hint
        if self.is_arriving:
            return (
                "It starts by itself when all of it has arrived; if the transfer broke off, send it again. "
                f"If all of it is there, `labd submit {self.project}` starts it now."
            )
        if self.reason == UNCHANGED:
            return f"`labd rerun {self.project}` runs it again."
        if self.reason == GONE:
            return f"Send it to inbox/{self.project}/."
        return "It starts by itself when it can."


def upload(
    before: Upload | None,
    key: tuple[str, str],
    reason: str | Diagnosis,
    now: float,
    changed: float = 0.0,
    is_arriving: bool = False,
    until: float = 0.0,
) -> Upload:
    """The upload `key` (user, project) of which there is `reason` to say, after what was said `before`.

    It last `changed` then (0: unknown), and what holds it holds it since then, also after a restart of labd.
    """
    since = min(changed or now, now)
    if before and _kind(before.reason) == _kind(reason):
        since = before.since
    elif state(reason) == "receiving":
        since = now
    return Upload(*key, reason, since, is_arriving and isinstance(reason, str), until)


def state(reason: str | Diagnosis) -> str:
    """For programs: one of refused, receiving, waiting."""
    if isinstance(reason, Diagnosis):
        return "refused"
    return "receiving" if reason.startswith("receiving") else "waiting"


def as_json(upload: Upload, folder: str) -> dict[str, Any]:
    """`upload`, which is the `folder`, as a JSON object: what the socket says of it."""
    return {
        "user": upload.user,
        "project": upload.project,
        "folder": folder,
        "state": state(upload.reason),
        "since": upload.since,
        "until": upload.until or None,
        "arriving": upload.is_arriving,
        "text": upload.text,
        "sentence": upload.sentence,
        "hint": upload.hint,
    }


def _kind(reason: str | Diagnosis) -> str:
    """What is said of an upload, without the figures that grow meanwhile."""
    return reason.cause if isinstance(reason, Diagnosis) else reason.partition(":")[0]
