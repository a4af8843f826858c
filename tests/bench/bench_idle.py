"""B6: what a lab costs in which nothing happens: 200 accounts, 100,000 files in their inboxes.

None of the folders has a program, so all has been said about them after the first look. There is no yardstick: the
values are percent of one core over a minute, and megabytes. A full rescan comes every five minutes and may fall outside
of that minute, so what one takes is measured too.
"""

from __future__ import annotations

import time
from pathlib import Path

from measured_lab import AS_ROOT, MeasuredLab, Report, Row, acting_as, fill, measured_lab, wait_for

from labd.model.config import InboxSettings
from labd.privsep.scan import scan
from support import lab as labs
from support.lab import children_of, cpu_seconds

ACCOUNTS = 200
FILES = 500
FIRST_UID = 6001
SECONDS = 60
PROJECT = "old-data"


def run(report: Report) -> list[Row]:
    """Measure; rows are name, value, target, and the figures. Only root can have other people's accounts."""
    if not AS_ROOT:
        report("  only root can have 200 accounts: left out")
        return []
    names = tuple(f"idle-{number}" for number in range(ACCOUNTS))
    labs.UIDS.update({name: FIRST_UID + number for number, name in enumerate(names)})
    with measured_lab(users=names) as here:
        for user in here.lab.users.values():
            with acting_as(user):
                fill(user.inbox(PROJECT) / "input", FILES, 10)
        report(f"  {ACCOUNTS * FILES:,} files are there")
        here.lab.start()
        _settle(here, report)
        return _measure(here, report)


def _settle(here: MeasuredLab, report: Report) -> None:
    """Wait until each folder has been looked at and told of, and the daemon is at rest."""
    began = time.monotonic()
    pages = [user.outbox(PROJECT) / "STATUS" for user in here.lab.users.values()]
    wait_for("a STATUS for everybody", lambda: all(page.exists() for page in pages))
    wait_for("rest", lambda: _share(here, 5)[0] < 1.0)
    report(f"  at rest after {time.monotonic() - began:.0f} s")


def _measure(here: MeasuredLab, report: Report) -> list[Row]:
    total, own = _share(here, SECONDS)
    processes = [_process(here), *children_of(_process(here))]
    pss = [_memory(process, "Pss") for process in processes]
    rss = [_memory(process, "Rss") for process in processes]
    rescan, every = _rescan(here), InboxSettings().rescan
    report(f"  {total:.3f} % of a core, {sum(pss):.1f} MB")
    return [
        (
            f"B6 idle, {ACCOUNTS} accounts, {ACCOUNTS * FILES:,} files: % of a core",
            total,
            0.2,
            f"over {SECONDS} s, daemon {own:.3f} and workers {total - own:.3f}; a walk over all inboxes takes "
            f"{rescan:.2f} s of CPU, once in {every:g} s: {100 * rescan / every:.3f} % on average",
        ),
        (
            "B6 idle, resident, in MB",
            sum(pss),
            40.0,
            f"sum of Pss of the daemon and {len(processes) - 1} of its workers ({_listed(pss)}); "
            f"Rss, which counts shared pages twice: {_listed(rss)}",
        ),
    ]


def _process(here: MeasuredLab) -> int:
    assert here.lab.process
    return here.lab.process.pid


def _share(here: MeasuredLab, seconds: float) -> tuple[float, float]:
    """Percent of a core that the daemon and its workers take in the next `seconds`, and the daemon alone."""
    before, began = cpu_seconds(_process(here)), time.monotonic()
    time.sleep(seconds)
    after, wall = cpu_seconds(_process(here)), time.monotonic() - began
    return 100 * (sum(after) - sum(before)) / wall, 100 * (after[0] - before[0]) / wall


def _rescan(here: MeasuredLab) -> float:
    limits = InboxSettings()
    return sum(
        scan(str(user.inbox("")), None, ["app.py"], limits.max_files, limits.max_depth)["cost"]
        for user in here.lab.users.values()
    )


def _memory(process: int, kind: str) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1000


def _listed(sizes: list[float]) -> str:
    return " + ".join(f"{size:.1f}" for size in sizes) + f" = {sum(sizes):.1f}"
