"""`labd doctor`: what is right with a server, what is not, and the command that mends it.

This module owns the order of the checks, how they run beside each other, and how the report looks: grouped on a
terminal, a line each in a pipe, JSON for programs, or only what has to be mended. It never looks at the server itself,
and changes nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace as Options

from labd.admin.doctor import accounts, builds, disk, docker, gateway, gpus, leftovers, machine, service, sshd
from labd.admin.doctor.subject import CheckContext, find
from labd.client.rendering import BOLD, is_terminal, shortened, styled, width, wrapped
from labd.common.errors import Exit, LabdError
from labd.common.finding import AS_ROOT, Check, Finding, Level, fail, warn
from labd.common.printable import one_line
from labd.common.units import count
from labd.model.config import SYSTEM_FILE, Config, load

_AT_ONCE = 8  # most of them wait for other programs
_COLOURS = {Level.OK: "\x1b[32m", Level.WARN: "\x1b[33m", Level.FAIL: "\x1b[31m"}
_INDENT = 8
_ROOMS = (
    service,
    docker,
    builds,
    disk,
    gateway,
    sshd,
    accounts,
    machine,
    gpus,
    leftovers,
)


def run(options: Options) -> int:
    """Check the server that the config `options.config` (None: the machine's) is for, and print the report.

    With `options.json`, each finding is a document of its own; with `options.brief`, only what is not as it should be
    is told. The exit code is FAILED when anything failed.
    """
    file = Path(options.config) if options.config else SYSTEM_FILE
    context, found = _context(file)
    report = make_report(options.json, options.brief)
    for about in found:
        report.tell("Config", about)
    for check, findings in examine([check for room in _ROOMS for check in room.checks(context)], report.progress):
        for finding in findings:
            report.tell(check.subject, finding)
    report.end()
    return Exit.FAILED if report.levels[Level.FAIL] else Exit.OK


def _context(file: Path) -> tuple[CheckContext, list[Finding]]:
    """What is to be examined; by the defaults where the config cannot be used, with a finding that says so."""
    found: list[Finding] = []
    config = Config()
    if os.geteuid() != 0:
        found.append(warn("Some of this only root can see.", AS_ROOT))
    try:
        # Whether a file is there tells nothing of whether it may be read; only trying does.
        config = load(file) if file != SYSTEM_FILE or file.exists() else config
        return find(config, file), found
    except PermissionError as error:
        found.append(warn(f"{error.filename} can be read by root only; the rest goes by the defaults.", AS_ROOT))
    except LabdError as error:
        found.append(fail(error.message, error.hint or f"labd check-config {file}"))
    return CheckContext(config, file), found


def examine(checks: Sequence[Check], progress: CheckProgress) -> Iterator[tuple[Check, list[Finding]]]:
    """Run `checks` beside each other; each with what it found, in their order and as soon as that allows."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = [(check, pool.submit(check.findings)) for check in checks]
        for check, findings in running:
            yield check, progress.wait(check, findings, [other for _, other in running])


class CheckProgress:
    """Says on a terminal what is waited for."""

    def __init__(self) -> None:
        self._shown = is_terminal(sys.stderr)

    def wait(
        self, check: Check, findings: Future[list[Finding]], everything: Sequence[Future[list[Finding]]]
    ) -> list[Finding]:
        """What `check` found, once it is there."""
        if not self._shown or findings.done():
            return findings.result()
        ready = sum(other.done() for other in everything)
        line = f"{ready} of {len(everything)} checks done; looking at {check.about} …"
        sys.stderr.write(shortened(line, width(sys.stderr) - 1))
        sys.stderr.flush()
        try:
            return findings.result()
        finally:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Report:
    """For a person on a terminal, or lines with tabs between in a pipe."""

    def __init__(self) -> None:
        self.levels: Counter[Level] = Counter()
        self.progress = CheckProgress()
        self._subject = ""
        self._grouped = is_terminal(sys.stdout)

    def tell(self, subject: str, finding: Finding) -> None:
        """Print one finding."""
        self.levels[finding.level] += 1
        self._print(subject, finding)
        sys.stdout.flush()

    def _print(self, subject: str, finding: Finding) -> None:
        what, mend = one_line(finding.what), one_line(finding.mend)
        if not self._grouped:
            print("\t".join((finding.level, subject, what, mend)).rstrip("\t"))
            return
        if subject != self._subject:
            print(("\n" if self._subject else "") + styled(subject, BOLD, sys.stdout))
            self._subject = subject
        mark = styled(f"{finding.level:<4}", _COLOURS[finding.level], sys.stdout)
        # Wrapped as if the mark were plain: colours take no columns.
        text = wrapped(f"  {finding.level:<4}  {what}", sys.stdout, _INDENT)
        print(f"  {mark}{text[2 + 4 :]}")
        if mend:
            # Not wrapped: a command must come out of a copy as it went in.
            print(f"{'':>{_INDENT}}→ {mend}")

    def end(self) -> None:
        """Print the sum."""
        if self._grouped:
            print(f"\n{self._sum}")

    @property
    def _sum(self) -> str:
        warnings, failed = self.levels[Level.WARN], self.levels[Level.FAIL]
        return f"{self.levels[Level.OK]} ok, {count(warnings, 'warning')}, {failed} failed."


class _Verdict(Report):
    """Only what is not as it should be, once all of it is known: what failed comes first. The same in a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[Level, list[str]] = {Level.FAIL: [], Level.WARN: []}

    def _print(self, subject: str, finding: Finding) -> None:
        if finding.level not in self._found:
            return
        lines = [wrapped(f"{finding.level:<5} {subject}: {one_line(finding.what)}", sys.stdout, _INDENT)]
        if finding.mend:
            lines.append(f"{'':>{_INDENT}}→ {one_line(finding.mend)}")
        self._found[finding.level] += lines

    def end(self) -> None:
        """Print all of it, and the sum."""
        for lines in self._found.values():
            for line in lines:
                print(line)
        print(self._sum)


class _JsonReport(Report):
    """For programs."""

    def _print(self, subject: str, finding: Finding) -> None:
        print(json.dumps({"subject": subject, "level": finding.level, "what": finding.what, "mend": finding.mend}))

    def end(self) -> None:
        """Nothing: programs count for themselves."""


def make_report(as_json: bool, brief: bool = False) -> Report:
    """The report in the form that was asked for; JSON counts more than brevity."""
    if as_json:
        return _JsonReport()
    return _Verdict() if brief else Report()
