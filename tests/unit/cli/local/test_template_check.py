"""What an administrator can get wrong in a template of their own, and what labd says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.cli.local.template_check import judge, read, summary
from labd.model import languages
from labd.model.config import Config

BUNDLED = Config().paths.templates
TEMPLATE = """title = "Shell"
program = "app.sh"
command = ["bash", "/code/app.sh"]
default = "5"
versions = { "5" = "localhost/shell:5" }
"""
DOCKERFILE = "ARG BASE\nFROM ${BASE} AS environment\n"


def report(folder: Path, template: str = TEMPLATE, dockerfile: str | None = DOCKERFILE, name: str = "shell") -> str:
    """All that is said of one own template."""
    (folder / name).mkdir()
    (folder / name / "template.toml").write_text(template)
    if dockerfile is not None:
        (folder / name / "Dockerfile").write_text(dockerfile)
    found, wrong = read(BUNDLED, folder)
    findings = [*wrong, *(one for language in found.values() for one in judge(language, found))]
    return "\n".join(f"{one.name}: {one.text} {one.hint}" for one in findings if one.name == name)


def test_a_right_template_is_summed_up_in_a_line(tmp_path: Path) -> None:
    assert report(tmp_path) == ""
    found, _ = read(BUNDLED, tmp_path)
    assert summary(found["shell"]) == "shell: app.sh, versions 5 (default 5): right"


def test_the_templates_that_labd_brings_are_right(tmp_path: Path) -> None:
    found, wrong = read(BUNDLED, tmp_path)
    assert [*wrong, *(one for language in found.values() for one in judge(language, found))] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("program =", "programm =", "Did you mean `program`?"),
        ('"app.sh"', '"src/app.sh"', "without a folder"),
        ('default = "5"', 'default = "6"', "the default version '6' is not among versions (5)"),
        ('"app.sh"', '"app.py"', "python runs app.py, too."),
        ("default =", 'family = "klingon"\ndefault =', "there is no language `klingon`"),
        ("default =", 'reader = "poems"\ndefault =', "reader is 'poems'."),
        ('["bash", "/code/app.sh"]', "[]", "command is empty"),
        ("title", "[title", "is not valid TOML"),
    ],
)
def test_a_mistake_in_template_toml_is_told_in_plain_words(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in report(tmp_path, TEMPLATE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        (None, "there is no Dockerfile"),
        ("ARG BASE\nFROM ${BASE}\n", "no stage `environment`"),
        ("FROM debian AS environment\n", "does not take BASE"),
        ("# syntax=docker/dockerfile:1\n" + DOCKERFILE, "a line `# syntax=`"),
    ],
)
def test_a_mistake_in_the_dockerfile_is_told_in_plain_words(tmp_path: Path, dockerfile: str | None, said: str) -> None:
    assert said in report(tmp_path, dockerfile=dockerfile)


@pytest.mark.parametrize(("name", "said"), [("my-shell", "no name for a language"), ("memory", "has an option")])
def test_a_name_that_job_toml_cannot_hold_is_refused(tmp_path: Path, name: str, said: str) -> None:
    assert said in report(tmp_path, name=name)


def test_a_broken_own_template_is_left_out_and_the_others_work(tmp_path: Path) -> None:
    report(tmp_path)
    report(tmp_path, "title = 5\n", name="broken")
    left_out: list[str] = []
    known = languages.load(BUNDLED, tmp_path, lambda name, error: left_out.append(f"{name}: {error.message}"))
    assert "shell" in known and "python" in known and "broken" not in known
    assert left_out == ["broken: broken/template.toml, line 1: title is 5; expected is text in quotes."]


def test_a_language_of_a_family_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    known = languages.load(BUNDLED)
    assert known["notebook"].template.distributions["cv2"] == "opencv-python-headless"
    assert known["notebook"].template.debian == known["python"].template.debian
