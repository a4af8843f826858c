"""What a job's project asks to have around its program, and what it forgot to ask for.

This room owns the way from a job's snapshot to the rooms that read wishes and imports, and where the researcher hears
of it. It never decides what a line means.
"""

from __future__ import annotations

from labd import imports, project_files, wishes
from labd.hands import HandsError
from labd.jobs import Job
from labd.lab import Lab
from labd.languages import Language
from labd.log import get
from labd.wishes import Wishes


def wished(lab: Lab, job: Job, language: Language, version: str) -> Wishes:
    """What the project of `job` asks for. Raises ProjectError."""
    code = lab.folder(job.snapshot) / "snapshot" / "code"
    return wishes.read(language, version, project_files.read(code, language.template.environment), lab.config.build)


def tell_forgotten(lab: Lab, job: Job) -> Job:
    """Note which imports no library provides; where no file names libraries at all, propose one in the outbox."""
    language = lab.language(job)
    if language.template.reader != "python" or job.grant is None:
        return job
    asked = wished(lab, job, language, job.grant.version)
    code = lab.folder(job.snapshot) / "snapshot" / "code"
    found = imports.scan(code, language.template.program, lab.accounts[job.user].identity)
    missing = imports.unprovided(found, asked.libraries, language.template.distributions)
    if not missing:
        return job
    note = imports.warning(missing, found, asked.source)
    if not asked.source:
        try:
            lab.outbox(job).show({imports.PROPOSAL: imports.proposal(missing)})
            note = f"{note[:-1]} ({imports.PROPOSAL} in the outbox has it ready)."
        except HandsError as error:
            get().warning("no proposal could be left", job=job.id, user=job.user, reason=error.message)
    return lab.store.update(job, notes=tuple(dict.fromkeys((*job.notes, note))))
