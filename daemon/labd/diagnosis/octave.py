"""What errors of GNU Octave programs mean. Octave runs programs in MATLAB's language, and tells of errors much alike.

This module owns what holds of Octave alone: what the template's start.m prints last (the innermost line of the
program's own, files of the job with the name of one that was not found), and what it lacks of MATLAB. All other words
are in `matlab`, because a program may be a MATLAB program as it is, and an error of it told in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from labd.common.excerpts import Diagnosis, sentence, shorten
from labd.diagnosis import matlab
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.language import put_into_code
from labd.diagnosis.octave_lacks import INSTEAD, PACKAGES

_PLACE = re.compile(r"Stopped at (code/.{1,200}?, line \d+)(?:: ?(.*))?")
_ERROR = re.compile(r"error: (?!called from)")
_BEHIND = re.compile(r"error: called from|In the upload: |Stopped at |Please read <https://www\.octave\.org")
_UNDEFINED = re.compile(r"'([A-Za-z]\w*)' undefined")
_PACKAGE = re.compile(r"(?:belongs to|provided in)\s+the ([\w-]+)\s+package")
_NO_FILE = re.compile(
    r"(?:unable to (?:find|open) file|could not open|error sourcing file|No such file or directory:?|nonexistent file)"
    r"\s*['\"]?([^'\"\n]+?)['\"]?(?: for reading)?\s*(?:\n|$)"
)
_NO_NAME = re.compile(r"invalid stream number = -1|file SCRIPT must exist|textscan: first argument must be a file")
_WRITES = re.compile(r"unable to open output file ['\"]?([^'\"\n]+)|cannot open file ([^\n]{1,200}) for writing")
_WRITING = re.compile(r"dlmwrite|csvwrite|saveas|print|imwrite|fopen\s*\([^)]*,\s*['\"][wa]|fprintf|fwrite|fputs")
_OPENED = re.compile(r"fopen\s*\(\s*['\"]([^'\"\n]{1,200})['\"]\s*,\s*['\"][wa]")
_NOT_READ = re.compile(r"error sourcing file '/(code/[^'\n]{1,200})'")
_FOLDER = re.compile(r"\b(?:cd|chdir)\b")
_TEXT = re.compile(r"(['\"])([^'\"\n]{1,200}\.\w{1,8})\1")
_LONGEST = 500  # characters of a line; those that matter are shorter
_LONGEST_LINE = 110  # of a program, to be written anew


class _Failure(NamedTuple):
    """What is known of the end of a program."""

    words: str  # Octave's message, of all its lines
    place: str  # "code/app.m, line 2"
    line: str  # what stands there
    there: list[str]  # files of the job with the names that the program asks for


def _explain(shown: Sequence[str], evidence: Evidence) -> Diagnosis | None:
    """What ended an Octave program that printed the lines `shown`; None if they are not of such a program."""
    lines = [line[:_LONGEST] for line in shown[-60:]]
    # A question that the program printed, without a line end, can stand before it.
    ends = [number for number, line in enumerate(lines) if _ERROR.match(line)]
    at = max(ends or [number for number, line in enumerate(lines) if _ERROR.search(line)], default=None)
    placed = [found for line in lines[at or 0 :] if (found := _PLACE.fullmatch(line))]
    place = placed[-1][1] if placed else matlab.place_in("\n".join(lines))
    if not placed and any("open display" in line for line in lines[-3:]):
        return Diagnosis("Your program opens a window, and there is no screen here.", matlab.LANGUAGE.advice.no_screen)
    if at is not None and not placed and (unread := _NOT_READ.search(lines[at])):
        return Diagnosis(
            f"Octave cannot read {unread[1]} as a program, and does not say why.",
            "Begin it as a script or a function; a class (`classdef`) needs a file of its own name beside app.m.",
        )
    if at is None or not place:
        return matlab.LANGUAGE.explain(shown, evidence)
    message = [lines[at].partition("error: ")[2]]
    for line in lines[at + 1 :]:
        if _BEHIND.match(line):
            break
        message.append(line)
    there = [line.removeprefix("In the upload: ") for line in lines[at:] if line.startswith("In the upload: ")]
    stop = _Failure("\n".join(message).strip(), place, (placed[-1][2] or "") if placed else "", there)
    for judge in (_lacking, _folder, _written, _file):
        if told := judge(stop):
            return told
    if "nested functions not implemented" in stop.words:
        return Diagnosis(
            f"Octave cannot tell where a function of your program ends ({stop.place}).",
            f"Write `end` below each function in {stop.place.partition(',')[0]}.",
        )
    return matlab.verdict(f"error: {stop.words}\n", stop.place, " ".join(stop.words.split()))


def _lacking(stop: _Failure) -> Diagnosis | None:
    """A function that MATLAB has, and this Octave has not."""
    undefined = _UNDEFINED.search(stop.words)
    if not undefined:
        return None
    name = undefined[1]
    package = _PACKAGE.search(stop.words)
    if in_package := package[1] if package else PACKAGES.get(name, ""):
        return Diagnosis(
            f"Your program uses `{name}`, which is in the Octave package `{in_package}` ({stop.place}).",
            f"Add the line `{in_package}` to code/packages.txt.",
        )
    if name not in INSTEAD and "not yet implemented" not in stop.words:
        return None
    given = re.search(rf"\b{name}\s*\(\s*(['\"][^'\"]{{1,100}}['\"])", stop.line)
    hint = INSTEAD.get(name, "Use another function there, or ask the administrator whether this server has MATLAB.")
    return Diagnosis(
        f"Your program uses `{name}`, which MATLAB has and Octave has not ({stop.place}).",
        hint.replace("FILE", given[1] if given else "'/input/data.csv'"),
    )


def _folder(stop: _Failure) -> Diagnosis | None:
    if "No such file or directory" not in stop.words or not _FOLDER.search(stop.line):
        return None
    data = f"open `{stop.there[0]}`, which the upload has" if stop.there else "data of the upload is in /input"
    return Diagnosis(
        f"Your program goes to a folder that is not there ({stop.place}): `{shorten(stop.line, 100)}`.",
        f"Remove this line: the program starts in /code; {data}.",
    )


def _written(stop: _Failure) -> Diagnosis | None:
    """A file that cannot be made, because its folder is not there."""
    found = _WRITES.search(stop.words)
    named = (found[1] or found[2]) if found else ""
    if not named and (opened := _OPENED.search(stop.line)) and "invalid stream number" in stop.words:
        named = opened[1]
    if not named and "No such file or directory" in stop.words and _WRITING.search(stop.words):
        text = _TEXT.search(stop.line)
        named = text[2] if text else "results.csv"
    if not named:
        return None
    name = re.split(r"[/\\]", named)[-1]
    return Diagnosis(
        sentence(f"Your program could not write the file `{shorten(named, 100)}` ({stop.place})"),
        f"Write it to `/output/{name}`: what is there is delivered.",
    )


def _file(stop: _Failure) -> Diagnosis | None:
    """A file that is not there as the program names it."""
    found = _NO_FILE.search(stop.words)
    texts = [text[2] for text in _TEXT.finditer(stop.line)]
    if found and stop.words.startswith("parse error"):
        return None
    if not found and not _NO_NAME.search(stop.words):
        return None
    asked = next((text for text in texts if not found or _base(text) == _base(found[1])), found[1] if found else "")
    there = next((path for path in stop.there if not asked or _base(path) == _base(asked)), "")
    if not asked and not there:
        return None
    cause = sentence(f"Your program could not open the file `{shorten(asked or there, 100)}` ({stop.place})")
    if there:
        line = stop.line.replace(asked, there) if asked and asked in stop.line else ""
        write = f"write `{line}` in {stop.place}" if line and len(line) <= _LONGEST_LINE else f"open it as `{there}`"
        return Diagnosis(cause, f"The upload has it: {write}.")
    name = re.split(r"[/\\]", asked)[-1]
    if name.endswith(".m"):
        return Diagnosis(cause, put_into_code(texts[0] if texts and _base(texts[0]) == name.lower() else name, "app.m"))
    if not found and _WRITING.search(stop.line):
        return None
    return Diagnosis(cause, f"Upload it in the project's folder input/ and open it as /input/{name}.")


def _base(path: str) -> str:
    return re.split(r"[/\\]", path.strip())[-1].lower()


LANGUAGE = matlab.LANGUAGE._replace(explain=_explain)
