"""Which language, in which version, a project is run in.

This module owns what a server offers, the choice between languages that could run a project, and the question that the
researcher gets where there is a choice; labd never guesses. It is pure: names and contents of files are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from labd.common.errors import LabdError, ProjectError
from labd.common.excerpts import shorten
from labd.common.text import decode
from labd.model import languages
from labd.model.config import Config, Versions
from labd.model.jobs import JobOptions
from labd.model.languages import Language, Template
from labd.projects import python_versions

_READ = 4096  # bytes of a version file
_VERSION_FILE = re.compile(r"(?:[a-z]+[ -]?)?v?(\d+(?:\.\d+)*[a-z]?)")


def open_languages(
    config: Config, broken: Callable[[str, LabdError], None] | None = None
) -> tuple[Config, dict[str, Language]]:
    """The languages of `config`'s templates, and `config` with all versions that are offered.

    What the config says of a language takes the place of what its template does. An own template that is not right is
    left out and handed to `broken`. Raises ConfigError, SchemaError.
    """
    known = languages.load(config.paths.templates, config.paths.own_templates, broken)
    offered = dict(config.languages)
    for name, language in known.items():
        template = language.template
        if name not in offered and template.versions and not template.on_request:
            offered[name] = Versions(template.default, template.versions)
    for name, language in known.items():
        if language.template.family in offered:
            offered[name] = offered[language.template.family]
    # In the order of the config, so that messages name first what the administrator did.
    ordered = {name: known[name] for name in offered if name in known}
    return replace(config, languages=offered), ordered | known


def keys(known: Mapping[str, Language]) -> list[str]:
    """Names of the languages `known` for which job.toml can ask by version."""
    return [name for name, language in known.items() if not language.template.family]


def choose(known: Mapping[str, Language], config: Config, options: JobOptions, code: Collection[str]) -> Language:
    """The language of a project with these `options` whose code/ holds the files `code`.

    `config` is that of `open_languages`. Raises ProjectError with a question where more than one could be meant.
    """
    found = [language for language in known.values() if language.template.program in code]
    asked = options.language
    if asked is not None:
        return _asked(known, found, asked)
    if not found:
        wanted = " or ".join(dict.fromkeys(f"code/{language.template.program}" for language in known.values()))
        raise ProjectError("There is no program to run.", f"labd runs {wanted}.")
    named = [language for language in found if options.version(language.template.family or language.name)]
    found = named or found
    programs = list(dict.fromkeys(language.template.program for language in found))
    if len(programs) > 1:
        names = " or ".join(f'`language = "{language.name}"`' for language in _likely(found, config))
        raise ProjectError(
            f"There are two programs, {' and '.join(f'code/{program}' for program in programs)}.",
            f"Keep the one that should run, or write {names} below [job] in job.toml.",
        )
    if named:
        return named[0]
    (likely,) = _likely(found, config)
    if _runs(likely, config):
        return likely
    raise _offer(likely, config)


def _asked(known: Mapping[str, Language], found: Collection[Language], asked: str) -> Language:
    for language in found:
        if language.name == asked:
            return language
    if asked not in known:
        raise ProjectError(
            f"job.toml asks for the language {shorten(asked, 40)!r}, which this server does not know.",
            f"Write one of {', '.join(known)}.",
        )
    program = known[asked].template.program
    raise ProjectError(
        f"job.toml asks for {known[asked].template.title}, and there is no code/{program}.",
        f"Name your program code/{program}, or leave out the line `language` in job.toml.",
    )


def _likely(found: Collection[Language], config: Config) -> list[Language]:
    """`found`, those that run their program without being asked first; of those for the same program only one."""
    first: dict[str, Language] = {}
    for language in sorted(found, key=lambda one: (not _runs(one, config), one.name not in config.languages)):
        first.setdefault(language.template.program, language)
    return list(first.values())


def _runs(language: Language, config: Config) -> bool:
    """Whether `language` runs its program where the project does not say so."""
    offered = config.languages.get(language.name)
    return offered is not None and (not language.template.stands_in_for or language.template.program in offered.runs)


def _offer(language: Language, config: Config) -> ProjectError:
    """The question to ask where `language` could run the program, but stands in for another; or is not offered."""
    template = language.template
    if language.name in config.languages and template.stands_in_for:
        return ProjectError(
            f"code/{template.program} is a {template.stands_in_for} program, and this server has no "
            f"{template.stands_in_for}.",
            f'{template.title} can run many of them: write `language = "{language.name}"` below [job] in job.toml.',
        )
    return ProjectError(
        f"This server does not run {template.title} programs.",
        f"Here are {', '.join(config.languages)}; ask the administrator for more.",
    )


def version(language: Language, config: Config, options: JobOptions, files: Mapping[str, bytes]) -> str:
    """The version of `language`, from `options`, a version file among `files` of code/, or the default, in this order.

    Raises ProjectError when the one that is asked for is not offered.
    """
    template, offered = language.template, config.languages.get(language.name)
    if offered is None:
        raise ProjectError(
            f"This server does not run {template.title} programs.",
            f"Here are {', '.join(config.languages)}; ask the administrator for more.",
        )
    asked, where = options.version(template.family or language.name), "job.toml"
    for name in template.version_files:
        if asked is None and name in files and (said := _said(files[name])):
            asked, where = said, f"code/{name}"
    if asked is None:
        return offered.default
    if f"{offered.default}.".startswith(f"{asked}."):
        return offered.default  # any version 3, say, and the default is one
    fitting = [one for one in offered.versions if f"{asked}.".startswith(f"{one}.")]
    if not fitting:
        raise ProjectError(
            f"{where} asks for {template.title} {shorten(asked, 40)}, which this server does not have.",
            f"It has {', '.join(offered.versions)}: write one of these there, or leave the line out.",
        )
    return max(fitting, key=len)


def preferred(
    language: Language, config: Config, options: JobOptions, files: Mapping[str, bytes], asked: str
) -> tuple[str, str]:
    """The version of `language` where the project's list of libraries asks for Python `asked`, and a sentence or "".

    It counts only where `version` would return the default, and only for versions whose base image can be made in any
    case: nobody named a version for certain, so a job may not fail for it. Raises ProjectError.
    """
    template, offered = language.template, config.languages.get(language.name)
    chosen = version(language, config, options, files)
    says = options.version(template.family or language.name) or any(
        _said(files[name]) for name in template.version_files if name in files
    )
    if not asked or says or offered is None or python_versions.fits(asked, chosen):
        return chosen, ""
    if better := python_versions.nearest(asked, (one for one in offered.versions if one in template.debian), chosen):
        return better, ""
    line = 'write `python = "{}"` below [job] in job.toml to have it.'
    if other := python_versions.nearest(asked, offered.versions, chosen):
        return chosen, f"This server has Python {other}: {line.format(other)}"
    if other := python_versions.closest(asked, offered.versions, chosen):
        return chosen, f"The nearest that this server has is Python {other}: {line.format(other)}"
    return chosen, ""


def _said(content: bytes) -> str:
    """The version that a file such as runtime.txt asks for: "python-3.11.4" or "3.11"; "" if it does not say."""
    # It is in the first lines; no version is longer than some dozen characters.
    for line in decode(content[:_READ]).split("\n"):
        if found := _VERSION_FILE.fullmatch(line.partition("#")[0].strip().lower()):
            return found[1]
    return ""


def warnings(template: Template, version: str) -> tuple[str, ...]:
    """What the researcher should know of running on `version`."""
    if ended := template.ended.get(version):
        return (
            f"{template.title} {version} is no longer supported by its makers since {ended}; "
            "plan to move to a newer version.",
        )
    return ()
