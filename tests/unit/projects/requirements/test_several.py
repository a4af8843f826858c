"""Lines with several libraries, prose, and what nobody can read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from labd.common.errors import ProjectError
from labd.model.config import Build
from labd.model.languages import load
from labd.projects import dependencies

PYTHON = load(Path(__file__).resolve().parents[4] / "templates")["python"]


def read(text: str, name: str = "requirements.txt") -> dependencies.Dependencies:
    return dependencies.read(PYTHON, "3.11", {name: text.encode()}, Build())


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("six, tabulate, tqdm", "six tabulate tqdm"),
        ("six tabulate tqdm", "six tabulate tqdm"),
        ("six; tabulate; tqdm", "six tabulate tqdm"),
        ("six,tabulate==0.9.0,tqdm>=4,<5", "six tabulate==0.9.0 tqdm>=4,<5"),
        ("numpy 1.26.4 pandas 2.1.0", "numpy==1.26.4 pandas==2.1.0"),
        ("numpy >= 1.26 pandas", "numpy>=1.26 pandas"),
        ("numpy, pandas and scipy", "numpy pandas scipy"),
        ("requests[socks] six", "requests[socks] six"),
        ("sklearn, PIL", "pillow scikit-learn"),
        ("- numpy (1.26.4)", "numpy==1.26.4"),
        ("* six", "six"),
        ("1. numpy", "numpy"),
        ("2) six==1.16.0", "six==1.16.0"),
        ("numpy (v1.26.4)", "numpy==1.26.4"),
        ("numpy v1.26.4", "numpy==1.26.4"),
        ("numpy: 1.26.4", "numpy==1.26.4"),
        ("`numpy`", "numpy"),
        ("six=>1.16", "six>=1.16"),
        ("six =< 1.16", "six<=1.16"),
        ("import tabulate", "tabulate"),
        ("import numpy as np", "numpy"),
        ("import numpy as np, os, pandas.plotting", "numpy pandas"),
        ("from sklearn.linear_model import Ridge, Lasso", "scikit-learn"),
        ("conda install -c conda-forge -y numpy pandas", "numpy pandas"),
        ("pip3 install --user -r requirements.txt", ""),
        ("uv add numpy", "numpy"),
        ("pip install 'numpy>=1.26' \"pandas\"", "numpy>=1.26 pandas"),
        ("Python 3.11", ""),
        ("python>=3.7", ""),
        ("python_version >= 3.8", ""),
        ("python=3.11", ""),
        ("```", ""),
    ],
)
def test_are_read_as_they_are_meant_and_told(line: str, meant: str) -> None:
    found = read(line)
    assert list(found.libraries) == meant.split()
    if not line.startswith(("- ", "* ", "1", "2", "`numpy")) or "(" in line:
        assert len(found.changes) >= 1
        assert " ".join(found.changes).count("left out (a version of Python") <= 1


@pytest.mark.parametrize(
    "line",
    [
        "these are the libraries I use",
        "numpy for the arrays",
        "numpy and a few others",
        "pandas>=2.0 <3",
        "six==1.16.0 1.17.0",
        'install.packages("ggplot2")',
        "library(ggplot2)",
        "numpy (latest)",
        "numpy: fast arrays",
        "<div>numpy</div>",
        "| numpy | 1.26 |",
        "numpy==",
        "==1.26",
        "numpy>=1.2.x.y z",
        "six tabulate !tqdm",
        "12 34",
    ],
)
def test_that_are_prose_are_refused_with_their_number(line: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read(f"six\n\n# more\n{line}\n")
    assert f"A line in code/requirements.txt is not understood: line 4, `{line[:10]}" in caught.value.message
    assert caught.value.hint


def test_that_cannot_be_read_are_named_all_at_once() -> None:
    with pytest.raises(ProjectError) as caught:
        read("my list of things\nsix\nnumpy==\n\n\\\nnumpy>>2\n")
    assert caught.value.message == (
        "Lines in code/requirements.txt are not understood: line 1, `my list of things`; line 3, `numpy==`; "
        "line 5, `numpy>>2`."
    )
    with pytest.raises(ProjectError, match="; and 3 more"):
        read("\n".join(f"a{number} !" for number in range(8)))


def test_that_cannot_be_read_are_found_in_other_files_as_well() -> None:
    with pytest.raises(ProjectError, match=r"in code/pyproject.toml is not understood: line 3, `numpy=>>1`"):
        read('[project]\ndependencies = ["six",\n  "numpy=>>1"]\n', "pyproject.toml")
    with pytest.raises(ProjectError, match=r"in code/environment.yml is not understood: line 4, `the best`"):
        read("dependencies:\n- six\n- pip:\n  - the best\n", "environment.yml")


@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<html>", "\n<html lang='en'>\n<p>numpy"])
def test_a_web_page_is_no_list(page: str) -> None:
    with pytest.raises(ProjectError, match="is a web page"):
        read(page)


def test_a_python_that_the_job_has_is_no_reason_for_a_note() -> None:
    assert read("python==3.11.5\nsix").notes == ()
    assert read("Python 3.11\nsix").notes == ()
    assert read("python>=3.12\nsix").notes == ("code/requirements.txt asks for Python >=3.12, and the job has 3.11.",)


PIECES = [
    *"numpy six 1.26 == >= < > [ ] ( ) ; , and the import from - * @ ! ' 1. $ # é".split(),
    " ",
    "\n",
    "pip install ",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40))
def test_what_is_taken_is_what_an_installer_can_read(text: str) -> None:
    try:
        found = read(text)
    except ProjectError:
        return
    for line in found.libraries:
        if not any(sign in line for sign in ("/", "$", ".whl", ".zip", ".tar", ".tgz")) and line != ".":
            Requirement(line.partition(" --hash")[0])
