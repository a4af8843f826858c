"""Files that a project's author means for labd and that labd does not read.

This module owns which names look meant, and what is to be done with such a file. It is pure: names are handed in. It
says nothing of a file where the right one is there, because then it is most often meant for something else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from labd.common.excerpts import shorten
from labd.model.languages import Template
from labd.projects import job_file

_JOB = re.compile(r"(?i)jobs?\.(toml|ya?ml|json|ini|cfg|conf)(\.txt)?")
_NO_OPTIONS = "is not read, so its options do not count"
_OTHER_LIST = re.compile(r"req(?:uirement)?s?(?:[-_]\w+)?(?:\.txt)?|requirements[-_.]?\w+\.txt")
_OF_LIBRARIES = re.compile(r" is not read(?: where it is)?: (?:rename|move) it (?:in)?to code/(?!apt)")
_ALIKE = 0.85  # as difflib measures it: a letter or two
_SHOWN = 3
_BINDER = ("binder", ".binder")
# Names that are no misspelling of another one, and what to do instead.
_PYTHON_INSTEAD = {
    "poetry.lock": "pyproject.toml with what it was made from, or the libraries in code/requirements.txt, is needed",
    "pdm.lock": "pyproject.toml with what it was made from, or the libraries in code/requirements.txt, is needed",
    "uv.lock": "pyproject.toml with what it was made from, or the libraries in code/requirements.txt, is needed",
    "conda-lock.yml": "write its libraries into code/requirements.txt",
    "Pipfile.lock": "write its libraries into code/requirements.txt, or send the Pipfile as well",
    "setup.py": "write the libraries that it names into code/requirements.txt",
    "packages.txt": "libraries of Python go into code/requirements.txt, packages of Debian into code/apt.txt",
    "Dockerfile": "libraries go into code/requirements.txt, packages of Debian into code/apt.txt",
    "install.R": "it is for R, and this is a Python program",
}


def job_options(beside: Iterable[str], code: Collection[str]) -> list[str]:
    """Sentences on files that were to be job.toml; `beside` and `code`: names beside code/, and in it."""
    beside = sorted(beside)
    if job_file.NAME in beside:
        return []
    notes = []
    for name in beside:
        if found := _JOB.fullmatch(name):
            do = f"rename it to {job_file.NAME}"
            if found[1].lower() != "toml":
                do = f"write them into {job_file.NAME}, below [job]"
            notes.append(f"{shorten(name, 60)} {_NO_OPTIONS}: {do}.")
    if job_file.NAME in code:
        notes.append(f"code/{job_file.NAME} {_NO_OPTIONS}: move it beside code/.")
    return notes


def libraries(
    template: Template, source: str, read: Collection[str], beside: Iterable[str], code: Iterable[str]
) -> list[str]:
    """Sentences on files that were to name what a program needs.

    `source`: the file of code/ that names the libraries, "" for none; `read`: the files of code/ that are read, with
    those that others name; `beside` and `code`: names beside code/, and in it.
    """
    known, beside, code = template.environment, sorted(beside), sorted(code)
    missing = [name for name in known if name not in code and _is_wanted(name, source)]
    notes = [_misnamed("code/", name, right) for name in code if name not in read and (right := _meant(name, missing))]
    for name in beside:
        if name in missing:
            notes.append(f"{name} is not read where it is: move it into code/.")
        elif right := _meant(name, missing):
            notes.append(_misnamed("", name, right))
    if template.reader == "python" and not source:
        notes += [f"code/{name} is not read: {do}." for name, do in _PYTHON_INSTEAD.items() if name in code]
        for names, place in ((code, "code/"), (beside, "")):
            notes += [
                f"{place}{name}/ is not read: copy the list of libraries that is in it into code/."
                for name in _BINDER
                if name in names
            ]
    return notes[:_SHOWN]


def has_list(notes: Iterable[str]) -> bool:
    """Whether one of `notes` is on a list of libraries that would be read under its right name or in its place."""
    return any(_OF_LIBRARIES.search(note) and not note.startswith("apt.") for note in notes)


def _is_wanted(name: str, source: str) -> bool:
    """Whether another name could be meant for the missing file `name`: not, if the libraries are named already."""
    return name == "apt.txt" or not source


def _meant(name: str, known: Collection[str]) -> str:
    """That of the file names `known` for which `name` stands, misspelled or with a hidden ending; "" for none."""
    plain = name.lower()
    for right in known:
        stem, ending = right.lower().rsplit(".", 1) if "." in right else (right.lower(), "")
        if plain in {right.lower(), f"{right.lower()}.txt", f"{right.lower()}.{ending}"} and name != right:
            return right
        if right == "requirements.txt" and _OTHER_LIST.fullmatch(plain):
            return right
        if stem in {"requirements", "environment"} and plain == stem:
            return right
    near = difflib.get_close_matches(plain, [right for right in known if len(right) > 8], n=1, cutoff=_ALIKE)
    # A whole other ending means another kind of file; "environment.R" is no list.
    is_same_kind = bool(near) and difflib.SequenceMatcher(None, plain[-4:], near[0][-4:].lower()).ratio() > 0.5
    return near[0] if near and near[0] != name and "." in plain and is_same_kind else ""


def _misnamed(place: str, name: str, right: str) -> str:
    do = "rename it to" if place else "move it to"
    return f"{place}{shorten(name, 60)} is not read: {do} code/{right}."
