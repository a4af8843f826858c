"""What a job's project asks to have around its program, and what it forgot to ask for.

This module owns the way from a job's snapshot to the modules that read dependencies and imports, and where the
researcher hears of it. It never decides what a line means.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from labd.common.log import get
from labd.daemon.pipeline.lab import Lab
from labd.model.jobs import Job, JobOptions
from labd.model.languages import Language
from labd.privsep.workers import WorkerError
from labd.projects import evidence, imports, job_file, reading, unread_files
from labd.projects import files as project_files
from labd.projects import language as choosing
from labd.projects.dependencies import Dependencies


def options(lab: Lab, job: Job) -> JobOptions:
    """The options in the job.toml of `job`'s project, or none. Raises ProjectError."""
    found = _files(lab, job, [job_file.NAME])
    if job_file.NAME not in found:
        return JobOptions()
    return reading.options(found[job_file.NAME], choosing.keys(lab.languages), lab.accounts[job.user].identity)


def settle(lab: Lab, job: Job, language: Language, asked: JobOptions) -> tuple[str, str, Dependencies]:
    """The version of `language` for the project of `job` with these options, a sentence on it or "", and what it needs.

    Raises ProjectError.
    """
    identity = lab.accounts[job.user].identity
    return reading.settle(language, lab.config, asked, lambda names: _files(lab, job, names, "code"), identity)


def read_dependencies(lab: Lab, job: Job, language: Language, version: str) -> Dependencies:
    """What the project of `job` asks for. Raises ProjectError."""
    files = reading.dependency_files(language, lambda names: _files(lab, job, names, "code"))
    return reading.read_dependencies(language, version, files, lab.config.build, lab.accounts[job.user].identity)


def _files(lab: Lab, job: Job, names: Iterable[str], part: str = "") -> dict[str, bytes]:
    """Contents of those of the files `names` that are in the folder `part` of `job`'s snapshot.

    Raises ProjectError, also for one that was left out of the snapshot because it is no file.
    """
    shown = f"{part}/" if part else ""
    for name in names:
        if any(note.startswith(f"{shown}{name} was left out: ") for note in job.notes):
            raise project_files.no_file(f"{shown}{name}")
    return project_files.read(lab.folder(job.snapshot) / "snapshot" / part, names, shown)


def unread(lab: Lab, job: Job, language: Language, asked: Dependencies) -> list[str]:
    """Sentences on files of `job`'s project that are meant for labd and not read. `asked`: what it asks for."""
    code = os.listdir(lab.folder(job.snapshot) / "snapshot" / "code")
    beside = evidence.listed(lab.folder(job.snapshot) / "snapshot").top()
    lists = unread_files.libraries(language.template, asked.source, asked.read_files, beside, code)
    return [*unread_files.job_options(beside or [job_file.NAME], code), *lists]


def tell_forgotten(lab: Lab, job: Job) -> Job:
    """Note which imports no library provides; where no file names libraries at all, propose one in the outbox."""
    language = lab.language(job)
    if job.grant is None or not imports.are_read(language.template):
        return job
    asked = read_dependencies(lab, job, language, job.grant.version)
    code = lab.folder(job.snapshot) / "snapshot" / "code"
    found = reading.imported(code, language.template.program, lab.accounts[job.user].identity)
    missing = imports.unprovided(found, asked.libraries, language.template.distributions)
    # A list under another name, of which a note tells, would name them.
    if not missing or (not asked.source and unread_files.has_list(job.notes)):
        return job
    note = imports.warning(missing, found, asked.source)
    if not asked.source:
        try:
            lab.outbox(job).show({imports.PROPOSAL: imports.proposal(missing)})
            note = f"{note[:-1]} ({imports.PROPOSAL} in the outbox has it ready)."
        except WorkerError as error:
            get().warning("no proposal could be left", reason=error.message)
    return lab.store.update(job, notes=tuple(dict.fromkeys((*job.notes, note))))
