"""Languages that an administrator adds: a folder with two files, and they run; a broken one harms nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker as sdk
import pytest

from conftest import MakeLab
from support.docs_blocks import differs, steps
from support.lab import Lab, wait_for

BASE = "python:3.11-slim-bookworm"  # what is there; any image with a shell does
DOCKERFILE = "ARG BASE\nFROM ${BASE} AS environment\n"
SHELL = f"""title = "Shell"
program = "app.sh"
command = ["bash", "/code/app.sh"]
default = "5"
versions = {{ "5" = "{BASE}" }}
"""
# A language with an interpreter and packages of its own, in miniature.
JULIA = f"""title = "Julia"
program = "app.jl"
command = ["sh", "/opt/julia", "/code/app.jl"]
environment = ["Project.toml"]
default = "1.9"
versions = {{ "1.9" = "{BASE}", "1.10" = "{BASE}" }}
"""
JULIA_DOCKERFILE = (
    DOCKERFILE
    + r"""LABEL labd.packages="/opt/packages.txt"
COPY .template/julia /opt/
RUN --mount=type=bind,target=/dev/labd/project \
    sed 's/ = /==/; s/"//g' /dev/labd/project/Project.toml > /opt/packages.txt
"""
)
INTERPRETER = 'echo "julia runs $(cat "$1") with $(cat /opt/packages.txt)"\n'


def add(folder: Path, name: str, template: str, dockerfile: str) -> None:
    (folder / name).mkdir()
    (folder / name / "template.toml").write_text(template)
    (folder / name / "Dockerfile").write_text(dockerfile)


def run(lab: Lab, name: str, **files: str) -> dict[str, Any]:
    number = len(lab.jobs()) + 1
    for file, text in files.items():
        lab.ana.write(lab.ana.inbox(name) / file.replace("__", "/").replace("_", "."), text)
    lab.ana.submit(name)
    wait_for(f"job {number} of {name} complete", lambda: lab.ana.complete(name) == number)
    return lab.ana.status(name)


def test_own_languages_run_and_a_broken_one_is_left_out_with_a_warning(make_lab: MakeLab) -> None:
    lab = make_lab()
    own = lab.folder / "templates"
    own.mkdir()
    add(own, "shell", SHELL, DOCKERFILE)
    add(own, "julia", JULIA, JULIA_DOCKERFILE)
    (own / "julia" / "julia").write_text(INTERPRETER)
    add(own, "broken", "title = 5\n", DOCKERFILE)
    text = lab.config_file.read_text()
    line = f"own_templates = '{own}'\n"
    lab.config_file.write_text(
        text.replace("[paths]\n", f"[paths]\n{line}") if "[paths]" in text else f"{text}[paths]\n{line}"
    )
    lab.start()
    assert "broken is left out" in lab.log.read_text()

    assert run(lab, "words", code__app_sh="echo done > /output/words.txt; echo $HOME\n")["state"] == "succeeded"
    assert (lab.ana.outbox("words") / "output" / "words.txt").read_text() == "done\n"

    job = "[job]\njulia = '1.10'\n"
    status = run(lab, "fast", code__app_jl="println(1)", code__Project_toml='Plots = "1.2"\n', job_toml=job)
    assert status["state"] == "succeeded", lab.ana.text("fast", "build.log")
    assert lab.ana.text("fast", "run.log") == "julia runs println(1) with Plots==1.2\n"
    environment = lab.ana.receipt("fast")["environment"]
    assert environment["packages"] == ["Plots==1.2"]

    (own / "julia" / "julia").write_text(INTERPRETER.replace("runs", "still runs"))
    assert run(lab, "fast", code__app_jl="println(2)")["state"] == "succeeded"
    assert lab.ana.text("fast", "run.log") == "julia still runs println(2) with Plots==1.2\n"

    assert run(lab, "python", code__app_py="print(1)\n")["state"] == "succeeded"


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "languages.md"


@pytest.fixture
def shell_images() -> Iterator[None]:
    """What is made of the documented language is removed; what was there before is somebody's."""
    client = sdk.from_env()

    def there() -> set[str]:
        made = client.images.list(filters={"label": "labd.base=localhost/labd/shell:12"})
        return {image.id for image in [*made, *client.images.list("localhost/labd/shell")]}

    before = there()
    yield
    for image in there() - before:
        client.images.remove(image, force=True)
    client.close()


def test_a_language_is_added_as_the_documentation_shows(shell_images: None, tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    todo = list(steps(DOCUMENT))
    assert [step.file for step in todo].count("") >= 5
    for step in todo:
        if step.file:
            file = tmp_path / step.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.command.replace("/home/me", str(tmp_path)))
            continue
        command = ["bash", "-c", f"{step.command} 2>&1"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert not (wrong := differs(step.expected, done.stdout)), f"{step.place}: {step.command}\n{wrong}"
