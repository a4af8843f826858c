"""Why a program ended as it did, or cannot begin, and what the researcher can do about it, in one plain sentence each.

This module owns the verdicts on programs: how they ended, limits they met, results they left elsewhere, uploads without
a program. It never reads a file or asks Docker; all evidence is handed in, and what it does not show is not claimed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from labd.common.excerpts import Diagnosis, last_words, lines, sentence, shorten
from labd.common.units import human_duration, human_size
from labd.diagnosis import arguments, languages
from labd.diagnosis.evidence import pointers
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.known_errors import LESS_SHARED, more_memory
from labd.diagnosis.language import ErrorLanguage

__all__ = [
    "Diagnosis",
    "no_program",
    "nothing_in_output",
    "out_of_memory",
    "program_failed",
    "timed_out",
]

_NOT_OURS = re.compile(r"(?:^|/)(?:\.[^/]*|__MACOSX|__pycache__|Thumbs\.db|desktop\.ini)(?:/|$)", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(?:zip|7z|rar|tar|tgz|tar\.\w+)$", re.IGNORECASE)
_NOISE = re.compile(r"Warning\b|^Exception ignored |\d%\s*\||^warnings\.warn\(|^~*\^+~*$", re.IGNORECASE)
_SIGNALS = {
    1: "Your program was asked to stop from outside",
    2: "Your program was interrupted",
    4: "A library asked for an instruction that this machine's processor does not have",
    6: "A library ended your program because it found an error in itself",
    7: "Your program crashed when it used memory that could not be had, most often of /dev/shm",
    8: "Your program crashed in a calculation, such as a division by zero in a library",
    9: "Your program was stopped by force",
    11: "Your program crashed inside a library of compiled code, with a segmentation fault",
    13: "Your program wrote to another program that had already ended",
    15: "Your program was asked to stop from outside",
}
_SERVER = re.compile(
    r"Running on (?:local URL: +|all addresses|https?://\S{1,100})|Uvicorn running on \S{1,100}"
    r"|Serving HTTP on [\w.:]{1,60}|You can now view your Streamlit app|Dash is running on \S{1,100}"
    r"|Starting development server at \S{1,100}|Listening (?:on|at):? https?://\S{1,100}"
    r"|Jupyter Server \S{1,30} is running at|TensorBoard \S{1,30} at \S{1,100}|Bokeh app running at: \S{1,100}"
)
_CRASHES = frozenset({4, 6, 7, 8, 11})
_CRASH_HINT_AT_PLACE = "Try another version of the library that this line uses, or smaller data."
_STOP_HINT = "Neither its time nor its memory limit was met: run it again, and tell the administrator if it recurs."


def program_failed(log_tail: str, exit_code: int, evidence: Evidence, language: ErrorLanguage) -> Diagnosis:
    """Why a program that printed `log_tail` ended with `exit_code`; `language`: what is known of the program's."""
    shown = lines(log_tail)
    tracebacks = language.tracebacks
    raised = tracebacks.last(shown) if tracebacks else None
    signal = -exit_code if exit_code < 0 else exit_code - 128
    # What is printed below an error is its own message, or the end of other parts; much more says the program went on.
    below = sum(line[:1] > " " for line in shown[raised.end + 1 :]) if raised else 0
    # An error can take native libraries down with it: then it is the last that was printed, and the true cause.
    if 0 < signal < 65 and not (raised and below <= 3 and signal in _CRASHES | {2}):
        return _signalled(signal, shown, language)
    if known := pointers.explain("\n".join(shown[raised.end if raised else -20 :][:20]), evidence):
        place = raised.place if raised else ""
        return Diagnosis(sentence(f"{known.cause} ({place})" if place else known.cause), known.hint)
    if (not raised or language.explains_tracebacks) and (told := language.explain(shown, evidence)):
        return told
    if tracebacks and raised and below <= (20 if exit_code == 1 else 3):
        return tracebacks.explain(raised, evidence)
    return _ended(exit_code, last_words(shown, _NOISE), evidence, language)


