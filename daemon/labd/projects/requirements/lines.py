"""What novices write into requirements.txt, read as what they mean, with a word on each change.

This module owns the repair of single lines. It is pure, and never asks a package index.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labd.common.errors import ProjectError
from labd.common.excerpts import shorten
from labd.diagnosis.builds.library_names import RENAMED
from labd.projects.requirements import conda_names
from labd.projects.requirements import several as several_requirements
from labd.projects.requirements.files import Line
from labd.projects.requirements.forms import PYTHON_ITSELF, WEB_PAGE, index_form, is_readable, parse
from labd.projects.requirements.refusals import refuse_long

# Printed by pip and conda between, before or after what was to go into the file.
_NOISE = re.compile(
    r"(?:WARNING|DEPRECATION|ERROR|Note|Requirement already satisfied|Collecting|Downloading|Looking in \w+):?\s"
    r"|\[notice\]|Package +Version|-{3,}|\s*Using cached |(?:You are|You should) |```"
)
_LOCAL = re.compile(r"(==\s*[\w.!]+)\+([a-z0-9.]+)$")
_MOST = 2000  # libraries
_SHOWN_NAMES = 6
# On the index, versions of these have a fourth number, which conda's have not.
_FOUR_NUMBERS = {"opencv-contrib-python", "opencv-contrib-python-headless", "opencv-python", "opencv-python-headless"}
_SHORT = 40  # characters
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

    kept: list[Line] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)  # what was changed, each as half a sentence
    unread: list[Line] = field(default_factory=list)  # of those kept: what is neither library nor option nor place
    python: str = ""  # the versions of Python that lines ask for
    left_out: dict[str, list[str]] = field(default_factory=dict)  # what is no library: what it is → as it is written
    source: str = ""  # the file that the changes are about, where no other is named
    file: str = ""  # that is being read

    @property
    def texts(self) -> list[str]:
        """The lines that are kept, without their places."""
        return [line.text for line in self.kept]

    def change(self, was: str, now: str, why: str = "") -> None:
        """Note that `was` is read as `now`, or left out ("")."""
        place = "" if self.file == self.source else f"in code/{self.file} "
        change = f"`{shorten(was, 60)}` {place}" + (f"read as `{shorten(now, 60)}`" if now else "left out")
        self.changes.append(change + (f" ({why})" if why else ""))

    @property
    def all_changes(self) -> list[str]:
        """The changes, with one for all that is left out because it is the same kind of thing."""
        told = []
        for kind, names in self.left_out.items():
            if kind == conda_names.PROGRAM:
                continue  # told with what to do about them
            more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
            shown = ", ".join(f"`{shorten(name, 60)}`" for name in names[:_SHOWN_NAMES])
            told.append(f"{shown}{more} left out ({kind}, no libraries)")
        return [*told, *self.changes]

    def leave_out(self, name: str, kind: str) -> None:
        """Note that `name` is no library of Python's but one of `kind`, "parts of conda"; "": not worth a word."""
        if kind:
            names = self.left_out.setdefault(kind, [])
            names += [name] if name not in names else []


def read(listed: Iterable[Line], source: str, distributions: Mapping[str, str], indexes: Mapping[str, str]) -> Lines:
    """The requirements that the author of the lines `listed`, of the file `source` or others, means.

    Raises ProjectError.

    `distributions`: import name → requirement that provides it. `indexes`: local version such as "cu118" → URL of the
    index that has such builds.
    """
    found, seen = Lines(source=source), 0
    installed: dict[str, str] = {canonicalize_name(name): provided for name, provided in distributions.items()}
    for at, line in enumerate(listed):
        found.file = line.file
        if at == 0 and WEB_PAGE.match(line.text):
            raise ProjectError(
                f"code/{line.file} is a web page, and no list of libraries.",
                "Download the file itself, not the page that shows it, and send that.",
            )
        refuse_long(line.text, line.file)
        for one in _single(line.text, found):
            if (seen := seen + 1) > _MOST:
                raise ProjectError(
                    f"code/{line.file} asks for more than {_MOST:,} libraries.",
                    "List only those that your program imports; what they need comes by itself.",
                )
            if (meant := _meant(one, found, installed)) and (text := _local_version(meant, found, indexes)):
                found.kept.append(line._replace(text=text))
                if not is_readable(text):
                    found.unread.append(line)
    return found


