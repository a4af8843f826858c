"""What ended a notebook: which cell, with which error, and what the researcher can do about it.

This module owns the reading of the line in which the notebook's template names the cell, and what to do with a notebook
in another place than its own. What the error itself means others know. It sees printed lines and names only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import python, python_errors
from labd.diagnosis.evidence import own_source
from labd.diagnosis.evidence.project import REQUIREMENTS, Evidence
from labd.diagnosis.language import ErrorLanguage
from labd.diagnosis.python import explain_words

_ADVICE = python_errors.ADVICE._replace(
    crashed="Run the cells one by one in Jupyter, to see which one crashes; then try it with smaller data.",
    said_nothing='Let a cell say what is wrong, for example with `raise ValueError("no data")`.',
)
_ENDED = "its process ended"
_STOPPED = re.compile(r"(Cell \d{1,6}) stopped: ((\w*)(?:: )?(.*))")
_OF_NOTEBOOKS = (
    (
        r"StdinNotImplementedError|EOFError: EOF when reading",
        "There is no keyboard here: write the value into the cell, or read it from a file in /input.",
    ),
    (
        r"name '__file__' is not defined",
        '`__file__` exists in scripts only: write "/code" instead of its folder, which is where the notebook lies.',
    ),
    (
        r"not a recognised GUI loop or backend|ipympl|Invalid GUI request|widget' is not a valid value for backend",
        "Write `%matplotlib inline`, or remove the line: the other needs a browser or a screen, which is not here.",
    ),
)
_SAID = re.compile(r"Cause: (.+)\nWhat to do: (.+)$")


def _explain(shown: Sequence[str], evidence: Evidence) -> Diagnosis | None:
    """What ended a notebook that printed the lines `shown`; None if they are not of one."""
    spoken = [line for line in shown if line][-2:]
    if said := _SAID.fullmatch("\n".join(spoken)):
        return Diagnosis(shorten(said[1], 150), shorten(said[2], 200))
    stopped = _STOPPED.fullmatch(spoken[-1]) if spoken else None
    if not stopped:
        return None
    cell, error, kind, message = stopped.groups()
    known = explain_words(error, evidence) or explain_words(message, evidence)
    hint = known.hint if known else f"Correct the cell and upload again; app.html in output/ shows all up to {cell}."
    if kind == "ModuleNotFoundError":
        hint = _libraries(hint, evidence)
    if kind == "NameError" and not known:
        hint = _no_value(message, cell, evidence)
    for pattern, own in _OF_NOTEBOOKS:
        if re.search(pattern, error):
            hint = own
    if error == _ENDED:
        hint = f"A library crashed in it, or it ended itself: try {cell} line by line, or with smaller data."
    return Diagnosis(sentence(f"{cell} stopped: {shorten(error, 120)}"), hint)


def _libraries(hint: str, evidence: Evidence) -> str:
    """`hint` about a module that is missing, with the libraries that cells would install: all lines at once."""
    lines = own_source.installs("\n".join(evidence.lines()), evidence)
    if not lines:
        return hint
    if named := re.match(r"Add the line `([^`]+)`", hint):
        lines = list(dict.fromkeys((named[1], *lines)))
    listed = " and ".join(f"`{line}`" for line in lines)
    word = "lines" if len(lines) > 1 else "line"
    return f"Add the {word} {listed} to {REQUIREMENTS}, in the place of `pip install` in a cell."


def _no_value(message: str, cell: str, evidence: Evidence) -> str:
    """What to do about a name without a value: only where a cell gives it one can the order be wrong."""
    early = f"Define it in a cell above: cells run from top to bottom here, and {cell} comes too early for it."
    name, lines = re.match(r"name '(\w+)'", message), list(evidence.lines())
    if not name or not lines:
        return early
    gives = re.compile(rf"\b{name[1]}\b[^=!<>]{{0,80}}=(?!=)|\b(?:def|class|as|for|import)\b[^=]{{0,200}}\b{name[1]}\b")
    if any(gives.search(line[:500]) for line in lines):
        return early
    return f"No cell gives `{shorten(name[1], 60)}` a value: correct its spelling, or define it in a cell above {cell}."


def _no_program(file: str, wanted: str) -> Diagnosis | None:
    if not file.endswith(".ipynb"):
        return None
    return Diagnosis(
        f"Your upload has a notebook, `{shorten(file, 60)}`, and no program.",
        f"In Jupyter, choose Save and Export Notebook As, Executable Script; upload the result as {wanted}.",
    )


LANGUAGE = ErrorLanguage(
    _explain, explain_words, _ADVICE, python.TRACEBACKS, explains_tracebacks=True, no_program=_no_program
)
