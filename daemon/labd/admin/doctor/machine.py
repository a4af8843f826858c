"""The machine: its clock and the kernel's limits.

This module owns the look at what the kernel and its tools say, and the judgement on it. It never changes a setting.
"""

from __future__ import annotations

import os
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labd.admin.doctor.subject import CheckContext, daemon_process
from labd.common.commands import run
from labd.common.errors import UnavailableError
from labd.common.finding import Check, Finding, ok, warn
from labd.intake.file_events import FileEvents
from labd.scheduling.machine import capacity

_CLOCK_COMMAND_SECONDS = 10.0
_AHEAD = 2.0
_FEW_INSTANCES = 128
_FEW_FILES = 1024
_PROJECTS = 100  # of one researcher: each is watched
_OTHERS = 4096  # threads of everything else on the machine


@dataclass(frozen=True)
class Kernel:
    """Limits of the kernel and of the daemon."""

    watches: int  # inotify watches of one user
    instances: int  # inotify instances of one user
    processes: int  # kernel.pid_max
    open_files: int  # of the daemon, or of whoever asks when it does not run


def checks(context: CheckContext) -> list[Check]:
    """All about the machine."""
    return [
        Check("Clock", "the clock", _clock),
        Check("Clock", "the clock of the disk", lambda: _disk_clock(context)),
        Check("Limits", "the kernel's limits", lambda: _limits(context)),
        Check("Limits", "file events", _file_events),
    ]


# File events


def _file_events() -> Iterator[Finding]:
    events = FileEvents(lambda: None)
    try:
        yield judge_file_events(events.why_blind())
    finally:
        events.close()


def judge_file_events(why_blind: str) -> Finding:
    """Whether uploads are noticed at once; `why_blind` is why there are no file events, "" when there are."""
    if why_blind:
        mend = "make install" if "watchdog" in why_blind else "sysctl fs.inotify.max_user_instances=512"
        return warn(f"There are no file events, so uploads are noticed some seconds late: {why_blind}.", mend)
    return ok("File events tell of uploads at once.")


# Clock


def _clock() -> Iterator[Finding]:
    yield judge_clock(_said("timedatectl", "show", "-p", "NTPSynchronized"), _said("chronyc", "-n", "tracking"))


def _said(*command: str) -> str:
    """What a program printed; "" when it failed, or is not there."""
    try:
        result = run(command, timeout=_CLOCK_COMMAND_SECONDS)
    except UnavailableError:
        return ""
    return result.output if result.code == 0 else ""


def judge_clock(timedatectl: str, chronyc: str) -> Finding:
    """Whether it is kept right."""
    mend = "timedatectl set-ntp true"
    if "NTPSynchronized=yes" in timedatectl or re.search(r"Leap status\s*: Normal", chronyc):
        return ok("The clock is synchronised.")
    if timedatectl or chronyc:
        return warn("The clock is not synchronised: times in results and logs may be wrong.", mend)
    return warn("Whether the clock is synchronised cannot be told: there is no timedatectl and no chrony.", mend)


def _disk_clock(context: CheckContext) -> Iterator[Finding]:
    state = context.config.paths.state
    if not state.is_dir():
        yield warn(f"The clock of the disk was not compared: there is no {state} yet.", "systemctl start labd")
        return
    with tempfile.NamedTemporaryFile(dir=state, prefix=".doctor-") as file:
        yield judge_disk_clock(os.fstat(file.fileno()).st_mtime - time.time())


def judge_disk_clock(ahead: float) -> Finding:
    """Whether a file written now, `ahead` seconds in the future, is dated now: uploads settle by their times."""
    if abs(ahead) > _AHEAD:
        word = "ahead of" if ahead > 0 else "behind"
        return warn(
            f"The disk's clock is {abs(ahead):.0f} seconds {word} the machine's: uploads are noticed late.",
            "timedatectl set-ntp true (here and on the file server)",
        )
    return ok("The disk and the machine have the same time.")


# Limits


def _limits(context: CheckContext) -> Iterator[Finding]:
    process = daemon_process(context.config.paths.socket)
    soft = resource.prlimit(process or 0, resource.RLIMIT_NOFILE)[0]
    kernel = Kernel(
        watches=_number("fs/inotify/max_user_watches"),
        instances=_number("fs/inotify/max_user_instances"),
        processes=_number("kernel/pid_max"),
        open_files=soft,
    )
    settings, machine = context.config, capacity(context.config.machine)
    at_once = max(1, int(machine.cpus / (settings.job.cpus or 1.0)))
    yield from judge_limits(kernel, len(context.researchers), at_once * settings.job.pids)


def _number(name: str) -> int:
    return int(Path("/proc/sys", name).read_text())


def judge_limits(kernel: Kernel, researchers: int, pids: int) -> Iterator[Finding]:
    """Whether they suffice for so many `researchers`, and for jobs of together `pids` processes and threads."""
    wanted = max(8192, 2 * researchers * _PROJECTS)
    settings = [
        ("fs.inotify.max_user_watches", kernel.watches, wanted, 524288, "uploads are noticed late"),
        ("fs.inotify.max_user_instances", kernel.instances, _FEW_INSTANCES, 1024, "uploads are noticed late"),
        ("kernel.pid_max", kernel.processes, pids + _OTHERS, 4194304, "programs may fail to start threads"),
    ]
    few = [setting for setting in settings if setting[1] < setting[2]]
    for name, value, _, better, consequence in few:
        write = f"echo {name}={better} >> /etc/sysctl.d/60-labd.conf && sysctl --system"
        yield warn(f"{name} is {value:,}, too few for this lab: {consequence}.", write)
    if kernel.open_files < _FEW_FILES:
        mend = "systemctl edit labd: [Service] LimitNOFILE=65536, then: systemctl restart labd"
        yield warn(f"labd may open only {kernel.open_files:,} files at a time.", mend)
    elif not few:
        yield ok(f"File watches ({kernel.watches:,}), processes ({kernel.processes:,}) and open files suffice.")
