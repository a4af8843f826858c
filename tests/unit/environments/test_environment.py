"""Which projects share an environment, and what its image is called."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.environments.environment import Environment, describe, reference
from labd.environments.requirements import normalise
from labd.model.languages import load

PYTHON = load(Path(__file__).resolve().parents[3] / "templates")["python"]
# As Docker's reference grammar has it: distribution/reference/regexp.go.
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"


def environment(
    requirements: bytes | str | None, *, settings: tuple[str, ...] = (), base: str = "sha256:1"
) -> Environment:
    content = requirements.encode() if isinstance(requirements, str) else requirements
    files = {} if content is None else {"requirements.txt": content}
    return describe(PYTHON, "3.11", "python:3.11", base, settings, files)


@pytest.mark.parametrize(
    "other",
    [
        "numpy\npandas>=2.0,<3\n",
        "pandas>=2.0,<3\nnumpy",
        "numpy\r\npandas>=2.0,<3\r\n",
        "# what I need\n\n  numpy   # arrays\n\tpandas >= 2.0, < 3\n",
        "NumPy\nPandas>=2.0,<3\nnumpy\n",
        codecs.BOM_UTF8 + b"numpy\npandas>=2.0,<3\n",
        codecs.BOM_UTF16_LE + "numpy\r\npandas>=2.0,<3\r\n".encode("utf-16-le"),
        "numpy\npandas>=2.0,\\\n    <3\n",
    ],
    ids=["plain", "order", "windows", "comments", "capitals", "mark", "powershell", "continued"],
)
def test_what_makes_no_difference_makes_no_other_environment(other: bytes | str) -> None:
    assert environment(other).tag == environment("numpy\npandas>=2.0,<3\n").tag


@pytest.mark.parametrize(
    "other",
    [
        "numpy",
        "numpy\npandas>=2.0,<4",
        "numpy\npandas>=2.0,<3\nscipy",
        "numpy[extra]\npandas>=2.0,<3",
        "numpy; sys_platform == 'win32'\npandas>=2.0,<3",
        "--pre\nnumpy\npandas>=2.0,<3",
        "numpy\npandas>=2.0,<3 --hash=sha256:00",
    ],
)
def test_what_makes_a_difference_makes_another_environment(other: str) -> None:
    assert environment(other).tag != environment("numpy\npandas>=2.0,<3").tag


def test_a_file_that_asks_for_nothing_is_the_same_as_none() -> None:
    assert environment("\n# nothing yet\n").tag == environment("").tag == environment(None).tag


def test_base_image_and_settings_are_part_of_an_environment() -> None:
    tags = {environment("numpy").tag, environment("numpy", base="sha256:2").tag}
    assert len(tags | {environment("numpy", settings=("http://index",)).tag}) == 3


def test_options_keep_their_order_and_stand_first() -> None:
    content = b"numpy\n--extra-index-url https://b\n--extra-index-url https://a\nattrs\n"
    assert normalise("requirements.txt", content) == (
        b"--extra-index-url https://b\n--extra-index-url https://a\nattrs\nnumpy\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "pip install numpy",
        "numpy @ https://example.org/Numpy-1.whl",
        "./My_Package",
        "pandas = 2.0 beta",
        "-r More.txt",
    ],
)
def test_a_line_that_is_no_plain_requirement_is_left_to_the_installer_as_it_is(line: str) -> None:
    assert normalise("requirements.txt", line.encode()) == f"{line}\n".encode()


@pytest.mark.parametrize("name", ["environment.yml", "packages.txt"])
def test_other_files_keep_their_content(name: str) -> None:
    assert normalise(name, b"B:\r\n  - 1 # one\r\nA: 2") == b"B:\n  - 1 # one\nA: 2"


@given(st.text(max_size=200).map(str.encode))
def test_the_normal_form_is_its_own_normal_form(content: bytes) -> None:
    once = normalise("requirements.txt", content)
    assert normalise("requirements.txt", once) == once


@given(st.lists(st.text(max_size=80), min_size=1, max_size=3))
def test_the_name_of_a_project_is_always_a_valid_name_of_an_image(parts: list[str]) -> None:
    assert re.fullmatch(rf"labd(?:/{COMPONENT})+", reference("/".join(parts)))


@given(st.from_regex(r"[a-z0-9]{1,20}-[a-z0-9]{1,20}/[a-z0-9]{1,20}\.[a-z0-9]{1,20}", fullmatch=True))
def test_a_name_that_docker_accepts_stays_as_it_is(name: str) -> None:
    assert reference(name) == f"labd/{name}"


def test_an_environment_is_made_from_another_only_by_adding_a_little() -> None:
    had = environment("numpy\npandas\n")
    assert environment("numpy\npandas\nscipy\n").steps_from(had.labels) == 1
    assert environment("numpy\npandas\nscipy\n").steps_from({**had.labels, "labd.extensions": "8"}) is None
    assert environment("numpy\npandas\nscipy\nattrs\n").steps_from(had.labels) is None
    assert environment("numpy\npandas<2\nscipy\n").steps_from(had.labels) is None
    assert environment("numpy\npandas\nscipy\n", base="sha256:2").steps_from(had.labels) is None
    assert environment("--pre\nnumpy\npandas\nscipy\n").steps_from(had.labels) is None
    assert environment("numpy\npandas\nscipy\n").steps_from({}) is None
