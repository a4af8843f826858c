"""What a project asks to have around its program, from whichever files it says it in.

This module owns which file counts, and turns it into the files that a template's Dockerfile reads: requirements.txt or
packages.txt, and apt.txt. It is pure, and quick enough to be asked more than once: nothing of it needs to be kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from labd.common.excerpts import shorten
from labd.common.text import decode, is_wide
from labd.common.text_limits import refuse_excess, refusing
from labd.environments.requirements import is_list, normalise, requirements
from labd.model.config import Build
from labd.model.languages import Language
from labd.projects import metadata, python_versions, system_packages
from labd.projects.metadata import Metadata
from labd.projects.requirements import conda_names
from labd.projects.requirements import files as requirement_files
from labd.projects.requirements import lines as requirement_lines
from labd.projects.requirements import options as requirement_options
from labd.projects.requirements import refusals as requirement_refusals
from labd.projects.requirements.files import Line
from labd.projects.requirements.lines import Lines

_SHOWN = 3
_MOST_PROGRAMS = 10
_APT = "apt.txt"
_LIST, _LIMITS = "requirements.txt", "constraints.txt"  # for the build
# The first that is there counts.
_PYTHON: Mapping[str, Callable[[str], Metadata]] = {
    "requirements.txt": lambda text: Metadata(),
    "pyproject.toml": metadata.pyproject,
    "Pipfile": metadata.pipfile,
    "environment.yml": metadata.environment_yml,
    "environment.yaml": metadata.environment_yml,
    "setup.cfg": metadata.setup_cfg,
    "requirements.in": lambda text: Metadata(),
}
# Of files that are often there for other tools, what makes them one that names libraries.
_COUNTS = {
    "pyproject.toml": re.compile(r"""(?m)^[ \t]*\[?[ \t]*["']?(?:project|tool[ \t]*\.[ \t]*poetry)\b"""),
    "setup.cfg": re.compile(r"(?m)^install_requires\b"),
}


@dataclass(frozen=True)
class Dependencies:
    """What there should be."""

    files: Mapping[str, bytes]  # for the build: content by name
    source: str = ""  # the file in code/ that names the libraries; "" for none
    libraries: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()  # what was read as something else than it says, each as half a sentence
    notes: tuple[str, ...] = ()  # further sentences for the researcher
    read_files: tuple[str, ...] = ()  # the source, and the lists that it names
    versions: str = ""  # of the language that its source asks for, as PEP 440 has it; "" if it does not say

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


def source(language: Language, files: Mapping[str, bytes]) -> str:
    """The one of the project's `files` that names its libraries; "" if none does, or its template reads none."""
    return next(iter(_sources(language, files)), "")


def _sources(language: Language, files: Mapping[str, bytes]) -> list[str]:
    """Those of `files` that name libraries, the one that counts first."""
    named = {"python": tuple(_PYTHON), "names": ("packages.txt", "DESCRIPTION")}.get(language.template.reader, ())
    there = (name for name in named if name in files)
    return [name for name in there if name not in _COUNTS or _COUNTS[name].search(decode(files[name]))]


def _python(language: Language, version: str, files: Mapping[str, bytes], build: Build) -> Dependencies:
    name = source(language, files)
    if not name:
        return Dependencies({"requirements.txt": b""})
    text = decode(files[name])
    said = _PYTHON[name](text)
    lists = requirement_files.read(name, _numbered(said.libraries, text, name), files)
    distributions = language.template.distributions
    lines = requirement_lines.read(lists.requirements, name, distributions, build.local_versions)
    limits = requirement_lines.read(lists.constraints, name, distributions, build.local_versions)
    both = [*lines.kept, *limits.kept]
    requirement_refusals.refuse_contradictions(both)
    for file in dict.fromkeys(line.file for line in both):
        requirement_options.refuse_foreign([line.text for line in both if line.file == file], file or name)
    requirement_refusals.refuse_unread([*lines.unread, *limits.unread])
    for part in said.left_out:
        lines.leave_out(part, conda_names.what_is(part))
    listed = _listed(lines, limits)
    changes = [*_wide(lists.files, files), *lines.all_changes, *limits.all_changes]
    libraries = tuple(requirements(listed["requirements.txt"].decode().splitlines()))
    notes = [f"code/{other} is not read, because there is a code/{name}." for other in _sources(language, files)[1:]]
    notes += _programs(lines.left_out.get(conda_names.PROGRAM, []), files, name, build)
    python = ",".join(filter(None, (said.python, lines.python)))
    notes += _other_python(python, version, name)
    if not lines.kept and not changes and not lines.left_out:
        notes.append(f"code/{name} names no library.")
    return Dependencies(
        listed, name, libraries, tuple(dict.fromkeys(changes)), tuple(notes), tuple(lists.files), python
    )


def _numbered(libraries: Iterable[str], text: str, name: str) -> list[Line]:
    """`libraries` as lines of the file `name` with this `text`."""
    if name.startswith("requirements"):
        return list(requirement_files.lines(text, name))
    # What reads the other formats keeps no numbers: the line that has the very text is the one.
    whole, found = text.split("\n"), []
    for library in libraries:
        at = next((number for number, line in enumerate(whole, 1) if library in line), 0) if len(whole) < 500 else 0
        found += [line._replace(number=at) for line in requirement_files.lines(library, name)]
    return found


def _listed(lines: Lines, limits: Lines) -> dict[str, bytes]:
    """The files for the installer; options of a list of constraints hold for all."""
    if not limits.kept:
        return {_LIST: normalise(_LIST, _lines(lines.texts))}
    options = [text for text in limits.texts if text.startswith("-")]
    limited = normalise(_LIST, _lines(text for text in limits.texts if text not in options))
    texts = [*lines.texts, *options, f"-c {_LIMITS}"]
    return {_LIST: normalise(_LIST, _lines(texts)), _LIMITS: limited}


def _wide(names: Iterable[str], files: Mapping[str, bytes]) -> list[str]:
    return ["read as UTF-16, as PowerShell writes it" for name in names if is_wide(files[name])]


def _programs(names: Iterable[str], files: Mapping[str, bytes], name: str, build: Build) -> list[str]:
    """A note on programs that the file `name` asks for and that are no libraries, where apt.txt does not name them."""
    there = system_packages.read(decode(files.get(_APT, b"")))
    missing = [package for package in conda_names.in_debian(names) if package not in there]
    if not missing:
        return []
    shown = ", ".join(f"`{package}`" for package in missing[:_MOST_PROGRAMS])
    if build.system_packages:
        do = f"if your program starts them, write {shown} into code/apt.txt"
    else:
        do = f"if your program starts them, ask the administrator for {shown}"
    return [f"code/{name} names programs, which are no libraries of Python: {do}."]


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
    if python_versions.fits(asked, version):
        return []
    return [f"code/{name} asks for Python {shorten(asked.removeprefix('=='), 40)}, and the job has {version}."]


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def named_lists(language: Language, files: Mapping[str, bytes]) -> list[str]:
    """The lists of code/ that the one of `files` which counts names with -r and -c, and those that these name."""
    first = source(language, files)
    if language.template.reader != "python" or not first:
        return []
    found, looked = [first], 0
    while looked < len(found) <= requirement_files.MOST_FILES:
        if content := files.get(found[looked]):
            found += [name for name in requirement_files.named(found[looked], content) if name not in found]
        looked += 1
    return found[1 : requirement_files.MOST_FILES + 1]
