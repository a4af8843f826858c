"""How each language tells of errors, and what can be advised in it.

This module owns the choice: which language's knowledge a printed text is read with. Programs of one language never get
another's advice; of a language that nothing is known of, only what holds for all. It judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from labd.common.excerpts import Advice, Diagnosis
from labd.diagnosis import matlab, notebooks, r
from labd.diagnosis.known_errors import PYTHON, meaning_of
from labd.diagnosis.python import explain_words

Shown = Sequence[str]
Distributions = Mapping[str, str]


class ErrorLanguage(NamedTuple):
    """What is known of one language."""

    explain: Callable[[Shown, Distributions], Diagnosis | None]
    """What ended a program that printed these lines; None where they do not tell."""
    meaning: Callable[[str, Distributions], Diagnosis | None]
    """What an error told in words only means, if that is known; the cause has no full stop yet."""
    advice: Advice
    has_tracebacks: bool = False
    """Whether its errors may be Python's tracebacks."""
    explains_tracebacks: bool = False
    """Whether `explain` knows better than what is read from a traceback."""


def of(names: Iterable[str]) -> ErrorLanguage:
    """What is known of the first of these languages of which anything is."""
    return next((_KNOWN[name] for name in names if name in _KNOWN), _ANY)


def _nothing(shown: Shown, distributions: Distributions) -> Diagnosis | None:
    return None


def _by_words(shown: Shown, distributions: Distributions) -> Diagnosis | None:
    """An administrator's own language may be much like one of ours; its words tell."""
    return r.explain(shown) or matlab.explain(shown)


def _in(advice: Advice) -> Callable[[str, Distributions], Diagnosis | None]:
    return lambda words, _: meaning_of(words, advice)


_MATLAB = ErrorLanguage(lambda shown, _: matlab.explain(shown), _in(matlab.ADVICE), matlab.ADVICE)
_KNOWN = {
    "python": ErrorLanguage(_nothing, explain_words, PYTHON, has_tracebacks=True),
    "notebook": ErrorLanguage(
        notebooks.explain, explain_words, notebooks.ADVICE, has_tracebacks=True, explains_tracebacks=True
    ),
    "r": ErrorLanguage(lambda shown, _: r.explain(shown), _in(r.ADVICE), r.ADVICE),
    "octave": _MATLAB,
    "matlab": _MATLAB,
}
_ANY = ErrorLanguage(_by_words, _in(Advice()), Advice(), has_tracebacks=True)
