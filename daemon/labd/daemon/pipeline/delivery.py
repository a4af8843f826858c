"""The last chapter of a job: everything goes home, COMPLETE last, and what is not needed any more is removed.

This module owns the order of a delivery. Whatever the outcome, logs and partial output are delivered; every line can be
repeated after a crash.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from labd.common.errors import LabdError
from labd.common.log import get
from labd.common.printable import printable
from labd.common.units import count
from labd.daemon.outbox import job_folder, receipt
from labd.daemon.outbox.mirror import MOST_STRAYS
from labd.daemon.outbox.status import page
from labd.daemon.pipeline import exact
from labd.daemon.pipeline.lab import Lab, fault, move, occupy, outbox_turn
from labd.daemon.pipeline.supervision import Delivered
from labd.diagnosis import programs
from labd.engines import copies
from labd.model.jobs import Job, State


def deliver(lab: Lab, job: Job) -> Job:
    """Put everything into the outbox, commit the outcome, and clean up."""
    supervision = lab.watched.pop(job.id, None)
    # Before it is our turn: what was begun beside the program needs the outbox, too.
    done = supervision.finish() if supervision else Delivered()
    with outbox_turn(lab, job):
        here = lab.store.job(job.id)
        return _deliver(lab, here, done) if here.state is State.DELIVERING else here


def _deliver(lab: Lab, job: Job, done: Delivered) -> Job:
    outcome = job.outcome
    assert outcome is not None
    outbox = lab.outbox(job)
    # A job that was cancelled before its first step has no folder yet.
    folder = job_folder.make(lab.config.paths.state, job.id, lab.accounts[job.user])
    delivery = folder / "delivery"
    fault("delivering")
    occupy(lab, job)
    inputs, problem = hash_inputs(lab, job)
    new_notes = (*problem, *done.notes)
    if not done.mirrored:
        new_notes += outbox.mirror(delivery)
    # The mirror may have begun before the last lines of the log were there.
    outbox.place_logs(delivery)
    outputs = done.outputs or _outputs(lab, job)
    notes = tuple(dict.fromkeys((*job.notes, *new_notes, *_unlisted(outputs), *_remarks(lab, job, outputs))))
    fault("mirrored")
    final = replace(job, state=outcome, changed=job.ended or job.changed, notes=notes)
    environment = lab.images.provenance(job.image) if job.image else {}
    if job.image:
        exact.remember(lab, job, environment)
    again = {"of": job.exact, "differences": exact.differences(lab, job, environment)} if job.exact else None
    head = receipt.render(final, lab.store.events(job.id), environment, again)
    who = lab.accounts[job.user].identity
    listed = outputs.file if outputs else folder / "none"
    receipt.write(lab.workers, who, delivery / "receipt.json", head, inputs, listed)
    outbox.place(delivery / "receipt.json")
    with lab.status_locks[job.user, job.project]:
        outbox.show(page(job.project, final, None, time.time()))
    fault("before-complete")
    outbox.show({"COMPLETE": f"{job.id} {outcome.value}\n"})
    fault("complete")
    if lab.accounts[job.user].settings.push and job.started:
        lab.store.add_push(job, time.time())
    job = move(lab, job, outcome, notes=notes)
    why = {"cause": job.cause} if job.cause else {}
    get().info(f"job {job.state.value}", state=job.state.value, **why)
    clean_up(lab, job)
    return job


def hash_inputs(lab: Lab, job: Job) -> tuple[Path, tuple[str, ...]]:
    """The file with the manifest of the job's snapshot, and what there is to say of it.

    Never raises: results matter more than their receipt.
    """
    try:
        return _hashed_inputs(lab, job), ()
    except (LabdError, OSError) as error:
        get().warning("inputs cannot be hashed", reason=str(error))
        return lab.folder(job.snapshot) / "inputs.jsonl", ("The receipt has no list of the inputs.",)


def _hashed_inputs(lab: Lab, job: Job) -> Path:
    """The manifest of the job's snapshot; what is shared with the snapshot before is not read again.

    Raises WorkerError, OSError.
    """
    folder = lab.folder(job.snapshot)
    manifest = folder / "inputs.jsonl"
    if (folder / "snapshot").exists() and not manifest.exists():
        latest = lab.config.paths.state / "manifests" / job.user / job.project
        receipt.hash_files(lab.workers, None, folder / "snapshot", latest, manifest, time.time())
        # For the next job of the project, which shares files with this one.
        latest.parent.mkdir(parents=True, exist_ok=True)
        part = latest.with_name(f"{latest.name}.part")
        part.unlink(missing_ok=True)
        os.link(manifest, part)
        os.replace(part, latest)
    return manifest


def _outputs(lab: Lab, job: Job) -> receipt.Manifest | None:
    """The manifest of /output; None when there is no /output, or it cannot be read."""
    if not (lab.folder(job.id) / "delivery" / "output").exists():
        return None
    try:
        return receipt.hash_outputs(lab.workers, lab.accounts[job.user].identity, lab.folder(job.id), float("inf"))
    except LabdError as error:
        get().warning("output cannot be read", reason=error.message)
        return None


def _unlisted(outputs: receipt.Manifest | None) -> list[str]:
    """What the receipt does not have of the outputs."""
    missing = outputs.unread + outputs.unlisted if outputs else 0
    return [f"{count(missing, 'file')} in /output could not be listed in receipt.json."] if missing else []


def _remarks(lab: Lab, job: Job, outputs: receipt.Manifest | None) -> list[str]:
    """Return what the program wrote beside /output, and say so."""
    if job.started is None:
        return []
    strays: list[str] = []
    undelivered: list[str] = []
    for part in ("code", "input"):
        scratch = lab.folder(job.id) / "scratch" / part
        copies.keep_changes(scratch)
        upper = scratch / "upper"
        if upper.exists():
            found, problems = lab.outbox(job).return_strays(part, upper, lab.language(job).template.ignore)
            strays += [f"{part}/{printable(name)}" for name in found]
            undelivered += problems
    if job.outcome is State.SUCCEEDED and outputs and not outputs.files:
        diagnosis = programs.nothing_in_output(strays)
        return [f"{diagnosis.cause} {diagnosis.hint}", *undelivered]
    if strays:
        names = ", ".join(strays[:3]) + (" …" if len(strays) > 3 else "")
        number = f"{'at least ' if len(strays) >= MOST_STRAYS else ''}{count(len(strays), 'file')}"
        return [f"Your program wrote {number} outside /output: {names}; see the folder stray/.", *undelivered]
    return undelivered


def clean_up(lab: Lab, job: Job) -> None:
    """Remove what is left of a job that has its outcome; snapshot and logs stay. Safe to repeat."""
    fault("committed")
    if job.image:
        lab.engine.remove(job.id)
    job_folder.remove_run(lab.workers, lab.folder(job.id))
    lab.stop_events.pop(job.id, None)
    lab.growing.discard(job.id)
