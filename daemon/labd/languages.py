"""Languages as data: what a template folder says of itself.

This room owns `templates/<language>/template.toml` and the choice of language for a project. It reads its own files
and nothing else; it never builds or runs anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labd.errors import ConfigError, ProjectError
from labd.schema import read_file


@dataclass(frozen=True)
class Template:
    """One language. Names of files are relative to the project's code/ folder."""

    title: str  # as people write it: "Python"
    program: str  # the file that marks a project of this language
    command: tuple[str, ...]  # what runs, before the job's own arguments
    environment: tuple[str, ...] = ()  # files that the image is built from
    defaults: Mapping[str, str] = field(default_factory=dict)  # environment variables of every run
    ignore: tuple[str, ...] = ()  # what programs leave beside the code without meaning to (rsync patterns)
    distributions: Mapping[str, str] = field(default_factory=dict)  # import name → requirement that provides it
    debian: Mapping[str, str] = field(default_factory=dict)  # version → Debian release that has it
    debian_packages: tuple[str, ...] = ()  # for a base image made from Debian's packages


@dataclass(frozen=True)
class Language:
    """A template in its folder."""

    name: str
    folder: Path
    template: Template

    @property
    def digest(self) -> str:
        """SHA-256 over the Dockerfile: what of the template changes the image."""
        return hashlib.sha256((self.folder / "Dockerfile").read_bytes()).hexdigest()


def load(folder: Path) -> dict[str, Language]:
    """All languages below `folder`, by name. Raises ConfigError when there is none, SchemaError for a bad one."""
    files = sorted(folder.glob("*/template.toml"))
    if not files:
        raise ConfigError(f"There are no templates in {folder}.", "Check `templates` under [paths] in the config.")
    return {
        file.parent.name: Language(
            file.parent.name, file.parent, read_file(Template, file, f"{file.parent.name}/template.toml")
        )
        for file in files
    }


def choose(languages: Mapping[str, Language], code: Collection[str]) -> Language:
    """The language of a project whose code/ holds the files `code`.

    Raises ProjectError when no program is there, or programs of two languages are.
    """
    found = [language for language in languages.values() if language.template.program in code]
    if len(found) > 1:
        programs = " and ".join(f"code/{language.template.program}" for language in found)
        raise ProjectError(f"There are two programs, {programs}.", "Keep the one that should run.")
    if not found:
        wanted = " or ".join(f"code/{language.template.program}" for language in languages.values())
        raise ProjectError("There is no program to run.", f"labd runs {wanted}.")
    return found[0]
