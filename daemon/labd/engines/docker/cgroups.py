"""What a container used, from the kernel's own counters (cgroups(7), v1 and v2).

This module owns the files below /sys/fs/cgroup. The counters are gone with the container's cgroup a
few milliseconds after its last process, so who wants the final figures reads them the moment the process ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labd.model.engine import Usage

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cgroup:
    """One container's cgroup: its folders for memory and for CPU time."""

    memory: Path
    cpu: Path
    unified: bool

    @classmethod
    def of_process(cls, pid: int) -> Cgroup | None:
        """The cgroup of process `pid`, or None when that process is gone, or the kernel counts nothing for it."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            return None
        return cls.of_lines(lines)

    @classmethod
    def of_lines(cls, lines: Sequence[str]) -> Cgroup | None:
        """The cgroup that `lines` of /proc/PID/cgroup tell of."""
        paths: dict[str, str] = {}
        for line in lines:
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
        if "memory" in paths and "cpuacct" in paths:
            return cls(_ROOT / "memory" / paths["memory"], _ROOT / "cpuacct" / paths["cpuacct"], False)
        # Above all containers the counters are the whole machine's.
        return cls(_ROOT / paths[""], _ROOT / paths[""], True) if paths.get("") else None

    def usage(self) -> Usage | None:
        """The counters now, or None when the cgroup is gone."""
        try:
            return self._unified() if self.unified else self._v1()
        except (OSError, ValueError, KeyError):
            return None

    def processes(self) -> list[int]:
        """Ids of the processes in it; none when it is gone."""
        try:
            return [int(line) for line in (self.memory / "cgroup.procs").read_text().split()]
        except (OSError, ValueError):
            return []

    def _v1(self) -> Usage:
        return Usage(
            cpu_seconds=_number(self.cpu / "cpuacct.usage") / 1e9,
            memory=_number(self.memory / "memory.usage_in_bytes"),
            peak_memory=_number(self.memory / "memory.max_usage_in_bytes"),
            oom_kills=int(_table(self.memory / "memory.oom_control").get("oom_kill", "0")),
        )

    def _unified(self) -> Usage:
        current = _number(self.memory / "memory.current")
        peak = current
        with contextlib.suppress(OSError):  # memory.peak came with Linux 5.19
            peak = _number(self.memory / "memory.peak")
        return Usage(
            cpu_seconds=int(_table(self.cpu / "cpu.stat")["usage_usec"]) / 1e6,
            memory=current,
            peak_memory=peak,
            oom_kills=int(_table(self.memory / "memory.events").get("oom_kill", "0")),
        )


def _number(file: Path) -> int:
    return int(file.read_text())


def _table(file: Path) -> Mapping[str, str]:
    return dict(line.split(" ", 1) for line in file.read_text().splitlines())
