"""What is said of programs that Python cannot read, by what they are: commands of notebooks, pages, pasted text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.text_kinds import kind_of
from labd.diagnosis import languages
from labd.diagnosis.evidence import own_source
from labd.diagnosis.evidence.project import Evidence, UploadListing
from labd.diagnosis.programs import Diagnosis, program_failed

PYTHON = languages.of(["python"])


def verdict(folder: Path, source: str, requirements: str = "", *files: str) -> Diagnosis:
    """What is said when Python itself has tried to run `source`."""
    (folder / "app.py").write_text(source, encoding="utf-8")
    done = subprocess.run([sys.executable, folder / "app.py"], capture_output=True, text=True, check=False)
    log = done.stderr.replace(str(folder), "/code")
    sources = {"code/app.py": source, "code/requirements.txt": requirements}
    return program_failed(log, done.returncode, Evidence({}, UploadListing(dict.fromkeys(files, 1)), sources), PYTHON)


@pytest.mark.parametrize(
    ("source", "cause", "hint"),
    [
        ("%matplotlib inline\n!pip install tabulate\nprint(1)\n", "`%` and `!` are commands for notebooks only",
         "Remove lines 1 and 2, and write `tabulate` into code/requirements.txt instead."),
        ("x = 1\n!ls\n", "(code/app.py, line 2)", "Remove line 2."),
        ("%pip install -q a b\n", "for notebooks only", "Remove line 1, and write `a` and `b` into code/"),
        ("print?\n", "for notebooks only", "Remove line 1."),
        ("import os\nget_ipython().system('pip install tabulate')\n", "`get_ipython()` is for notebooks only",
         "Remove line 2, and write `tabulate` into"),
        ("display(1)\n", "`display` exists in notebooks only", "`print`"),
        (">>> x = 1\n>>> x\n1\n", "prompts of an interactive Python", "Remove `>>>`"),
        ("x = 1\nIn [2]: import os\n", "prompts of an interactive Python", "Remove `In [2]:`"),
        ("\n<!DOCTYPE html>\n<html></html>\n", "code/app.py is a web page (HTML), no program", "the file itself"),
        ("<html lang='en'>\n", "is a web page (HTML)", "Download the file itself"),
        ("{\\rtf1\\ansi x}\n", "is a document of a word processor", "Save it as plain text"),
        ("x = 1\n<<<<<<< HEAD\ny = 2\n=======\n", "marks of a merge", "around line 2"),
        ("print(“hello”)\n", "the character `“` (U+201C)", "straight quotes"),
        ("x = 3 – 2\n", "the character `–` (U+2013)", "Write `-` instead"),
        ("x = 3\u00a0+ 2\n", "U+00A0, which is invisible", "Replace it in all of the file"),
        ("x = 3\u200b + 2\n", "U+200B, which is invisible", "Replace it"),
        ("def f(x):\n    if x:\n\treturn 1\n    return 2\n", "inconsistent use of tabs", "this line with blanks"),
        ("def f(x):\n        y = 1\n    return 2\n", "unindent does not match", "blanks at the beginning"),
        ("try:\n    pass\nexcept ValueError, e:\n    pass\n", "multiple exception types", "program for Python 2"),
        ("exec 'x'\n", "Missing parentheses", "program for Python 2"),
        ("x = 0777\n", "leading zeros", "`0o755`"),
        ("open('C:\\Users\\ana\\stars.csv')\n", "unicodeescape", "open it as /input/stars.csv"),
        ("x = (1\ny = 2\n", "'(' was never closed", "Correct this line, or the one above it."),
    ],
)  # fmt: skip
def test_a_source_is_told_as_what_it_is(tmp_path: Path, source: str, cause: str, hint: str) -> None:
    found = verdict(tmp_path, source)
    assert cause in found.cause
    assert hint in found.hint
    assert "newer Python" not in found.hint


def test_the_text_of_a_notebook_is_called_that() -> None:
    source = '{"cells": [{"cell_type": "code", "source": ["true"]}], "nbformat": 4}'
    assert kind_of(source) == "a notebook"
    found = own_source.not_python("invalid syntax", "code/app.py", 1, source, Evidence(sources={"code/app.py": source}))
    assert found and "Rename it to code/app.ipynb" in found.hint


def test_a_library_that_is_listed_is_not_proposed_again(tmp_path: Path) -> None:
    assert verdict(tmp_path, "!pip install tabulate\n", "tabulate\n").hint == "Remove line 1."


def test_a_windows_path_is_told_where_the_file_is(tmp_path: Path) -> None:
    found = verdict(tmp_path, "open('C:\\Users\\ana\\stars.csv')\n", "", "input/stars.csv")
    assert found.hint == "Your upload has input/stars.csv: open it as /input/stars.csv, with / instead of \\."


@pytest.mark.parametrize("text", ["", "import os\n", "# <html>\nx = 1\n", "{'cells': 1}\n", "x < html\n", "<- 3\n"])
def test_a_program_is_not_taken_for_something_else(text: str) -> None:
    assert kind_of(text) == ""


@given(text=st.text(), message=st.text(), line=st.integers(1, 5))
def test_no_text_breaks_it(text: str, message: str, line: int) -> None:
    own_source.not_python(message, "code/app.py", line, text, Evidence(sources={"code/app.py": text}))
