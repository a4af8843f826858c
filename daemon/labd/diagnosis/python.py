"""What errors of Python programs mean, and what the researcher can do about each, in one plain sentence.

This module owns the knowledge of errors: missing modules, wrong paths, no network, no screen, no GPU and their like. It
sees one error or one line at a time; it never looks at exit codes, files or the machine.
"""

from __future__ import annotations

import re

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import arguments, python_errors, python_modules
from labd.diagnosis.builds import debian_names
from labd.diagnosis.evidence import own_source, unmatched
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.language import ErrorLanguage, Tracebacks
from labd.diagnosis.python_paths import bad_path
from labd.diagnosis.python_tracebacks import Raised, dumped_place, ending_error

_WORDS = 2000  # characters, the last ones; the patterns are for messages, not for whole logs


def _explain(raised: Raised, evidence: Evidence) -> Diagnosis:
    """What the error means that ended a program in a project of which `evidence` is known."""
    place = f" ({raised.place})" if raised.place else ""
    if known := _syntax(raised, evidence) or _understood(raised, evidence):
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
        _of_notebooks(raised, evidence)
        or python_modules.explain(raised, evidence)
        or python_errors.meaning(raised.text)
        or bad_path(raised, evidence)
        or python_modules.other_version(raised, evidence)
        or _not_given(raised)
        or _unmatched(raised, evidence)
    )


def _syntax(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    if raised.type not in ("SyntaxError", "IndentationError", "TabError") or not raised.is_in_own_code:
        return None
    frame = raised.frames[-1]
    file = f"code/{frame.file.removeprefix('/code/')}"
    return own_source.unreadable(raised.text, file, frame.line, frame.code, evidence)


def _of_notebooks(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    name = re.match(r"name '(get_ipython|display)' is not defined", raised.message)
    return own_source.of_notebooks(name[1], evidence, raised.place.partition(",")[0]) if name else None


def _unmatched(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    file, _, line = raised.place.partition(", line ")
    return unmatched.explain(raised.text, file, int(line), evidence) if line else None


def _not_given(raised: Raised) -> Diagnosis | None:
    """An argument, an environment variable or a command that the program takes for granted."""
    code = raised.own_code
    if raised.type in ("IndexError", "ValueError") and (number := _argument_wanted(raised.message, code)):
        cause = "Your program was started without an argument that it reads from sys.argv"
        return Diagnosis(cause, arguments.unread(number))
    variable = re.fullmatch(r"'(\w{1,100})'", raised.message) if raised.type == "KeyError" else None
    if variable and ("environ" in code or (raised.frames and raised.frames[-1].file.endswith("/os.py"))):
        return arguments.unset(variable[1])
    if command := re.search(
        r"failed to execute (?:\w*Path\()?['\"]([\w.-]{1,40})['\"]|^(tesseract|ffmpeg|pandoc) is not installed",
        raised.message,
    ):
        name = command[1] or command[2]
        return Diagnosis(f"Your program needs the program `{name}`, which is not installed", debian_names.advice(name))
    return None


def _argument_wanted(message: str, code: str) -> int:
    """The number of the argument that is missing in the line `code`; 0 if the error is about something else."""
    if "sys.argv" not in code and "argv[" not in code:
        return 0
    if unpacked := re.match(r"not enough values to unpack \(expected (\d{1,2}), got \d", message):
        return int(unpacked[1]) - ("argv[1:]" not in code)
    numbers = re.findall(r"argv\[(\d{1,2})\]", code)
    return max(map(int, numbers)) if message == "list index out of range" and numbers else 0


TRACEBACKS = Tracebacks(ending_error, _explain, dumped_place)
LANGUAGE = ErrorLanguage(meaning=explain_words, advice=python_errors.ADVICE, tracebacks=TRACEBACKS)
