"""The verdicts on MATLAB and Octave programs, from what both really print."""

from __future__ import annotations

import pytest

from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.programs import program_failed

MATLAB = languages.of(["matlab"])
AT_LINE_7 = "error: called from\n    app at line 7 column 3\n    /opt/env/start.m at line 6 column 3\n"


@pytest.mark.parametrize(
    ("printed", "cause", "hint"),
    [
        (f"error: 'xx' undefined near line 7, column 5\n{AT_LINE_7}", "`xx`, which is not defined (code/app.m", "xx"),
        ("Undefined function or variable 'xx'.\n\nError in app (line 7)\ny = xx + 1;\n", "`xx`", "code/app.m, line 7"),
        ("Unrecognized function or variable 'xx'.\n\nError in app (line 7)\ny = xx + 1;\n", "`xx`", "code/xx.m"),
        (
            "Undefined function 'fit' for input arguments of type 'double'.\n\nError in sub/part (line 3)\n"
            "\nError in app (line 7)\n",
            "`fit`, which is not defined (code/sub/part.m, line 3)",
            "",
        ),
        (f"error: index (4,_): out of bound; value 4 out of bound 3\n{AT_LINE_7}", "beyond the end", "line 7"),
        (f"error: a(7): out of bound 3 (dimensions are 1x3)\n{AT_LINE_7}", "beyond the end of an array", "numel"),
        (f"error: index (0): out of bound; value 0 out of bound 3\n{AT_LINE_7}", "not a whole number", "number 1"),
        (
            "Index exceeds the number of array elements. Index must not exceed 3.\n\nError in app (line 7)\nv(5)\n",
            "beyond the end of an array: Index exceeds",
            "code/app.m, line 7",
        ),
        (
            "Array indices must be positive integers or logical values.\n\nError in app (line 7)\n",
            "not a whole number",
            "",
        ),
        (f"error: load: unable to find file /input/a.mat\n{AT_LINE_7}", "the file `/input/a.mat`", "input/"),
        (
            "Error using load\nUnable to find file or directory 'C:\\data\\a.mat'.\n\nError in app (line 7)\n",
            "a.mat`",
            "/input/a.mat",
        ),
        (
            "Error using fgets\nInvalid file identifier. Use fopen to generate a valid file identifier.\n\n"
            "Error in app (line 7)\n",
            "could not open (code/app.m, line 7)",
            "/input/NAME",
        ),
        (
            "error: package nosuch is not installed\nerror: called from\n    load_packages at line 47 column 7\n"
            "    pkg at line 632 column 7\n    app at line 1 column 1\n",
            "`nosuch`, which is not installed (code/app.m, line 1)",
            "code/packages.txt",
        ),
        (
            "error: 'butter' undefined near line 7, column 1\n\nThe 'butter' function belongs to the signal package "
            f"from Octave Forge\nwhich seems to not be installed in your system.\n{AT_LINE_7}",
            "`butter`, which is in the Octave package `signal`",
            "the line `signal`",
        ),
        (
            "error: 'readtable' undefined near line 7, column 1\n\nThe 'readtable' function is not yet implemented in "
            f"Octave.\n{AT_LINE_7}",
            "MATLAB has and Octave has not",
            "csvread('/input/data.csv')",
        ),
        (
            "'butter' requires Signal Processing Toolbox.\n\nError in app (line 7)\n",
            "`butter`, which is in Signal Processing Toolbox",
            "administrator",
        ),
        (f"error: out of memory or dimension too large for Octave's index type\n{AT_LINE_7}", "more memory", "memory"),
        (
            "Error using zeros\nRequested 1000000x1000000 (7450.6GB) array exceeds maximum array size preference.\n\n"
            "Error in app (line 7)\n",
            "more memory than it may use (code/app.m, line 7)",
            "memory",
        ),
        (
            f"error: operator +: nonconformant arguments (op1 is 1x3, op2 is 1x2)\n{AT_LINE_7}",
            "sizes do not fit",
            "size(x)",
        ),
        (f"error: input: reading user-input failed!\n{AT_LINE_7}", "keyboard", "/input"),
        ("error: parse error near line 3 of file /code/app.m\n\n  syntax error\n\n", "(code/app.m, line 3)", "`end`"),
        (f"error: no data for x\n{AT_LINE_7}", "stopped at code/app.m, line 7: no data for x.", "upload again"),
        ("no data for x\n\nError in app (line 7)\nerror('no data')\n", "at code/app.m, line 7: no data for x.", ""),
    ],
)
def test_an_error_is_told_with_its_line_and_what_to_do(printed: str, cause: str, hint: str) -> None:
    told = program_failed(f"reading\n{printed}", 1, Evidence(), languages.of(["octave"]))
    assert cause in told.cause
    assert hint in told.hint
    assert len(told.cause) < 260


@pytest.mark.parametrize("number", ["-1", "-4", "-5", "-9", "-15", "-18", "-96", "-97", "-12345"])
def test_a_refused_licence_is_told_with_its_number_and_a_remedy(number: str) -> None:
    told = program_failed(
        f"License checkout failed.\nLicense Manager Error {number}\nSome words.\n",
        1,
        Evidence(),
        languages.of(["matlab"]),
    )
    assert told.cause.endswith(f"(License Manager Error {number}).")
    assert "administrator" in told.hint or "RERUN" in told.hint


def test_only_error_4_means_that_all_seats_are_taken() -> None:
    assert MATLAB.lacks_licence(["License checkout failed.", "License Manager Error -4"])
    assert not MATLAB.lacks_licence(["License Manager Error -45"])
    assert not MATLAB.lacks_licence(["License Manager Error -15"])


def test_what_another_program_prints_is_not_taken_for_matlab() -> None:
    assert MATLAB.explain(["reading", "Out of memory", "index 4 is out of bound 3"], Evidence()) is None
    assert MATLAB.explain(["error: no data", "error: 'x' undefined"], Evidence()) is None
