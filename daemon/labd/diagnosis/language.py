"""What the verdicts on programs and uploads need to know of a language: the form that each language's module fills.

This module owns the form, and what holds of a language that nothing is known of. It knows no language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from labd.common.excerpts import Advice, Diagnosis
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.known_errors import meaning_of
from labd.diagnosis.python_tracebacks import Raised

Shown = Sequence[str]
"""Lines that a program printed, as a terminal would show them."""


class Tracebacks(NamedTuple):
    """How tracebacks are read, where programs print them."""

    last: Callable[[Shown], Raised | None]
    """The error that ended the program."""
    explain: Callable[[Raised, Evidence], Diagnosis]
    """What that error means."""
    crashed_at: Callable[[Shown], str]
    """The line of the researcher's own code in which native code crashed; "" where that is not told."""


def _nothing(shown: Shown, evidence: Evidence) -> Diagnosis | None:
    return None


def _no_program(file: str, wanted: str) -> Diagnosis | None:
    return None


def _never(shown: Shown) -> bool:
    return False


def put_into_code(path: str, program: str) -> str:
    """What to do about a source file that the `program` names by this `path`, and that is not in the job."""
    # A path of the researcher's own computer leads nowhere in a job.
    elsewhere = re.match(r"[/\\~]|[A-Za-z]:|.*\.\.(?:[/\\]|$)", path)
    own = re.split(r"[/\\]", path)[-1] if elsewhere else path.replace("\\", "/").removeprefix("./")
    name = f" and name it `{own}` in {program}" if elsewhere else ""
    return f"Put it into your project as code/{own}{name}: only what is in code/ and input/ is part of a job."


def of_any(advice: Advice) -> Callable[[str, Evidence], Diagnosis | None]:
    """What is known of errors in any language, with the `advice` of one."""
    return lambda words, _: meaning_of(words, advice)


class ErrorLanguage(NamedTuple):
    """What is known of one language."""

    explain: Callable[[Shown, Evidence], Diagnosis | None] = _nothing
    """What ended a program that printed these lines; None where they do not tell."""
    meaning: Callable[[str, Evidence], Diagnosis | None] = of_any(Advice())
    """What an error told in words only means, if that is known; the cause has no full stop yet."""
    advice: Advice = Advice()
    tracebacks: Tracebacks | None = None
    """None where its programs print none."""
    explains_tracebacks: bool = False
    """Whether `explain` knows better than what is read from a traceback."""
    lacks_licence: Callable[[Shown], bool] = _never
    """Whether a program that printed these lines ended because all licences were in use."""
    no_program: Callable[[str, str], Diagnosis | None] = _no_program
    """What to do with a file of an upload without a program if the file is this language's, and the program's path."""
