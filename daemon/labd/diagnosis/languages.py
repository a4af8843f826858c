"""The languages whose errors are understood: the one list of the modules that know a language.

This module owns the choice: which language's knowledge a printed text is read with. Programs of one language never get
another's advice; of a language that nothing is known of, only what holds for all. It judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from labd.common.excerpts import Diagnosis
from labd.diagnosis import matlab, notebooks, octave, python, r
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.language import ErrorLanguage, Shown

_KNOWN = {
    "python": python.LANGUAGE,
    "notebook": notebooks.LANGUAGE,
    "r": r.LANGUAGE,
    "octave": octave.LANGUAGE,
    "matlab": matlab.LANGUAGE,
}
NAMES = tuple(_KNOWN)


def of(names: Iterable[str]) -> ErrorLanguage:
    """What is known of the first of these languages of which anything is."""
    return next((_KNOWN[name] for name in names if name in _KNOWN), _ANY)


def no_program(files: Iterable[str], wanted: str) -> Diagnosis | None:
    """What one of the `files` of an upload without a program says of what to do, so that there is one, `wanted`."""
    return next((told for file in files for one in _KNOWN.values() if (told := one.no_program(file, wanted))), None)


def _by_words(shown: Shown, evidence: Evidence) -> Diagnosis | None:
    """An administrator's own language may be much like one of ours; its words tell."""
    return r.LANGUAGE.explain(shown, evidence) or matlab.LANGUAGE.explain(shown, evidence)


_ANY = ErrorLanguage(explain=_by_words, tracebacks=python.TRACEBACKS, lacks_licence=matlab.LANGUAGE.lacks_licence)
