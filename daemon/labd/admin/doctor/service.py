"""The daemon as a service: the unit, the process, the socket, the journal; and the configuration that it goes by.

This module owns the questions to systemd and to the daemon itself, and the judgement on the answers. It never starts or
stops anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labd.admin.doctor.config_check import check_config
from labd.admin.doctor.subject import CheckContext, daemon_process
from labd.admin.setup import plan, systemd
from labd.client.connection import ask
from labd.common.commands import run
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.common.installation import CURRENT, UNIT

_SUBJECT = "Service"
_ANSWER_SECONDS = 10.0
_JOURNAL = Path("/var/log/journal")


@dataclass(frozen=True)
class Unit:
    """What systemd knows of labd."""

    is_there: bool
    is_ours: bool  # the file is that of this version
    is_behind: bool  # systemd has not read it since it changed
    enabled: str  # as `systemctl is-enabled` says
    active: str  # as `systemctl is-active` says


def checks(context: CheckContext) -> list[Check]:
    """All about the daemon."""
    return [
        Check("Config", "the configuration", lambda: _config(context)),
        Check(_SUBJECT, "the service", _unit),
        Check(_SUBJECT, "the daemon", lambda: _daemon(context)),
        Check(_SUBJECT, "the journal", _journal),
    ]


def _config(context: CheckContext) -> Iterator[Finding]:
    lines = list(check_config(context.config, str(context.config_file)))
    if context.config_file.exists():
        yield ok(lines[0])
    else:
        yield warn(
            f"There is no {context.config_file}; labd goes by its defaults.",
            "labd setup",
        )


# systemd


def _unit() -> Iterator[Finding]:
    if not systemd.is_here():
        yield warn(
            "This machine is not run by systemd, which would keep labd running.",
            "Have `labd daemon` started by whatever starts services here.",
        )
        return
    there = UNIT.is_file()
    ours = there and UNIT.read_bytes() == plan.unit().content
    yield judge_unit(Unit(there, ours, systemd.is_behind(), _said("is-enabled"), _said("is-active")))


def _said(question: str) -> str:
    words = run(["systemctl", question, "labd.service"], timeout=_ANSWER_SECONDS).output.split()
    return words[-1] if words else "unknown"


def judge_unit(unit: Unit) -> Finding:
    """Whether labd runs as this version wants it to, and will after a reboot."""
    if not unit.is_there:
        return fail(f"There is no {UNIT}.", "labd setup")
    if unit.active != "active":
        return fail(f"labd.service is {unit.active}.", "systemctl enable --now labd; journalctl -u labd -n 50")
    if unit.enabled != "enabled":
        return warn(f"labd.service is {unit.enabled}: it will not start after a reboot.", "systemctl enable labd")
    if not unit.is_ours:
        mend = f"rm {UNIT} && labd setup && systemctl restart labd"
        return warn(f"{UNIT} is not that of this version: somebody changed it, or it is older.", mend)
    if unit.is_behind:
        return warn(
            f"systemd has not read {UNIT} since it changed.", "systemctl daemon-reload && systemctl restart labd"
        )
    return ok("labd.service is active, and starts with the machine.")


# The daemon


def _daemon(context: CheckContext) -> Iterator[Finding]:
    answer = next(ask(str(context.config.paths.socket), "status", _ANSWER_SECONDS))
    yield ok(f"The daemon answers: {answer['running']} running, {answer['queued']} queued.")
    process = daemon_process(context.config.paths.socket)
    if process and CURRENT.is_symlink():
        yield judge_age(_started(process), os.lstat(CURRENT).st_mtime)


def _started(process: int) -> float:
    """When it was started, in seconds since the epoch (proc_pid_stat(5), field 22)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def judge_age(started: float, installed: float) -> Finding:
    """Whether the running daemon is of the installed version: one that is older than it cannot be."""
    if started < installed:
        return warn("The daemon that runs is older than the installed version.", "systemctl restart labd")
    return ok("The daemon that runs is the installed version.")


# The journal


def _journal() -> Iterator[Finding]:
    reached = run(["journalctl", "-u", "labd", "-n", "1", "-q", "--no-pager"], timeout=_ANSWER_SECONDS)
    yield judge_journal(systemd.is_here(), _JOURNAL.is_dir(), reached.code == 0, reached.output)


def judge_journal(has_systemd: bool, is_persistent: bool, is_reachable: bool, said: str) -> Finding:
    """Whether what labd says is kept, also over a reboot."""
    if not has_systemd:
        return warn("There is no journal: labd's log is what it prints.", "Keep what `labd daemon` prints in a file.")
    if not is_reachable:
        return fail(f"The journal cannot be read: {said.strip() or 'no reason given'}", "journalctl --verify")
    if not is_persistent:
        return warn(
            "The journal is lost at each reboot.",
            f"mkdir -p {_JOURNAL} && systemd-tmpfiles --create --prefix {_JOURNAL} && journalctl --flush",
        )
    return ok("The journal keeps labd's log over reboots.")
