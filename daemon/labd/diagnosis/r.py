"""What errors of R programs mean.

This module owns the table from R's words to a cause and a hint, and the reading of the line where it happened, which
the template's start.R prints last. It sees printed lines only; it never looks at files, exit codes or the machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labd.common.excerpts import Advice, Diagnosis, sentence, shorten
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.known_errors import more_memory
from labd.diagnosis.language import ErrorLanguage, of_any

_ADVICE = Advice(
    crashed='Let it print before each step, such as `message("step 2")`, to see which one crashes; try smaller data.',
    said_nothing='Let it say what is wrong when it ends itself, for example with `stop("no data")`.',
    no_command="Use an R package that does the same, or ask the administrator to add the command.",
    no_screen='Save pictures instead of showing them: call `png("/output/plot.png")` first and `dev.off()` at the end.',
)
_PLACE = re.compile(r"Stopped at (code/.{1,200}, line \d+)")
_ERROR = re.compile(r"Error(?: in .+?)? ?: ?(.*)|Error: ?(.*)")
_LONGEST = 1000  # characters of a line; those that matter are shorter
_LISTED = "code/packages.txt"
_NAME = r"[‘'\"“]?([\w.]+)[’'\"”]?"
_ERRORS = (
    (
        rf"there is no package called {_NAME}",
        "Your program needs the R package `{0}`, which is not installed",
        f"Add the line `{{0}}` to {_LISTED} and upload again.",
    ),
    (
        rf"package {_NAME} (?:.{{1,20}} )?(?:required|is required|needed)",
        "Your program needs the R package `{0}`, which is not installed",
        f"Add the line `{{0}}` to {_LISTED} and upload again.",
    ),
    (
        rf"object {_NAME} not found",
        "Your program uses `{0}`, which has no value there",
        "Give it one before that line of code/app.R, or correct its spelling; a job begins with nothing in memory.",
    ),
    (
        rf"could not find function {_NAME}",
        "Your program calls `{0}`, and there is no such function",
        f"Correct its spelling, or load the package that has it with library() and name that in {_LISTED}.",
    ),
    (
        r"cannot allocate (?:vector|memory)",
        "Your program needed more memory than it may use",
        more_memory(8),
    ),
    (
        r"/code/(.{1,100}?):(\d+):\d+: (?:unexpected .*|.*)",
        "code/{0}, line {1}, is not valid R",
        "Look there and in the line before for a missing comma, quote or bracket.",
    ),
)
_NO_FILE = re.compile(r"cannot open (?:compressed )?file ['‘\"]([^'’\"]{1,300})['’\"]")


def _explain(shown: Sequence[str], evidence: Evidence) -> Diagnosis | None:
    """Why an R program that printed `shown` stopped; None when these are not the words of R."""
    at = max((number for number, line in enumerate(shown) if _ERROR.fullmatch(line)), default=None)
    placed = [found[1] for line in shown[at or 0 :] if (found := _PLACE.fullmatch(line))]
    words = " ".join(" ".join(line[:_LONGEST] for line in shown[at : at + 6]).split()) if at is not None else ""
    if at is None or not (placed or ":" in words):
        return None
    where = f" ({placed[-1]})" if placed else ""
    for pattern, cause, hint in _ERRORS:
        if found := re.search(pattern, words):
            values = [shorten(value, 60) for value in found.groups()]
            return Diagnosis(sentence(cause.format(*values) + where), hint.format(*values))
    if "cannot open the connection" in words and (file := _missing_file(shown[: at + 1])):
        return file
    return _said(shown, at, placed[-1]) if placed else None


def _missing_file(before: Sequence[str]) -> Diagnosis | None:
    for line in reversed(before[-6:]):
        if found := _NO_FILE.search(line):
            name = re.split(r"[/\\]", found[1])[-1] or "data.csv"
            return Diagnosis(
                f"Your program could not open `{shorten(found[1], 80)}`.",
                f"Put the file into input/ of your project, and read it as /input/{shorten(name, 40)}.",
            )
    return None


def _said(shown: Sequence[str], at: int, place: str) -> Diagnosis:
    found = _ERROR.fullmatch(shown[at])
    message = ((found[1] or found[2] or "") if found else "").strip()
    if not message and at + 1 < len(shown):
        message = shown[at + 1].strip()
    return Diagnosis(
        sentence(f"Your program stopped at {place}: {shorten(message, 100)}"),
        f"Correct {place.replace(', line', ' near line')} and upload again; run.log has the whole message.",
    )


LANGUAGE = ErrorLanguage(_explain, of_any(_ADVICE), _ADVICE)
