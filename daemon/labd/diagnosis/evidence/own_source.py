"""What is wrong with a source file that Python cannot read: it is no program, or was pasted from elsewhere.

This module owns the recognition of what is not Python in a Python file: notebook commands, prompts, typographic
characters, web pages. It reads texts and messages that it is given; it never opens a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from labd.common.excerpts import Diagnosis, shorten
from labd.common.text_kinds import NOTEBOOK, POINTER, kind_of
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
    wanted = [
        word for found in _INSTALL.findall(text) for word in (found[0] or found[1]).split() if word[0] not in "-$"
    ]
    new = [f"`{shorten(word, 40)}`" for word in dict.fromkeys(wanted) if not evidence.asks_for(word)][:_MOST]
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
