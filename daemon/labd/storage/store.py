"""The jobs, their history, and what is known of each project.

This module owns their SQL; with `records` and `database` below it, it is the store. A new job is on the disk before
anybody hears of it; a later change that a power cut takes away is made again, because it is a step that can be
repeated. Every change of a job's state is one transaction and is checked against the table of allowed transitions. It
never decides anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from labd.common.errors import NotFoundError, RecordError, TransitionError
from labd.common.log import get
from labd.model.jobs import OUTCOMES, Job, Signal, State, check_transition
from labd.scheduling.fair_share import Run
from labd.storage import job_rows
from labd.storage.database import Row
from labd.storage.records import Records


@dataclass(frozen=True)
class Project:
    """What is remembered of a project besides its jobs."""

    user: str
    project: str
    accepted: str = ""  # fingerprint of the last upload that was dealt with
    snapshot: int = 0  # job that holds the latest snapshot, 0 for none
    occupant: int = 0  # job whose results are in the outbox, 0 for none
    rerun: int = 0  # mark of the RERUN file that was obeyed last


_PROJECT = ", ".join(field.name for field in fields(Project))
_STATES = frozenset(state.value for state in State)


class Store(Records):
    """The database of one lab. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path` and bring it up to date."""
        super().__init__(path)
        self._unreadable: set[int] = set()
        self._runs: dict[int, Run | None] = {}
        # The daemon asks for them all the time, and this process is the only one that writes.
        self._remembered: dict[int, Job] | None = None
        self.active()

    # Jobs

    def create(self, user: str, project: str, signal: Signal, fingerprint: str, now: float) -> Job:
        """Accept an upload: a new job in RECEIVED, and its fingerprint as dealt with, in one transaction."""
        with self._transaction(durable=True):
            row = self._db.execute(
                "INSERT INTO jobs (user, project, state, signal, created, changed, snapshot)"
                " VALUES (?, ?, ?, ?, ?, ?, 0) RETURNING id",
                (user, project, State.RECEIVED.value, signal.value, now, now),
            ).fetchone()
            self._db.execute("UPDATE jobs SET snapshot = id WHERE id = ?", (row["id"],))
            self._set_project(user, project, accepted=fingerprint)
            self._event(row["id"], State.RECEIVED, now)
            return self._refresh(row["id"])

    def create_rerun(self, of: Job, mark: int, now: float, exact: bool = False) -> Job:
        """A new job on the snapshot of job `of`; `mark` is that of the RERUN file that asked for it, 0 for none.

        With `exact` it is to have the environment of `of`, too.
        """
        with self._transaction(durable=True):
            job = self.create(of.user, of.project, Signal.RERUN, self.project(of.user, of.project).accepted, now)
            if mark:
                self._set_project(of.user, of.project, rerun=mark)
            return self.update(job, snapshot=of.snapshot, exact=of.id if exact else 0)

    def withdraw(self, job: Job, accepted: str) -> None:
        """Undo `create`: the upload was no job after all. `accepted` is its fingerprint, or "" to look again.

        Raises TransitionError when the job went on, NotFoundError when it is gone.
        """
        with self._transaction():
            here = self.job(job.id).state
            if here is not State.RECEIVED:
                raise TransitionError(f"Job {job.id} is {here.value} by now and cannot be withdrawn.")
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            self._active().pop(job.id, None)
            self._set_project(job.user, job.project, accepted=accepted)

    def move(self, job: Job, state: State, now: float, **changes: Any) -> Job:
        """`job` in its new `state`, with `changes` to other fields, in one transaction.

        Raises TransitionError when the table does not allow it, or when the job is no longer where `job` says.
        """
        with self._transaction():
            here = self.job(job.id).state
            if here is not job.state:
                raise TransitionError(f"Job {job.id} is {here.value} by now, not {job.state.value}.")
            check_transition(here, state)
            self._event(job.id, state, now)
            return self.update(job, state=state, changed=now, **changes)

    def queue(self, job: Job, now: float, **changes: Any) -> Job:
        """`job` in QUEUED, holding the latest snapshot of its project unless it runs that of an earlier job."""
        with self._transaction():
            if job.snapshot == job.id:
                self._set_project(job.user, job.project, snapshot=job.id)
            return self.move(job, State.QUEUED, now, **changes)

    def update(self, job: Job, **changes: Any) -> Job:
        """`job` with other fields changed. Raises NotFoundError when it is gone."""
        names = ", ".join(f"{name} = ?" for name in changes)
        values = [job_rows.encode(value) for value in changes.values()]
        with self._transaction():
            self._db.execute(f"UPDATE jobs SET {names} WHERE id = ?", (*values, job.id))
            return self._refresh(job.id)

    def ask_to_stop(self, job_id: int, why: State, reason: str) -> Job:
        """Note that an active job shall be stopped; the first reason given stays."""
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET stopping = ?, stop_reason = ? WHERE id = ? AND stopping IS NULL AND outcome IS NULL",
                (why.value, reason, job_id),
            )
            return self._refresh(job_id)

    def job(self, job_id: int) -> Job:
        """Job number `job_id`. Raises NotFoundError, and RecordError when there is one that cannot be read."""
        with self._reading():
            return self._active().get(job_id) or self._read(job_id)

    def last_number(self) -> int:
        """The highest number that a job ever had, also one that was withdrawn; 0 before the first."""
        with self._reading():
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
        return row["seq"] if row else 0

    def active(self) -> list[Job]:
        """All jobs that have no outcome yet, oldest first."""
        with self._reading():
            return list(self._active().values())

    def jobs(self, user: str | None = None, project: str | None = None, limit: int = 50) -> list[Job]:
        """The latest `limit` jobs, newest first, of one user or project or of all."""
        return self._jobs(
            "WHERE (?1 IS NULL OR user = ?1) AND (?2 IS NULL OR project = ?2) ORDER BY id DESC LIMIT ?3",
            (user, project, max(limit, 0)),
        )

    def events(self, job_id: int) -> list[tuple[float, State]]:
        """When job `job_id` entered which state, oldest first; states of a newer labd are left out."""
        with self._reading():
            rows = self._db.execute("SELECT at, state FROM events WHERE job = ? ORDER BY rowid", (job_id,)).fetchall()
        return [(row["at"], State(row["state"])) for row in rows if row["state"] in _STATES]

    def runs(self, since: float) -> list[Run]:
        """What every program had that runs now or ended after `since`; without what cannot be read."""
        with self._reading():
            ended = [row[0] for row in self._db.execute("SELECT id FROM jobs WHERE ended > ?", (since,))]
            # What ended changes no more, and there can be ten thousands of them.
            self._runs = {job_id: self._runs.get(job_id) or self._run(job_id) for job_id in ended}
            running = [job for job in self._active().values() if job.state is State.RUNNING and job.started]
            runs = [run for run in self._runs.values() if run]
        return [*runs, *(Run.of(job.user, job.started or 0.0, None, job.grant) for job in running if job.grant)]

    # Projects

    def project(self, user: str, project: str) -> Project:
        """What is remembered of a project; all empty for one never seen."""
        with self._reading():
            row = self._db.execute(
                f"SELECT {_PROJECT} FROM projects WHERE user = ? AND project = ?", (user, project)
            ).fetchone()
        return Project(**row) if row else Project(user, project)

    def occupy(self, job: Job) -> None:
        """Remember that the outbox shows `job` now."""
        with self._transaction():
            self._set_project(job.user, job.project, occupant=job.id)

    # Within

    def _forget(self) -> None:
        self._remembered, self._runs = None, {}

    def _active(self) -> dict[int, Job]:
        """What is remembered of the jobs that have no outcome yet."""
        if self._remembered is None:
            # Told by the outcomes: a job in a state that only a newer labd knows has to be told of, not passed over.
            marks = ", ".join("?" * len(OUTCOMES))
            ended = tuple(state.value for state in OUTCOMES)
            self._remembered = {job.id: job for job in self._jobs(f"WHERE state NOT IN ({marks}) ORDER BY id", ended)}
        return self._remembered

    def _run(self, job_id: int) -> Run | None:
        """What the program of an ended job had; None when it never started or cannot be read."""
        row = self._db.execute("SELECT user, started, ended, grant FROM jobs WHERE id = ?", (job_id,)).fetchone()
        with contextlib.suppress(*job_rows.UNREADABLE):
            return Run.of(row["user"], float(row["started"]), float(row["ended"]), job_rows.grant(row["grant"]))
        return None

    def _read(self, job_id: int) -> Job:
        """Job number `job_id` as the database has it. Raises NotFoundError, RecordError."""
        for job in self._jobs("WHERE id = ?", (job_id,)):
            return job
        if job_id in self._unreadable:
            raise RecordError(f"What the database has of job {job_id} cannot be read.", "journalctl -u labd says why.")
        raise NotFoundError(f"There is no job {job_id}.", "`labd jobs` lists the jobs there are.")

    def _refresh(self, job_id: int) -> Job:
        """The job as the database has it now, here and in what is remembered of the active ones."""
        job = self._read(job_id)
        if job.state in OUTCOMES:
            self._active().pop(job_id, None)
        else:
            # A key that is there keeps its place, and new ids only grow: the order stays that of the ids.
            self._active()[job_id] = job
        return job

    def _set_project(self, user: str, project: str, **changes: Any) -> None:
        self._db.execute("INSERT OR IGNORE INTO projects (user, project) VALUES (?, ?)", (user, project))
        names = ", ".join(f"{name} = ?" for name in changes)
        self._db.execute(
            f"UPDATE projects SET {names} WHERE user = ? AND project = ?", (*changes.values(), user, project)
        )

    def _event(self, job_id: int, state: State, now: float) -> None:
        self._db.execute("INSERT INTO events (job, at, state) VALUES (?, ?, ?)", (job_id, now, state.value))

    def _jobs(self, clause: str, values: Sequence[object]) -> list[Job]:
        """The jobs that `clause` chooses. One that cannot be read is left out, and told once."""
        with self._reading():
            rows = self._db.execute(f"SELECT {job_rows.COLUMNS} FROM jobs {clause}", values).fetchall()
        return [job for row in rows if (job := self._decoded(row))]

    def _decoded(self, row: Row) -> Job | None:
        try:
            return job_rows.decode(row)
        except job_rows.UNREADABLE as error:
            if row["id"] not in self._unreadable:
                self._unreadable.add(row["id"])
                get().error("what the database has of a job cannot be read", job=row["id"], reason=repr(error))
            return None
