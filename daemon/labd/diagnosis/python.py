"""What errors of Python programs mean, and what the researcher can do about each, in one plain sentence.

This module owns the knowledge of errors: missing modules, wrong paths, no network, no screen, no GPU and their like. It
sees one error or one line at a time; it never looks at exit codes, files or the machine.
"""

from __future__ import annotations

import re
import sys

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import python_errors
from labd.diagnosis.evidence import Evidence
from labd.diagnosis.known_errors import no_screen
from labd.diagnosis.language import ErrorLanguage, Tracebacks
from labd.diagnosis.python_errors import SAME_VERSION
from labd.diagnosis.python_paths import bad_path
from labd.diagnosis.python_tracebacks import Raised, dumped_place, ending_error

_WELL_KNOWN = frozenset(
    (
        "astropy dask h5py joblib keras matplotlib networkx numba numpy openpyxl pandas plotly polars pyarrow "
        "pydantic requests scipy seaborn statsmodels sympy tensorflow torch torchvision tqdm transformers xarray "
        "xgboost"
    ).split()
)
_WINDOWS_ONLY = frozenset("_winapi msvcrt pythoncom pywintypes win32api win32com win32con win32gui winreg".split())
_WORDS = 2000  # characters, the last ones; the patterns are for messages, not for whole logs
_REMOVED = frozenset(["asynchat", "asyncore", "distutils", "imp", "smtpd"])


def _explain(raised: Raised, evidence: Evidence) -> Diagnosis:
    """What the error means that ended a program in a project of which `evidence` is known."""
    place = f" ({raised.place})" if raised.place else ""
    if known := _syntax(raised) or _understood(raised, evidence):
        return Diagnosis(sentence(known.cause + place), known.hint)
    where = f" at {raised.place}" if raised.place else ""
    correct = f"Correct {raised.place.replace(', ', ' near ', 1)}" if raised.place else "Correct your program"
    return Diagnosis(
        sentence(f"Your program stopped{where}: {shorten(raised.text, 120)}"),
        f"{correct} and upload again; run.log has the whole message.",
    )


def explain_words(words: str, evidence: Evidence) -> Diagnosis | None:
    """What an error means that a program told in `words` only, if that is known; the cause has no full stop yet."""
    return _understood(Raised("", words[-_WORDS:], (), 0, False), evidence)


def _understood(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    return (
        _missing_module(raised, evidence)
        or python_errors.meaning(raised.text)
        or bad_path(raised, evidence)
        or _other_version(raised, evidence)
    )


def _syntax(raised: Raised) -> Diagnosis | None:
    if raised.type not in ("SyntaxError", "IndentationError", "TabError") or not raised.is_in_own_code:
        return None
    cause = f"Your program is not valid Python: {shorten(raised.message, 100)}"
    if "unicodeescape" in raised.message:
        hint = (
            r"Python reads `\U` in a path like C:\Users as a code: put the file into input/ and open it as /input/NAME."
        )
    elif "Missing parentheses in call to 'print'" in raised.message:
        hint = "This is a program for Python 2: write `print(…)` with parentheses, as Python 3 wants it."
    elif re.search("Non-UTF-8 code|null bytes|codec can't decode", raised.message):
        hint = "Save the file as UTF-8 in your editor and upload it again."
    else:
        hint = "Correct this line, or the one above it; a feature of a newer Python needs that version in job.toml."
    return Diagnosis(cause, hint)


def _missing_module(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    wanted = re.search(
        r"No module named '?([\w.]+)'?(?!.*is not a package)|Missing optional dependency '([\w.-]+)'"
        r"|usable engine; tried using: '(\w+)'|^`?(?:Import )?(\w+)`? (?:not found, please install it|failed\.\s+Use)",
        raised.message,
    )
    if not wanted or not re.fullmatch(r"|\w*ImportError|ModuleNotFoundError", raised.type):
        return None
    module = next(filter(None, wanted.groups()))
    return _of_another_system(module) or _missing(module, evidence, may_be_own=wanted[1] is not None)


def _of_another_system(module: str) -> Diagnosis | None:
    """A module that no line in requirements.txt can bring."""
    top = module.partition(".")[0]
    if top in _WINDOWS_ONLY:
        return Diagnosis(
            f"Your program needs `{top}`, which exists on Windows only", "Leave it out: labd runs on Linux."
        )
    if top in ("tkinter", "_tkinter", "turtle"):
        return no_screen(python_errors.ADVICE)
    return None


def _missing(module: str, evidence: Evidence, may_be_own: bool) -> Diagnosis:
    """What to do about a `module` that is not there."""
    top, _, inner = module.partition(".")
    names = [module.rsplit(".", dots)[0] for dots in range(module.count(".") + 1)]
    known = next((name for name in names if name in evidence.distributions), "")
    shown, own = shorten(module, 60), f"code/{shorten(module, 60).replace('.', '/')}.py"
    cause = f"Your program needs the Python library `{shown}`, which is not installed"
    add = f"Add the line `{shorten(evidence.distributions.get(known, top), 60)}` to code/requirements.txt"
    # Python names a.b only where it has found a: the library is there, and its part is not.
    if inner and known in ("", top):
        return Diagnosis(
            f"Your program needs `{shown}`, and what is installed as `{shorten(top, 40)}` has no such part",
            SAME_VERSION.format(shorten(evidence.distributions.get(known, top), 40))
            if known or top in _WELL_KNOWN
            else f"Upload the file {own} if it is your own module, or ask for another version of {shorten(top, 40)}.",
        )
    if known or top in _WELL_KNOWN or not may_be_own:
        return Diagnosis(cause, f"{add}.")
    if top in sys.stdlib_module_names or top in _REMOVED:
        return Diagnosis(
            f"Your program needs the module `{shown}`, which this version of Python does not have",
            'It was part of older versions: choose one of them in job.toml, such as `python = "3.11"`.',
        )
    return Diagnosis(cause.replace("library", "module"), f"{add}, or upload the file {own} if it is your own module.")


def _other_version(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """A library has not got what the program wants of it: most often the program was written for another version."""
    wanted = re.search(
        r"cannot import name '(?P<part>\w+)' from '(?P<module>[\w.]+)'"
        r"|module '(?P<owner>[\w.]+)' has no attribute '(?P<attribute>\w+)'",
        raised.message,
    )
    if not wanted:
        return None
    module = wanted["module"] or wanted["owner"]
    top = module.partition(".")[0]
    # Of other names it is not known whether they are a library or a file of the researcher's.
    if top not in evidence.distributions and top not in _WELL_KNOWN and "-packages/" not in raised.message:
        return None
    part = shorten(wanted["part"] or wanted["attribute"], 50)
    hint = SAME_VERSION.format(shorten(evidence.distributions.get(top, top), 50))
    return Diagnosis(f"The installed version of `{shorten(module, 50)}` has no `{part}`", hint)


TRACEBACKS = Tracebacks(ending_error, _explain, dumped_place)
LANGUAGE = ErrorLanguage(meaning=explain_words, advice=python_errors.ADVICE, tracebacks=TRACEBACKS)
