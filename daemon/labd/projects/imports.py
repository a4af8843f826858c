"""Which libraries a Python program imports, and whether the project asks for them.

This module owns the question put to the process that looks (import_scan), and the words for what is missing. It is
never sure: a library can bring another one along. So all it says is a warning or a proposal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from labd.common.commands import consult
from labd.common.excerpts import shorten
from labd.environments.requirements import requirements
from labd.model.languages import Template
from labd.privsep.workers import Identity

PROPOSAL = "requirements.proposed.txt"

_SCAN_SECONDS = 20.0
_SHOWN = 3
_NAME = 80  # characters
# What the most used libraries bring along, as far as programs import it.
_BRINGS = {
    "pandas": ("numpy", "dateutil", "pytz"),
    "scikit-learn": ("numpy", "scipy", "joblib"),
    "scipy": ("numpy",),
    "matplotlib": ("numpy", "PIL", "mpl_toolkits", "pylab", "dateutil"),
    "seaborn": ("numpy", "pandas", "matplotlib"),
    "statsmodels": ("numpy", "scipy", "pandas", "patsy"),
    "xarray": ("numpy", "pandas"),
    "torchvision": ("torch", "numpy", "PIL"),
    "opencv-python-headless": ("numpy",),
    "opencv-python": ("numpy", "cv2"),
    "opencv-contrib-python": ("numpy", "cv2"),
    "opencv-contrib-python-headless": ("numpy", "cv2"),
    "psycopg2": ("psycopg2",),
    "tensorflow": ("numpy", "keras", "h5py"),
    "transformers": ("numpy", "yaml", "requests", "tqdm", "tokenizers", "huggingface_hub"),
    "scikit-image": ("numpy", "scipy", "PIL", "networkx", "imageio"),
    "astropy": ("numpy", "yaml"),
}

Found = Mapping[str, tuple[str, int]]
"""Module → file and line of its first import."""


def are_read(template: Template) -> bool:
    """Whether the imports of programs of `template` can be read: those in Python."""
    return template.reader == "python"


def scan(code: Path, program: str, identity: Identity | None) -> Found:
    """The modules of libraries that `program` in the folder `code` imports. Empty when that cannot be found out.

    Read as `identity`; None: as who we are.
    """
    rights = [str(identity.uid), str(identity.gid)] if identity else []
    command = [sys.executable, "-I", "-m", "labd.projects.import_scan", str(code), program, *rights]
    try:
        done = consult(command, b"", timeout=_SCAN_SECONDS)
        found = json.loads(done.output) if done.code == 0 else {}
        # Names of files and modules are the researcher's own, and can be anything.
        named = {shorten(module, _NAME): (shorten(file, _NAME), int(line)) for module, (file, line) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return dict(sorted(named.items()))


def unprovided(found: Found, libraries: Iterable[str], distributions: Mapping[str, str]) -> dict[str, str]:
    """Of the modules `found`, those that none of the requirements `libraries` provides → the one that would."""
    names = {_name(line) for line in requirements(libraries)}
    brought = {module for name in names for module in _BRINGS.get(name, ())}
    return {
        module: distributions.get(module, module)
        for module in found
        if module not in brought and not _provides(names, module, distributions.get(module, module))
    }


def _provides(names: Collection[str], module: str, requirement: str) -> bool:
    """Whether one of the libraries called `names` may well be the one with `module`."""
    plain = canonicalize_name(module)
    return _name(requirement) in names or any(plain == name or plain in name.split("-") for name in names)


def warning(missing: Mapping[str, str], found: Found, source: str) -> str:
    """A sentence on the modules that are `missing` from the file `source` ("" if there is none)."""
    shown = [f"{found[module][0]} imports {module}" for module in list(missing)[:_SHOWN]]
    more = f" (and {len(missing) - _SHOWN} more)" if len(missing) > _SHOWN else ""
    wanted = " and ".join(f"`{requirement}`" for requirement in list(missing.values())[:_SHOWN])
    where = f"code/{source}" if source else "code/requirements.txt"
    return f"{', '.join(shown)}{more}, and no line of {where} provides it: add {wanted} there."


def proposal(missing: Mapping[str, str]) -> str:
    """The text of a requirements.txt for what is `missing`."""
    lines = sorted(set(missing.values()), key=str.lower)
    head = (
        "# The libraries that your program imports, as far as labd can see.\n"
        "# Look it over, and send it as code/requirements.txt.\n"
    )
    return head + "".join(f"{line}\n" for line in lines)


def _name(requirement: str) -> str:
    return canonicalize_name(re.split(r"[\[<>=!~; @(]", requirement, maxsplit=1)[0])
