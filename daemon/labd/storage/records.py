"""What is remembered besides jobs: environments, results that travel on, when researchers were here.

This module owns the SQL of these three. It never decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from labd.model.jobs import Job
from labd.storage.database import Database


@dataclass(frozen=True)
class Push:
    """Results on their way to a researcher's own computer. Times are seconds since the epoch."""

    job: int
    since: float  # when the results were there
    due: float | None  # of the next attempt; None: it is over
    attempts: int = 0
    reason: str = ""  # why the last attempt failed; "" when it did not


@dataclass(frozen=True)
class Environment:
    """An environment image that labd made. Times are seconds since the epoch."""

    tag: str
    language: str
    version: str
    created: float
    used: float


_PUSH = "job, since, due, attempts, reason"


class Records(Database):
    """The three books."""

    # Results on their way to researchers' own computers

    def add_push(self, job: Job, now: float) -> None:
        """Have the results of `job` sent, once, in the place of older results of its project that are not sent yet."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM pushes WHERE due IS NOT NULL AND job IN"
                " (SELECT id FROM jobs WHERE user = ? AND project = ? AND id < ?)",
                (job.user, job.project, job.id),
            )
            self._db.execute("INSERT OR IGNORE INTO pushes (job, since, due) VALUES (?, ?, ?)", (job.id, now, now))

    def update_push(self, job_id: int, due: float | None, reason: str) -> None:
        """Note how an attempt ended; `due` is when to try again, None for never."""
        with self._transaction():
            self._db.execute(
                "UPDATE pushes SET due = ?, reason = ?, attempts = attempts + 1 WHERE job = ?", (due, reason, job_id)
            )

    def push(self, job_id: int) -> Push | None:
        """What is known of the sending of a job's results."""
        with self._reading():
            row = self._db.execute(f"SELECT {_PUSH} FROM pushes WHERE job = ?", (job_id,)).fetchone()
        return Push(**row) if row else None

    def pushes(self) -> list[Push]:
        """All results that have to be sent yet, the most urgent first."""
        with self._reading():
            rows = self._db.execute(f"SELECT {_PUSH} FROM pushes WHERE due IS NOT NULL ORDER BY due").fetchall()
        return [Push(**row) for row in rows]

    def pushes_over(self, since: float) -> list[Push]:
        """Those of results later than `since` that need no further attempt."""
        with self._reading():
            rows = self._db.execute(f"SELECT {_PUSH} FROM pushes WHERE due IS NULL AND since > ?", (since,)).fetchall()
        return [Push(**row) for row in rows]

    # Researchers

    def see(self, user: str, now: float) -> None:
        """Remember that `user` was here now."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO seen (user, at) VALUES (?, ?)", (user, now))

    def seen(self) -> dict[str, float]:
        """When each user was here last, in seconds since the epoch; who never was is not in it."""
        with self._reading():
            return {row["user"]: row["at"] for row in self._db.execute("SELECT user, at FROM seen")}

    def job_counts(self) -> dict[str, int]:
        """How many jobs each user ever had."""
        with self._reading():
            return dict(self._db.execute("SELECT user, count(*) FROM jobs GROUP BY user").fetchall())

    def job_count(self, user: str | None) -> int:
        """How many jobs there are of `user`, or of all."""
        with self._reading():
            # Two statements, because only the second one has an index.
            if user is None:
                row = self._db.execute("SELECT count(*) FROM jobs").fetchone()
            else:
                row = self._db.execute("SELECT count(*) FROM jobs WHERE user = ?", (user,)).fetchone()
        return int(row[0])

    # Environments

    def use_environment(self, tag: str, language: str, version: str, now: float) -> None:
        """Remember that environment `tag` exists and was used `now`."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO environments (tag, language, version, created, used) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (tag) DO UPDATE SET used = excluded.used",
                (tag, language, version, now, now),
            )

    def forget_environment(self, tag: str) -> None:
        """Forget environment `tag`; its image is gone."""
        with self._transaction():
            self._db.execute("DELETE FROM environments WHERE tag = ?", (tag,))

    def environments(self) -> list[Environment]:
        """All known environments, the most recently used first."""
        with self._reading():
            rows = self._db.execute(
                "SELECT tag, language, version, created, used FROM environments ORDER BY used DESC"
            ).fetchall()
        return [Environment(**row) for row in rows]
