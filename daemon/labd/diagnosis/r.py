"""What errors of R programs mean.

This module owns the table from R's words to a cause and a hint. What ended a program it knows from lines that R and the
template's start.R print: the message, where it happened, packages that are not installed, and files of the job that
have the name of one that could not be opened. It never looks at files, exit codes or the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from labd.common.excerpts import Advice, Diagnosis, sentence, shorten
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.known_errors import more_memory
from labd.diagnosis.language import ErrorLanguage, of_any, put_into_code
from labd.diagnosis.r_syntax import not_valid

_ADVICE = Advice(
    crashed='Let it print before each step, such as `message("step 2")`, to see which one crashes; try smaller data.',
    said_nothing='Let it say what is wrong when it ends itself, for example with `stop("no data")`.',
    no_command="Use an R package that does the same, or ask the administrator to add the command.",
    no_screen='Save pictures instead of showing them: call `png("/output/plot.png")` first and `dev.off()` at the end.',
)
_PLACE = re.compile(r"Stopped at (code/.{1,200}, line \d+)")
# R puts " : " between the call and the message, or a line break; texts in the call can have it, too.
_ERROR = re.compile(r'Error(?: in (?:"(?:[^"\\]|\\.)*"|[^"])+?(?: :|:$)|:) ?(.*)|Error(?: in .+?)? ?: ?(.*)')
_BEHIND = re.compile(
    r"Calls: |Backtrace:|Stopped at |Execution halted|In addition: |Not installed: |In the upload: |No traceback "
)
_CALL = re.compile(r"setwd\((.{1,120}?)\)(?: :|$)")
_LONGEST = 1000  # characters of a line; those that matter are shorter
_MOST_LINES = 12  # of a message
_LISTED = "code/packages.txt"
_NAME = r"[‘'\"“]?([\w.%>|]+)[’'\"”]?"
_INSTALLERS = {"BiocManager", "devtools", "githubinstall", "pacman", "pak", "remotes", "renv"}
# Package → functions of it that people take for R's own.
_PACKAGES = {
    "data.table": "data.table fread fwrite setDT",
    "dplyr": "%>% bind_rows group_by left_join mutate summarise summarize",
    "ggplot2": "aes geom_line geom_point ggplot ggsave qplot",
    "gridExtra": "grid.arrange",
    "jsonlite": "fromJSON toJSON",
    "knitr": "kable",
    "lme4": "glmer lmer",
    "lubridate": "dmy mdy ymd",
    "openxlsx": "read.xlsx write.xlsx",
    "plyr": "ddply ldply",
    "purrr": "map_dbl map_dfr",
    "readr": "read_csv read_delim read_tsv write_csv",
    "readxl": "read_excel read_xls read_xlsx",
    "reshape2": "dcast melt",
    "sf": "read_sf st_read",
    "stringr": "str_detect str_replace str_split",
    "tibble": "tibble tribble",
    "tidyr": "drop_na pivot_longer pivot_wider",
    "vegan": "vegdist",
}
_FUNCTIONS = {name: package for package, names in _PACKAGES.items() for name in names.split()}


class _Stop(NamedTuple):
    """What is known of the end of a program."""

    words: str  # R's message, of all its lines
    where: str  # " (code/app.R, line 2)", or "" where no line is known
    place: str  # the same without brackets
    missing: list[str]  # packages that the program names and that are not installed
    there: list[str]  # files of the job with the names that it asks for
    before: Sequence[str]  # lines above the message, and that of the error itself


_FILES = (
    re.compile(r"cannot open (?:compressed )?file ['‘\"]([^'’\"]{1,300})['’\"](.*)"),
    re.compile(r"could not open file ['‘\"]([^'’\"]{1,300})['’\"](.*)"),
    re.compile(r"['‘\"]([^'’\"]{0,300}[./][^'’\"]{1,300})['’\"] does not exist(.*)"),
    re.compile(r"(?:path[`'’]?|file) does not exist: ['‘\"]?([^'’\"\s]{1,300})['’\"]?(.*)"),
    re.compile(r"(?:Cannot open|unable to open) ['‘\"]?([^'’\"\s]{1,300}\.\w+)['’\"]?(.*)"),
)
_WRITES = re.compile(
    r"ifelse\(append|, \"[wa][bt]?\"|gzfile\(file, mode\)|Error in (?:pdf|png|jpeg|tiff|svg|bmp|cairo_pdf)\("
)
_ERRORS = (
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
        r"cannot be used non-interactively|file choice cancelled|[Ii]nvalid input from keyboard",
        "Your program asks somebody at a keyboard, and there is none here",
        "Write the answer into the program, such as `/input/data.csv` for a file that is to be chosen.",
    ),
    (
        r"X11|no display name|couldn't connect to display|View\(\)",
        "Your program opens a window, and there is no screen here",
        _ADVICE.no_screen,
    ),
    (
        r"infinite recursion|C stack usage .{1,40} too close to the limit|evaluation nested too deeply",
        "Your program calls a function within itself too many times",
        "Look there for a function that calls itself without an end.",
    ),
    (
        r"cannot allocate (?:vector|memory)",
        "Your program needed more memory than it may use",
        more_memory(8),
    ),
)


def _explain(shown: Sequence[str], evidence: Evidence) -> Diagnosis | None:
    """Why an R program that printed `shown` stopped; None when these are not the words of R."""
    at = max((number for number, line in enumerate(shown) if _ERROR.fullmatch(line[:_LONGEST])), default=None)
    if at is None:
        return None
    placed = [found[1] for line in shown[at:] if (found := _PLACE.fullmatch(line))]
    words = _message(shown, at)
    if not (placed or ":" in " ".join(shown[at : at + 6])):
        return None
    place = placed[-1] if placed else ""
    below = [line[:_LONGEST] for line in shown[at + 1 :]]
    missing = [line.removeprefix("Not installed: ") for line in below if line.startswith("Not installed: ")]
    there = [line.removeprefix("In the upload: ") for line in below if line.startswith("In the upload: ")]
    before = [line[:_LONGEST] for line in shown[max(0, at - 6) : at + 1]]
    stop = _Stop(words, f" ({place})" if place else "", place, missing, there, before)
    told = next((told for judge in _JUDGES if (told := judge(stop))), None)
    return told or (_said(stop) if placed else None)


def _message(shown: Sequence[str], at: int) -> str:
    """The whole message that begins in line `at`, as one line."""
    found = _ERROR.fullmatch(shown[at][:_LONGEST])
    lines = [(found[1] or found[2] or "") if found else ""]
    for line in shown[at + 1 : at + _MOST_LINES]:
        if _BEHIND.match(line):
            break
        lines.append(line[:_LONGEST])
    return " ".join(" ".join(lines).split())


def _syntax(stop: _Stop) -> Diagnosis | None:
    return not_valid(stop.words, stop.place)


def _rstudio(stop: _Stop) -> Diagnosis | None:
    if not re.search(
        r"RStudio not running|no package called .?rstudioapi|could not find function .?\.rs\.", stop.words
    ):
        return None
    listed = f", and remove `rstudioapi` from {_LISTED}" if "RStudio not running" in stop.words else ""
    return Diagnosis(
        sentence(f"Your program asks RStudio for something, and in a job there is no RStudio{stop.where}"),
        f"Remove that line{listed}: the program starts in /code, where app.R is.",
    )


def _install(stop: _Stop) -> Diagnosis | None:
    """A program that installs packages, which no job can do, whether it has a network or not."""
    named = re.search(rf"there is no package called {_NAME}", stop.words)
    failed = r"unable to install packages|Bioconductor version|[Ff]ailed to install"
    if not re.search(failed, stop.words) and not (named and named[1] in _INSTALLERS):
        return None
    wanted = [name for name in stop.missing if name not in _INSTALLERS]
    calls = (
        f"every call that installs packages, such as that in {stop.place}" if stop.place else "what installs packages"
    )
    return Diagnosis(
        sentence(f"Your program installs R packages itself, and nothing can be installed while it runs{stop.where}"),
        f"{_add(wanted)}, and remove {calls}." if wanted else f"Remove {calls}: packages come from {_LISTED}.",
    )


def _package(stop: _Stop) -> Diagnosis | None:
    found = re.search(rf"there is no package called {_NAME}", stop.words) or re.search(
        rf"package {_NAME} (?:.{{1,20}} )?(?:required|is required|needed)", stop.words
    )
    if found:
        return Diagnosis(
            sentence(f"Your program needs the R package `{shorten(found[1], 60)}`, which is not installed{stop.where}"),
            f"{_add([found[1], *(name for name in stop.missing if name not in _INSTALLERS)])} and upload again.",
        )
    called = re.search(rf"could not find function {_NAME}", stop.words)
    if not called:
        return None
    name = shorten(called[1], 60)
    if wanted := [one for one in stop.missing if one not in _INSTALLERS and one != "rstudioapi"]:
        return Diagnosis(
            sentence(f"Your program calls `{name}`, and R packages that it names are not installed{stop.where}"),
            f"{_add(wanted)} and upload again.",
        )
    if package := _FUNCTIONS.get(called[1]):
        return Diagnosis(
            sentence(
                f"Your program calls `{name}`, which the R package `{package}` has, and does not load it{stop.where}"
            ),
            f"Write `library({package})` at the top of code/app.R; {_LISTED} needs the line `{package}`.",
        )
    return None


def _add(names: Sequence[str]) -> str:
    """What to add to packages.txt, as far as it can be told."""
    names = list(dict.fromkeys(names))
    if len(names) == 1:
        return f"Add the line `{names[0]}` to {_LISTED}"
    first, more = names[:8], len(names) - 8
    listed = ", ".join(f"`{name}`" for name in (first if more > 0 else first[:-1]))
    return f"Add the lines {listed} and {f'{more} more' if more > 0 else f'`{first[-1]}`'} to {_LISTED}"


def _folder(stop: _Stop) -> Diagnosis | None:
    if "cannot change working directory" not in stop.words:
        return None
    call = _CALL.search(stop.before[-1])
    named = f" (`setwd({call[1]})`)" if call else ""
    data = f"open `{stop.there[0]}`, which the upload has" if stop.there else "data of the upload is in /input"
    return Diagnosis(
        sentence(
            f"Your program stopped{f' at {stop.place}' if stop.place else ''}: cannot change working directory{named}"
        ),
        f"Remove the line with setwd: the program starts in /code; {data}.",
    )


def _file(stop: _Stop) -> Diagnosis | None:
    if not re.search(r"does not exist|(?:[Cc]annot|could not|unable to) open", stop.words):
        return None
    lines = [stop.words, *reversed(stop.before[:-1])]
    found = next((found for line in lines for form in _FILES if (found := form.search(line))), None)
    if not found:
        return None
    name = re.split(r"[/\\]", found[1])[-1] or "data.csv"
    shown = shorten(found[1], 120)
    if _WRITES.search(stop.before[-1]):
        folder = ": the folder is not there" if "No such file" in found[2] else ""
        return Diagnosis(
            sentence(f"Your program could not write the file `{shown}`{stop.where}{folder}"),
            f"Write it to `/output/{name}`: what is there is delivered.",
        )
    cause = sentence(f"Your program could not open `{shown}`{stop.where}")
    if there := next((path for path in stop.there if path.lower().endswith(f"/{name.lower()}")), ""):
        letters = "" if there.endswith(f"/{name}") else "; capital and small letters count"
        return Diagnosis(cause, f"The upload has it: open it as `{there}`{letters}.")
    if name.lower().endswith((".r", ".rmd")):
        return Diagnosis(cause, put_into_code(found[1], "app.R"))
    return Diagnosis(cause, f"Put the file into input/ of your project, and read it as /input/{name}.")


def _known(stop: _Stop) -> Diagnosis | None:
    for pattern, cause, hint in _ERRORS:
        if found := re.search(pattern, stop.words):
            values = [shorten(value, 60) for value in found.groups()]
            return Diagnosis(sentence(cause.format(*values) + stop.where), hint.format(*values))
    return None


def _said(stop: _Stop) -> Diagnosis:
    return Diagnosis(
        sentence(f"Your program stopped at {stop.place}: {shorten(stop.words, 200)}"),
        f"Correct {stop.place.replace(', line', ' near line')} and upload again; run.log has the whole message.",
    )


_JUDGES: tuple[Callable[[_Stop], Diagnosis | None], ...] = (
    *(_syntax, _rstudio, _install, _package, _folder, _file, _known),
)
LANGUAGE = ErrorLanguage(_explain, of_any(_ADVICE), _ADVICE)
