"""Lists that name one another with -r and -c."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from labd.common.errors import ProjectError
from labd.model.config import Build
from labd.model.languages import load
from labd.projects import dependencies, files, reading
from labd.projects.dependencies import Dependencies

PYTHON = load(Path(__file__).resolve().parents[4] / "templates")["python"]


def read(given: dict[str, str | bytes]) -> Dependencies:
    """The dependencies of a project with the files `given` in code/, which are looked up as they are named."""
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in given.items()}

    def there(names: Iterable[str]) -> dict[str, bytes]:
        return {name: contents[name] for name in names if name in contents}

    return dependencies.read(PYTHON, "3.11", reading.dependency_files(PYTHON, there), Build())


@pytest.mark.parametrize(
    "line",
    [
        "-r base.txt",
        "-rbase.txt",
        "-r ./base.txt",
        "-r sub/../base.txt",
        "-r .\\base.txt",
        "--requirement base.txt",
        "--requirement=base.txt",
        "--requirements base.txt",
        "-r base.txt  # the rest",
        '-r "base.txt"',
    ],
)
def test_a_list_that_is_named_is_read_as_if_its_lines_stood_there(line: str) -> None:
    found = read({"requirements.txt": f"{line}\ntabulate\n", "base.txt": "requests\nsklearn\n", "other.txt": "six"})
    assert found.libraries == ("requests", "scikit-learn", "tabulate")
    assert found.files["requirements.txt"] == b"requests\nscikit-learn\ntabulate\n"
    assert found.log == ("code/requirements.txt: `sklearn` in code/base.txt read as `scikit-learn`",)


def test_lists_are_found_from_the_folder_of_the_one_that_names_them_and_may_go_round() -> None:
    found = read(
        {
            "requirements.txt": "-r requirements/dev.txt\n",
            "requirements/dev.txt": "-r base.txt\n-r ../more.txt\npytest\n",
            "requirements/base.txt": "six\n-r dev.txt\n".encode("utf-16"),
            "more.txt": "tqdm",
        }
    )
    assert found.libraries == ("pytest", "six", "tqdm")
    assert "read as UTF-16" in found.remarks[0]


def test_lists_in_the_pip_part_of_an_environment_are_read() -> None:
    given = {"environment.yml": "dependencies:\n- pip:\n  - -r pip-list.txt\n  - six\n", "pip-list.txt": "tabulate"}
    assert read(given).libraries == ("six", "tabulate")


def test_constraints_hold_and_ask_for_nothing_themselves() -> None:
    limits = "requests==2.31.0\nsix==1.16.0\n"
    found = read({"requirements.txt": "-c constraints.txt\nrequests\n", "constraints.txt": limits})
    assert found.libraries == ("requests",)
    assert found.files["requirements.txt"] == b"-c constraints.txt\nrequests\n"
    assert found.files["constraints.txt"] == b"requests==2.31.0\nsix==1.16.0\n"
    nested = {"requirements.txt": "-c a/b.txt\nsix", "a/b.txt": "-r c.txt\n", "a/c.txt": "six==1.16.0"}
    assert read(nested).files["constraints.txt"] == b"six==1.16.0\n"


def test_lists_that_contradict_each_other_are_both_named() -> None:
    with pytest.raises(
        ProjectError, match=r"code/base.txt and code/requirements.txt contradict each other: `six==1.15"
    ):
        read({"requirements.txt": "-r base.txt\nsix==1.16.0", "base.txt": "six==1.15.0"})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-r base.txt", "(line 2) names code/base.txt, and there is no such file"),
        ("-c limits/a.txt", "(line 2) names code/limits/a.txt, and there is no such file"),
        ("-r ../requirements.txt", "(line 2) refers to a file outside code/"),
        ("-r /home/ana/list.txt", "(line 2) refers to a file outside code/"),
        ("-r C:\\Users\\ana\\list.txt", "(line 2) refers to a file outside code/"),
        ("-c ~/limits.txt", "(line 2) refers to a file outside code/"),
        ("-r https://elsewhere.example/list.txt", "(line 2) names an address"),
        ("-r file:///etc/passwd", "(line 2) names an address"),
        ("-r", "(line 2) names no file"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_with_its_line(line: str, words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read({"requirements.txt": f"six\n{line}\n"})
    assert f"The line `{line}` in code/requirements.txt {words}" in caught.value.message
    assert caught.value.hint
    assert ("Copy the lines" in caught.value.hint) == (line.startswith("-r ") and "base" not in line)


def test_more_lists_than_anybody_has_are_refused() -> None:
    chain: dict[str, str | bytes] = {f"{number}.txt": f"-r {number + 1}.txt" for number in range(40)}
    with pytest.raises(ProjectError):
        read({**chain, "requirements.txt": "-r 0.txt"})


def test_a_line_that_cannot_be_read_is_numbered_in_its_own_list() -> None:
    with pytest.raises(ProjectError, match=r"A line in code/base.txt is not understood: line 3, `numpy==`"):
        read({"requirements.txt": "-r base.txt", "base.txt": "six\n\nnumpy==\n"})


def test_an_option_in_a_named_list_is_judged_as_in_the_first() -> None:
    with pytest.raises(ProjectError, match=r"The line `--cert x` in code/base.txt has the option"):
        read({"requirements.txt": "-r base.txt", "base.txt": "--cert x"})


def test_a_list_is_never_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "list.txt").write_text("six")
    code = tmp_path / "code"
    (code / "sub").mkdir(parents=True)
    (code / "sub" / "list.txt").write_text("six")
    os.symlink(tmp_path / "elsewhere", code / "linked")
    os.symlink(tmp_path / "elsewhere" / "list.txt", code / "linked.txt")
    assert files.read(code, ["sub/list.txt", "sub/none.txt", "none/list.txt", "sub/list.txt/x"]) == {
        "sub/list.txt": b"six"
    }
    for name in ("linked/list.txt", "linked.txt", "sub"):
        with pytest.raises(ProjectError, match="is not a file"):
            files.read(code, [name])
