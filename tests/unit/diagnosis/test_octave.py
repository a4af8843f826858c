"""The verdicts on Octave programs, from what Octave and the template's start.m really print."""

from __future__ import annotations

import time

import pytest

from labd.common.excerpts import Diagnosis
from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.octave_lacks import INSTEAD, PACKAGES
from labd.diagnosis.programs import program_failed

OCTAVE = languages.of(["octave"])
MISSING = (
    "\n\nThe '{0}' function is not yet implemented in Octave.\n\nPlease read <https://www.octave.org/missing.html> to "
    "learn how you can\ncontribute missing functionality."
)


def verdict(message: str, line: str = "x = f(1);", there: str = "", number: int = 1) -> Diagnosis:
    """What is said of `message`, told of a `line` of app.m, with a file that start.m found to be `there`."""
    calls = f"error: called from\n    csvread at line 46 column 5\n    app at line {number} column 3\n"
    found = f"In the upload: {there}\n" if there else ""
    printed = f"reading\nerror: {message}\n{calls}{found}Stopped at code/app.m, line {number}: {line}\n"
    return program_failed(printed, 1, Evidence(), OCTAVE)


@pytest.mark.parametrize(
    ("message", "line", "there", "cause", "hint"),
    [
        (
            "dlmread: unable to open file 'data.csv'",
            "d = csvread('data.csv');",
            "/input/data.csv",
            "Your program could not open the file `data.csv` (code/app.m, line 1).",
            "The upload has it: write `d = csvread('/input/data.csv');` in code/app.m, line 1.",
        ),
        (
            "load: unable to find file data.txt",
            "d = load('data.txt');",
            "/input/Data.txt",
            "open the file `data.txt` (code/app.m, line 1).",
            "write `d = load('/input/Data.txt');`",
        ),
        ("load: unable to find file a.txt", "d = load(name);", "/input/a.txt", "`a.txt`", "open it as `/input/a.txt`."),
        (
            "load: unable to find file a.txt",
            "d = load('a.txt');",
            "/input/b.txt",
            "`a.txt`",
            "open it as /input/a.txt.",
        ),
        ("imread: unable to find file 'cat.png'", "x = imread('cat.png');", "", "`cat.png`", "as /input/cat.png."),
        ("textread: could not open 'a.txt' for reading", "x = textread('a.txt');", "", "`a.txt`", "as /input/a.txt."),
        ("fgetl: invalid stream number = -1", "f = fopen('a.txt'); fgetl(f);", "", "`a.txt`", "as /input/a.txt."),
        ("source: error sourcing file '/code/h.m'", "source('h.m')", "", "`h.m`", "project as code/h.m"),
        (
            "run: file SCRIPT must exist and be a valid Octave scriptfile",
            "run('a/h.m')",
            "",
            "`a/h.m`",
            "as code/a/h.m",
        ),
        (
            "save: unable to open output file 'out/a.mat'",
            "save('out/a.mat', 'x');",
            "",
            "could not write the file `out/a.mat`",
            "`/output/a.mat`",
        ),
        (
            "dlmwrite: No such file or directory",
            "csvwrite('out/a.csv', x)",
            "",
            "not write the file `out/a.csv`",
            "/output/a",
        ),
        (
            "print: cannot open file out/a.png for writing",
            "saveas(gcf, 'out/a.png')",
            "",
            "not write",
            "`/output/a.png`",
        ),
        (
            "fprintf: invalid stream number = -1",
            "f = fopen('out/a.txt', 'w'); fprintf(f, 'x');",
            "",
            "could not write the file `out/a.txt`",
            "`/output/a.txt`",
        ),
        (
            "C:\\Users\\me: No such file or directory",
            "cd('C:\\Users\\me');",
            "/input/a.csv",
            "goes to a folder that is not there (code/app.m, line 1): `cd('C:\\Users\\me');`.",
            "Remove this line: the program starts in /code; open `/input/a.csv`, which the upload has.",
        ),
    ],
)
def test_a_file_is_told_with_where_it_is(message: str, line: str, there: str, cause: str, hint: str) -> None:
    told = verdict(message, line, there)
    assert cause in told.cause
    assert hint in told.hint
    assert "csvread.m" not in told.cause + told.hint


