"""Which language, in which version, a project is run in: the choice, and the question where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labd.common.errors import ProjectError
from labd.model.config import Config, Versions
from labd.model.jobs import JobOptions, read_options
from labd.model.languages import Language, Template
from labd.projects import language

MATLAB = Template("MATLAB", "app.m", ("matlab",), versions={"r2021a": "m"}, default="r2021a", on_request=True)
OCTAVE = Template("GNU Octave", "app.m", ("octave",), versions={"7": "o"}, default="7", stands_in_for="MATLAB")
PYTHON = Template(
    "Python",
    "app.py",
    ("python",),
    versions={"3.8": "old", "3.11": "new"},
    default="3.11",
    version_files=("runtime.txt", ".python-version"),
    ended={"3.8": "7 October 2024"},
)
NOTEBOOK = replace(PYTHON, title="Jupyter notebook", program="app.ipynb", family="python", versions={}, default="")
KNOWN = {
    name: Language(name, Path("/nowhere"), template)
    for name, template in {"python": PYTHON, "matlab": MATLAB, "octave": OCTAVE, "notebook": NOTEBOOK}.items()
}


def config(**languages: Versions) -> Config:
    """A server with Python, notebooks and Octave, and with `languages` as the administrator has them."""
    offered = {"python": Versions("3.11", PYTHON.versions), "octave": Versions("7", OCTAVE.versions)}
    return replace(Config(), languages={**offered, "notebook": offered["python"], **languages})


WITH_MATLAB = config(matlab=Versions("r2021a", MATLAB.versions))


def options(text: str) -> JobOptions:
    return read_options(f"[job]\n{text}".encode(), language.keys(KNOWN))


def chosen(code: list[str], text: str = "", server: Config | None = None) -> str:
    return language.choose(KNOWN, server or config(), options(text), code).name


def refused(code: list[str], text: str = "", server: Config | None = None) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        chosen(code, text, server)
    return caught.value


def test_one_program_decides() -> None:
    assert chosen(["app.py", "helper.m"]) == "python"
    assert chosen(["app.ipynb"]) == "notebook"


def test_a_matlab_program_runs_in_matlab_where_that_is_offered() -> None:
    assert chosen(["app.m"], server=WITH_MATLAB) == "matlab"


def test_octave_is_offered_where_there_is_no_matlab_and_not_taken() -> None:
    error = refused(["app.m"])
    assert error.message == "code/app.m is a MATLAB program, and this server has no MATLAB."
    assert 'write `language = "octave"`' in error.hint


@pytest.mark.parametrize("text", ['language = "octave"', 'octave = "7"'])
def test_the_project_can_ask_for_octave(text: str) -> None:
    assert chosen(["app.m"], text) == "octave"
    assert chosen(["app.m"], text, WITH_MATLAB) == "octave"


def test_the_administrator_can_have_octave_run_what_matlab_would() -> None:
    server = config(octave=Versions("7", OCTAVE.versions, runs=("app.m",)))
    assert chosen(["app.m"], server=server) == "octave"


def test_of_two_programs_the_researcher_chooses() -> None:
    error = refused(["app.m", "app.py"])
    assert error.message == "There are two programs, code/app.py and code/app.m."
    assert '`language = "python"` or `language = "octave"`' in error.hint
    assert '`language = "python"` or `language = "matlab"`' in refused(["app.m", "app.py"], server=WITH_MATLAB).hint
    assert chosen(["app.m", "app.py"], 'language = "python"') == "python"
    assert chosen(["app.m", "app.py"], 'python = "3.8"') == "python"


def test_a_language_without_its_program_is_refused() -> None:
    assert refused(["app.m"], 'language = "python"').message.endswith("there is no code/app.py.")
    assert "does not know" in refused(["app.py"], 'language = "fortran"').message


def test_no_program_is_told_each_program_once() -> None:
    assert refused(["plot.py"]).hint == "labd runs code/app.py or code/app.m or code/app.ipynb."


def version(text: str = "", **files: bytes) -> str:
    contents = {name.replace("__", "."): content for name, content in files.items()}
    return language.version(KNOWN["python"], config(), options(text), contents)


def test_the_version_comes_from_job_toml_then_runtime_txt_then_python_version_then_the_default() -> None:
    files = {"runtime__txt": b"python-3.8.18\n", "__python-version": b"3.11.4\n"}
    assert version('python = "3.11"', **files) == "3.11"
    assert version(**files) == "3.8"
    assert version(**{"__python-version": b"3.8.18\n"}) == "3.8"
    assert version() == "3.11"


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00", b"latest\n"])
def test_a_version_file_that_says_nothing_is_passed_over(content: bytes) -> None:
    assert version(runtime__txt=content) == "3.11"


def test_a_version_that_is_not_offered_is_told_with_those_that_are() -> None:
    with pytest.raises(ProjectError) as caught:
        version(runtime__txt=b"python-3.7.2")
    assert caught.value.message == "code/runtime.txt asks for Python 3.7.2, which this server does not have."
    assert "It has 3.8, 3.11" in caught.value.hint


def test_a_notebook_has_the_versions_of_its_family() -> None:
    assert language.version(KNOWN["notebook"], config(), options('python = "3.8"'), {}) == "3.8"


def test_the_end_of_support_is_a_warning() -> None:
    assert "7 October 2024" in language.warnings(PYTHON, "3.8")[0]
    assert language.warnings(PYTHON, "3.11") == ()
