"""Languages that an administrator adds: a folder with two files, and they run; a broken one harms nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import MakeLab
from lab import Lab, wait_for

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
