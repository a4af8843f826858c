"""What it means that a Python program does not find a module, or not in it what it wants.

This module owns that judgement, in this order: the researcher's own files, modules of one platform or of Python 2, what
was removed, and only then libraries. Names of libraries come from the evidence; it never opens a file.
"""

from __future__ import annotations

import re
import sys

from labd.common.excerpts import Diagnosis, shorten
from labd.diagnosis import python_errors
from labd.diagnosis.evidence import own_modules
from labd.diagnosis.evidence.project import REQUIREMENTS, Evidence
from labd.diagnosis.known_errors import no_screen
from labd.diagnosis.python_errors import SAME_VERSION
from labd.diagnosis.python_removed import AMBIGUOUS, MOVED_OUT, PLATFORMS, PYTHON2_MODULES, PYTHON2_NAMES, REMOVED
from labd.diagnosis.python_tracebacks import Raised

_WELL_KNOWN = frozenset(
    (
        "astropy dask h5py joblib keras matplotlib networkx numba numpy openpyxl pandas plotly polars pyarrow "
        "pydantic requests scipy seaborn statsmodels sympy tensorflow torch torchvision tqdm transformers xarray "
        "xgboost"
    ).split()
)
_WINDOWS_ONLY = frozenset("_winapi msvcrt pythoncom pywintypes win32api win32com win32con win32gui winreg".split())
_LEFT_PYTHON = frozenset(["asynchat", "asyncore", "distutils", "imp", "smtpd"])
_HIDDEN = re.compile(
    r"(?:partially initialized )?module '(?P<a>[\w.]+)' (?:from '[^']*' )?has no attribute"
    r"|cannot import name '\w+' from (?:partially initialized module )?'(?P<b>[\w.]+)' \((?:most|/code/|consider)"
    r"|No module named '[\w.]+'; '(?P<c>[\w.]+)' is not a package"
)
_LACKS = re.compile(
    r"cannot import name '(?P<part>\w+)' from '(?P<module>[\w.]+)'"
    r"|module '(?P<owner>[\w.]+)' has no attribute '(?P<attribute>\w+)'"
    r"|(?:type object )?'(?P<type>dict|DataFrame|Series)' object has no attribute '(?P<method>\w+)'"
)
_NUMPY_SAYS = re.compile(r"`([\w.]{1,60})` was removed in the (NumPy [\d.]+) release\. (?:Use `([^`]{1,60})` instead)?")
_IMPORT = re.compile(r"\s*(?:from|import)\s")
_IN_COLAB = re.compile(r"['\"]/(?:content|kaggle)/[^'\"\n]{0,200}?([\w.-]{1,60}\.\w{1,8})['\"]")


