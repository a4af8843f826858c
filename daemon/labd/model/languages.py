"""Languages as data: what a template folder says of itself.

This module owns `templates/<language>/template.toml`. It reads its own files and nothing else; it never builds or runs
anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labd.common.errors import ConfigError, LabdError
from labd.common.schema import read_file

_READ_INTO = {"python": ("requirements.txt", "apt.txt"), "names": ("packages.txt",)}

_ITS_OWN = ("template.toml", "Dockerfile")


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
    versions: Mapping[str, str] = field(default_factory=dict)  # version → base image, where the config says nothing
    default: str = ""  # one of versions
    family: str = ""  # the language whose versions, base images and key in job.toml are also this one's
    on_request: bool = False  # offered only where the config names it
    stands_in_for: str = ""  # title of the language whose programs it can run; only when it is asked to
    licence: str = ""  # variable that tells its programs where their licence is; "" for none needed
    version_files: tuple[str, ...] = ()  # files that say which version a project needs
    ended: Mapping[str, str] = field(default_factory=dict)  # version → the day its support ended
    reader: str = ""  # how the files of `environment` are read: "python", "names" (one package a line) or "" (not)

    @property
    def build_files(self) -> tuple[str, ...]:
        """The files that the Dockerfile can count on, whichever the project says it in."""
        return _READ_INTO.get(self.reader, ())

    def __post_init__(self) -> None:
        if self.versions and self.default not in self.versions:
            raise ValueError(
                f"the default version {self.default!r} is not among versions ({', '.join(self.versions)})."
            )


@dataclass(frozen=True)
class Language:
    """A template in its folder."""

    name: str
    folder: Path
    template: Template
    family_folder: Path | None = None

    @property
    def known_as(self) -> tuple[str, ...]:
        """Names under which something may be known of the language: its own, its family's, that of its reader."""
        return (self.name, self.template.family, self.template.reader)

    @property
    def dockerfile(self) -> Path:
        return self.folder / "Dockerfile"

    @property
    def companions(self) -> Mapping[str, bytes]:
        """The other files of the folder, and of that of the family, by name: the Dockerfile can use them."""
        folders = [folder for folder in (self.family_folder, self.folder) if folder]
        files = {file.name: file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()}
        return {name: file.read_bytes() for name, file in files.items() if name not in _ITS_OWN and name[0] != "."}

    @property
    def digest(self) -> str:
        """SHA-256 over what of the template changes the image."""
        companions = (part for name, content in self.companions.items() for part in (name.encode(), content))
        return hashlib.sha256(b"\0".join([self.dockerfile.read_bytes(), *companions])).hexdigest()


# What a language of a family takes from that family's own template where it says nothing itself.
_OF_FAMILY = ("distributions", "debian", "debian_packages", "version_files", "ended")


def load(
    folder: Path, own: Path | None = None, broken: Callable[[str, LabdError], None] | None = None
) -> dict[str, Language]:
    """All languages below `folder`, and below `own`, which come first, by name.

    A bad one in `own` is left out and handed to `broken` with its name. Raises ConfigError when there is none in
    `folder`, SchemaError for a bad one there.
    """
    files = sorted(folder.glob("*/template.toml"))
    if not files:
        raise ConfigError(f"There are no templates in {folder}.", "Check `templates` under [paths] in the config.")
    found = {file.parent.name: read(file) for file in files}
    for file in sorted(own.glob("*/template.toml")) if own else []:
        try:
            found[file.parent.name] = read(file)
        except LabdError as error:
            if broken:
                broken(file.parent.name, error)
    return {name: _completed(language, found) for name, language in found.items()}


def read(file: Path) -> Language:
    """The language of one template.toml. Raises SchemaError for a bad one, ConfigError without a Dockerfile."""
    name = file.parent.name
    try:
        language = Language(name, file.parent, read_file(Template, file, f"{name}/template.toml"))
    except OSError as error:
        raise ConfigError(f"{name}/template.toml cannot be read: {error.strerror}.", "Make it a file.") from None
    if not (file.parent / "Dockerfile").is_file():
        raise ConfigError(f"{name}: there is no Dockerfile.", f"Put one beside {name}/template.toml.")
    return language


def _completed(language: Language, known: Mapping[str, Language]) -> Language:
    family = known.get(language.template.family)
    if family is None or family is language:
        return language
    own, common = language.template, family.template
    taken: dict[str, Any] = {key: getattr(own, key) or getattr(common, key) for key in _OF_FAMILY}
    return replace(language, template=replace(own, **taken), family_folder=family.folder)
