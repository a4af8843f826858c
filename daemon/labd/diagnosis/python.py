"""What errors of Python programs mean, and what the researcher can do about each, in one plain sentence.

This module owns the knowledge of errors: missing modules, wrong paths, no network, no screen, no GPU and their like. It
sees one error or one line at a time; it never looks at exit codes, files or the machine.
"""

from __future__ import annotations

import re

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import arguments, debian_names, python_errors, python_modules
from labd.diagnosis.evidence import own_source, unmatched, upload_search
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.language import ErrorLanguage, Tracebacks
from labd.diagnosis.python_paths import bad_path
from labd.diagnosis.python_tracebacks import Raised, dumped_place, ending_error

_ONE_BYTE = re.compile(r"Non-UTF-8 code starting with '\\x(?!f[ef])")  # no UTF-16, which begins with these
_SYNTAX = (
    (
        r"Missing parentheses in call to '(?:print|exec)'",
        "This is a program for Python 2: write `print(…)` with parentheses, as Python 3 wants it.",
    ),
    ("multiple exception types must be", "This is a program for Python 2: write `except NAME as error:`."),
    ("leading zeros in decimal integer", "Leave out the zeros in front; octal numbers are written like `0o755`."),
    ("TabError", "Indent this line with blanks as the others are: most editors can convert tabs to blanks."),
    ("IndentationError", "Correct the blanks at the beginning of this line, or of the one above it."),
    (
        r"^(?:match .*:|case .*:|except ?\*|type \w+ ?=)",
        "Correct this line, or the one above it; a feature of a newer Python needs that version in job.toml.",
    ),
)
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
    if known := own_source.not_python(raised.message, file, frame.line, frame.code, evidence):
        return known
    if re.search(
        "Non-UTF-8 code|null bytes|utf-8' codec can't decode|unknown encoding|encoding problem", raised.message
    ):
        return _encoding(raised, evidence)
    cause = f"Your program is not valid Python: {shorten(raised.message, 100)}"
    if "unicodeescape" in raised.message:
        return Diagnosis(cause, _windows_path(frame.code, evidence))
    for pattern, hint in _SYNTAX:
        if re.search(pattern, raised.text) or (pattern[0] == "^" and re.search(pattern, frame.code)):
            return Diagnosis(cause, hint)
    return Diagnosis(cause, "Correct this line, or the one above it.")


def _windows_path(code: str, evidence: Evidence) -> str:
    """What to do about a path of Windows in the line `code`, in which a backslash made a code of a letter."""
    path = re.search(r"""['"]([A-Za-z]:\\[^'"]{1,300})['"]""", code)
    name = shorten(path[1].rpartition("\\")[2], 40) if path else "NAME"
    if path and (there := upload_search.remedy(upload_search.find(evidence.upload, path[1]), path[1])):
        return there
    return rf"Python reads `\U` in a path as a code: put the file into input/ and open it as /input/{name}."


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


def _encoding(raised: Raised, evidence: Evidence) -> Diagnosis:
    """A source file that Python cannot read, because it is in another encoding than Python takes it for."""
    file = raised.place.partition(",")[0]
    if imports := re.match(r"(?:from|import)\s+([\w.]+)(?:\s+import\s+\(?\s*(\w+))?", raised.own_code):
        # Python names the line that imports the file, and not the file.
        path = f"code/{imports[1].replace('.', '/')}"
        paths = (f"{path}/{imports[2]}.py", f"{path}.py", f"{path}/__init__.py")
        file = next((one for one in paths if one in evidence.upload.files), "")
    coding = ", or begin it with the line `# -*- coding: latin-1 -*-`" if _ONE_BYTE.search(raised.message) else ""
    named = f"Your program's file {shorten(file, 80)}" if file else "A file that your program imports"
    return Diagnosis(
        f"{named} is not UTF-8 text",
        f"Save {shorten(file, 80) or 'it'} as UTF-8 in your editor{coding}; upload it again.",
    )


TRACEBACKS = Tracebacks(ending_error, _explain, dumped_place)
LANGUAGE = ErrorLanguage(meaning=explain_words, advice=python_errors.ADVICE, tracebacks=TRACEBACKS)