def explain(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """What such an error means; None if it is another one. The cause has no full stop yet."""
    no_package = re.search(r"No module named '([\w.]+)'; '\w+' is not a package", raised.message)
    return (
        _hidden(raised, evidence)
        or (_own(no_package[1], raised, evidence) if no_package else None)
        or _missing_module(raised, evidence)
        or _of_python_2(raised, evidence)
    )


def other_version(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """A library has not got what the program wants of it: it was removed, or the program is for another version."""
    if said := _NUMPY_SAYS.search(raised.message):
        return Diagnosis(
            f"`{said[1]}` was removed in {said[2]}", _instead(raised, said[1], said[3] or "what its message names")
        )
    wanted = _LACKS.search(raised.message)
    if not wanted:
        return None
    module = wanted["module"] or wanted["owner"] or wanted["type"]
    part = wanted["part"] or wanted["attribute"] or wanted["method"]
    if own := _another_library(module, raised, evidence):
        return own
    if removed := _removed(f"{module}.{part}", raised, evidence):
        return removed
    top = module.partition(".")[0]
    # Of other names it is not known whether they are a library or a file of the researcher's.
    if wanted["type"] or (not _is_library(top, evidence) and "-packages/" not in raised.message):
        return None
    hint = SAME_VERSION.format(shorten(evidence.distributions.get(top, top), 50))
    return Diagnosis(f"The installed version of `{shorten(module, 50)}` has no `{shorten(part, 50)}`", hint)


def _is_library(top: str, evidence: Evidence) -> bool:
    return top in evidence.distributions or top in _WELL_KNOWN


def _hidden(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """A file of the researcher's has the name of a library, and Python finds it first."""
    found = _HIDDEN.search(raised.message)
    top = (found["a"] or found["b"] or found["c"]).partition(".")[0] if found else ""
    is_pythons = top in sys.stdlib_module_names
    if not top or not (is_pythons or _is_library(top, evidence) or evidence.asks_for(top)):
        return None
    for path in (f"code/{top}.py", f"code/{top}/__init__.py"):
        if path in evidence.upload.files:
            hiding = path.removesuffix("/__init__.py")
            ending = ".py" if hiding == path else ""
            return Diagnosis(
                f"Your own {hiding} hides {'the module' if is_pythons else 'the library'} `{top}` of that name",
                f"Rename {hiding}, such as to code/my_{top}{ending}, so that `import {top}` finds the other one.",
            )
    return None


def _missing_module(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    wanted = re.search(
        r"No module named '?([\w.]+)'?(?!.*is not a package)|Missing optional dependency '([\w.-]+)'"
        r"|usable engine; tried using: '(\w+)'|^`?(?:Import )?(\w+)`? (?:not found, please install it|failed\.\s+Use)",
        raised.message,
    )
    if not wanted or not re.fullmatch(r"|\w*ImportError|ModuleNotFoundError", raised.type):
        return None
    module = next(filter(None, wanted.groups()))
    top = module.partition(".")[0]
    if not _is_library(top, evidence) and wanted[1] and (own := _own(module, raised, evidence)):
        return own
    return (
        _of_another_system(module, raised, evidence)
        or _removed(module, raised, evidence)
        or _missing(module, evidence, may_be_own=wanted[1] is not None)
    )


def _own(module: str, raised: Raised, evidence: Evidence) -> Diagnosis | None:
    found = own_modules.find(evidence.upload, module, _statement(module.partition(".")[0], raised, evidence))
    if not found:
        return None
    cause = f"Your program could not import your own module `{shorten(module, 60)}`"
    return Diagnosis(cause, f"Your upload has {found.path}, {found.remedy}.")


def _another_library(module: str, raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """A library that was installed because of its name only: what the program means is an own file elsewhere."""
    top = module.partition(".")[0]
    if _is_library(top, evidence) or top in sys.stdlib_module_names or "/code/" in raised.message:
        return None
    statement = _statement(top, raised, evidence)
    found = own_modules.find(evidence.upload, module, statement)
    if not found:
        return None
    has = f"our upload has {found.path}, {found.remedy}."
    return Diagnosis(
        f"The library `{shorten(top, 40)}` that is installed is not your own {found.path}",
        f"Remove the line `{top}` from {REQUIREMENTS}; y{has}" if evidence.asks_for(top) else f"Y{has}",
    )


def _statement(top: str, raised: Raised, evidence: Evidence) -> str:
    """The import of the module `top`, as the traceback or, for want of that, an own file has it."""
    wanted = re.compile(rf"\s*(?:from|import)\s+{re.escape(top)}\b")
    return next((line.strip() for line in (raised.own_code, *evidence.lines()) if wanted.match(line)), raised.own_code)


def _of_another_system(module: str, raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """A module that no line in requirements.txt can bring."""
    top = module.partition(".")[0]
    statement = _statement(top, raised, evidence)
    names = {module, own_modules.imported(top, statement), f"{top}.{_first_part(top, statement)}"}
    if on := next((name for name in PLATFORMS if any(f"{one}.".startswith(f"{name}.") for one in names)), ""):
        texts = (raised.own_code, *evidence.lines())
        name = next((data[1] for text in texts if (data := _IN_COLAB.search(text))), "NAME")
        line = f", and the line `{top}` from {REQUIREMENTS}" if evidence.asks_for(top) else ""
        return Diagnosis(
            f"Your program needs `{on}`, which exists in {PLATFORMS[on]} only",
            f"Remove the lines that use it{line}; put your data into input/ and open them as /input/{name}.",
        )
    if top in PYTHON2_MODULES and (old := _python_2(top, evidence)):
        return old
    if top in _WINDOWS_ONLY:
        return Diagnosis(
            f"Your program needs `{top}`, which exists on Windows only", "Leave it out: labd runs on Linux."
        )
    if top in ("tkinter", "_tkinter", "turtle"):
        return no_screen(python_errors.ADVICE)
    return None


def _first_part(top: str, statement: str) -> str:
    """What `from top import …` asks for first."""
    found = re.match(rf"\s*from\s+{re.escape(top)}\s+import\s+\(?\s*(\w+)", statement)
    return found[1] if found else ""


def _of_python_2(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """A name that only Python 2 has."""
    found = re.match(r"name '(\w+)' is not defined", raised.message)
    # Of those that may be somebody's own values, too, a call is the least that shows what was meant.
    if not found or (found[1] in AMBIGUOUS and not re.search(rf"(?<![\w.]){found[1]}\(", raised.own_code)):
        return None
    return _python_2(found[1], evidence, is_certain=True) if found[1] in PYTHON2_NAMES else None


def _python_2(name: str, evidence: Evidence, is_certain: bool = False) -> Diagnosis | None:
    """A program for Python 2, which met its own module or function `name`: all that can be seen of the kind at once."""
    lines = list(evidence.lines())
    text = "\n".join(lines)
    known = {**PYTHON2_MODULES, **PYTHON2_NAMES}
    used = [old for old in PYTHON2_NAMES if re.search(rf"(?<![\w.]){old}\(", text)]
    used += [old for line in lines if _IMPORT.match(line) for old in PYTHON2_MODULES if re.search(rf"\b{old}\b", line)]
    names = list(dict.fromkeys((name, *used)))[:3]
    if name in AMBIGUOUS and len(names) < 2 and not is_certain:
        return None
    write = ", and ".join(f"`{known[old]}` instead of `{old}`" for old in names)
    return Diagnosis(f"Your program uses `{name}` of Python 2, which Python 3 does not have", f"Write {write}.")


def _removed(name: str, raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """What libraries, or Python, had under this `name` or one above it, and have no more."""
    for known in (name, own_modules.imported(name, raised.own_code)):
        if known in MOVED_OUT:
            statement, line = MOVED_OUT[known]
            add = "" if evidence.asks_for(line) else f", and add the line `{line}` to {REQUIREMENTS}"
            return Diagnosis(f"There is no `{known}` any more", f"Write `{statement}`{add}.")
        if known in REMOVED:
            return Diagnosis(f"There is no `{known}` any more", _instead(raised, known, REMOVED[known]))
    joined = f"{name}.{_first_part(name, raised.own_code)}"
    return _removed(joined, raised, evidence) if joined in MOVED_OUT else None


def _instead(raised: Raised, old: str, new: str) -> str:
    if any(name != "__getattr__" for name in raised.called):
        return f"A library of yours still uses it: ask for a newer version of that library in {REQUIREMENTS}."
    name = old.rpartition(".")[2]
    written = re.search(rf"\b\w+\.{name}\b", raised.own_code)
    return f"Write `{new}` instead of `{written[0] if written else old}`."


def _missing(module: str, evidence: Evidence, may_be_own: bool) -> Diagnosis:
    """What to do about a `module` that is not there."""
    distributions = evidence.distributions
    top, _, inner = module.partition(".")
    names = [module.rsplit(".", dots)[0] for dots in range(module.count(".") + 1)]
    known = next((name for name in names if name in distributions), "")
    shown, own = shorten(module, 60), f"code/{shorten(module, 60).replace('.', '/')}.py"
    line = shorten(distributions.get(known, top), 60)
    cause = f"Your program needs the Python library `{shown}`, which is not installed"
    # Python names a.b only where it has found a: the library is there, and its part is not.
    if inner and known in ("", top):
        return Diagnosis(
            f"Your program needs `{shown}`, and what is installed as `{shorten(top, 40)}` has no such part",
            SAME_VERSION.format(shorten(distributions.get(known, top), 40))
            if known or top in _WELL_KNOWN
            else f"Upload the file {own} if it is your own module, or ask for another version of {shorten(top, 40)}.",
        )
    if known or top in _WELL_KNOWN or not may_be_own:
        if evidence.asks_for(line):
            return Diagnosis(
                cause, f"{REQUIREMENTS} has the line `{line}` already: look whether it ends in a condition."
            )
        return Diagnosis(cause, f"Add the line `{line}` to {REQUIREMENTS}.")
    if top in sys.stdlib_module_names or top in _LEFT_PYTHON:
        return Diagnosis(
            f"Your program needs the module `{shown}`, which this version of Python does not have",
            'It was part of older versions: choose one of them in job.toml, such as `python = "3.11"`.',
        )
    return Diagnosis(
        cause.replace("library", "module"),
        f"If it is your own module, upload the file {own}; if it is a library, add its name to {REQUIREMENTS}.",
    )
