"""What novices write into requirements.txt, read as what they mean, with a word on each change.

This module owns the repair of single lines and the question whether lines contradict each other. What it does not
understand it leaves to the installer as it stands. It is pure, and never asks a package index.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.common.text_limits import LONGEST
from labd.projects import conda_names

# Printed by pip and conda between, before or after what was to go into the file.
_NOISE = re.compile(
    r"(?:WARNING|DEPRECATION|ERROR|Note|Requirement already satisfied|Collecting|Downloading|Looking in \w+):?\s"
    r"|\[notice\]|Package +Version|-{3,}|\s*Using cached |(?:You are|You should) "
)
_INSTALL = re.compile(
    r"[!%$>]?\s*(?:sudo )?(?:(?:python[\d.]* |py )(?:-\S+ )?-m )?(?:pip[\d.]*|conda|mamba|uv pip) install\s+(.*)"
)
_FROM_FILE = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\]\s*)?@\s*(?:file:/*|[A-Za-z]:[\\/]|/)(\S*).*")
_CONDA = re.compile(r"([A-Za-z0-9_][\w.-]*)\s*=\s*(\d[\w.!+*]*)(=\S+)?")
_COLUMNS = re.compile(r"([A-Za-z0-9][\w.-]*)\s+(\d[\w.!+]*)(\s+\S+){0,2}")
_LOCAL = re.compile(r"(==\s*[\w.!]+)\+([a-z0-9.]+)$")
_CHECKSUMS = re.compile(r"\s--hash")
_LONGEST_WITH_CHECKSUMS = 64_000  # characters; a library has some hundred files, each with one of 80
_MOST = 2000  # libraries
_NOT_HERE = {
    "Windows": (
        "pywin32 pypiwin32 pywin32-ctypes pywinpty pywinauto wmi comtypes pyreadline pyreadline3 windows-curses "
        "winshell wincertstore win-inet-pton win-unicode-console winsdk win32-setctime xlwings"
    ).split(),
    "macOS": "appnope appscript pyobjc pyobjc-core py2app".split(),
}
_ONLY_FOR = {name: system for system, names in _NOT_HERE.items() for name in names}


@dataclass
class Lines:
    """A list of requirements, as it is understood."""

    kept: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)  # what was changed, each as half a sentence

    def change(self, was: str, now: str, why: str = "") -> None:
        """Note that `was` is read as `now`, or left out ("")."""
        change = f"`{shorten(was, 60)}` " + (f"read as `{shorten(now, 60)}`" if now else "left out")
        self.changes.append(change + (f" ({why})" if why else ""))


def read(text: str, name: str, distributions: Mapping[str, str], indexes: Mapping[str, str]) -> Lines:
    """The requirements that the author of `text`, from the file `name` of code/, means. Raises ProjectError.

    `distributions`: import name → requirement that provides it. `indexes`: local version such as "cu118" → URL of the
    index that has such builds.
    """
    found, seen = Lines(), 0
    installed: dict[str, str] = {canonicalize_name(name): provided for name, provided in distributions.items()}
    # pip joins lines first and then looks for comments, but never continues a comment.
    for raw in re.sub(r"(?m)^([^#\n]*)\\\n", r"\1 ", text).split("\n"):
        line = re.sub(r"(?:^|\s)#.*$", "", raw).strip()
        _refuse_long(line, name)
        for one in _single(line, found):
            if (seen := seen + 1) > _MOST:
                raise ProjectError(
                    f"code/{name} asks for more than {_MOST:,} libraries.",
                    "List only those that your program imports; what they need comes by itself.",
                )
            if (meant := _meant(one, found, installed)) and (line := _local_version(meant, found, indexes)):
                found.kept.append(line)
    return found


def refuse_contradictions(lines: Iterable[str], name: str) -> None:
    """Raises ProjectError where two of `lines` of the file `name` cannot both be met, whatever the index has."""
    pinned: dict[str, str] = {}
    parsed = [(line, requirement) for line in lines if (requirement := _parse(line)) and not requirement.marker]
    for line, requirement in parsed:
        if re.fullmatch(r"===?[^*,]+", str(requirement.specifier)):
            pinned.setdefault(canonicalize_name(requirement.name), line)
    for line, requirement in parsed:
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None or pin == line:
            continue
        (exact,) = Requirement(pin).specifier
        try:
            fits = requirement.specifier.contains(Version(exact.version), prereleases=True)
        except InvalidVersion:
            continue
        if not fits:
            raise ProjectError(
                f"code/{name} contradicts itself: `{shorten(pin, 50)}` and `{shorten(line, 50)}`.",
                f"Keep one of these two lines in code/{name}.",
            )


def _refuse_long(line: str, name: str) -> None:
    """Raises ProjectError for a `line` that is longer than any requirement; it may have many checksums."""
    requirement = _CHECKSUMS.split(line, maxsplit=1)[0]
    if len(requirement) > LONGEST or len(line) > _LONGEST_WITH_CHECKSUMS:
        raise ProjectError(
            f"The line `{shorten(line, 60)}` in code/{name} has {len(line):,} characters, which no requirement needs.",
            "Write one library a line, such as `numpy` or `numpy==1.26.4`.",
        )


def _single(line: str, found: Lines) -> list[str]:
    """The requirements in one line: several in a command, none in what pip printed."""
    if _NOISE.match(line):
        if not re.fullmatch(r"-{3,}[- ]*|Package +Version.*", line):
            found.change(line, "", "no library")
        return []
    if order := _INSTALL.fullmatch(line):
        names = [word for word in order[1].split() if not word.startswith("-")]
        found.change(line, ", ".join(names))
        return names
    plain = re.sub(r"^[-*•] +", "", line)
    plain = re.sub(r"""^(["'])(.*)\1,?$""", r"\2", plain).removesuffix(",").strip()
    return [plain] if plain else []


def _meant(line: str, found: Lines, installed: Mapping[str, str]) -> str:
    """`line` as a requirement of the package index; "" when it asks for nothing that there is."""
    line = _spelled(line, found)
    requirement = _parse(line)
    if requirement is None or requirement.url:
        return line
    name = canonicalize_name(requirement.name)
    if name == "pkg-resources" and str(requirement.specifier) == "==0.0.0":
        found.change(line, "", "an entry that Debian's and Ubuntu's pip adds by mistake")
    elif requirement.name.replace("-", "_") in sys.stdlib_module_names:
        found.change(line, "", "a part of Python")
    elif system := _ONLY_FOR.get(name):
        if not requirement.marker:
            found.change(line, "", f"for {system} only")
    else:
        better = installed.get(name, name)
        if canonicalize_name(_parse_name(better)) == name:
            return line
        # The versions of the stand-ins of this name on the index say nothing about the library itself.
        version = "" if re.match(r"==\s*0\.0", str(requirement.specifier)) or "<" in better else requirement.specifier
        renamed = better + str(version) + (f"; {requirement.marker}" if requirement.marker else "")
        found.change(line, renamed)
        return renamed
    return "" if not requirement.marker else line


def _spelled(line: str, found: Lines) -> str:
    """`line` in the index's way to write it, where it is in that of conda or of a list for reading."""
    forms: list[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]]] = [
        (_FROM_FILE, _from_file),
        (_CONDA, _from_conda),
        (_COLUMNS, lambda match: (f"{match[1]}=={match[2]}", "")),
    ]
    for pattern, read_as in forms:
        if match := pattern.fullmatch(line):
            meant, why = read_as(match)
            found.change(line, meant, why)
            return meant
    return line


