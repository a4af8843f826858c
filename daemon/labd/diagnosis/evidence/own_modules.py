"""The researcher's own modules in an upload: where a module is that a program imports, and how the import finds it.

This module owns the search for a module among the names of the upload. A name that is not in the listing is nothing to
it; whether the module is rather a library others decide.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from labd.common.excerpts import shorten
from labd.diagnosis.evidence.project import UploadListing

_LONGEST = 80  # characters of a path or a statement in a remedy: one that is cut cannot be followed


class OwnModule(NamedTuple):
    """A module of the upload that the program does not get by its import."""

    path: str  # in the upload: "utils.py", "code/lib/tools.py" or the folder of a package
    remedy: str  # as the second half of a sentence about it


def imported(module: str, statement: str) -> str:
    """The whole dotted name that the import `statement` asks for, where Python lacks (the beginning of) `module`."""
    names = re.match(r"\s*(?:from\s+([\w.]+)\s+import\s+\(?\s*(\w+)|import\s+([\w.]+))", statement)
    if not names:
        return module
    asked = names[1] or names[3]
    return asked if asked == module or asked.startswith(f"{module}.") else module


def find(upload: UploadListing, module: str, statement: str) -> OwnModule | None:
    """The own file for `module`, which the import `statement` does not find; None if there is none."""
    whole = imported(module, statement)
    modules = _modules(upload)
    for name in dict.fromkeys((whole, module.partition(".")[0])):
        found = [stem for stem in modules if f"/{stem}".endswith(f"/{name.replace('.', '/')}")]
        places = sorted((stem.removesuffix(name.replace(".", "/")).rstrip("/"), stem) for stem in found)
        if name.partition(".")[0] == "code":
            places = [place for place in places if place[0]]
        # In code/ itself Python finds it: what is wrong then is something else.
        if any(folder == "code" for folder, _ in places):
            return None
        inside = [place for place in places if place[0].startswith("code/")] or places
        if inside and len(modules[inside[0][1]]) <= _LONGEST:
            return _elsewhere(inside[0][0], name, modules[inside[0][1]], statement)
    return _under_another_prefix(modules, whole, statement) or _nearly(upload, module.partition(".")[0])


def _modules(upload: UploadListing) -> dict[str, str]:
    """What can be imported of the upload, as path without its ending → path that is shown."""
    found: dict[str, str] = {}
    for path in upload.files:
        folder, _, name = path.rpartition("/")
        if name.endswith(".py"):
            found[path.removesuffix(".py")] = path
            if folder not in ("", "code", "input"):
                found.setdefault(folder, f"{folder}/")
    return found


def _elsewhere(folder: str, name: str, path: str, statement: str) -> OwnModule:
    """The module `name` is in `folder`, where imports do not look."""
    top, _, inner = name.partition(".")
    shown = f"{folder}/{top}/".lstrip("/") if inner else path
    if not folder.startswith("code/"):
        return OwnModule(shown, f"{'but beside code/' if not folder else 'but not in code/'}: move it into code/")
    package = folder.removeprefix("code/").replace("/", ".")
    instead = statement if inner else re.sub(rf"^import {name}\b(?!\.)", f"from {package} import {name}", statement)
    instead = re.sub(rf"^from {re.escape(name)}\b", f"from {package}.{name}", instead)
    if instead == statement or len(instead) > _LONGEST or not re.fullmatch(r"[A-Za-z_][\w.]*", package):
        return OwnModule(shown, "in a folder of its own: move it into code/ itself")
    return OwnModule(shown, f"so import it by `{instead}`, or move it into code/ itself")


def _under_another_prefix(modules: dict[str, str], whole: str, statement: str) -> OwnModule | None:
    """A module that is imported by the name of the project, as in `from project.code.utils import f`."""
    parts = whole.split(".")
    for dropped in range(1, len(parts)):
        rest = ".".join(parts[dropped:])
        path = modules.get(f"code/{rest.replace('.', '/')}")
        instead = statement.replace(whole, rest, 1)
        if path and len(instead) <= _LONGEST:
            return OwnModule(path, f"and the program starts in /code: write `{instead}`")
    return None


def _nearly(upload: UploadListing, top: str) -> OwnModule | None:
    for path in upload.files:
        folder, _, name = path.rpartition("/")
        stem, _, ending = name.rpartition(".")
        if stem.replace("-", "_").replace(" ", "_").lower() != top.lower() or len(path) > _LONGEST:
            continue
        if ending == "ipynb":
            return OwnModule(path, f"a notebook, which cannot be imported: save its cells as code/{top}.py")
        if ending == "py" and stem != top and folder in ("", "code"):
            return OwnModule(path, f"in other letters, which count here: rename it to code/{shorten(top, 40)}.py")
    return None
