"""What ended a notebook: which cell, with which error, and what the researcher can do about it.

This module owns the reading of the line in which the notebook's template names the cell, and what to do with a notebook
in another place than its own. What the error itself means others know. It sees printed lines and names only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import python, python_errors
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.language import ErrorLanguage
from labd.diagnosis.python import explain_words

_ADVICE = python_errors.ADVICE._replace(
    crashed="Run the cells one by one in Jupyter, to see which one crashes; then try it with smaller data.",
    said_nothing='Let a cell say what is wrong, for example with `raise ValueError("no data")`.',
)
_ENDED = "its process ended"
_STOPPED = re.compile(r"(Cell \d{1,6}) stopped: ((\w*)(?:: )?(.*))")
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
    if kind == "NameError":
        hint = f"Define it in a cell above: cells run from top to bottom here, and {cell} comes too early for it."
    if error == _ENDED:
        hint = f"A library crashed in it, or it ended itself: try {cell} line by line, or with smaller data."
    return Diagnosis(sentence(f"{cell} stopped: {shorten(error, 120)}"), hint)


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
