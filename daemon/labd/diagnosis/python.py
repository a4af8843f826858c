"""What errors of Python programs mean, and what the researcher can do about each, in one plain sentence.

This module owns the knowledge of errors: missing modules, wrong paths, no network, no screen, no GPU and their like. It
sees one error or one line at a time; it never looks at exit codes, files or the machine.
"""

from __future__ import annotations

import re
import sys

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import debian_names, python_errors
from labd.diagnosis.evidence import Evidence
from labd.diagnosis.known_errors import no_screen
from labd.diagnosis.language import ErrorLanguage, Tracebacks
from labd.diagnosis.python_errors import SAME_VERSION
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
        or _bad_path(raised)
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


def _bad_path(raised: Raised) -> Diagnosis | None:
    """An error about a file: one that is not there, or one that may not be written."""
    text = raised.text
    if re.search(r"\[Errno (?:30|13|1)\]|^PermissionError", text):
        path = _path_in(raised.message)
        return _unwritable(path, raised) if path else None
    directory = re.search(r"Cannot save file into a non-existent directory: '(.*)'", text)
    if directory:
        folder = _unquoted(directory[1])
        return _no_folder(f"{folder}/", f"Your program writes into `{shorten(folder, 60)}`, which does not exist")
    if not re.search(r"^FileNotFoundError|No such file or directory|^OSError: .* not found\.", text):
        return None
    path = _path_in(raised.message)
    if not path:
        return None
    if raised.is_in_subprocess:
        return Diagnosis(
            f"Your program calls the command `{shorten(path, 60)}`, which is not installed here",
            f"{debian_names.advice(path)[:-1]}, or use a Python library that does the same.",
        )
    return _missing_file(path)


def _missing_file(path: str) -> Diagnosis:
    name = shorten(re.split(r"[/\\]", path.rstrip("/\\"))[-1], 40) or "NAME"
    cause = f"Your program could not find `{shorten(path, 60)}`"
    put = f"Put {name} into the folder input/ of your project and open it as /input/{name}."
    if re.match(r"[A-Za-z]:[/\\]|\\\\|~|/(?:Users|home|Volumes|mnt|media|content|kaggle)/", path):
        return Diagnosis(f"{cause}, a path of another computer", put)
    if path.startswith("/output/"):
        return _no_folder(path, cause)
    if path.startswith("/input/"):
        return Diagnosis(cause, f"Check that input/ has {name}, spelled like this: capital and small letters differ.")
    # A relative path that names one of the three folders lacks only the slash.
    if folder := re.match(r"(?:\.{1,2}[/\\])*(input|output)[/\\](.+)", path):
        there = f"/{folder[1]}/{folder[2]}".replace("\\", "/")
        return Diagnosis(cause, f"Write `{shorten(there, 60)}` instead, with a slash before {folder[1]}.")
    if path.startswith("/"):
        return Diagnosis(cause, put)
    return Diagnosis(cause, f"{put[:-1]}; if it is a result, write it to /output/{name}.")


def _no_folder(path: str, cause: str) -> Diagnosis:
    """A file could not be read or written in a folder of results, most often because the folder was never made."""
    folder = path.replace("\\", "/").rpartition("/")[0]
    there = folder if folder.startswith("/output/") else f"/output/{folder.rpartition('/')[2]}".removesuffix("/output")
    make = f'make folders first with `os.makedirs("{shorten(there, 60)}", exist_ok=True)`'
    return Diagnosis(cause, f"/output is empty when a job begins: write there before you read, and {make}.")


def _unwritable(path: str, raised: Raised) -> Diagnosis:
    name = shorten(path.rstrip("/").rpartition("/")[2], 40) or "NAME"
    if raised.is_in_subprocess:
        return Diagnosis(
            f"Your program may not run `{shorten(path, 60)}`",
            f'Files lose their right to be run on the way: call `os.chmod("{shorten(path, 40)}", 0o755)` first.',
        )
    if path.startswith("/output"):
        return Diagnosis(
            f"Your program could not write `{shorten(path, 60)}`",
            "Check whether your program itself protected it; if it did not, tell the administrator.",
        )
    return Diagnosis(
        f"Your program may not write to `{shorten(path, 60)}`",
        f"Write your results to /output, such as /output/{name}.",
    )


def _path_in(message: str) -> str:
    """The path that the message of a file error names, as the program wrote it."""
    for pattern in (
        r"""(?:: |-> )b?(['"])(?P<path>.*)\1\s*$""",
        r"""name = (['"])(?P<path>.*?)\1""",
        r"""^(?P<path>.*) not found\.$""",
        r"""^(?P<path>[^\[\s].*?): (?:No such file|Permission denied|Read-only)""",
    ):
        if found := re.search(pattern, message):
            return _unquoted(found["path"])
    return ""


def _unquoted(path: str) -> str:
    """A path as it was before Python doubled its backslashes for print."""
    return path.replace("\\\\", "\\")


TRACEBACKS = Tracebacks(ending_error, _explain, dumped_place)
LANGUAGE = ErrorLanguage(meaning=explain_words, advice=python_errors.ADVICE, tracebacks=TRACEBACKS)
