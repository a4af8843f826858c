"""What people write into the files that name libraries, and what labd takes it for."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.errors import ProjectError
from labd.model.config import Build
from labd.model.languages import load
from labd.projects import dependencies, imports, metadata
from labd.projects.dependencies import Dependencies

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES = load(ROOT / "templates")
PYTHON = LANGUAGES["python"]


def read(build: Build | None = None, **files: str | bytes) -> Dependencies:
    """The dependencies of a Python project; `requirements__txt="…"` is its requirements.txt."""
    contents = {
        name.replace("__", "."): content.encode() if isinstance(content, str) else content
        for name, content in files.items()
    }
    return dependencies.read(PYTHON, "3.11", contents, build or Build())


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("sklearn", "scikit-learn"),
        ("cv2", "opencv-python-headless"),
        ("PIL>=9", "pillow>=9"),
        ("yaml==6.0", "pyyaml==6.0"),
        ("sklearn==0.0.post5", "scikit-learn"),
        ("json", ""),
        ("pytorch", "torch"),
        ("pytorch-cpu==1.13.1", "torch==1.13.1"),
        ("tensorflow-gpu==2.10", "tensorflow==2.10"),
        ("opencv==4.5.1", "opencv-python-headless==4.5.1.*"),
        ("opencv=4.5.1=py38_0", "opencv-python-headless==4.5.1.*"),
        ("python-opencv", "opencv-python-headless"),
        ("torch-vision", "torchvision"),
        ("beautifulsoup", "beautifulsoup4"),
        ("pywin32==306", ""),
        ("pkg-resources==0.0.0", ""),
        ("WARNING: You are using pip version 21.1; however, version 24 is available.", ""),
        ("[notice] A new release of pip is available: 23.0 -> 24.0", ""),
        ("numpy=1.26", "numpy==1.26.*"),
        ("pandas=1.5.3=py311h6a678d5_0", "pandas==1.5.3"),
        ("_libgcc_mutex=0.1=main", ""),
        ("python=3.11.5=h955ad1f_0", ""),
        ("attrs @ file:///croot/attrs_1695717823297/work", "attrs"),
        ("numpy @ file:///C:/b/numpy-1.24.3-cp311-cp311-win_amd64.whl#sha256=00", "numpy==1.24.3"),
        ("torch==2.1.0+cu118", "torch==2.1.0"),
        ("pip install numpy pandas", "numpy pandas"),
        ("!pip install -q seaborn", "seaborn"),
        ("numpy    1.26.4", "numpy==1.26.4"),
        ("numpy  1.26.4  py311h08b1b3b_0  conda-forge", "numpy==1.26.4"),
        ('"scipy==1.10",', "scipy==1.10"),
        ("- tqdm", "tqdm"),
    ],
)
def test_a_line_is_read_as_it_is_meant_and_labd_says_so(line: str, meant: str) -> None:
    found = read(requirements__txt=f"{line}\n")
    assert list(found.libraries) == meant.split()
    # Marks of a list and quotes change nothing about the requirement itself.
    if not line.startswith(("-", '"')):
        assert " ".join(line.split())[:20] in " ".join(found.log)


def documented() -> list[tuple[str, list[str]]]:
    """The lines of the table in the documentation, and what it says that each is read as."""
    table = re.findall(r"(?m)^\| `(.+?)` \| (.+) \|$", (ROOT / "docs" / "requirements.md").read_text())
    return [(line, re.findall(r"`([^`]+)`", meant.partition(",")[0])) for line, meant in table]


@pytest.mark.parametrize(("line", "meant"), documented())
def test_a_line_is_read_as_the_documentation_says(line: str, meant: list[str]) -> None:
    assert [name.lower() for name in read(requirements__txt=line).libraries] == [name.lower() for name in meant]


def test_the_documentation_has_a_table_of_lines() -> None:
    assert len(documented()) > 10


@pytest.mark.parametrize(
    "line",
    [
        "numpy==1.26.4",
        "pandas>=2,<3",
        'pywin32; sys_platform == "win32"',
        "requests[socks]~=2.31",
        "git+https://example.org/a.git",
        "lib @ git+https://example.org/a.git",
        "./wheels/lib-1.0-py3-none-any.whl",
        "-e .",
        "--pre",
    ],
)
def test_a_line_that_is_right_or_names_a_place_stays(line: str) -> None:
    found = read(requirements__txt=f"{line}\n")
    assert not found.changes
    assert found.files["requirements.txt"].decode().replace(" ", "") == f"{line}\n".replace(" ", "")


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, b""], ids=["with-mark", "without-mark"])
def test_what_powershell_writes_is_read(mark: bytes) -> None:
    found = read(requirements__txt=mark + "numpy==1.26.4\r\npandas\r\n".encode("utf-16-le"))
    assert found.libraries == ("numpy==1.26.4", "pandas")
    assert "UTF-16" in found.remarks[0]


@pytest.mark.parametrize(
    "lines", ["six==1.15.0\nsix==1.16.0", "six==1.15.0\nsix>=1.16", "Six==1.15.0\nattrs\nsix<1.15"]
)
def test_lines_that_contradict_each_other_are_a_question(lines: str) -> None:
    with pytest.raises(ProjectError, match=r"contradicts itself: `[sS]ix==1.15.0` and `six"):
        read(requirements__txt=lines)


def test_lines_that_go_together_are_no_contradiction() -> None:
    lines = ("six==1.15.0", "six>=1.10", "six", "six==1.15", "six==1.16;python_version<'3.8'")
    found = read(requirements__txt="\n".join(lines))
    assert found.files["requirements.txt"].decode().splitlines() == sorted(lines)


def test_a_build_for_a_graphics_card_comes_from_its_own_index_where_the_administrator_names_one() -> None:
    index = "https://index.example.org/cu118"
    found = read(Build(local_versions={"cu118": index}), requirements__txt="torch==2.1.0+cu118\ntorchvision\n")
    assert found.files["requirements.txt"].decode() == f"--extra-index-url {index}\ntorch==2.1.0+cu118\ntorchvision\n"


def test_an_empty_list_is_told() -> None:
    assert read(requirements__txt="\n# later\n").remarks == ("code/requirements.txt names no library.",)


def test_many_changes_are_one_sentence_in_status_and_all_in_the_log() -> None:
    found = read(requirements__txt="json\nre\nos\nsys\nmath\n")
    assert len(found.remarks) == 1
    assert found.remarks[0].endswith("and 2 more, see build.log.")
    assert len(found.log) == 5


def test_pyproject_stands_in_where_there_is_no_list() -> None:
    content = '[project]\nrequires-python = ">=3.12"\ndependencies = ["numpy>=1.26", "PIL"]\n'
    found = read(pyproject__toml=content)
    assert found.libraries == ("numpy>=1.26", "pillow")
    assert found.notes == ("code/pyproject.toml asks for Python >=3.12, and the job has 3.11.",)
    assert read(pyproject__toml=content, requirements__txt="six").libraries == ("six",)


def test_poetrys_versions_are_understood() -> None:
    content = """[tool.poetry.dependencies]
