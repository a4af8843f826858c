"""The verdicts on R programs, from what R and the template's start.R really print."""

from __future__ import annotations

import time

import pytest

from labd.common.excerpts import Diagnosis
from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.programs import program_failed

R = languages.of(["r"])
CALLS = "Calls: <Anonymous> ... withCallingHandlers -> withVisible -> eval -> eval -> f"
AT_2 = "Stopped at code/app.R, line 2\n"
NO_FILE = "Warning in file(file, \"rt\") :\n  cannot open file '{}': No such file or directory\n"
READ = f'{NO_FILE}Error in file(file, "rt") : cannot open the connection\n{CALLS}\n'
WRITE = (
    'Warning in file(file, ifelse(append, "a", "w")) :\n  cannot open file \'{}\': No such file or directory\n'
    f'Error in file(file, ifelse(append, "a", "w")) : \n  cannot open the connection\n{CALLS}\n'
)


def verdict(printed: str) -> Diagnosis:
    return program_failed(f"reading\n{printed}", 1, Evidence(), R)


@pytest.mark.parametrize(
    ("printed", "cause", "hint"),
    [
        (
            "2:1: unexpected symbol\n1: x <- c(1, 2\n2: print\n   ^",
            "line 2, is not valid R: unexpected symbol.",
            "comma",
        ),
        ("2:7: unexpected '='\n1: x <- 1\n2: if (x =\n         ^", "unexpected '='.", "`==`"),
        ("2:1: unexpected ')'\n1: x\n2: )\n    ^", "unexpected ')'.", "Remove this bracket"),
        ("2:1: unexpected 'else'\n1: }\n2: else\n    ^", "unexpected 'else'.", "same line as the `}`"),
        ("3:0: unexpected end of input\n1: f({\n2: x\n  ^", "app.R, line 2, is", "`(`, `[` or `{`, is never closed"),
        ('2:3: unexpected INCOMPLETE_STRING\n2: x "a\n     ^', "INCOMPLETE_STRING", "quote"),
        ("2:1: unexpected '>'\n1: \n2: >\n    ^", "unexpected '>'", "Remove the prompts"),
        ("2:6: unexpected input\n2: x <- “\n         ^", "unexpected input", "Write plain quotes there"),
        ("2:6: unexpected input\n2: x <- \\\n         ^", "unexpected input", "Type this line anew"),
    ],
)
def test_a_program_that_r_cannot_read_is_told_where_and_why(printed: str, cause: str, hint: str) -> None:
    told = verdict(f"Error: /code/app.R:{printed}\n{AT_2}")
    assert told.cause.startswith("code/app.R, line ")
    assert cause in told.cause
    assert hint in told.hint


def test_a_file_of_the_program_that_r_cannot_read_is_the_one_that_is_named() -> None:
    said = f'Error in source("R/f.R") : R/f.R:3:0: unexpected end of input\n1: x\n2: y <- (\n  ^\n{CALLS}\n{AT_2}'
    assert verdict(said).cause == "code/R/f.R, line 3, is not valid R: unexpected end of input."


def test_a_text_that_the_program_itself_parses_is_not_called_a_file() -> None:
    told = verdict(f'Error in parse(text = "x <- (") : <text>:2:0: unexpected end of input\n1: x <- (\n   ^\n{AT_2}')
    assert told.cause.startswith("Your program stopped at code/app.R, line 2: <text>:2:0: unexpected end of input")


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("Error in f() : bad: thing\nsecond\n", "bad: thing second."),
        ('Error in f("a : b") : bad\n', "bad."),
        ('Error in read("C:/Users/ana") : \n  no table: 1: x\n  2: y\n', "no table: 1: x 2: y."),
        ("Error: one\ntwo\n", "one two."),
        ("Error in `mutate()`:\n! Problem: z\nCaused by error:\n! no z\n", "! Problem: z Caused by error: ! no z."),
        ("Error in eval(program[[number]], globalenv()) : \n  no masses\n", "no masses."),
        ("Fehler in f() : z\nRuft auf: f\nError: z\n", "z."),
    ],
)
def test_a_message_is_told_whole(printed: str, said: str) -> None:
    assert verdict(f"{printed}{CALLS}\n{AT_2}").cause == f"Your program stopped at code/app.R, line 2: {said}"


