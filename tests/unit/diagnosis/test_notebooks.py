"""What is said of cells that stop: the same as of scripts, and what exists only in the one or the other."""

from __future__ import annotations

import json

import pytest

from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.programs import Diagnosis, program_failed

NOTEBOOK = languages.of(["notebook"])


def verdict(error: str, *cells: str, requirements: str = "") -> Diagnosis:
    made = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    sources = {"code/app.ipynb": json.dumps(made), "code/requirements.txt": requirements} if cells else {}
    return program_failed(f"Cell 1 stopped: {error}\n", 1, Evidence({"yaml": "PyYAML"}, sources=sources), NOTEBOOK)


@pytest.mark.parametrize(
    ("error", "cells", "hint"),
    [
        ("StdinNotImplementedError: raw_input was called, but this frontend does not support input requests.", (),
         "There is no keyboard here: write the value into the cell"),
        ("NameError: name '__file__' is not defined", ("x = __file__",), 'write "/code" instead'),
        ("RuntimeError: 'widget' is not a recognised GUI loop or backend name.", (), "Write `%matplotlib inline`"),
        ("NameError: name 'masses' is not defined", ("print(masses)", "masses = [1]"), "Define it in a cell above"),
        ("NameError: name 'fit' is not defined", ("fit(1)", "def fit(x): ..."), "Define it in a cell above"),
        ("NameError: name 'np' is not defined", ("np.ones(2)", "import numpy as np"), "Define it in a cell above"),
        ("NameError: name 'masses' is not defined", (), "Define it in a cell above"),
        ("NameError: name 'mases' is not defined", ("masses = 1", "print(mases == 1)"), "No cell gives `mases`"),
        ("NameError: name 'xrange' is not defined", ("for i in xrange(3): ...",), "Write `range` instead of `xrange`."),
        ("ModuleNotFoundError: No module named 'google'", ("from google.colab import drive\nopen('/content/a.csv')",),
         "open them as /input/a.csv"),
        ("ModuleNotFoundError: No module named 'matplotlib'", ("!pip install tabulate -q", "%matplotlib inline"),
         "Add the lines `matplotlib` and `tabulate` to code/requirements.txt, in the place of `pip install`"),
        ("ModuleNotFoundError: No module named 'tabulate'", ("%pip install tabulate", "import tabulate"),
         "Add the line `tabulate` to code/requirements.txt"),
    ],
)  # fmt: skip
def test_a_cell_gets_its_own_remedy(error: str, cells: tuple[str, ...], hint: str) -> None:
    found = verdict(error, *cells)
    assert found.cause.startswith(f"Cell 1 stopped: {error[:40]}")
    assert hint in found.hint


def test_a_line_that_is_there_is_not_proposed_again() -> None:
    error = "ModuleNotFoundError: No module named 'yaml'"
    assert verdict(error, "!pip install tabulate", requirements="tabulate\n").hint == (
        "Add the line `PyYAML` to code/requirements.txt."
    )
