"""B1, B4, B5: how fast a job starts, how fast its results are there, and what fifty small jobs cost.

The yardstick of the start and of the fifty is `docker run` of the same image with bind mounts, that of the results a
local copy by `rsync -a`. The clocks: SUBMIT begins to be created, the program's first line and its last (it prints the
time itself), and the change time of COMPLETE.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from statistics import median

from measured_lab import MeasuredLab, Report, Row, Times, acting_as, fill, measured_lab, wait_for

from support.lab import cpu_seconds

STARTS = 15
LARGE_RESULTS = 3
BATCHES = 3
BATCH = 50
SLEEP = 8

PROGRAM = """
import time
print(time.time(), flush=True)
time.sleep(0.5)
with open("/output/result", "wb") as file:
    file.write(bytes(10**6))
print(time.time(), flush=True)
# round {}
"""
LARGE = """
import os, time
print(time.time(), flush=True)
block = os.urandom(10**7)
for number in range(100):
    with open(f"/output/{{number}}", "wb") as file:
        file.write(number.to_bytes(8, "big") + block[8:])
time.sleep({})
print(time.time(), flush=True)
# round {}
"""


def run(report: Report) -> list[Row]:
    """Measure; rows are name, ratio or value, target, and the figures."""
    with measured_lab("[user]\nrunning = 2\n[machine]\ncpus = 2.0\n") as here:
        small, large = f"{here.name}-small", f"{here.name}-large"
        here.lab.start()
        _upload(here, small, 1, 10**6)
        _upload(here, large)
        rows = _starts(here, small, large, report)
        shutil.rmtree(here.ana.inbox(large))
        return rows + _large_results(here, small, report) + _batches(here, small, report)


def _upload(here: MeasuredLab, name: str, *shape: int) -> None:
    """A project with its input, and its first job."""
    here.ana.write(here.staged(name) / "SUBMIT")
    here.ana.write(here.staged(name) / "code" / "app.py", PROGRAM.format("first"))
    with acting_as(here.ana):
        fill(here.staged(name) / "input", *shape)
    here.upload(name)
    here.finished(name)


# B1, and of B4 the small result


def _starts(here: MeasuredLab, small: str, large: str, report: Report) -> list[Row]:
    plain = here.plain_folder / "project"
    times: dict[str, list[Times]] = {small: [], large: [], "plain": []}
    image = here.image(small)
    for number in range(STARTS):
        for name in (small, large):
            times[name].append(here.run(name, PROGRAM.format(number)))
        shutil.copytree(here.ana.inbox(small), plain, dirs_exist_ok=True)
        times["plain"].append(here.run_plainly(image, plain))
        report(f"  start {number + 1} of {STARTS}: " + ", ".join(f"{each[-1].start:.3f}" for each in times.values()))
    start = {name: median(each.start for each in found) for name, found in times.items()}
    end = {name: median(each.end for each in found) for name, found in times.items()}
    return [
        (
            "B1 upload complete → first line, 1 MB",
            start[small] / start["plain"],
            0.5,
            f"{_ms(start[small])} against {_ms(start['plain'])} of docker run; "
            f"fastest {_ms(min(each.start for each in times[small]))}",
        ),
        (
            "B1 the same, 1 GB in 10,000 files",
            start[large] / start[small],
            2.0,
            f"{_ms(start[large])} against {_ms(start[small])} with 1 MB, {_ms(start['plain'])} of docker run",
        ),
        (
            "B4 end of program → COMPLETE, 1 MB, in ms",
            end[small] * 1000,
            50.0,
            f"docker run returns after {_ms(end['plain'])}; with 1 GB of input {_ms(end[large])}",
        ),
    ]


# B4, the large result


def _large_results(here: MeasuredLab, name: str, report: Report) -> list[Row]:
    ends: dict[int, list[float]] = {SLEEP: [], 0: []}
    copies: dict[int, list[float]] = {SLEEP: [], 0: []}
    for number in range(LARGE_RESULTS):
        for pause in ends:
            os.sync()  # What was written before is not to be paid for now.
            ends[pause].append(here.run(name, LARGE.format(pause, number)).end)
            copies[pause].append(_copy(here, name))
            report(f"  1 GB, {pause} s before the end: {ends[pause][-1]:.2f} s, rsync {copies[pause][-1]:.2f} s")
    rows = []
    for pause, when in ((SLEEP, f"written {SLEEP} s before the end"), (0, "written in the last moment")):
        seconds, copy = median(ends[pause]), median(copies[pause])
        detail = f"{seconds:.2f} s against {copy:.2f} s of rsync -a"
        rows.append((f"B4 end of program → COMPLETE, 1 GB {when}", seconds / copy, 0.1, detail))
    return rows


def _copy(here: MeasuredLab, name: str) -> float:
    copy = here.plain_folder / "copy"
    began = time.perf_counter()
    subprocess.run(["rsync", "-a", f"{here.ana.outbox(name) / 'output'}/", f"{copy}/"], check=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(copy)
    return seconds


# B5


def _batches(here: MeasuredLab, warm: str, report: Report) -> list[Row]:
    image = here.image(warm)
    # Each pair: seconds, then CPU seconds of those who do the work.
    ours: list[tuple[float, float, float]] = []
    plain: list[tuple[float, float]] = []
    _batch(here, "warm", 2)
    for number in range(BATCHES):
        ours.append(_batch(here, str(number), BATCH))
        plain.append(_plain_batch(here, image))
        report(f"  batch {number + 1} of {BATCHES}: labd {ours[-1][0]:.1f} s, docker run {plain[-1][0]:.1f} s")
    seconds, daemon, workers = (median(column) / BATCH for column in zip(*ours, strict=True))
    plain_seconds, client = (median(column) / BATCH for column in zip(*plain, strict=True))
    return [
        (
            "B5 fifty one-line jobs, two at a time: time a job",
            seconds / plain_seconds,
            0.5,
            f"{1 / seconds:.1f} jobs/s against {1 / plain_seconds:.1f} with xargs -P2 docker run",
        ),
        (
            "B5 the daemon's CPU a job",
            daemon / client,
            0.4,
            f"{_ms(daemon)} against {_ms(client)} of the docker command; its workers, which do the work on files, "
            f"and their rsync: {_ms(workers)} more",
        ),
    ]


def _batch(here: MeasuredLab, batch: str, jobs: int) -> tuple[float, float, float]:
    """Seconds from the first upload to the last COMPLETE, and CPU seconds of the daemon and of its workers."""
    assert here.lab.process
    names = [f"{here.name}-{batch}-{number}" for number in range(jobs)]
    for name in names:
        here.ana.write(here.staged(name) / "code" / "app.py", "print(1)\n")
        here.ana.write(here.staged(name) / "SUBMIT")
    known = len(here.lab.jobs())
    before = cpu_seconds(here.lab.process.pid)
    began = time.time()
    for name in names:
        here.upload(name)
    for name in names:
        wait_for(f"{name} to be complete", lambda name=name: (here.ana.outbox(name) / "COMPLETE").exists())
    ended = max(os.stat(here.ana.outbox(name) / "COMPLETE").st_ctime for name in names)
    wait_for("the clean-up", lambda: not any(here.lab.state.glob("jobs/*/scratch")))
    own, others = cpu_seconds(here.lab.process.pid)
    assert [job["state"] for job in here.lab.jobs()[known:]] == ["succeeded"] * jobs
    return ended - began, own - before[0], others - before[1]


def _plain_batch(here: MeasuredLab, image: str) -> tuple[float, float]:
    """Seconds for the batch, and CPU seconds of the docker commands."""
    project = here.plain_folder / "project"
    (project / "code" / "app.py").write_text("print(1)\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.time()
    subprocess.run(
        ["xargs", "-P2", "-I{}", *here.plain_command(image, project)],
        input="".join(f"{number}\n" for number in range(BATCH)),
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    seconds = time.time() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