def _single(line: str, found: Lines) -> list[str]:
    """The requirements in one line: several in a command, none in what pip printed."""
    if _NOISE.match(line):
        if not re.fullmatch(r"-{3,}[- ]*|Package +Version.*", line):
            found.change(line, "", "no library")
        return []
    if (names := several_requirements.installed(line)) is not None:
        found.change(line, "`, `".join(names))
        return names
    plain = re.sub(r"^(?:[-*•+] +|\d{1,3}[.)] +)", "", line)
    plain = re.sub(r"""^(["'`])(.*)\1,?$""", r"\2", plain).removesuffix(",").removesuffix(";").strip()
    if not plain or plain == "@EXPLICIT":
        return []
    if not is_readable(plain) and index_form(plain) is None:
        names = several_requirements.split(plain)
        if names:
            found.change(line, "`, `".join(names))
            return names
    return [plain]


def _meant(line: str, found: Lines, installed: Mapping[str, str]) -> str:
    """`line` as a requirement of the package index; "" when it asks for nothing that there is."""
    was, line = line, _spelled(line, found)
    requirement = parse(line)
    if requirement is None or requirement.url:
        return line
    name = canonicalize_name(requirement.name)
    if name in PYTHON_ITSELF:
        found.python = ",".join(filter(None, (found.python, str(requirement.specifier))))
        found.change(was, "", "a version of Python, no library")
        return ""
    if name == "pkg-resources" and str(requirement.specifier) == "==0.0.0":
        found.change(line, "", "an entry that Debian's and Ubuntu's pip adds by mistake")
    elif kind := conda_names.in_any_list(name, str(requirement.specifier)):
        found.leave_out(was, kind)
        return ""
    elif requirement.name.replace("-", "_") in sys.stdlib_module_names:
        found.change(line, "", "a part of Python")
    elif system := _ONLY_FOR.get(name):
        if not requirement.marker:
            found.change(line, "", f"for {system} only")
    else:
        meant = _renamed(requirement, RENAMED.get(name) or installed.get(name, name))
        if meant:
            found.change(line, meant)
        return meant or line
    return "" if not requirement.marker else line


def _renamed(requirement: Requirement, better: str) -> str:
    """`requirement` of the library `better`, which it is known to mean; "" where it is right as it stands."""
    name, wanted = _parse_name(better), str(requirement.specifier)
    version = wanted
    if canonicalize_name(name) in _FOUR_NUMBERS:
        version = re.sub(r"^(==\d+\.\d+\.\d+)$", r"\1.*", version)
    if canonicalize_name(name) == canonicalize_name(requirement.name):
        if version == wanted:
            return ""
        better = requirement.name
    # The versions of the stand-ins of this name on the index say nothing about the library itself.
    elif re.match(r"==\s*0\.0", version) or "<" in better:
        version = ""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{better}{extras}{version}" + (f"; {requirement.marker}" if requirement.marker else "")


def _spelled(line: str, found: Lines) -> str:
    """`line` in the index's way to write it, where it is in that of conda or of a list for reading."""
    form = index_form(line)
    if form is None:
        return line
    name = canonicalize_name(form.name)
    kind = conda_names.in_any_list(name, form.meant) if form.meant else form.why
    if kind or not form.meant:
        found.leave_out(line if len(line) <= _SHORT and kind != conda_names.PROGRAM else form.name, kind)
        return ""
    if name not in PYTHON_ITSELF:  # what becomes of a version of Python is told once, where it is left out
        found.change(line, form.meant, form.why)
    return form.meant


def _local_version(line: str, found: Lines, indexes: Mapping[str, str]) -> str:
    """`line` without a local version such as +cu118, unless an index for it is known."""
    local = _LOCAL.search(line)
    if not local or any(text.startswith(("--extra-index-url", "--index-url", "-i ", "-f ")) for text in found.texts):
        return line
    if url := indexes.get(local[2]):
        option = f"--extra-index-url {url}"
        if option not in found.texts:
            found.kept.append(Line("", 0, option))
        return line
    plain = _LOCAL.sub(r"\1", line)
    found.change(line, plain, "the package index has no such builds")
    return plain


def _parse_name(requirement: str) -> str:
    parsed = parse(requirement)
    return parsed.name if parsed else requirement
