"""Files that are meant for labd and not read, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.common.errors import ProjectError
from labd.model.config import Build
from labd.model.languages import load
from labd.projects import dependencies, unread_files
from labd.projects.dependencies import Dependencies

LANGUAGES = load(Path(__file__).resolve().parents[3] / "templates")
PYTHON = LANGUAGES["python"].template


def said(
    *code: str, beside: tuple[str, ...] = (), source: str = "", read: tuple[str, ...] = (), language: str = "python"
) -> str:
    template = LANGUAGES[language].template
    notes = unread_files.libraries(template, source, read or (source,), ["code", "input", *beside], ["app.py", *code])
    return " ".join(notes)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("requirement.txt", "requirements.txt"),
        ("Requirements.txt", "requirements.txt"),
        ("requirements.TXT", "requirements.txt"),
        ("requirements.txt.txt", "requirements.txt"),
        ("requirments.txt", "requirements.txt"),
        ("reqs.txt", "requirements.txt"),
        ("requirements", "requirements.txt"),
        ("requirements-dev.txt", "requirements.txt"),
        ("requirements_gpu.txt", "requirements.txt"),
        ("Environment.yml", "environment.yml"),
        ("enviroment.yml", "environment.yml"),
        ("environment.yml.txt", "environment.yml"),
        ("pipfile", "Pipfile"),
        ("Apt.txt", "apt.txt"),
        ("apt.txt.txt", "apt.txt"),
    ],
)
def test_a_list_under_another_name_is_to_be_renamed(name: str, right: str) -> None:
    assert said(name) == f"code/{name} is not read: rename it to code/{right}."
    assert said(beside=(name,)) == f"{name} is not read: move it to code/{right}."


@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml", "pyproject.toml", "Pipfile", "apt.txt"])
def test_a_list_beside_code_is_to_be_moved(name: str) -> None:
    assert said(beside=(name,)) == f"{name} is not read where it is: move it into code/."


@pytest.mark.parametrize(
    "name",
    ["data.txt", "required.csv", "README.md", "setup.py.bak", "environment.R", "notes.txt", "utils.py", "apply.txt"],
)
def test_other_files_are_not_spoken_of(name: str) -> None:
    assert said(name) == ""
    assert said(beside=(name,)) == ""


def test_nothing_is_said_where_the_right_file_is_there() -> None:
    assert said("requirements.txt", "requirements-dev.txt", "Dockerfile", "uv.lock", source="requirements.txt") == ""
    assert said("requirements.txt", beside=("requirements.txt", "binder"), source="requirements.txt") == ""
    lists = ("environment.yml", "reqs.txt")
    assert said(*lists, source="environment.yml", read=lists) == ""


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "Pipfile.lock", "setup.py", "packages.txt", "Dockerfile"])
def test_what_labd_does_not_read_is_told_with_what_to_do_where_nothing_else_names_libraries(name: str) -> None:
    assert said(name).startswith(f"code/{name} is not read: ")
    assert said(name, "requirements.txt", source="requirements.txt") == ""


def test_a_folder_for_binder_is_told() -> None:
    assert said(beside=("binder",)).startswith("binder/ is not read: ")
    assert said(".binder").startswith("code/.binder/ is not read: ")


def test_other_languages_have_their_own_names() -> None:
    assert said("Packages.txt", language="r") == "code/Packages.txt is not read: rename it to code/packages.txt."
    assert said("requirement.txt", "setup.py", language="r") == ""


def test_only_a_list_of_libraries_takes_the_place_of_a_line_to_add() -> None:
    for name in ("requirement.txt", "Environment.yml"):
        assert unread_files.has_list([said(name)])
        assert unread_files.has_list([said(beside=(name,))])
    assert unread_files.has_list([said(beside=("requirements.txt",))])
    others = [
        said("Apt.txt"),
        said(beside=("apt.txt",)),
        said("Dockerfile"),
        *unread_files.job_options(["jobs.toml"], []),
    ]
    assert not unread_files.has_list(others)


@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("job.toml.txt", "rename it to job.toml"),
        ("Job.toml", "rename it to job.toml"),
        ("jobs.toml", "rename it to job.toml"),
        ("job.yml", "write them into job.toml, below [job]"),
        ("job.yaml", "write them into job.toml, below [job]"),
        ("job.json", "write them into job.toml, below [job]"),
    ],
)
def test_options_in_another_file_do_not_count(name: str, do: str) -> None:
    assert unread_files.job_options([name, "code"], ["app.py"]) == [
        f"{name} is not read, so its options do not count: {do}."
    ]
    assert unread_files.job_options([name, "job.toml"], []) == []


def test_options_in_code_do_not_count() -> None:
    (note,) = unread_files.job_options(["code"], ["app.py", "job.toml"])
    assert note == "code/job.toml is not read, so its options do not count: move it beside code/."
    assert unread_files.job_options(["job.txt", "code"], ["app.py"]) == []


def read(**files: str) -> Dependencies:
    contents = {name.replace("__", "."): text.encode() for name, text in files.items()}
    return dependencies.read(LANGUAGES["python"], "3.11", contents, Build())


class TestOtherFilesThatNameLibraries:
    def test_a_pipfile(self) -> None:
        content = """[[source]]
url = "https://index.example/simple"
[packages]
six = "*"
requests = {version = ">=2.31", extras = ["socks"]}
numpy = "==1.26.4"
own = {path = "."}
[dev-packages]
pytest = "*"
[requires]
python_version = "3.12"
"""
        found = read(Pipfile=content)
        assert found.libraries == ("numpy==1.26.4", "requests[socks]>=2.31", "six")
        assert found.notes == ("code/Pipfile asks for Python 3.12, and the job has 3.11.",)
        with pytest.raises(ProjectError, match="code/Pipfile is not right"):
            read(Pipfile="[packages\n")

    def test_a_setup_cfg(self) -> None:
        content = (
            "[options]\npython_requires = >=3.12\ninstall_requires =\n    six\n    tabulate>=0.9; python_version>'3'\n"
        )
        found = read(setup__cfg=content)
        assert [line.partition(";")[0] for line in found.libraries] == ["six", "tabulate>=0.9"]
        assert found.notes == ("code/setup.cfg asks for Python >=3.12, and the job has 3.11.",)
        with pytest.raises(ProjectError, match=r"code/setup\.cfg is not right"):
            read(setup__cfg="install_requires = a\n[options\n")

    def test_a_list_for_pip_tools(self) -> None:
        found = read(requirements__in="six\nsklearn # for the model\n")
        assert found.libraries == ("scikit-learn", "six")
        assert found.source == "requirements.in"
        assert read(requirements__in="six", requirements__txt="six==1.16.0").libraries == ("six==1.16.0",)

    def test_a_file_for_other_tools_hides_nothing(self) -> None:
        other = {"pyproject__toml": "[tool.black]\nline-length = 100\n", "setup__cfg": "[flake8]\nmax = 1\n"}
        found = read(environment__yml="dependencies: [six]", **other)
        assert (found.source, found.libraries, found.notes) == ("environment.yml", ("six",), ())
        assert read(**other).source == ""
        assert read(pyproject__toml="[tool.poetry.dependencies]\nsix = '*'\n").libraries == ("six",)
        assert read(pyproject__toml="[project]\nname = 'x'\n").remarks == ("code/pyproject.toml names no library.",)
