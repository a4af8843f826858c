from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from labd.admin.doctor.config_check import check_config
from labd.cli.local.check import check
from labd.common.errors import ConfigError, NotFoundError, ProjectError
from labd.model.account_settings import AccountEntry
from labd.model.config import Config, Versions

Make = Callable[..., Path]
EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a project of files by their path in it (`__` for `/`), and a program unless there is one."""

    def make(name: str = "galaxies", **files: str) -> Path:
        for path, content in {"code__app.py": "", **files}.items():
            file = tmp_path / name / path.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return tmp_path / name

    return make


def said(project: Path, config: Config | None = None) -> str:
    return "\n".join(check(project, config or Config()))


@pytest.mark.parametrize("example", ["galaxies", "nile", "penguins"])
def test_the_examples_are_ready(example: str) -> None:
    assert said(EXAMPLES / example).startswith(f"{example}: ready. Python 3.11, ")


def test_a_ready_project_is_told_with_what_it_has_and_gets(make: Make) -> None:
    files = {"code__requirements.txt": "Pandas >= 2.0\n# a comment\nnumpy\n", "job.toml": '[job]\nmemory = "1g"\n'}
    lines = said(make(**files)).splitlines()
    assert lines[0].startswith("galaxies: ready. Python 3.11, 3 files, ")
    assert lines[0].endswith("; 1 CPU, 1 GB of memory, up to 1 day")
    assert lines[1] == "Libraries: numpy, pandas>=2.0"


def test_a_project_folder_inside_is_found_as_in_an_inbox(make: Make) -> None:
    project = make(project__code__app__py="")
    (project / "project" / "code").mkdir(parents=True, exist_ok=True)
    (project / "project" / "code" / "app.py").touch()
    (project / "code" / "app.py").unlink()
    (project / "code").rmdir()
    assert said(project).startswith("galaxies: ready.")


def test_the_folder_where_one_is_goes_by_its_own_name(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make())
    assert said(Path()).startswith("galaxies: ready.")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ('[job]\nmemmory = "1g"', "no option `job.memmory`"),
        ('[job]\nmemory = "900t"', "the most on this server"),
        ('[job]\npython = "2.7"', "asks for Python 2.7, which this server does not have"),
        ("[job]\nnetwork = true", "does not allow"),
        ("[job", "not valid TOML"),
    ],
)
def test_what_job_toml_cannot_have_is_refused_in_the_words_of_the_server(make: Make, content: str, cause: str) -> None:
    with pytest.raises(ProjectError, match=cause) as refusal:
        said(make(**{"job.toml": content}))
    assert refusal.value.hint


def test_a_link_as_job_toml_is_refused(make: Make) -> None:
    project = make()
    (project / "job.toml").symlink_to("code/app.py")
    with pytest.raises(ProjectError, match=r"job\.toml is not a file"):
        said(project)


def test_a_program_by_another_name_is_refused(make: Make) -> None:
    project = make(code__main="")
    (project / "code" / "app.py").rename(project / "code" / "main.py")
    with pytest.raises(ProjectError, match=r"named `code/main\.py`"):
        said(project)


@pytest.mark.parametrize("name", ["my project", "-rf", "été"])
def test_a_name_that_the_inbox_refuses_is_refused_here(make: Make, name: str) -> None:
    with pytest.raises(ProjectError, match="cannot be the name of a project"):
        said(make(name))


def test_a_folder_that_labd_would_take_no_notice_of_is_refused(make: Make) -> None:
    with pytest.raises(ProjectError, match="no notice"):
        said(make(".Trash-1000"))


def test_too_many_files_are_refused(make: Make) -> None:
    config = Config()
    few = replace(config, inbox=replace(config.inbox, max_files=2))
    with pytest.raises(ProjectError, match="more than 2 files"):
        said(make(input__a="", input__b="", input__c=""), few)


def test_what_a_snapshot_would_leave_out_is_told(make: Make) -> None:
    project = make()
    (project / "code" / "passwords").symlink_to("/etc/passwd")
    (project / "code" / "up").symlink_to("../../elsewhere")
    (project / "code" / "same").symlink_to("app.py")
    os.mkfifo(project / "code" / "pipe")
    text = said(project)
    assert "code/passwords was left out: it is a link that leads out of the project." in text
    assert "code/up was left out" in text
    assert "code/pipe was left out: it is not a file or folder." in text
    assert "same" not in text


def test_what_is_not_part_of_a_job_is_told(make: Make) -> None:
    text = said(make(**{"output__plot.png": "", "README.md": "", ".DS_Store": ""}))
    assert "Not part of the job: README.md, output/ (labd reads code, input, job.toml)" in text


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        ("requirements.txt", "requirements.txt is not read where it is: move it into code/."),
        ("code__Requirements.txt", "code/Requirements.txt is not read: rename it to code/requirements.txt."),
    ],
)
def test_a_list_of_libraries_that_nobody_would_read_is_told(make: Make, place: str, remedy: str) -> None:
    text = said(make(**{place: "numpy\n", "code__app.py": "import numpy\n"}))
    assert f"Note: {remedy}" in text
    assert "Libraries" not in text
    assert "add `numpy`" not in text


def test_options_that_nobody_would_read_are_told_and_hide_no_import(make: Make) -> None:
    text = said(make(**{"job.toml.txt": "[job]\ncpus = 2\n", "code__app.py": "import numpy\n"}))
    assert "Note: job.toml.txt is not read, so its options do not count: rename it to job.toml." in text
    assert "add `numpy`" in text


def test_unfinished_transfers_are_told(make: Make) -> None:
    project = make(input__data="")
    os.utime(project / "input" / "data", (0, 0))
    (project / "input" / "big.fits.filepart").touch()
    text = said(project)
    assert "input/big.fits.filepart looks like an unfinished transfer" in text
    assert "input/data has no date" in text


def test_what_has_not_all_arrived_is_told_so_first_and_is_not_called_ready(make: Make) -> None:
    first, second, *_ = check(make(), Config(), "upload interrupted\nafter 2 files")
    assert first == "galaxies: not all of it has arrived, as far as labd knows: upload interrupted after 2 files"
    assert second.startswith("What is there so far could be run: Python")
    empty = make("empty")
    (empty / "code" / "app.py").unlink()
    told = check(empty, Config(), "receiving: 0 files")
    assert next(told).startswith("empty: not all of it has arrived")
    with pytest.raises(ProjectError, match="empty"):
        next(told)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no folder"):
        said(tmp_path / "nowhere")


def test_nothing_is_changed_by_a_check(make: Make) -> None:
    project = make(**{"code__requirements.txt": "numpy", "README.md": ""})
    before = sorted((str(path), path.stat().st_mtime_ns) for path in project.rglob("*"))
    said(project)
    assert sorted((str(path), path.stat().st_mtime_ns) for path in project.rglob("*")) == before


# check-config


def test_a_config_is_told_in_a_few_lines() -> None:
    config = replace(
        Config(), accounts=(AccountEntry(name="ana-silva", home=Path("/home/ana-silva"), uid=5001, gid=5001),)
    )
    lines = list(check_config(config, "config.toml"))
    assert lines[0] == "config.toml is right."
    assert lines[1] == "Accounts: ana-silva"
    assert "Python: 3.8, 3.11, 3.13 (default 3.11)" in lines[2]


def test_a_language_without_a_template_is_found() -> None:
    config = replace(Config(), languages={"fortran": Versions("77", {"77": "fortran:77"})})
    with pytest.raises(ConfigError, match="no template for fortran"):
        list(check_config(config, "config.toml"))


def test_an_account_that_the_machine_does_not_have_is_found() -> None:
    config = replace(Config(), accounts=(AccountEntry(name="nobody-of-that-name"),))
    with pytest.raises(ConfigError, match="no user nobody-of-that-name"):
        list(check_config(config, "config.toml"))


def test_root_as_an_account_is_found() -> None:
    config = replace(Config(), accounts=(AccountEntry(name="root"),))
    with pytest.raises(ConfigError, match="root"):
        list(check_config(config, "config.toml"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("code__requirements.txt", f"a{' ' * 150_000}b", r"^Line 1 of code/requirements\.txt has 150,002 characters"),
        ("code__requirements.txt", f"a; {'(' * 1500}", r"^The line `a; \(+…\(+` cannot be read"),
        ("code__pyproject.toml", f"project.{'.'.join('a' * 4000)} = 1", r"^Line 1 of code/pyproject\.toml has "),
        (
            "code__environment.yml",
            "a: &a [x]\ndependencies: *a\n",
            r"^code/environment\.yml is not right \(line 2\)\.$",
        ),
        ("job.toml", "[" * 100_000, r"^Line 1 of job\.toml has 100,000 characters"),
        ("job.toml", f"[job]\ncpus = {'9' * 5000}", r"^Line 2 of job\.toml has 5,007 characters"),
    ],
)
def test_what_no_parser_can_read_is_told_as_the_daemon_tells_it(make: Make, name: str, content: str, told: str) -> None:
    with pytest.raises(ProjectError, match=told):
        said(make(**{name: content}))


@pytest.mark.parametrize("name", ["job.toml", "code/requirements.txt", "code/apt.txt", "code/.python-version"])
def test_a_file_that_is_read_has_to_be_one(make: Make, name: str) -> None:
    project = make()
    os.mkfifo(project / name)
    with pytest.raises(ProjectError, match=rf"^{re.escape(name)} is not a file\.$"):
        said(project)
    (project / name).unlink()
    (project / name).symlink_to("app.py")
    with pytest.raises(ProjectError, match=rf"^{re.escape(name)} is not a file\.$"):
        said(project)