@pytest.mark.parametrize(
    ("printed", "cause", "hint"),
    [
        (
            READ.format("a.csv"),
            "could not open `a.csv` (code/app.R, line 2).",
            "input/ of your project, and read it as",
        ),
        (f"{READ.format('A.csv')}In the upload: /input/b/a.csv\n", "open `A.csv`", "as `/input/b/a.csv`; capital"),
        (f"{READ.format('a.csv')}In the upload: /input/a.csv\n", "open `a.csv`", "open it as `/input/a.csv`."),
        (f"{READ.format('a.csv')}In the upload: /input/b.csv\n", "open `a.csv`", "read it as /input/a.csv."),
        (READ.format("functions.R"), "open `functions.R`", "Put it into your project as code/functions.R: only"),
        (READ.format("R/f.R"), "open `R/f.R`", "as code/R/f.R: only"),
        (READ.format("C:/Users/ana/f.R"), "open `C:/Users/ana/f.R`", "as code/f.R and name it `f.R` in app.R"),
        (READ.format("../lib/f.R"), "open `../lib/f.R`", "as code/f.R and name it `f.R` in app.R"),
        ("Error: [rast] file does not exist: a.tif\n", "open `a.tif`", "/input/a.tif"),
        ('Error: Cannot open "a.shp"; The file doesn\'t seem to exist.\n', "open `a.shp`", "/input/a.shp"),
        ("Error in readPNG(f) : unable to open a.png\n", "open `a.png`", "/input/a.png"),
        (WRITE.format("out/a.csv"), "could not write the file `out/a.csv`", "`/output/a.csv`"),
        ("Error: 'a.csv' does not exist in current working directory ('/code').\n", "open `a.csv`", "/input/a.csv"),
        ("Error: `path` does not exist: ‘a.xlsx’\n", "open `a.xlsx`", "/input/a.xlsx"),
        (
            'Error in setwd("C:/Users/x : y") : \n  cannot change working directory\nIn the upload: /input/a.csv\n',
            'line 2: cannot change working directory (`setwd("C:/Users/x : y")`).',
            "Remove the line with setwd: the program starts in /code; open `/input/a.csv`, which the upload has.",
        ),
        ('Error in setwd("x") : cannot change working directory\n', "setwd", "data of the upload is in /input."),
    ],
)
def test_a_file_is_told_with_where_it_is(printed: str, cause: str, hint: str) -> None:
    told = verdict(printed + AT_2)
    assert cause in told.cause
    assert hint in told.hint


NOT_THERE = "Error in library(b) : there is no package called ‘{}’\n"


@pytest.mark.parametrize(
    ("printed", "cause", "hint"),
    [
        (NOT_THERE.format("b"), "the R package `b`", "Add the line `b` to code/packages.txt and upload again."),
        (
            f"{NOT_THERE.format('b')}Not installed: a\nNot installed: b\nNot installed: remotes\n",
            "the R package `b`",
            "Add the lines `b` and `a` to code/packages.txt",
        ),
        (
            "Error in install.packages(x) : unable to install packages\nNot installed: jsonlite\n",
            "nothing can be installed while it runs (code/app.R, line 2).",
            "Add the line `jsonlite` to code/packages.txt, and remove every call that installs packages, such as that "
            "in code/app.R, line 2.",
        ),
        ("Error in install.packages(x) : unable to install packages\n", "installs", "Remove every call that"),
        (
            f"{NOT_THERE.format('BiocManager')}Not installed: BiocManager\nNot installed: DESeq2\n",
            "installs R packages itself",
            "Add the line `DESeq2` to",
        ),
        (
            "Error: Bioconductor version cannot be validated; no internet connection?  See\n  #troubleshooting section "
            "in vignette\nNot installed: DESeq2\n",
            "installs R packages itself",
            "Add the line `DESeq2` to",
        ),
        (f"{NOT_THERE.format('rstudioapi')}Not installed: rstudioapi\n", "no RStudio", "Remove that line: the program"),
        ("Error: RStudio not running\n", "no RStudio", "remove `rstudioapi` from code/packages.txt"),
        (
            'Error in toJSON(1:3) : could not find function "toJSON"\nNot installed: jsonlite\n',
            "calls `toJSON`, and R packages that it names are not installed",
            "Add the line `jsonlite`",
        ),
        ('Error in x %>% y : could not find function "%>%"\n', "the R package `dplyr` has", "`library(dplyr)`"),
        ('Error in f(1) : could not find function "f"\n', "there is no such function", "Correct its spelling"),
        ("Error in menu(1) : menu() cannot be used non-interactively\n", "keyboard", "into the program"),
        ("Error in X11() : unable to start device X11cairo\n", "opens a window", "png("),
        ("Error: C stack usage  7976148 is too close to the limit\n", "within itself", "without an end"),
    ],
)
def test_what_a_job_cannot_have_is_told_with_what_to_write_instead(printed: str, cause: str, hint: str) -> None:
    told = verdict(printed + AT_2)
    assert cause in told.cause
    assert hint in told.hint
    if "rstudioapi" in printed:
        assert "Add" not in told.hint


@pytest.mark.parametrize("letter", ['"', "\\", ":", " : ", "a"])
def test_no_line_takes_long(letter: str) -> None:
    began = time.thread_time()
    verdict(f"Error in {letter * 4000}\nError: /code/{'a/' * 500}.R:{letter * 999}\n{AT_2}")
    assert time.thread_time() - began < 1.0