def test_what_matlab_has_is_told_with_what_to_use_instead() -> None:
    told = verdict(f"'readmatrix' undefined{MISSING.format('readmatrix')}", "T = readmatrix('/input/a.csv');")
    assert told.cause == "Your program uses `readmatrix`, which MATLAB has and Octave has not (code/app.m, line 1)."
    assert told.hint.startswith("Write `csvread('/input/a.csv')`")
    # Octave does not say so of all.
    assert "MATLAB has" in verdict("'fit' undefined").cause
    # Of those that no table has, it is still true.
    told = verdict(f"'geobubble' undefined{MISSING.format('geobubble')}")
    assert "MATLAB has" in told.cause
    assert "another function" in told.hint


@pytest.mark.parametrize("name", INSTEAD)
def test_no_remedy_uses_what_is_missing(name: str) -> None:
    told = verdict(f"'{name}' undefined near line 1, column 5", f"x = {name}('/input/a.csv');")
    assert f"`{name}`" in told.cause
    assert "FILE" not in told.hint
    assert not {f"{other}(" for other in INSTEAD} & set(told.hint.replace("`", " ").split())
    assert name not in PACKAGES


@pytest.mark.parametrize(
    "message",
    [
        "'butter' undefined",
        "'butter' undefined\n\nThe 'butter' function belongs to the signal package from Octave Forge\nwhich",
    ],
)
def test_a_function_of_a_package_is_told_with_the_line_to_add(message: str) -> None:
    told = verdict(message)
    assert told.cause == "Your program uses `butter`, which is in the Octave package `signal` (code/app.m, line 1)."
    assert told.hint == "Add the line `signal` to code/packages.txt."


def test_functions_of_spreadsheets_are_told_with_their_package() -> None:
    words = (
        "Functions for spreadsheet style I/O (.xls .xlsx .sxc .ods .dbf .wk1\netc.)  are provided in the io package."
    )
    assert "Add the line `io`" in verdict(f"'odsread' undefined\n\n{words}").hint


def test_a_message_is_told_whole() -> None:
    assert verdict("bad: thing 3\nsecond").cause == "Your program stopped at code/app.m, line 1: bad: thing 3 second."


def test_a_question_before_the_message_does_not_hide_it() -> None:
    printed = "n? error: input: reading user-input failed!\nStopped at code/app.m, line 1: x = input('n? ');\n"
    assert "keyboard" in program_failed(printed, 1, Evidence(), OCTAVE).cause


def test_a_file_that_cannot_be_read_is_the_one_that_is_named() -> None:
    printed = "error: parse error near line 3 of file /code/g.m\n\n  syntax error\n\n\nStopped at code/g.m, line 3: \n"
    assert "(code/g.m, line 3)" in program_failed(printed, 1, Evidence(), OCTAVE).cause
    told = verdict(
        "parse error near line 4 of file /code/app.m\n\n  nested functions not implemented in this context\n"
    )
    assert told.hint == "Write `end` below each function in code/app.m."
    printed = "error: source: error sourcing file '/code/app.m'\n"
    assert program_failed(printed, 1, Evidence(), OCTAVE).cause.startswith("Octave cannot read code/app.m")


def test_a_file_of_octaves_own_that_warns_is_not_taken_for_the_programs() -> None:
    warning = "warning: no implementation\nwarning: called from\n    uigetfile at line 188 column 14\n"
    told = program_failed(f"{warning}    app at line 1 column 3\n\nCan't open display: \n", 1, Evidence(), OCTAVE)
    assert told.cause == "Your program opens a window, and there is no screen here."


@pytest.mark.parametrize("letter", ["'", '"', "(", "fopen(", "\\", "a."])
def test_no_line_takes_long(letter: str) -> None:
    began = time.thread_time()
    verdict(f"unable to open file {letter * 4000}\ninvalid stream number = -1", letter * 200)
    assert time.thread_time() - began < 1.0
