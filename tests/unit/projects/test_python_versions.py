"""The Python that a project's own files ask for, and the one that it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.model.config import Config, Versions
from labd.model.jobs import JobOptions
from labd.model.languages import load
from labd.projects import job_file, language
from labd.projects.python_versions import closest, fits, nearest

PYTHON = load(Path(__file__).resolve().parents[3] / "templates")["python"]
OFFERED = ("3.8", "3.11", "3.13")
CONFIG = Config(languages={"python": Versions("3.11", {one: f"python:{one}" for one in OFFERED})})


@pytest.mark.parametrize(
    ("asked", "those"),
    [
        ("", "3.8 3.11 3.13"),
        (">=3.7", "3.8 3.11 3.13"),
        (">=3.12", "3.13"),
        ("<3.11", "3.8"),
        ("==3.11.5", "3.11"),
        ("==3.11.*", "3.11"),
        ("~=3.11.2", "3.11"),
        (">=3.11.2,<3.11.9", "3.11"),
        ("==3.8", "3.8"),
        (">=3.8,!=3.11.*", "3.8 3.13"),
        ("==3.7.*", ""),
        ("what is this", "3.8 3.11 3.13"),
    ],
)
def test_a_version_fits_if_one_of_its_patches_does(asked: str, those: str) -> None:
    assert [one for one in OFFERED if fits(asked, one)] == those.split()


def test_the_nearest_is_the_newer_of_two_that_are_as_near() -> None:
    assert nearest("!=3.11.*", ["3.8", "3.10", "3.12"], "3.11") == "3.12"
    assert nearest("<3.11", ["3.8", "3.10", "3.12"], "3.11") == "3.10"
    assert nearest(">=3.14", OFFERED, "3.11") == ""


def test_the_closest_is_nearer_than_what_there_is_already() -> None:
    assert closest("==3.7.*", OFFERED, "3.11") == "3.8"
    assert closest("==3.10.*", OFFERED, "3.11") == ""
    assert closest("", OFFERED, "3.11") == ""


@pytest.mark.parametrize(
    ("asked", "version", "words"),
    [
        ("", "3.11", ""),
        (">=3.9", "3.11", ""),
        (">=3.12", "3.13", ""),
        ("==3.13.1", "3.13", ""),
        # No base image of 3.8 can be made where no registry is reached: it is proposed, not taken.
        ("==3.8.*", "3.11", 'This server has Python 3.8: write `python = "3.8"` below [job]'),
        ("==3.7.*", "3.11", 'The nearest that this server has is Python 3.8: write `python = "3.8"` below [job]'),
        (">=3.14", "3.11", 'The nearest that this server has is Python 3.13: write `python = "3.13"` below [job]'),
        ("==3.10.*", "3.11", ""),
    ],
)
def test_a_project_gets_what_its_list_asks_for_or_is_told_the_line(asked: str, version: str, words: str) -> None:
    got, said = language.preferred(PYTHON, CONFIG, JobOptions(), {}, asked)
    assert got == version
    assert said.startswith(words)
    assert bool(said) == bool(words)


def test_who_names_a_version_gets_that_without_advice() -> None:
    asked = job_file.read(b'[job]\npython = "3.8"\n', ["python"])
    assert language.preferred(PYTHON, CONFIG, asked, {}, ">=3.12") == ("3.8", "")
    assert language.preferred(PYTHON, CONFIG, JobOptions(), {"runtime.txt": b"python-3.8"}, ">=3.12") == ("3.8", "")
    # A file that says nothing is no choice.
    assert language.preferred(PYTHON, CONFIG, JobOptions(), {"runtime.txt": b"?"}, ">=3.12") == ("3.13", "")


@pytest.mark.parametrize("said", [b"python-3", b"3", b"python3\n"])
def test_python_3_is_any_of_them(said: bytes) -> None:
    assert language.version(PYTHON, CONFIG, JobOptions(), {"runtime.txt": said}) == "3.11"