python = "^3.9"
numpy = "^1.26"
six = "~1.16.0"
attrs = "*"
tiny = "^0.2.3"
rich = {version = ">=13", extras = ["jupyter"]}
own = {path = "../own"}
"""
    assert read(pyproject__toml=content).libraries == (
        "attrs",
        "numpy>=1.26,<2",
        "rich[jupyter]>=13",
        "six>=1.16.0,<1.17",
        "tiny>=0.2.3,<0.3",
    )


def test_a_conda_environment_is_read_as_far_as_it_names_libraries() -> None:
    content = """
dependencies: [python=3.9, pip, numpy=1.26, "pandas>=2,<3", conda-forge::pytorch, mkl, libgfortran,
  {pip: [sklearn, tqdm==4.66.1]}]
"""
    found = read(environment__yml=content)
    assert found.libraries == ("numpy==1.26.*", "pandas>=2,<3", "scikit-learn", "torch", "tqdm==4.66.1")
    assert "asks for Python 3.9.*, and the job has 3.11" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [("environment__yml", "a: [1\nb: }"), ("environment__yml", "- x\n" * 30_000), ("pyproject__toml", "[project\n")],
    ids=["no-yaml", "too-long", "no-toml"],
)
def test_a_file_that_cannot_be_read_is_told_with_what_to_do(name: str, content: str) -> None:
    with pytest.raises(ProjectError) as raised:
        read(**{name: content})
    assert raised.value.hint


@pytest.mark.parametrize("content", ["a", "[]", "dependencies: 3", "dependencies: [[1], {pip: 1}, {pip: [1]}]", ""])
def test_any_other_content_of_an_environment_asks_for_nothing(content: str) -> None:
    assert read(environment__yml=content).libraries == ()


def test_an_r_description_names_packages() -> None:
    content = (
        b"Package: x\nDepends: R (>= 4.0), methods\nImports: ggplot2 (>= 3.0),\n    dplyr, stats\nSuggests: knitr\n"
    )
    found = dependencies.read(LANGUAGES["r"], "4.2", {"DESCRIPTION": content}, Build())
    assert found.files["packages.txt"] == b"ggplot2\ndplyr\n"
    assert metadata.description("no: such\nfile").libraries == ()


@given(st.text(max_size=300), st.sampled_from(["requirements.txt", "environment.yml", "pyproject.toml", "apt.txt"]))
def test_no_text_at_all_makes_it_stumble(text: str, name: str) -> None:
    with contextlib.suppress(ProjectError):
        found = dependencies.read(PYTHON, "3.11", {name: text.encode()}, Build())
        assert set(found.files) == {"requirements.txt", "apt.txt"}


class TestSystemLibraries:
    def test_are_named_one_or_several_a_line(self) -> None:
        found = read(apt__txt="libgl1  # for cv2\nsudo apt-get install -y graphviz ffmpeg\n\n")
        assert found.files["apt.txt"] == b"ffmpeg\ngraphviz\nlibgl1\n"

    @pytest.mark.parametrize("line", ["libgl1; rm -rf /", "$(id)", "../x", "libgl1=1.2", "a", "`id`", "x/bullseye"])
    def test_have_no_other_letters_than_debians_names(self, line: str) -> None:
        with pytest.raises(ProjectError, match=r"apt\.txt"):
            read(apt__txt=line)

    def test_can_be_forbidden(self) -> None:
        with pytest.raises(ProjectError, match="installs none"):
            read(Build(system_packages=False), apt__txt="libgl1")
        read(Build(system_packages=False), apt__txt="# nothing")


class TestImports:
    def found(self, folder: Path, **files: str) -> dict[str, tuple[str, int]]:
        for name, content in files.items():
            path = folder / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        program = "app.py" if (folder / "app.py").exists() else "app.ipynb"
        command = [sys.executable, "-I", "-m", "labd.projects.import_scan", str(folder), program]
        return {name: tuple(place) for name, place in json.loads(subprocess.check_output(command)).items()}

    def test_are_found_through_the_projects_own_files(self, tmp_path: Path) -> None:
        found = self.found(
            tmp_path,
            app_py='"""from here import nothing"""\nimport os, numpy as np\nimport helper\nfrom tools import draw\n',
            helper_py="def f():\n    import PIL.Image; import yaml\n",
            tools____init___py="",
            tools__draw_py="from . import colours\nfrom matplotlib import (pyplot,\n  cm)\n",
            tools__colours_py="import torch.nn as nn\n",
            unused_py="import tensorflow\n",
        )
        assert found == {
            "numpy": ("app.py", 2),
            "PIL": ("helper.py", 2),
            "yaml": ("helper.py", 2),
            "matplotlib": ("tools/draw.py", 2),
            "torch": ("tools/colours.py", 1),
        }

    def test_are_found_over_several_lines_at_the_very_end_and_never_among_what_is_pythons_own(
        self, tmp_path: Path
    ) -> None:
        found = self.found(
            tmp_path,
            app_py="import __main__\nfrom parts import (\n    first,\n    second)\nimport os, \\\n    numpy",
            parts__first_py="import yaml",
            parts__second_py="x = 1; from PIL import Image",
        )
        assert found == {"numpy": ("app.py", 5), "yaml": ("parts/first.py", 1), "PIL": ("parts/second.py", 1)}

    def test_that_a_program_can_do_without_do_not_count(self, tmp_path: Path) -> None:
        code = "try:\n    import cupy\nexcept ImportError:\n    import other\nfrom typing import TYPE_CHECKING\n"
        code += "if TYPE_CHECKING:\n    import polars\n"
        assert self.found(tmp_path, app_py=code) == {}

    def test_in_a_notebook_are_found_in_its_cells(self, tmp_path: Path) -> None:
        cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n", "import seaborn as sns"]}]
        (tmp_path / "app.ipynb").write_text(json.dumps({"cells": cells}))
        assert self.found(tmp_path) == {"seaborn": ("app.ipynb", 3)}

    @pytest.mark.parametrize(
        "code",
        ["def (:", "import \\", "(" * 100_000, "import a\nx = " + "-" * 100_000 + "1"],
        ids=["wrong", "cut-off", "parentheses", "signs"],
    )
    def test_in_code_that_is_none_do_no_harm(self, tmp_path: Path, code: str) -> None:
        (tmp_path / "app.py").write_text(code)
        assert imports.scan(tmp_path, "app.py", None) == {}

    @pytest.mark.parametrize(
        ("module", "libraries", "missing"),
        [
            ("cv2", (), "opencv-python-headless"),
            ("cv2", ("opencv-python==4.9",), None),
            ("numpy", ("pandas>=2",), None),
            ("numpy", ("NumPy",), None),
            ("google", ("google-cloud-storage",), None),
            ("lib", ("lib @ git+https://example.org/a",), None),
            ("sklearn", ("numpy",), "scikit-learn"),
        ],
    )
    def test_that_nothing_provides_are_missed(
        self, module: str, libraries: tuple[str, ...], missing: str | None
    ) -> None:
        found = {module: ["app.py", 1]}
        expected = {module: missing} if missing else {}
        assert imports.unprovided(found, libraries, PYTHON.template.distributions) == expected

    def test_that_are_missed_are_proposed(self) -> None:
        missing = {"cv2": "opencv-python-headless", "numpy": "numpy"}
        assert imports.proposal(missing).endswith("\nnumpy\nopencv-python-headless\n")
        said = imports.warning(missing, {"cv2": ["app.py", 1], "numpy": ["a/b.py", 2]}, "requirements.txt")
        assert said == (
            "app.py imports cv2, a/b.py imports numpy, and no line of code/requirements.txt provides it: "
            "add `opencv-python-headless` and `numpy` there."
        )
