"""`make bench`: every bench, and a table of what came out. Slow is no failure, only a bench that cannot measure is.

`run.py jobs idle` runs those two alone.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import time
import traceback
from pathlib import Path

from measured_lab import Row, docker

HEADER = ("", "value", "target", "", "figures")


def main() -> int:
    """The exit code: 0, or 1 when a bench could not measure."""
    there = sorted(file.stem.removeprefix("bench_") for file in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(
        description="Measure labd against yardsticks of the same run.", epilog="Example: run.py jobs idle"
    )
    parser.add_argument("bench", nargs="*", help=f"one of: {', '.join(there)}; all of them without any")
    names = parser.parse_args().bench or there
    if unknown := set(names) - set(there):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    rows: list[Row] = []
    failed = []
    for name in names:
        say(f"{name}:")
        began = time.monotonic()
        try:
            rows += importlib.import_module(f"bench_{name}").run(say)
        except Exception:
            traceback.print_exc()
            failed.append(name)
        say(f"  took {time.monotonic() - began:.0f} s")
    print(machine())
    print(table(sorted(rows, key=lambda row: row[0].split()[0])))
    for name in failed:
        print(f"The bench {name} could not measure; its error is above.")
    return 1 if failed else 0


def say(line: str) -> None:
    """Progress, apart from the table."""
    print(line, file=sys.stderr, flush=True)


def table(rows: list[Row]) -> str:
    """The rows, aligned. Every target is the most that a value should be."""
    cells = [HEADER]
    for name, value, target, detail in rows:
        cells.append((name, f"{value:.3g}", f"≤ {target:.3g}", "ok" if value <= target else "short", detail))
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER) - 1)]
    lines = []
    for name, value, target, verdict, detail in cells:
        first = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {target:<{widths[2]}}"
        lines.append(f"{first}  {verdict:<{widths[3]}}  {detail}".rstrip())
    return "\n".join(lines)


def machine() -> str:
    """What this was measured on, in a line."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    engine = docker("version", "--format", "{{.Server.Version}}").strip()
    return ", ".join(
        [
            model[1] if model else os.uname().machine,
            f"{cores} cores",
            f"{int(memory[1]) * 1024 / 1e9:.0f} GB" if memory else "memory unknown",
            f"kernel {os.uname().release}",
            f"Docker {engine}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
