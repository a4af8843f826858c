"""What errors of MATLAB and GNU Octave programs mean, and of the licences of the former.

This module owns the table from the words of both to a cause and a hint, and the reading of the line where it happened.
What only Octave says or lacks is in `octave`. It sees printed lines only; it never looks at files, exit codes or the
machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labd.common.excerpts import Advice, Diagnosis, sentence, shorten
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.known_errors import more_memory
from labd.diagnosis.language import ErrorLanguage, of_any

_ADVICE = Advice(
    crashed='Let it print before each step, such as `disp("step 2")`, to see which one crashes; then try smaller data.',
    said_nothing='Let it say what is wrong when it ends itself, for example with `error("no data")`.',
    no_command="Use a function that does the same, or ask the administrator to add the command.",
    no_screen='Save figures instead of showing them, such as `print("-dpng", "/output/plot.png")`.',
)
_ADMINISTRATOR = "This is no fault of your program: tell the administrator"
_LICENCE = re.compile(r"License Manager Error (-\d+)")
_SEATS = "-4"
_LONGEST = 500  # characters of a line; those that matter are shorter
# The numbers are those of the licence manager (FlexNet), as MATLAB prints them.
_LICENCE_ERRORS = {
    "-1": ("MATLAB found no licence", f"{_ADMINISTRATOR}, who names it with `licence` below [matlab] in the config."),
    "-4": ("All licences of MATLAB are in use", "Create the file RERUN in the project's inbox later, to try again."),
    "-5": (
        "The licence does not cover MATLAB or a toolbox that your program uses",
        "Do without the toolbox that run.log names, or ask the administrator whether there is a licence for it.",
    ),
    "-8": ("MATLAB's licence file is damaged", f"{_ADMINISTRATOR}, who gets a new licence file."),
    "-9": (
        "MATLAB's licence is for another user name or another computer",
        f"{_ADMINISTRATOR}, who checks the names on the licence.",
    ),
    "-10": ("MATLAB's licence is over", f"{_ADMINISTRATOR}, who renews it."),
    "-15": (
        "MATLAB could not reach the licence server",
        f"{_ADMINISTRATOR}, who checks `licence` below [matlab] in the config; then create RERUN in the inbox.",
    ),
    "-16": ("MATLAB lost its licence server", "Create RERUN in the inbox, and tell the administrator if it recurs."),
    "-18": (
        "The licence server has no licence for this release of MATLAB or for a toolbox that your program uses",
        "Choose another release in job.toml, or ask the administrator what there are licences for.",
    ),
    "-25": (
        "The licence server is older than this release of MATLAB",
        "Choose an older release in job.toml, or tell the administrator.",
    ),
    "-38": ("The licence server refuses you", "Ask the administrator to put your name on its list."),
    "-39": ("The licence server does not know you", "Ask the administrator to put your name on its list."),
    "-96": (
        "The computer that has MATLAB's licences does not answer, or its name is wrong",
        f"{_ADMINISTRATOR}, who checks `licence` below [matlab] in the config; then create RERUN in the inbox.",
    ),
    "-97": (
        "The licence server runs, but the part of it that is for MATLAB does not",
        f"{_ADMINISTRATOR}, who starts it; then create RERUN in the inbox.",
    ),
}
_NAME = r"['\"‘`]?([A-Za-z]\w*(?:\.\w+)*)['\"’`]?"
_ERRORS = (
    (
        r"error: (?:package ([\w-]+) is not installed|the package ([\w-]+) (?:was not found|is not installed))"
        r"|error: package_name `?([\w-]+)'? not found|package not found:? ?([\w-]+)",
        "Your program loads the Octave package `{0}`, which is not installed",
        "Add the line `{0}` to code/packages.txt.",
    ),
    (
        rf"{_NAME} requires (?:a license for )?(?:the )?([A-Z][\w ,&/-]{{2,60}}?)(?: to be installed)?\.(?:\s|$)",
        "Your program uses `{0}`, which is in {1}, and that is not installed here",
        "Do without it, or ask the administrator for an image of MATLAB that has it.",
    ),
    (
        rf"(?:Undefined function or variable|Unrecognized function or variable|Undefined function) {_NAME}"
        r"|error: '([A-Za-z][\w.]*)' undefined",
        "Your program uses `{0}`, which is not defined",
        "Correct the name {place}; if it is a function of yours, upload it as code/{0}.m.",
    ),
    (
        r"value (?:0|-\d+) out of bound|subscripts must be either integers|Array indices must be positive"
        r"|Subscript indices must either be real positive|index \((?:_,)?(?:0|-\d+)",
        "Your program uses an index that is not a whole number from 1 upwards",
        "Correct the index {place}: the first element of an array is number 1.",
    ),
    (
        r"(?<![\w.])([\w.]*)\(?[^\n]{0,30}out of bound;? ?(\d+)"
        r"|Index exceeds (?:the number of array elements|matrix dimensions|array bounds)[^\n]{0,60}"
        r"|Index in position \d+ exceeds array bounds[^\n]{0,60}",
        "Your program asks for an element beyond the end of an array: {all}",
        "Correct the index {place}: `numel(x)` and `size(x)` tell how many there are.",
    ),
    (
        r"(?:unable to (?:find|open) file|could not open|Unable to (?:open|find|read) (?:or open )?file"
        r"(?: or directory)?|No such file)"
        r"[ :]*['\"]?([^'\"\n]{1,120}?)['\"]?(?: for reading)?(?:\. [^\n]*)?\.?(?:\n|$)",
        "Your program could not open the file `{0}`",
        "Upload it in the project's folder input/ and open it as /input/{name}.",
    ),
    (
        r"Invalid file identifier|invalid stream number = -1",
        "Your program works with a file that it could not open",
        "Upload files to read in input/ and open them as /input/NAME; write to /output.",
    ),
    (
        r"[Oo]ut of memory|Requested [^\n]{1,60} array exceeds maximum array size",
        "Your program needs more memory than it may use",
        more_memory(16),
    ),
    (
        r"nonconformant arguments[^\n]{0,60}|Matrix dimensions must agree|Arrays have incompatible sizes[^\n]{0,40}"
        r"|Incorrect dimensions for matrix multiplication|Inner matrix dimensions must agree",
        "Your program combines arrays whose sizes do not fit: {all}",
        "Look at their sizes with `size(x)` {place}; `.*` and `./` work element by element.",
    ),
    (
        r"reading user-input failed|Support for user input is required|input function[^\n]{0,40}not supported",
        "Your program asked for input from a keyboard, and there is none here",
        "Put the value into the program, or read it from a file in /input, instead of `input(…)`.",
    ),
    (
        r"parse error[^\n]{0,80}|Invalid expression\.[^\n]{0,60}|Error: File: [^\n]{1,80}",
        "Your program is not written as the language wants it",
        "Correct this line, or the one above it: often a bracket, a quote or an `end` is missing.",
    ),
)
_CALL = re.compile(r"^ {4}(?P<file>(?!/opt/)[\w/.]+?)(?:>\S+)? at line (?P<line>\d+) column", re.MULTILINE)
_PLACES = (
    re.compile(r"^Error in (?P<file>[\w/.]+?)(?:>\S+)? \(line (?P<line>\d+)\)", re.MULTILINE),
    re.compile(r"^Error: File: (?P<file>[\w/.]+?)(?:\.m)? Line: (?P<line>\d+)", re.MULTILINE),
    re.compile(r"parse error near line (?P<line>\d+) of file (?P<file>\S+?)\.m\b"),
    _CALL,
)
_OCTAVE = re.compile(r"^error: (?!called from)(.+)", re.MULTILINE)
_NOT_OWN = re.compile(r"pkg|load_packages|print_usage|inputname|start")


def _lacks_licence(shown: Sequence[str]) -> bool:
    """Whether a program ended because all licences were in use."""
    return any(found[1] == _SEATS for line in shown[-40:] if (found := _LICENCE.search(line)))


def _explain(shown: Sequence[str], evidence: Evidence) -> Diagnosis | None:
    """What ended a MATLAB or Octave program that printed the lines `shown`; None if they are not of such a program."""
    text = "\n".join(line[:_LONGEST] for line in shown[-60:])
    if licence := _LICENCE.search(text):
        cause, hint = _LICENCE_ERRORS.get(
            licence[1], ("MATLAB got no licence", f"{_ADMINISTRATOR}; run.log has what the licence server said.")
        )
        return Diagnosis(f"{cause} (License Manager Error {licence[1]}).", hint)
    # Many programs print "error: …"; only these two tell the line in their own way.
    place, ended = place_in(text), list(_OCTAVE.finditer(text))
    if not place:
        return None
    text = text[ended[-1].start() :] if ended else text
    return verdict(text, place, ended[-1][1] if ended else _before_place(text))


def verdict(text: str, place: str, said: str) -> Diagnosis:
    """What an error means that was told as `text`, `said` in short, and happened at `place`: "code/app.m, line 12"."""
    for pattern, cause, hint in _ERRORS:
        if found := re.search(pattern, text):
            names = [shorten(name, 60) for name in found.groups() if name] or [""]
            file = re.split(r"[/\\]", names[0])[-1] or "data.csv"
            words = {"all": shorten(found[0].removeprefix("error: "), 80), "place": f"in {place}", "name": file}
            told = cause.format(*names, *names, **words)
            return Diagnosis(sentence(f"{told} ({place})"), hint.format(*names, *names, **words))
    return Diagnosis(
        sentence(f"Your program stopped at {place}: {shorten(said, 200)}"),
        f"Correct {place} and upload again; run.log has the whole message.",
    )


def place_in(text: str) -> str:
    """The innermost line of the researcher's own code: "code/app.m, line 12"; "" if none was printed."""
    # Octave's warnings have lines such as those of an error.
    _, mark, calls = text.rpartition("error: called from")
    calls = calls if mark else ""
    found = (found for pattern in _PLACES for found in pattern.finditer(calls if pattern is _CALL else text))
    for one in found:
        name = one["file"].removeprefix("/code/")
        if not name.startswith("/") and not _NOT_OWN.fullmatch(name):
            return f"code/{shorten(name, 50)}.m, line {one['line']}"
    return ""


def _before_place(text: str) -> str:
    """The last line that MATLAB printed above its "Error in", or the first of its message where that is marked."""
    above = re.split(r"^Error in ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    marked = re.split(r"^Error using .*\n", above, flags=re.MULTILINE)
    return marked[-1].split("\n")[0] if len(marked) > 1 else above.split("\n")[-1]


LANGUAGE = ErrorLanguage(_explain, of_any(_ADVICE), _ADVICE, lacks_licence=_lacks_licence)
