"""Jupyter notebooks: the real template, run in a real lab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.lab import Lab, wait_for

BUILDING = 400.0  # seconds, on a busy machine


def notebook(*cells: str, language: str = "python") -> str:
    """A notebook of code cells, as Jupyter saves it."""
    made = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell} for cell in cells
    ]
    kernel = {"name": "somebody-elses", "display_name": "Mine", "language": language}
    return json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4})


def run(lab: Lab, name: str, content: str, **files: str) -> dict[str, Any]:
    """Upload app.ipynb and further files of code/ (`_` for `.`), submit, wait for the end: status.json."""
    number = len(lab.jobs()) + 1
    for file, text in {"app_ipynb": content, **files}.items():
        lab.ana.write(lab.ana.inbox(name) / "code" / file.replace("_", "."), text)
    lab.ana.submit(name)
    wait_for(f"job {number} of {name} complete", lambda: lab.ana.complete(name) == number, BUILDING)
    return lab.ana.status(name)


def executed(lab: Lab, name: str) -> list[dict[str, Any]]:
    output: Path = lab.ana.outbox(name) / "output"
    assert "<html" in (output / "app.html").read_text()
    return list(json.loads((output / "app.ipynb").read_text())["cells"])


def test_a_notebook_runs_from_top_to_bottom_and_comes_home_with_its_results(shared_lab: Lab) -> None:
    cells = ("import six\nx = 20", "print(x + 22)\nopen('/output/x.txt', 'w').write(six.__version__)", "x")
    status = run(shared_lab, "sums", notebook(*cells), requirements_txt="six==1.16.0\n")
    assert status["state"] == "succeeded", shared_lab.ana.text("sums", "build.log")[-2000:]
    assert shared_lab.ana.text("sums", "run.log") == "42\n"
    assert (shared_lab.ana.outbox("sums") / "output" / "x.txt").read_text() == "1.16.0"
    assert executed(shared_lab, "sums")[2]["outputs"][0]["data"]["text/plain"] == ["20"]


def test_a_cell_that_fails_is_named_and_all_up_to_it_comes_home(shared_lab: Lab) -> None:
    status = run(shared_lab, "zero", notebook("print('here')", "1 / 0", "print('never')"))
    assert status["state"] == "failed"
    assert status["cause"] == "Cell 2 stopped: ZeroDivisionError: division by zero."
    assert "app.html" in status["hint"]
    first, second, third = executed(shared_lab, "zero")
    assert first["outputs"][0]["text"] == ["here\n"]
    assert second["outputs"][0]["ename"] == "ZeroDivisionError"
    assert third["outputs"] == []


def test_a_missing_library_in_a_cell_is_told_with_the_line_to_add(shared_lab: Lab) -> None:
    status = run(shared_lab, "missing", notebook("import sklearn"))
    assert status["state"] == "failed"
    assert "`scikit-learn` to code/requirements.txt" in status["hint"]


def test_a_notebook_in_another_language_is_refused_in_plain_words(shared_lab: Lab) -> None:
    status = run(shared_lab, "julia", notebook("1 + 1", language="julia"))
    assert status["state"] == "failed"
    assert status["cause"] == "code/app.ipynb is a notebook in julia, and notebooks run in Python here."
