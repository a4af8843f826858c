"""The story of a job, from the complete upload to its outcome. Read it from top to bottom.

This module owns the order of the steps, and the program's run; `receiving`, `build` and `delivery` have the other
steps. Each starts from the state that the store has, may be cut off after any line, and does the same again without
harm when it is repeated: what it makes is named after the job.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labd.common.errors import UnavailableError
from labd.common.log import carried, get
from labd.daemon.outbox import job_folder
from labd.daemon.pipeline import run_log
from labd.daemon.pipeline.build import build
from labd.daemon.pipeline.delivery import deliver, hash_inputs
from labd.daemon.pipeline.lab import (
    Lab,
    abandon,
    despite_docker,
    end,
    fault,
    move,
    occupy,
    request_stop,
    stop_event,
    stopped,
)
from labd.daemon.pipeline.licence import may_try_again
from labd.daemon.pipeline.outcome import understand
from labd.daemon.pipeline.project_options import tell_forgotten
from labd.daemon.pipeline.receiving import receive
from labd.daemon.pipeline.run_plan import plan
from labd.daemon.pipeline.supervision import Supervision
from labd.diagnosis import languages as error_languages
from labd.model.engine import EngineError, Phase, Run, StartError
from labd.model.jobs import Job, State
from labd.projects import reading


def advance(lab: Lab, job: Job) -> None:
    """Take `job` as far as it goes: to the queue, or to its outcome."""
    steps = {
        State.RECEIVED: receive,
        State.BUILDING: build,
        State.RUNNING: _run_program,
        State.DELIVERING: deliver,
    }
    here: Job | None = job
    while here is not None and here.state in steps:
        step = steps[here.state] if here.user in lab.accounts else _end_without_owner
        here = step(lab, here)


def _run_program(lab: Lab, job: Job) -> Job:
    """Start the program unless it was started before, and see it through to its end."""
    account, folder = lab.accounts[job.user], lab.folder(job.id)
    stop = stop_event(lab, job)
    if stop.is_set() and job.started is None and _is_absent(lab, job):
        return stopped(lab, lab.store.job(job.id))
    if job.started is None:
        try:
            lab.language(job)
        except UnavailableError as error:
            return end(lab, job, State.INTERRUPTED, error.message, error.hint)
        job_folder.prepare_run(folder, account)
        try:
            has_started = despite_docker(lab, job, lambda: _start(lab, job))
        except StartError as error:
            return end(lab, job, State.INTERRUPTED, error.message, error.hint)
        if not has_started:
            return stopped(lab, lab.store.job(job.id))
        fault("started")
        job = lab.store.update(job, started=time.time())
        lab.announce(job)
        get().info("program started", state="running", project=job.project)
    if stop.is_set():
        request_stop(lab, job, State.CANCELLED, "")
    # The receipt's hashes are made beside the program, so that nobody waits for them.
    hashing = threading.Thread(target=carried(hash_inputs), args=(lab, job), name=f"hash-{job.id}", daemon=True)
    hashing.start()
    supervision = lab.watched[job.id] = _supervision(lab, job)
    condition = supervision.until_end(job.started or time.time())
    hashing.join()
    fault("ended")
    job, usage = lab.store.job(job.id), lab.engine.usage(job.id)
    log = run_log.tail(folder / "delivery" / "run.log")
    language, snapshot = lab.language(job), lab.folder(job.snapshot) / "snapshot"
    outcome, diagnosis = understand(
        job, condition, usage, lambda code: reading.program_failed(log, code, language, account.identity, snapshot), log
    )
    if outcome is State.FAILED and _may_wait_for_seat(lab, job, log):
        return _wait_for_seat(lab, job)
    if outcome is State.FAILED:
        job = tell_forgotten(lab, job)
    facts: dict[str, Any] = {"exit_code": condition.exit_code, "ended": condition.ended or time.time()}
    facts["notes"] = (*job.notes, *supervision.lacks)
    if condition.started:
        facts["started"] = condition.started
    if usage:
        facts |= {"peak_memory": usage.peak_memory or None, "cpu_seconds": round(usage.cpu_seconds, 3)}
    return end(lab, job, outcome, diagnosis.cause, diagnosis.hint, **facts)


def _start(lab: Lab, job: Job) -> bool:
    lab.engine.start(_run(lab, job))
    return True


def _is_absent(lab: Lab, job: Job) -> bool:
    """Whether the program was never started. When Docker does not answer, what there may be of it is removed later."""
    try:
        return lab.engine.poll(job.id).phase is Phase.ABSENT
    except EngineError:
        return True


@dataclass(frozen=True)
class _Mirror:
    """The outbox of a running job. It becomes the job's beside the program, which waits for no researcher's disk."""

    lab: Lab
    job: Job

    def prepare(self) -> None:
        occupy(self.lab, self.job)
        fault("outbox-rotated")

    def mirror(self, delivery: Path, live: bool = False) -> tuple[str, ...]:
        self.prepare()
        return self.lab.outbox(self.job).mirror(delivery, live)


def _may_wait_for_seat(lab: Lab, job: Job, log: str) -> bool:
    """Whether the program that printed `log` found all licences in use, and may be tried again."""
    language = lab.language(job)
    if not language.template.licence or not error_languages.of(language.known_as).lacks_licence(log.splitlines()):
        return False
    return may_try_again(lab.store.events(job.id), lab.config.licences.retry, time.time())


def _wait_for_seat(lab: Lab, job: Job) -> Job:
    """Back to the queue, as if the program had never started: all licences were in use."""
    lab.watched.pop(job.id).finish()
    # First of all: a container that is left when labd is killed here only makes for one more try.
    job = move(lab, job, State.QUEUED, started=None, gpu_ids=())
    get().info("all licences are in use, trying again later", state="queued")
    lab.engine.remove(job.id)
    job_folder.remove_run(lab.workers, lab.folder(job.id))
    return stopped(lab, job) if job.stopping else job


def _supervision(lab: Lab, job: Job) -> Supervision:
    return Supervision(
        job,
        lab.engine,
        lab.workers,
        lab.accounts[job.user],
        _Mirror(lab, job),
        lab.folder(job.id) / "delivery",
        lab.config.output,
        stop=lambda why, reason: request_stop(lab, job, why, reason),
        tell=lambda: lab.announce(job),
    )


def _run(lab: Lab, job: Job) -> Run:
    return plan(
        job,
        lab.accounts[job.user],
        lab.language(job).template,
        frozen=lab.folder(job.snapshot) / "snapshot",
        folder=lab.folder(job.id),
        config=lab.config,
    )


def give_up(lab: Lab, job_id: int) -> None:
    """End a job that a defect of labd keeps from going on. What there is of its results is delivered."""
    job = lab.store.job(job_id)
    if job.state is not State.DELIVERING and not job.state.is_outcome:
        cause = "labd itself met an error while it worked on this job."
        end(lab, job, State.INTERRUPTED, cause, f"Tell the administrator: journalctl LABD_JOB={job.id}")


def _end_without_owner(lab: Lab, job: Job) -> Job:
    """End a job that was cancelled and whose owner has no account any more: there is no outbox to deliver to."""
    lab.engine.remove(job.id)
    if job.state is not State.DELIVERING:
        job = stopped(lab, job)
    return abandon(lab, job)
