"""What is wrong with a source file that Python cannot read: it is no program, or was pasted from elsewhere.

This module owns the recognition of what is not Python in a Python file: notebook commands, prompts, typographic
characters, web pages. It reads texts and messages that it is given; it never opens a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from labd.common.excerpts import Diagnosis, shorten
from labd.common.text_kinds import NOTEBOOK, POINTER, kind_of
from labd.diagnosis.evidence import upload_search
from labd.diagnosis.evidence.project import REQUIREMENTS, Evidence

_COMMAND = re.compile(r"\s*(?:[%!][\w%]|\?\w|\w+\?\s*$)")
_PROMPT = re.compile(r"\s*(?:>>>|\.\.\. |In ?\[\d*\]:|Out ?\[\d+\]:)")
_MERGE = re.compile(r"(?:<{7}|={7}|>{7})(?: |$)")
_INSTALL = re.compile(
    r"[%!]\s*(?:pip3?|conda|python3? -m pip) install ([^#\n'\"]{1,200})|pip3? install ([^#\n'\"]{1,200})['\"]"
)
_CHARACTER = re.compile(
    r"invalid (?:non-printable )?character (?:in identifier|'?(?P<shown>[^']?)'? ?\(?U\+(?P<code>[0-9A-F]{4,5}))"
)
_QUOTES = {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": "'", "«": '"', "»": '"', "´": "'"}
_DASHES = {
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "*",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "…": "...",
    "，": ",",
    "：": ":",
}
_MOST = 4  # lines that are named
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


def unreadable(error: str, file: str, line: int, shown: str, evidence: Evidence) -> Diagnosis:
    """What a syntax `error` ("TabError: …") in line `line` of `file` means, of which the log has what is `shown`.

    The cause has no full stop yet.
    """
    message = error.partition(": ")[2]
    if known := not_python(message, file, line, shown, evidence):
        return known
    if re.search("Non-UTF-8 code|null bytes|utf-8' codec can't decode|unknown encoding|encoding problem", message):
        return _encoding(message, file, shown, evidence)
    cause = f"Your program is not valid Python: {shorten(message, 100)}"
    if "unicodeescape" in message:
        return Diagnosis(cause, _windows_path(shown, evidence))
    for pattern, hint in _SYNTAX:
        if re.search(pattern, error) or (pattern[0] == "^" and re.search(pattern, shown)):
            return Diagnosis(cause, hint)
    return Diagnosis(cause, "Correct this line, or the one above it.")


def not_python(message: str, file: str, line: int, shown: str, evidence: Evidence) -> Diagnosis | None:
    """What is wrong with line `line` of `file`, of which Python said `message` and the log has what is `shown`.

    None if nothing is known; the cause has no full stop yet.
    """
    text = evidence.sources.get(file, "")
    if kind := kind_of(text):
        return _another_kind(file, kind)
    here = (text.splitlines()[line - 1 : line] or [shown])[0]
    if _COMMAND.match(here):
        return _commands(_numbers(text, _COMMAND.match) or [line], text or here, evidence, "`%` and `!` are commands")
    if _PROMPT.match(here):
        return Diagnosis("Your program has prompts of an interactive Python in it", _remove_prompts(here))
    if _MERGE.match(here):
        cause = "Your program has the marks of a merge in it, which git left there"
        return Diagnosis(
            cause, f"Settle it in the lines around line {line}, and remove `<<<<<<<`, `=======` and `>>>>>>>`."
        )
    return _character(message)


def of_notebooks(name: str, evidence: Evidence, file: str) -> Diagnosis | None:
    """What it means that a program uses `name`, which exists in notebooks only."""
    text = evidence.sources.get(file, "")
    if name == "get_ipython":
        lines = _numbers(text, re.compile(r"\s*(?:\w+ *= *)?get_ipython\(").match)
        return _commands(lines, text, evidence, "`get_ipython()` is")
    if name == "display":
        return Diagnosis("`display` exists in notebooks only", "Write `print` instead, or save it in /output.")
    return None


def installs(text: str, evidence: Evidence) -> list[str]:
    """The libraries that commands in `text` would install, and that no line of requirements.txt names yet."""
    wanted = [word for found in _INSTALL.findall(text) for word in (found[0] or found[1]).split()]
    new = [shorten(word, 40) for word in dict.fromkeys(wanted) if re.match(r"[A-Za-z]", word)]
    return [word for word in new if not evidence.asks_for(word)][:_MOST]


def _another_kind(file: str, kind: str) -> Diagnosis:
    if kind == POINTER:
        way = "Run `git lfs pull` on your own computer, and send it again."
    elif kind == NOTEBOOK:
        way = f"Rename it to {file.rpartition('.')[0]}.ipynb, or export it in Jupyter as an executable script."
    elif "web" in kind:
        way = 'Download the file itself, such as by the button "Raw" or "Download" there, and send it again.'
    else:
        way = "Save it as plain text, and send it again."
    return Diagnosis(f"{shorten(file, 60)} is {kind}, no program", way)


def _commands(lines: Sequence[int], text: str, evidence: Evidence, what: str) -> Diagnosis:
    new = [f"`{line}`" for line in installs(text, evidence)]
    remove = f"Remove line{'s' if len(lines) > 1 else ''} {_listed(lines)}" if lines else "Remove these lines"
    add = f", and write {' and '.join(new)} into {REQUIREMENTS} instead" if new else ""
    return Diagnosis(f"{what} for notebooks only, and this is a program", f"{remove}{add}.")


def _character(message: str) -> Diagnosis | None:
    found = _CHARACTER.search(message)
    if not found or not found["code"]:
        return None
    character = chr(int(found["code"], 16))
    if character in _QUOTES:
        way = "Write straight quotes (\" or ') instead of typographic ones, such as “ and ”, in all of the file."
    elif character in _DASHES:
        way = f"Write `{_DASHES[character]}` instead, in all of the file."
    else:
        way = "Replace it in all of the file: most often it came with text from a web page or a document."
    shown = (
        f"`{character}` (U+{found['code']})" if character.isprintable() else f"U+{found['code']}, which is invisible"
    )
    return Diagnosis(f"Your program has the character {shown} where Python takes none", way)


def _remove_prompts(line: str) -> str:
    prompt = (_PROMPT.match(line) or [""])[0].strip()
    return f"Remove `{shorten(prompt, 20)}` and its like at the beginning of lines, and what Python answered."


def _numbers(text: str, matches: Callable[[str], object]) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if matches(line)]


def _listed(lines: Sequence[int]) -> str:
    first = [str(line) for line in lines[:_MOST]]
    more = len(lines) - len(first)
    return (
        ", ".join(first) + f" and {more} more"
        if more
        else " and ".join(filter(None, (", ".join(first[:-1]), first[-1])))
    )


def _windows_path(code: str, evidence: Evidence) -> str:
    """What to do about a path of Windows in the line `code`, in which a backslash made a code of a letter."""
    path = re.search(r"""['"]([A-Za-z]:\\[^'"]{1,300})['"]""", code)
    name = shorten(path[1].rpartition("\\")[2], 40) if path else "NAME"
    if path and (there := upload_search.remedy(upload_search.find(evidence.upload, path[1]), path[1])):
        return there
    return rf"Python reads `\U` in a path as a code: put the file into input/ and open it as /input/{name}."


def _encoding(message: str, file: str, shown: str, evidence: Evidence) -> Diagnosis:
    """A source file that Python cannot read, because it is in another encoding than Python takes it for."""
    if imports := re.match(r"(?:from|import)\s+([\w.]+)(?:\s+import\s+\(?\s*(\w+))?", shown):
        # Python names the line that imports the file, and not the file.
        path = f"code/{imports[1].replace('.', '/')}"
        paths = (f"{path}/{imports[2]}.py", f"{path}.py", f"{path}/__init__.py")
        file = next((one for one in paths if one in evidence.upload.files), "")
    coding = ", or begin it with the line `# -*- coding: latin-1 -*-`" if _ONE_BYTE.search(message) else ""
    named = f"Your program's file {shorten(file, 80)}" if file else "A file that your program imports"
    return Diagnosis(
        f"{named} is not UTF-8 text",
        f"Save {shorten(file, 80) or 'it'} as UTF-8 in your editor{coding}; upload it again.",
    )
