"""The last chapter of a job: everything goes home, COMPLETE last, and what is not needed any more is removed.

This room owns the order of a delivery. Whatever the outcome, logs and partial output are delivered; every line can be
repeated after a crash.
"""

from __future__ import annotations

import time
from dataclasses import replace

from labd import copies, diagnosis, exact, job_folder, receipt
from labd.jobs import Job, State
from labd.lab import Lab, fault, move, occupy
from labd.log import get
from labd.status import page
from labd.units import count


def deliver(lab: Lab, job: Job) -> Job:
    """Put everything into the outbox, commit the outcome, and clean up."""
    outcome = job.outcome
    assert outcome is not None
    outbox, delivery = lab.outbox(job), lab.folder(job.id) / "delivery"
    fault("delivering")
    occupy(lab, job)
    supervision = lab.watched.pop(job.id, None)
    inputs = hash_inputs(lab, job)
    is_exact, outputs = supervision.finish() if supervision else (False, None)
    if not is_exact:
        outbox.mirror(delivery)
    # The mirror may have begun before the last lines of the log were there.
    outbox.place_logs(delivery)
    if outputs is None:
        outputs = _outputs(lab, job)
    notes = (*job.notes, *_remarks(lab, job, outputs))
    fault("mirrored")
    final = replace(job, state=outcome, changed=job.ended or job.changed, notes=notes)
    environment = lab.images.provenance(job.image) if job.image else {}
    if job.image:
        exact.remember(lab, job, environment)
    again = {"of": job.exact, "differences": exact.differences(lab, job, environment)} if job.exact else None
    text = receipt.render(final, lab.store.events(job.id), environment, inputs, outputs, again)
    outbox.show({"receipt.json": text, **page(job.project, final, None, time.time())})
    fault("before-complete")
    outbox.show({"COMPLETE": f"{job.id} {outcome.value}\n"})
    fault("complete")
    if lab.accounts[job.user].settings.push and job.started:
        lab.store.add_push(job, time.time())
    job = move(lab, job, outcome, notes=notes)
    why = {"cause": job.cause} if job.cause else {}
    get().info(f"job {job.state.value}", job=job.id, user=job.user, state=job.state.value, **why)
    clean_up(lab, job)
    return job


def hash_inputs(lab: Lab, job: Job) -> receipt.Manifest:
    """The manifest of the job's snapshot; what is shared with the snapshot before is not read again."""
    folder = lab.folder(job.snapshot)
    if not (folder / "snapshot").exists():
        return {}
    manifest = receipt.load_manifest(folder / "inputs")
    if not manifest:
        known = receipt.load_manifest(lab.config.paths.state / "manifests" / job.user / job.project)
        manifest, _ = receipt.hash_files(lab.hands, None, folder / "snapshot", known, time.time())
        receipt.save_manifest(folder / "inputs", manifest)
        receipt.save_manifest(lab.config.paths.state / "manifests" / job.user / job.project, manifest)
    return manifest


def _outputs(lab: Lab, job: Job) -> receipt.Manifest:
    output = lab.folder(job.id) / "delivery" / "output"
    if not output.exists():
        return {}
    manifest, _ = receipt.hash_files(lab.hands, lab.accounts[job.user].identity, output, {}, float("inf"))
    return manifest


def _remarks(lab: Lab, job: Job, outputs: receipt.Manifest) -> list[str]:
    """Return what the program wrote beside /output, and say so."""
    if job.started is None:
        return []
    strays = []
    for part in ("code", "input"):
        scratch = lab.folder(job.id) / "scratch" / part
        copies.keep_changes(scratch)
        upper = scratch / "upper"
        if upper.exists():
            found = lab.outbox(job).return_strays(part, upper, lab.language(job).template.ignore)
            strays += [f"{part}/{name}" for name in found]
    if job.outcome is State.SUCCEEDED and not outputs:
        told = diagnosis.nothing_in_output(strays)
        return [f"{told.cause} {told.hint}"]
    if strays:
        names = ", ".join(strays[:3]) + (" …" if len(strays) > 3 else "")
        return [f"Your program wrote {count(len(strays), 'file')} outside /output: {names}; see the folder stray/."]
    return []


def clean_up(lab: Lab, job: Job) -> None:
    """Remove what is left of a job that has its outcome; snapshot and logs stay. Safe to repeat."""
    fault("committed")
    if job.image:
        lab.engine.remove(job.id)
    job_folder.remove_run(lab.hands, lab.folder(job.id))
    lab.stop_events.pop(job.id, None)
    lab.growing.discard(job.id)
