"""What a project asks to have around its program, from whichever files it says it in.

This module owns which file counts, and turns it into the files that a template's Dockerfile reads: requirements.txt or
packages.txt, and apt.txt. It is pure, and quick enough to be asked more than once: nothing of it needs to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from labd.common.excerpts import shorten
from labd.common.text import decode, is_wide
from labd.common.text_limits import refuse_excess, refusing
from labd.environments.requirements import is_list, normalise, requirements
from labd.model.config import Build
from labd.model.languages import Language
from labd.projects import metadata, requirement_lines, requirement_options, system_packages
from labd.projects.metadata import Metadata

_SHOWN = 3
_APT = "apt.txt"
# The first that is there counts.
_PYTHON: Mapping[str, Callable[[str], Metadata]] = {
    "requirements.txt": lambda text: Metadata(tuple(text.split("\n"))),
    "pyproject.toml": metadata.pyproject,
    "environment.yml": metadata.environment_yml,
    "environment.yaml": metadata.environment_yml,
}


@dataclass(frozen=True)
class Dependencies:
    """What there should be."""

    files: Mapping[str, bytes]  # for the build: content by name
    source: str = ""  # the file in code/ that names the libraries; "" for none
    libraries: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()  # what was read as something else than it says, each as half a sentence
    notes: tuple[str, ...] = ()  # further sentences for the researcher

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for STATUS: the notes, and one on the changes."""
        if not self.changes:
            return self.notes
        more = len(self.changes) - _SHOWN
        rest = f"; and {more} more, see build.log" if more > 0 else ""
        return (*self.notes, f"code/{self.source}: {'; '.join(self.changes[:_SHOWN])}{rest}.")

    @property
    def log(self) -> tuple[str, ...]:
        """Lines for build.log: all of the changes."""
        return tuple(f"code/{self.source}: {change}" for change in self.changes)


def read(language: Language, version: str, files: Mapping[str, bytes], build: Build) -> Dependencies:
    """What is asked for in `files`, the template's environment files of the project. Raises ProjectError."""
    readers = {"python": _python, "names": _names}
    reader = readers.get(language.template.reader)
    if reader is None:
        for name in filter(is_list, files):
            refuse_excess(decode(files[name]), f"code/{name}")
        return Dependencies(files)
    name = f"code/{source(language, files)}"
    text = decode(files.get(source(language, files), b""))
    refuse_excess(text, name)
    with refusing(name, text):
        dependencies = reader(language, version, files, build)
    if _APT not in language.template.build_files:
        return dependencies
    text = decode(files.get(_APT, b""))
    refuse_excess(text, f"code/{_APT}")
    system = system_packages.read(text)
    system_packages.allowed(system, build)
    listed = {**dependencies.files, _APT: _lines(system)}
    return replace(dependencies, files=listed)


def source(language: Language, files: Iterable[str]) -> str:
    """The one of the project's `files` that names its libraries; "" if none does, or its template reads none."""
    named = {"python": tuple(_PYTHON), "names": ("packages.txt", "DESCRIPTION")}.get(language.template.reader, ())
    return next((name for name in named if name in files), "")


def _python(language: Language, version: str, files: Mapping[str, bytes], build: Build) -> Dependencies:
    name = source(language, files)
    if not name:
        return Dependencies({"requirements.txt": b""})
    said = _PYTHON[name](decode(files[name]))
    text = "\n".join(said.libraries)
    lines = requirement_lines.read(text, name, language.template.distributions, build.local_versions)
    requirement_lines.refuse_contradictions(lines.kept, name)
    wide = ["read as UTF-16, as PowerShell writes it"] if is_wide(files[name]) else []
    notes = [f"code/{other} is not read, because there is a code/{name}." for other in _PYTHON if other in files]
    notes = [*notes[1:], *_other_python(said.python, version, name)]
    listed = normalise("requirements.txt", _lines(lines.kept))
    requirement_options.refuse_foreign(listed.decode().splitlines(), name)
    if not lines.kept and not lines.changes:
        notes.append(f"code/{name} names no library.")
    changes = tuple(dict.fromkeys((*wide, *lines.changes)))
    libraries = tuple(requirements(listed.decode().splitlines()))
    return Dependencies({"requirements.txt": listed}, name, libraries, changes, tuple(notes))


def _names(language: Language, version: str, files: Mapping[str, bytes], build: Build) -> Dependencies:
    """A list of names as it is, for the template to judge; or what DESCRIPTION asks for."""
    name = source(language, files)
    text = decode(files.get(name, b""))
    if name == "DESCRIPTION":
        names = metadata.description(text).libraries
    else:
        names = tuple(filter(None, (line.partition("#")[0].strip() for line in text.split("\n"))))
    return Dependencies({"packages.txt": _lines(names)}, name, names)


def _other_python(asked: str, version: str, name: str) -> list[str]:
    """A note where the file `name` asks for other versions of Python than the job has."""
    try:
        # Any 3.11 will do where at least 3.11.4 is asked for.
        fits = SpecifierSet(asked).contains(f"{version}.99") or SpecifierSet(asked).contains(version)
    except InvalidSpecifier:
        return []
    asked = shorten(asked.removeprefix("=="), 40)
    return [] if fits else [f"code/{name} asks for Python {asked}, and the job has {version}."]


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