def _signalled(signal: int, shown: Sequence[str], language: ErrorLanguage) -> Diagnosis:
    """The end of a program that the kernel or another program stopped."""
    cause = _SIGNALS.get(signal, "Your program was stopped from outside")
    place = language.tracebacks.crashed_at(shown) if language.tracebacks else ""
    where = f", at {place}" if place else ""
    if signal not in _CRASHES:
        return Diagnosis(f"{cause} (exit code {128 + signal}).", _STOP_HINT)
    words = last_words(shown[-20:], _NOISE) if signal == 6 else ""
    said = f": {shorten(words, 70)}" if words else ""
    if signal == 6 and (known := language.meaning("\n".join(shown[-20:]), Evidence())):
        return Diagnosis(sentence(f"{known.cause}{where}"), known.hint)
    hint = LESS_SHARED if signal == 7 else _CRASH_HINT_AT_PLACE if place else language.advice.crashed
    return Diagnosis(sentence(f"{cause} (exit code {128 + signal}){where}{said}"), hint)


def _ended(exit_code: int, words: str, evidence: Evidence, language: ErrorLanguage) -> Diagnosis:
    """The end of a program that said itself that it failed, and perhaps why in its last `words`."""
    said = f"; the last it printed is: {shorten(words, 100)}" if words else " and printed nothing"
    if exit_code in (126, 127):
        command = re.search(r"([\w./+-]{1,60}): (?:command )?not found", words)
        named = f"the command `{command[1]}`" if command else "a command that it calls"
        reason = "is not installed here" if exit_code == 127 else "may not be run"
        return Diagnosis(
            f"Your program could not go on: {named} {reason} (exit code {exit_code}).", language.advice.no_command
        )
    if exit_code in (1, 2) and (wanted := arguments.missing(words, evidence.arguments)):
        return Diagnosis(sentence(wanted.cause), wanted.hint)
    known = language.meaning(words, evidence)
    hint = (known and known.hint) or (
        "The program ended itself: run.log has all that it printed." if words else language.advice.said_nothing
    )
    return Diagnosis(sentence(f"Your program ended with exit code {exit_code}{said}"), hint)


def out_of_memory(limit: int, peak: int | None) -> Diagnosis:
    """A program was stopped at its memory limit; `limit` and `peak` in bytes."""
    used = f" (it had used {human_size(peak)})" if peak else ""
    return Diagnosis(
        f"Your program was stopped because it needed more memory than its limit of {human_size(limit)}{used}.",
        more_memory(math.ceil(2 * limit / 1024**3)),
    )


def timed_out(limit_seconds: float, log_tail: str = "") -> Diagnosis:
    """A program that printed `log_tail` was stopped at its time limit."""
    cause = f"Your program was stopped because its time of {human_duration(limit_seconds)} was over"
    if server := _SERVER.search(log_tail):
        return Diagnosis(
            f"{cause}: it waited for visitors ({shorten(server[0], 80)}), and a job has none.",
            "More time does not help: let it compute, write its results to /output and end by itself.",
        )
    minutes = math.ceil(2 * limit_seconds / 60)
    longer = f"{minutes}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"
    return Diagnosis(
        f"{cause}.",
        f'Ask for more with a line like `timeout = "{longer}"` in job.toml; what it wrote to /output is kept.',
    )


def nothing_in_output(stray: Sequence[str]) -> Diagnosis:
    """A warning for a program that ended well and left /output empty; `stray`: what it wrote elsewhere."""
    cause = "Your program ended without an error but wrote nothing to /output"
    if not stray:
        return Diagnosis(f"{cause}.", "If it has results, let it write them there, such as /output/results.csv.")
    name = shorten(re.split(r"[/\\]", stray[0])[-1], 40) or "results.csv"
    return Diagnosis(
        f"{cause}; it wrote {_few(stray)} instead.",
        f"You get these in the folder stray/; next time, write to /output, such as /output/{name}.",
    )


