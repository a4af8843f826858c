"""Lists of libraries in the other files that projects have: pyproject.toml, Pipfile,
environment.yml, setup.cfg, R's DESCRIPTION.

This module owns the reading of these formats, as far as they name libraries. It is pure: contents are handed in. It
runs none of them, and never looks a name up.
"""

from __future__ import annotations

import functools
import re
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Any

import tomli
from packaging.version import InvalidVersion, Version

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.projects.requirements import conda_names

_LONGEST = 100_000  # characters; for YAML, the parser takes a second for them
_DEEPEST = 20  # tables and lists inside each other; these files have five
_R_ITSELF = set(
    "R base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils".split()
)


@dataclass(frozen=True)
class Metadata:
    """What a file says of a project."""

    libraries: tuple[str, ...] = ()  # as lines of a requirements.txt, or names
    python: str = ""  # versions that will do, as PEP 440 has it: ">=3.9"; "" where it does not say
    left_out: tuple[str, ...] = ()  # names of conda's that are no libraries of Python


def pyproject(text: str) -> Metadata:
    """The dependencies in a pyproject.toml: those of `[project]` (PEP 621) or of Poetry. Raises ProjectError."""
    content = _toml(text, "pyproject.toml")
    project, tool = _table(content.get("project")), _table(content.get("tool"))
    listed = project.get("dependencies")
    if isinstance(listed, list):
        return Metadata(tuple(one for one in listed if isinstance(one, str)), str(project.get("requires-python", "")))
    poetry = dict(_table(_table(tool.get("poetry")).get("dependencies")))
    python = _poetry_version(str(poetry.pop("python", "")))
    return Metadata(tuple(line for name, value in poetry.items() if (line := _poetry(name, value))), python)


def pipfile(text: str) -> Metadata:
    """The packages of a Pipfile, without those for development. Raises ProjectError."""
    content = _toml(text, "Pipfile")
    packages, requires = _table(content.get("packages")), _table(content.get("requires"))
    python = str(requires.get("python_full_version") or requires.get("python_version") or "")
    lines = (line for name, value in packages.items() if (line := _poetry(name, value)))
    return Metadata(tuple(lines), f"=={python}" if re.fullmatch(r"[\d.]+", python) else "")


def setup_cfg(text: str) -> Metadata:
    """What setuptools' setup.cfg asks for. Raises ProjectError."""
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except ConfigParserError:
        raise ProjectError(
            "code/setup.cfg is not right.", "Correct it, or list the libraries in code/requirements.txt."
        ) from None
    listed = parser.get("options", "install_requires", fallback="")
    return Metadata(
        tuple(line.strip() for line in listed.split("\n") if line.strip()),
        parser.get("options", "python_requires", fallback="").strip(),
    )


def environment_yml(text: str) -> Metadata:
    """The libraries in a conda environment.yml: its pip part, and of the rest what Python's package index has.

    Raises ProjectError.
    """
    import yaml

    if len(text) > _LONGEST:
        raise ProjectError("code/environment.yml is too long.", "List the libraries in code/requirements.txt instead.")
    try:
        content = yaml.load(text, _yaml_loader())
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise ProjectError(
            f"code/environment.yml is not right{place}.", "Correct it, or list the libraries in code/requirements.txt."
        ) from None
    lines, python, left_out = [], "", []
    listed = _table(content).get("dependencies")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            lines += [str(one) for one in entry["pip"] if isinstance(one, str)]
        elif isinstance(entry, str) and (found := re.fullmatch(r"(?:[\w-]+::)?([\w.-]+) ?(.*)", entry.strip())):
            if found[1] == "python":
                python = _conda_version(found[2])
            elif known := conda_names.on_index(found[1]):
                lines.append(known + _conda_version(found[2]))
            else:
                left_out.append(found[1])
    return Metadata(tuple(lines), python, tuple(left_out))


@functools.cache
def _yaml_loader() -> Any:
    """A reader of YAML without what makes much out of little: aliases, and tables in tables without end."""
    import yaml  # here: most projects have no such file

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent) or self.depth > _DEEPEST:
                mark = self.peek_event().start_mark
                raise yaml.MarkedYAMLError(problem_mark=mark)
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return Loader


def description(text: str) -> Metadata:
    """The packages that an R package's DESCRIPTION asks for ("Writing R Extensions", 1.1.3)."""
    fields = HeaderParser().parsestr(text)
    names = [
        re.split(r"[\s(]", one.strip(), maxsplit=1)[0]
        for field in ("Depends", "Imports", "LinkingTo")
        for one in fields.get(field, "").split(",")
    ]
    return Metadata(tuple(dict.fromkeys(name for name in names if name and name not in _R_ITSELF)))


def _toml(text: str, name: str) -> dict[str, Any]:
    """The content of the file `name` of code/. Raises ProjectError."""
    if len(text) > _LONGEST:
        raise ProjectError(f"code/{name} is too long.", "List the libraries in code/requirements.txt instead.")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ProjectError(f"code/{name} is not right: {shorten(str(error), 150)}.", "Correct that line.") from None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _poetry(name: str, value: Any) -> str:
    """One of Poetry's dependencies as a line; "" for one that is optional or of the project's own."""
    if isinstance(value, str):
        return name + _poetry_version(value)
    table = _table(value)
    if table.get("optional") or "path" in table:
        return ""
    extras = f"[{','.join(map(str, table['extras']))}]" if isinstance(table.get("extras"), list) else ""
    if "git" in table:
        return f"{name}{extras} @ git+{table['git']}"
    return name + extras + _poetry_version(str(table.get("version", "*")))


def _poetry_version(version: str) -> str:
    """Poetry's ^1.2, ~1.2, 1.2 and * as PEP 440 has it; what is neither stays as it is."""
    return ",".join(filter(None, (_one_poetry_version(part.strip()) for part in version.split(","))))


def _one_poetry_version(version: str) -> str:
    if version in ("", "*"):
        return ""
    if version[0].isdigit():
        return f"=={version}"
    found = re.fullmatch(r"([\^~]) ?(\d[\d.]*)", version)
    if not found:
        return version
    try:
        numbers = Version(found[2]).release
    except InvalidVersion:
        return version
    # ^ keeps the first number that is not 0, ~ the second one.
    kept = next((at for at, number in enumerate(numbers) if number), len(numbers) - 1) if found[1] == "^" else 1
    kept = min(kept, len(numbers) - 1)
    limit = [*numbers[:kept], numbers[kept] + 1]
    return f">={found[2]},<{'.'.join(map(str, limit))}"


def _conda_version(version: str) -> str:
    """Conda's `=1.2`, `==1.2`, `=1.2=build`, `>=1,<2` as PEP 440 has it."""
    version = version.replace(" ", "")
    exact = re.fullmatch(r"==?([\w.!+]+)=\S+|==([\w.!+*]+)|([\d.]+)", version)
    if exact:
        return f"=={exact[1] or exact[2] or exact[3]}"
    fuzzy = re.fullmatch(r"=([\w.!+]+?)(?:\.?\*)?", version)
    return f"=={fuzzy[1]}.*" if fuzzy else version
