"""B2: the whole journey of a project with 1 GB in 10,000 files, of which only app.py changed.

labd: rsync into the inbox, SUBMIT, COMPLETE, rsync back. By hand: copy to the server, `docker build` with code and
input, `docker run`, copy back. Both on this machine, with no network between.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median

from measured_lab import MeasuredLab, Report, Row, fill, measured_lab, tell_complete

ROUNDS = 3

PROGRAM = """
import pathlib
sizes = [path.stat().st_size for path in pathlib.Path("/input").rglob("*.dat")]
print(len(sizes), sum(sizes))
pathlib.Path("/output/result").write_bytes(bytes(10**6))
# round {}
"""
DOCKERFILE = """
FROM {}
COPY code /code
COPY input /input
WORKDIR /code
CMD ["python", "app.py"]
"""


def run(report: Report) -> list[Row]:
    """Measure; the row is name, ratio to the way by hand, target, and the figures."""
    with measured_lab() as here:
        project = here.plain_folder / "project"
        (project / "code").mkdir(parents=True)
        fill(project / "input")
        name = f"{here.name}-journey"
        _change(project, "warm")
        here.ana.push(project, name)
        tell_complete(here.ana, name)
        here.lab.start()
        here.finished(name)
        (project / "Dockerfile").write_text(DOCKERFILE.format(here.image(name)))
        ours: list[list[float]] = []
        by_hand: list[list[float]] = []
        for number in range(ROUNDS):
            _change(project, number)
            ours.append(_with_labd(here, project, name))
            by_hand.append(_by_hand(here, project))
            report(f"  round {number + 1} of {ROUNDS}: labd {sum(ours[-1]):.2f} s, by hand {sum(by_hand[-1]):.1f} s")
        return [_row(ours, by_hand)]


def _row(ours: list[list[float]], by_hand: list[list[float]]) -> Row:
    seconds, other = median(map(sum, ours)), median(map(sum, by_hand))
    up, job, down = map(median, zip(*ours, strict=True))
    copy, build, started, back = map(median, zip(*by_hand, strict=True))
    return (
        "B2 whole journey, 1 GB, app.py changed",
        seconds / other,
        1 / 20,
        f"{seconds:.2f} s (upload {up:.2f}, job {job:.2f}, back {down:.2f}) against {other:.1f} s "
        f"(copy {copy:.1f}, build {build:.1f}, run {started:.1f}, back {back:.1f})",
    )


def _change(project: Path, number: object) -> None:
    (project / "code" / "app.py").write_text(PROGRAM.format(number))


def _with_labd(here: MeasuredLab, project: Path, name: str) -> list[float]:
    """Seconds of each stage."""
    before = here.ana.complete(name)
    os.sync()  # What was written before is not to be paid for now.
    clock = [time.perf_counter()]
    here.ana.push(project, name)
    clock.append(time.perf_counter())
    tell_complete(here.ana, name)
    here.complete(name, before)
    clock.append(time.perf_counter())
    result = here.plain_folder / "result"
    subprocess.run(["rsync", "-a", f"{here.ana.outbox(name) / 'output'}/", f"{result}/"], check=True)
    clock.append(time.perf_counter())
    here.finished(name, before)
    assert (result / "result").stat().st_size == 10**6
    shutil.rmtree(result)
    return _stages(clock)


def _by_hand(here: MeasuredLab, project: Path) -> list[float]:
    """Seconds of each stage."""
    server, result = here.plain_folder / "server", here.plain_folder / "result"
    output = here.plain_folder / "output"
    output.mkdir()
    # The builder that puts everything into the image: what it made goes with the image, and no cache of it stays.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    os.sync()
    image = ""
    try:
        clock = [time.perf_counter()]
        subprocess.run(["cp", "-a", project, server], check=True)
        clock.append(time.perf_counter())
        build = [here.cli, "build", "--quiet", str(server)]
        built = subprocess.run(build, env=environment, capture_output=True, text=True, check=True)
        image = built.stdout.strip()
        clock.append(time.perf_counter())
        run = [here.cli, "run", "--rm", "-v", f"{output}:/output", image]
        subprocess.run(run, stdout=subprocess.DEVNULL, check=True)
        clock.append(time.perf_counter())
        subprocess.run(["cp", "-a", output, result], check=True)
        clock.append(time.perf_counter())
        return _stages(clock)
    finally:
        if image:
            subprocess.run([here.cli, "rmi", image], capture_output=True, check=True)
        for folder in (server, result, output):
            shutil.rmtree(folder, ignore_errors=True)


def _stages(clock: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(clock)]