def _from_file(match: re.Match[str]) -> tuple[str, str]:
    file = match[2].partition("#")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]
    why = "that place is on your computer"
    try:
        _, version, _, _ = parse_wheel_filename(file)
    except (InvalidWheelFilename, InvalidVersion):
        source = re.fullmatch(r".+-(\d[\w.]*)\.(?:tar\.\w+|zip)", file)
        return (f"{match[1]}=={source[1]}" if source else match[1]), why
    return f"{match[1]}=={version}", why


def _from_conda(match: re.Match[str]) -> tuple[str, str]:
    name, version, build = match[1], match[2], match[3]
    known = conda_names.on_index(name)
    if not known:
        return "", "a part of conda, no library"
    if build or version.endswith("*"):
        return f"{known}=={version}", ""
    return f"{known}=={version}.*", "conda's way to write a version"  # conda's MatchSpec: = is fuzzy


def _local_version(line: str, found: Lines, indexes: Mapping[str, str]) -> str:
    """`line` without a local version such as +cu118, unless an index for it is known."""
    local = _LOCAL.search(line)
    if not local or any(option.startswith(("--extra-index-url", "--index-url", "-i ", "-f ")) for option in found.kept):
        return line
    if url := indexes.get(local[2]):
        option = f"--extra-index-url {url}"
        if option not in found.kept:
            found.kept.append(option)
        return line
    plain = _LOCAL.sub(r"\1", line)
    found.change(line, plain, "the package index has no such builds")
    return plain


def _parse(line: str) -> Requirement | None:
    """`line` as a requirement; None when it is something else. Raises ProjectError for one that nobody can read."""
    try:
        return Requirement(_CHECKSUMS.split(line, maxsplit=1)[0])
    except InvalidRequirement:
        return None
    except (RecursionError, ValueError):
        raise ProjectError(
            f"The line `{shorten(line, 60)}` cannot be read: it has too many brackets or too long a number.",
            "Write the library's name and version, such as `numpy==1.26.4`.",
        ) from None


def _parse_name(requirement: str) -> str:
    parsed = _parse(requirement)
    return parsed.name if parsed else requirement
