"""What well-known error messages of Python programs mean: a table from their words to a cause and a hint.

This module owns the table, and what is advised in Python, and nothing else. Whoever uses it has found the message, and
adds where it happened.
"""

from __future__ import annotations

import re

from labd.common.excerpts import Advice, Diagnosis
from labd.diagnosis.builds import debian_names
from labd.diagnosis.known_errors import (
    SHARED_MEMORY,
    SHARED_MEMORY_FULL,
    SHARED_OBJECT,
    WORKER_STOPPED,
    KnownError,
    find,
    known_error,
    library_missing,
    of_any_language,
)

ADVICE = Advice(
    crashed='Add `env = { PYTHONFAULTHANDLER = "1" }` to job.toml and run it again to see at which line.',
    said_nothing='Let it print what is wrong before it ends itself, for example with `sys.exit("no data")`.',
    no_command="Use a Python library that does the same, or ask the administrator to add the command.",
    no_screen='Save pictures instead, such as `plt.savefig("/output/plot.png")`, and choose no backend.',
)
SAME_VERSION = (
    "Write the version that you use on your own computer into code/requirements.txt: `pip show {0}` tells it."
)

# The first that fits is taken: the particular stands before the general.
_ERRORS = (
    known_error(
        r"EOFError: EOF when reading a line",
        "Your program asked for input from a keyboard, and there is none here",
        'Give the value in job.toml, such as `args = ["20"]`, or read it from a file in /input, instead of `input()`.',
    ),
    known_error(
        r"RuntimeError: An attempt has been made to start a new process before",
        "Your program starts other processes while it is itself still being loaded",
        'Put the part of your program that starts them below a line `if __name__ == "__main__":`.',
    ),
    KnownError(
        SHARED_MEMORY,
        SHARED_MEMORY_FULL,
        "Use fewer processes (in PyTorch, `num_workers=0`) or smaller blocks: `memory` in job.toml does not change it.",
    ),
    known_error(
        r"BrokenProcessPool|TerminatedWorkerError|worker \(pid.*killed|terminated abruptly",
        WORKER_STOPPED,
        "Use fewer processes at once (for PyTorch, `num_workers=0`), or ask for more `memory` in job.toml.",
    ),
    known_error(
        r"compiled using NumPy 1\.|numpy\.dtype size changed|multiarray failed to import|_ARRAY_API not found",
        "One of your libraries was made for another version of NumPy",
        "Add the line `numpy<2` to code/requirements.txt, or ask for newer versions of the other libraries.",
    ),
    known_error(
        r"Error: libGL\.so",
        "The library opencv-python needs a screen, and there is none here",
        "Write `opencv-python-headless` instead of `opencv-python` in code/requirements.txt.",
    ),
    known_error(
        r"partially initialized module '([\w.]+)'|No module named '[\w.]+'; '([\w.]+)' is not a package",
        "Your program imports `\\g<1>\\g<2>` and gets the wrong file: two files import each other, or hide each other",
        "If a file in code/ is called `\\g<1>\\g<2>.py`, give it another name: it hides the library of that name.",
    ),
    known_error(
        r"cannot import name '(\w+)' from '([\w.]+)' \(/code/",
        "Your file for `\\g<2>` does not define `\\g<1>`",
        "Upload the newest version of that file, or correct the name in the import.",
    ),
    known_error(
        r"UnicodeDecodeError: '([\w-]+)' codec|UnicodeDecodeError|UnicodeError: UTF-16",
        "A text file is not written in the encoding \\g<1> in which your program reads it",
        'Name the file\'s encoding, such as `open(name, encoding="cp1252")` or `pd.read_csv(name, encoding="cp1252")`.',
    ),
    known_error(
        r"KeyboardInterrupt",
        "Your program was interrupted",
        "If it was not you, run it again; if it happens again, tell the administrator.",
    ),
)
_SHARED_OBJECT = re.compile(rf"(?:Import|OS)Error: {SHARED_OBJECT.pattern}")


def meaning(text: str) -> Diagnosis | None:
    """What the words of an error mean that a Python program met, if they are known; the cause has no full stop yet."""
    if known := find(_ERRORS, text) or of_any_language(text, ADVICE):
        return known
    if missing := _SHARED_OBJECT.search(text):
        return Diagnosis(library_missing(missing[1]), debian_names.advice(missing[1]))
    return None
