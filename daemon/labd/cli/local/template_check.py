"""`labd templates check`: whether each language's template is right, and if not, why, in plain words.

This module owns what an administrator can get wrong in a template. It reads templates and asks Docker which base images
are there; it builds nothing and changes nothing.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from labd.common.commands import run as run_command
from labd.common.errors import Exit, LabdError
from labd.model import languages
from labd.model.config import Config
from labd.model.jobs import JobOptions
from labd.model.languages import Language

_STAGE = re.compile(r"^FROM\s.+\sAS\s+environment\s*$", re.MULTILINE | re.IGNORECASE)
_SYNTAX = re.compile(r"^#\s*syntax\s*=", re.IGNORECASE)
_BASE = re.compile(r"^ARG\s+BASE\s*(?:=.*)?$", re.MULTILINE | re.IGNORECASE)
_OPTIONS = frozenset(field.name for field in fields(JobOptions))
_IMAGE_LIST_SECONDS = 20.0


@dataclass(frozen=True)
class TemplateFinding:
    """What is to be said of one template."""

    name: str
    text: str
    hint: str = ""
    is_wrong: bool = True  # False: a warning


def run(config: Config) -> int:
    """Print one line for each template that is right, and what is wrong with the others; the exit code."""
    found, wrong = read(config.paths.templates, config.paths.own_templates)
    findings = [*wrong, *(one for language in found.values() for one in judge(language, found))]
    findings += missing_images(found, config)
    for finding in findings:
        print(f"{finding.name}: {'' if finding.is_wrong else 'warning: '}{finding.text} {finding.hint}".rstrip())
    bad = {finding.name for finding in findings if finding.is_wrong}
    for language in found.values():
        if language.name not in bad:
            print(summary(language))
    return Exit.FAILED if bad else Exit.OK


def read(folder: Path, own: Path) -> tuple[dict[str, Language], list[TemplateFinding]]:
    """The templates that can be read, by name, and what is wrong with the others."""
    found: dict[str, Language] = {}
    wrong: list[TemplateFinding] = []
    for place in (folder, own):
        for one in sorted(entry for entry in place.glob("*") if entry.is_dir()):
            if not (one / "template.toml").exists():
                wrong.append(TemplateFinding(one.name, "there is no template.toml.", "Put one beside the Dockerfile."))
                continue
            try:
                found[one.name] = languages.read(one / "template.toml")
            except LabdError as error:
                wrong.append(TemplateFinding(one.name, error.message.removeprefix(f"{one.name}: "), error.hint))
    return found, wrong


def judge(language: Language, known: Mapping[str, Language]) -> Iterator[TemplateFinding]:
    """What is wrong with `language`, one of `known`."""
    name, template = language.name, language.template
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        yield TemplateFinding(
            name, "this is no name for a language.", "Use small letters, digits and _, such as `julia`."
        )
    if name in _OPTIONS:
        yield TemplateFinding(name, "job.toml has an option of this name.", "Give the folder another name.")
    if "/" in template.program or not template.program:
        yield TemplateFinding(
            name, f"program is {template.program!r}.", "Write the name of a file in code/, without a folder."
        )
    if not template.command:
        yield TemplateFinding(
            name, "command is empty.", 'Write what runs the program, such as ["bash", "/code/app.sh"].'
        )
    if template.family and template.family not in known:
        yield TemplateFinding(name, f"there is no language `{template.family}`, which family names.", _names(known))
    if template.reader not in ("", "python", "names"):
        yield TemplateFinding(name, f"reader is {template.reader!r}.", 'Write "python" or "names", or leave it out.')
    yield from _same_program(language, known)
    yield from _dockerfile(language)


def _names(known: Mapping[str, Language]) -> str:
    return f"There are {', '.join(known)}."


def _same_program(language: Language, known: Mapping[str, Language]) -> Iterator[TemplateFinding]:
    template = language.template
    for other in known.values():
        may_share = template.stands_in_for or other.template.stands_in_for
        if other.name != language.name and other.template.program == template.program and not may_share:
            yield TemplateFinding(
                language.name,
                f"{other.name} runs {template.program}, too.",
                "Give one of them another program, or say with stands_in_for whose programs it can run.",
            )


def _dockerfile(language: Language) -> Iterator[TemplateFinding]:
    text = language.dockerfile.read_text("utf-8", "replace")
    if any(_SYNTAX.match(line) for line in text.splitlines()):
        yield TemplateFinding(
            language.name,
            "the Dockerfile has a line `# syntax=`, which makes every build ask a registry.",
            "Leave it out.",
        )
    if not _STAGE.search(text):
        yield TemplateFinding(
            language.name, "the Dockerfile has no stage `environment`.", "Write: FROM ${BASE} AS environment"
        )
    if not _BASE.search(text):
        yield TemplateFinding(language.name, "the Dockerfile does not take BASE.", "Begin it with the line: ARG BASE")


def missing_images(known: Mapping[str, Language], config: Config) -> Iterator[TemplateFinding]:
    """Warnings for base images that are not there and that labd cannot make itself."""
    said = run_command(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], timeout=_IMAGE_LIST_SECONDS)
    if said.code != 0:
        return
    here = set(said.output.split())
    for language in known.values():
        template, offered = language.template, config.languages.get(language.name)
        if template.on_request and not offered:
            continue
        for version, image in (offered.versions if offered else template.versions).items():
            if (image if ":" in image else f"{image}:latest") not in here and version not in template.debian:
                yield TemplateFinding(
                    language.name, f"{image} is not here yet.", "It is pulled when it is needed.", is_wrong=False
                )


def summary(language: Language) -> str:
    """One line for a template that is right."""
    template = language.template
    if template.family:
        what = f"versions of {template.family}"
    elif template.versions:
        what = f"versions {', '.join(template.versions)} (default {template.default})"
    else:
        what = "versions are those of the config"
    return f"{language.name}: {template.program}, {what}: right"
