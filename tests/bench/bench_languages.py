"""B11: how long each language takes from the complete upload to the program's first line, libraries known.

The yardstick is `docker run` of the same image with the template's own command and bind mounts. The program prints the
time itself.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from statistics import median

from measured_lab import MeasuredLab, Report, Row, measured_lab, tell_complete

from labd.model.languages import Template, load

ROUNDS = 7
TARGET = 1.0
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
PROGRAMS = {
    "python": "import time\nprint(time.time(), flush=True)\n# round {}\n",
    "octave": 'printf("%.3f\\n", time());\n% round {}\n',
    "r": "cat(format(as.numeric(Sys.time()), nsmall = 3, digits = 15), '\\n')\n# round {}\n",
}


def run(report: Report) -> list[Row]:
    """Measure; a row for each language."""
    known = load(TEMPLATES)
    with measured_lab() as here:
        here.lab.start()
        return [_language(here, name, known[name].template, report) for name in PROGRAMS]


def _language(here: MeasuredLab, name: str, template: Template, report: Report) -> Row:
    project = f"{here.name}-{name}"
    _prepare(here, project, name, template)
    image = here.image(project)
    labd, plain = [], []
    for number in range(ROUNDS):
        labd.append(_start(here, project, PROGRAMS[name].format(number), template))
        plain.append(_plain_start(here, project, image, template))
        report(f"  {template.title} {number + 1} of {ROUNDS}: {labd[-1]:.3f}, docker run {plain[-1]:.3f}")
    ours, theirs = median(labd), median(plain)
    detail = f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms of docker run"
    return (f"B11 {template.title}: upload complete → first line", ours / theirs, TARGET, detail)


def _prepare(here: MeasuredLab, project: str, name: str, template: Template) -> None:
    """Its first job, which makes the image."""
    if template.stands_in_for:
        here.ana.write(here.staged(project) / "job.toml", f'[job]\nlanguage = "{name}"\n')
    here.ana.write(here.staged(project) / "code" / template.program, PROGRAMS[name].format("first"))
    here.ana.write(here.staged(project) / "SUBMIT")
    here.upload(project)
    here.finished(project)


def _start(here: MeasuredLab, project: str, source: str, template: Template) -> float:
    """Seconds until the first line of a changed program."""
    before = here.ana.complete(project)
    here.ana.write(here.ana.inbox(project) / "code" / template.program, source)
    time.sleep(0.3)  # The look that this causes is over when the researcher says that the upload is complete.
    began = tell_complete(here.ana, project)
    here.finished(project, before)
    return float(here.ana.text(project, "run.log").split()[0]) - began


def _plain_start(here: MeasuredLab, project: str, image: str, template: Template) -> float:
    copy = here.plain_folder / project
    shutil.copytree(here.ana.inbox(project) / "code", copy, dirs_exist_ok=True)
    command = [here.cli, "run", "--rm", "-v", f"{copy}:/code", "-w", "/code", image, *template.command]
    began = time.time()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[0]) - began