def no_program(files: Sequence[str], programs: Sequence[str]) -> Diagnosis:
    """An upload has no program to run: `files` is what it has, `programs` the names of which one must be in code/."""
    seen = [file for file in files if not _NOT_OURS.search(file)]
    wanted = [f"code/{program}" for program in programs]
    inside = [file.removeprefix("project/") for file in seen]
    # Names are shown as in the project's own folder, unless that very folder is one too many.
    if seen and all(file.startswith("project/") for file in seen) and not set(wanted) & set(inside):
        seen = inside
    found = (_nearly_right(seen, path) for path in wanted)
    return next(filter(None, found), None) or _other_programs(seen, wanted) or _no_source(seen, " or ".join(wanted))


def _nearly_right(files: Sequence[str], wanted: str) -> Diagnosis | None:
    """The program is there, under a slightly different name or in another folder."""
    for file in files:
        shown = shorten(file, 60)
        if file != wanted and file.lower() in (wanted.lower(), f"{wanted}.txt".lower()):
            return Diagnosis(
                f"Your program is named `{shown}` and must be named `{wanted}`, in exactly these letters.",
                f"Rename {shown} to {wanted} and upload again: capital and small letters differ here.",
            )
        if file.endswith(f"/{wanted}"):
            level = shorten(file.removesuffix(f"/{wanted}"), 60)
            return Diagnosis(
                f"Your program is one folder too deep: `{shown}`.",
                f"Upload what is in the folder {level}, so that the project itself has {wanted}.",
            )
    name = wanted.removeprefix("code/")
    for file in files:
        if file.rpartition("/")[2].lower() == name.lower():
            has_code = any(other.startswith("code/") for other in files)
            beside = "beside the folder code/, not in it" if has_code and "/" not in file else "not directly in code/"
            return Diagnosis(
                f"Your program `{shorten(file, 60)}` is {beside}.", f"Move it to {wanted} and upload again."
            )
    return None


def _other_programs(files: Sequence[str], wanted: Sequence[str]) -> Diagnosis | None:
    """There are programs of the right kind, and none has the name that is run."""
    for path in wanted:
        same_kind = [file for file in files if file.lower().endswith(f".{path.rpartition('.')[2]}".lower())]
        same_kind = [file for file in same_kind if file.startswith("code/")] or same_kind
        if len(same_kind) == 1:
            file = shorten(same_kind[0], 60)
            return Diagnosis(
                f"The program in your upload is named `{file}`; labd runs `{path}`.",
                f"Rename {file} to {path} and upload again.",
            )
        if same_kind:
            others = "it can import the others"
            if path.endswith(".ipynb"):
                others = "put the cells of the others into it, or save them as .py files"
            return Diagnosis(
                f"None of your programs is named `{path}`: there are {_few(same_kind)}.",
                f"Rename the one that should run to {path} and upload again; {others}.",
            )
    return None


def _no_source(files: Sequence[str], wanted: str) -> Diagnosis:
    """There is no program of any kind that is run."""
    if not files:
        return Diagnosis(
            "Your upload is empty: there is no file in it.",
            f"Put your program into {wanted} and upload the whole folder.",
        )
    if told := languages.no_program(files, wanted):
        return told
    if archive := next(filter(_ARCHIVE.search, files), ""):
        return Diagnosis(
            f"Your upload is packed into `{shorten(archive, 60)}`, and labd does not unpack it.",
            f"Unpack it on your own computer and upload the folder itself, so that it has {wanted}.",
        )
    return Diagnosis(
        f"Your upload has no program; it has {_few(files)}.", f"Put your program into {wanted} and upload again."
    )


def _few(names: Sequence[str]) -> str:
    """The first of `names`, and how many more there are."""
    first = [f"`{shorten(name, 40)}`" for name in names[:2]]
    more = len(names) - len(first)
    return " and ".join(first) if not more else f"{', '.join(first)} and {more:,} more"
