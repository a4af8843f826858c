"""`labd check` and `labd check-config`: what the daemon would say, before it is asked.

This module owns the order of the questions; the answers come from the modules that the daemon itself asks, so that they
cannot differ. It needs no daemon and no Docker, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from labd.client.rendering import few, granted
from labd.common.commands import run
from labd.common.errors import NotFoundError, ProjectError
from labd.common.printable import one_line
from labd.common.units import count, human_size
from labd.intake import listing, snapshot
from labd.intake.completeness import Look, Refuse, judge
from labd.model.config import Config
from labd.model.jobs import Grant, JobOptions
from labd.model.languages import Language
from labd.model.layout import CONTROLS, PARTS, is_junk, is_temporary
from labd.privsep.scan import scan
from labd.privsep.upload_listing import list_upload
from labd.projects import files as project_files
from labd.projects import imports, job_file, reading, unread_files
from labd.projects import language as choosing
from labd.projects.dependencies import Dependencies
from labd.projects.language import open_languages
from labd.scheduling.granting import grant
from labd.scheduling.machine import capacity

_RSYNC_SECONDS = 600.0


def check(project: Path, config: Config, missing: str = "") -> Iterator[str]:
    """Lines about the folder `project` as it would be received under its own name.

    `missing`: why not all of it has arrived, so that more is to come. Raises ProjectError with what the outbox would
    say if it cannot be run, NotFoundError when there is no such folder.
    """
    # Not `resolve`: the name is that of the folder that was given, also when it is a link.
    folder = Path(os.path.abspath(project))
    config, offered = open_languages(config)
    look = _look(folder, config, offered)
    if missing:
        yield f"{look.name}: not all of it has arrived, as far as labd knows: {one_line(missing)}"
    _refuse_unfit(look, offered, config)
    root = folder / look.root
    options = _options(root, offered)
    language = choosing.choose(offered, config, options, look.code)
    read = partial(project_files.read, root / "code")
    version, advice, asked = reading.settle(language, config, options, read, None)
    given = grant(options, language, version, config, capacity(config.machine))
    yield from _summary(look, language, given, bool(missing))
    yield from (f"Note: {warning}" for warning in choosing.warnings(language.template, version))
    yield from _libraries(root / "code", language, asked)
    if advice:
        yield f"Note: {advice}"
    yield from _left_out(root, config)
    yield from (f"Note: {one_line(note)}" for note in listing.notes(list_upload(str(root))))
    yield from _warnings(root, look)


def _look(folder: Path, config: Config, offered: Mapping[str, Language]) -> Look:
    limits, programs = config.inbox, [language.template.program for language in offered.values()]
    for entry in scan(str(folder.parent), [folder.name], programs, limits.max_files, limits.max_depth)["entries"]:
        return Look.of(entry)
    raise NotFoundError(f"There is no folder {folder}.", "Name the folder that has code/ in it.")


def _refuse_unfit(look: Look, offered: Mapping[str, Language], config: Config) -> None:
    if is_junk(look.name) or is_temporary(look.name):
        raise ProjectError(f"labd takes no notice of folders called {look.name}.", "Give the project another name.")
    # As if it were submitted: whether it has settled is no question here.
    submitted = replace(look, controls={"SUBMIT": 0})
    verdict = judge(submitted, "", offered, config.inbox, now=0.0, first_seen=0.0)
    if isinstance(verdict, Refuse):
        raise ProjectError(verdict.diagnosis.cause, verdict.diagnosis.hint)


def _options(root: Path, offered: Mapping[str, Language]) -> JobOptions:
    found = project_files.read(root, [job_file.NAME], shown="")
    return reading.options(found[job_file.NAME], choosing.keys(offered), None) if found else JobOptions()


def _summary(look: Look, language: Language, given: Grant, is_part: bool) -> Iterator[str]:
    title = f"{language.template.title} {given.version}"
    start = "What is there so far could be run:" if is_part else f"{look.name}: ready."
    yield f"{start} {title}, {count(look.files, 'file')}, {human_size(look.bytes)}; {granted(asdict(given))}"


def _libraries(code: Path, language: Language, asked: Dependencies) -> Iterator[str]:
    if asked.source:
        yield f"Libraries: {few(asked.libraries) if asked.libraries else f'none (code/{asked.source} names none)'}"
    if listed := asked.files.get("apt.txt"):
        yield f"System libraries: {few(listed.decode().split())}"
    yield from (f"Note: {note}" for note in (*asked.notes, *asked.log))
    beside, there = os.listdir(code.parent), os.listdir(code)
    yield from (f"Note: {note}" for note in unread_files.job_options(beside, there))
    unread = unread_files.libraries(language.template, asked.source, asked.read_files, beside, there)
    yield from (f"Note: {note}" for note in unread)
    if imports.are_read(language.template) and (asked.source or not unread_files.has_list(unread)):
        found = reading.imported(code, language.template.program, None)
        if missing := imports.unprovided(found, asked.libraries, language.template.distributions):
            yield f"Note: {imports.warning(missing, found, asked.source)}"


def _left_out(root: Path, config: Config) -> Iterator[str]:
    """What an upload of all of the folder would hold and a job would not see."""
    beside = sorted(name for name in os.listdir(root) if name not in (*PARTS, *CONTROLS) and not is_junk(name))
    if beside:
        shown = [f"{name}/" if (root / name).is_dir() else name for name in beside]
        yield f"Not part of the job: {few(shown)} (labd reads {', '.join(PARTS)})"
    with TemporaryDirectory() as empty:
        # rsync itself, as it will be asked for the snapshot, without doing anything.
        lines: list[str] = []
        command = ["rsync", "--dry-run", *snapshot.RULES, f"{root}/", f"{empty}/"]
        run(command, timeout=_RSYNC_SECONDS, on_output=lines.append)
    left_out = snapshot.left_out([line.rstrip("\n") for line in lines], len(lines))
    yield from (f"Note: {one_line(note)}" for note in left_out)


def _warnings(root: Path, look: Look) -> Iterator[str]:
    # A look keeps the first of each kind.
    for name in look.temporaries[:1]:
        what = f"{one_line(name)} looks like an unfinished transfer, and may not be the only one"
        yield f"Note: {what}; labd would wait for its end, or for SUBMIT."
    for name in look.unfinished[:1]:
        what = f"{one_line(name)} has no date, like a file cut off in a transfer, and may not be the only one"
        yield f"Note: {what}; labd would wait, or for SUBMIT."
