"""B7: how long `labd status` takes, against `python3 -c pass` of the same interpreter.

The daemon is a real one; its database has as many ended jobs as `labd status` shows.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labd.model.jobs import Signal, State
from labd.storage.store import Store
from support.lab import Lab

TARGET = 4.0
ROUNDS = 60
JOBS = 10
YARDSTICK = [sys.executable, "-c", "pass"]


def run(report: Callable[[str], None]) -> list[tuple[str, float, float, str]]:
    """Measure; one row of name, ratio, target and detail."""
    report(f"B7: {ROUNDS} times `labd status`, and `python -c pass` in turns with it")
    lab = Lab(Path(tempfile.mkdtemp(prefix="labd-bench-", dir="/var/tmp")))
    try:
        _fill(lab)
        lab.start()
        script = Path(sys.executable).with_name("labd")
        command = [str(script)] if script.exists() else [sys.executable, "-m", "labd"]
        command.append("status")
        environment = {"LABD_SOCKET": str(lab.socket)}
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert len(shown.splitlines()) == JOBS, shown
        ours, yardstick = [], []
        for _ in range(ROUNDS):
            yardstick.append(_seconds(YARDSTICK, environment))
            ours.append(_seconds(command, environment))
    finally:
        lab.close()
    ratio = statistics.median(ours) / statistics.median(yardstick)
    detail = f"{statistics.median(ours) * 1e3:.0f} ms against {statistics.median(yardstick) * 1e3:.0f} ms (medians)"
    return [("B7 labd status", ratio, TARGET, detail)]


def _fill(lab: Lab) -> None:
    lab.state.mkdir(parents=True)
    store = Store(lab.state / "labd.db")
    for number in range(JOBS):
        now = time.time()
        job = store.create(lab.ana.name, f"project-{number}", Signal.SUBMIT, "", now)
        job = store.move(
            job, State.DELIVERING, now, outcome=State.REJECTED, cause="It has no program.", hint="Add one."
        )
        store.move(job, State.REJECTED, now)
    store.close()


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    for name, ratio, target, detail in run(print):
        print(f"{name}: {ratio:.2f} (target {target:g}): {detail}")
        sys.exit(ratio > target)
