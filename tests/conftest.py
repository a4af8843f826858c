"""Fixtures: a real lab for a test, or one for all tests of a file."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from labd.model.config import Build
from support.box.box import Box
from support.box.installed_lab import InstalledLab, Person
from support.environment_images import ImageTestbed
from support.lab import Lab

MakeLab = Callable[..., Lab]

# How long an example takes says something of the machine's load, and nothing of labd.
settings.register_profile("labd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("labd")

_EXPLAINED = "::test_a_broken_project_is_explained_in_status["


def temporary_folder() -> Path:
    # /tmp may be memory, which overlayfs takes for no upper layer, and pytest's folders are closed to researchers.
    return Path(tempfile.mkdtemp(prefix="labd-test-", dir="/var/tmp"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file that share a lab run in one process, so that one lab is started for them and not one in each."""
    for item in items:
        if "shared_lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    """Where a part of the machine is missing, a test is skipped; in CI that is a failure."""
    report: pytest.TestReport = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not take: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The explanation score: of how many broken projects STATUS names cause and remedy."""
    ended = {
        outcome: [report for report in terminalreporter.getreports(outcome) if _EXPLAINED in report.nodeid]
        for outcome in ("passed", "failed")
    }
    tried = sum(map(len, ended.values()))
    if tried:
        terminalreporter.write_line(f"explained {len(ended['passed'])} of {tried}")


@pytest.fixture
def make_lab() -> Iterator[MakeLab]:
    """Makes labs that are not started yet; all of them are closed at the end."""
    labs: list[Lab] = []

    def make(*, users: tuple[str, ...] = ("ana-silva",), settings: str = "") -> Lab:
        labs.append(Lab(temporary_folder(), users, settings))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A started lab of this test's own."""
    made = make_lab()
    made.start()
    return made


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    """A started lab for all tests of one file; each uses a project name of its own."""
    made = Lab(temporary_folder(), ("ana-silva",), "[user]\nrunning = 4\n[machine]\ncpus = 4.0\n")
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def prepared() -> None:
    """The installer comes from the machine's own index, once; the indexes of tests have only a few packages."""
    testbed = ImageTestbed(Build(network="host"))
    try:
        # Unlike any other environment on this machine, so that it is built and can be removed.
        environment = testbed.images.describe("python", "3.11", {"unique": uuid.uuid4().hex.encode()})
        testbed.images.ensure(environment, f"{testbed.user}/x", print, threading.Event())
    finally:
        testbed.close()


@pytest.fixture(scope="session")
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A server with Debian 12, and PCs. One for the whole run: tests that use it carry the mark xdist_group("box")."""
    yield from _box(request, "debian-12")


@pytest.fixture(scope="session")
def box_13(request: pytest.FixtureRequest) -> Iterator[Box]:
    """The same with Debian 13. Tests that use it carry the mark xdist_group("box-13")."""
    yield from _box(request, "debian-13")


@pytest.fixture(scope="session")
def ready_box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """The same with all packages that labd needs. Tests that use it carry the mark xdist_group("box-uploads")."""
    yield from _box(request, "debian-12-ready")


def _box(request: pytest.FixtureRequest, release: str) -> Iterator[Box]:
    marks = ((item.nodeid, item.get_closest_marker("xdist_group")) for item in request.session.items)
    grouped = all(name.endswith(f"@{mark.args[0]}") for name, mark in marks if mark)
    assert grouped or not hasattr(request.config, "workerinput"), "run it with --dist loadgroup, or with -n 0"
    made = Box(release)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def installed(box: Box) -> Iterator[InstalledLab]:
    """labd, installed on the server in the box. Whatever the tests do to it, it must not meet a defect of its own."""
    yield from _installed(box)


@pytest.fixture(scope="session")
def installed_13(box_13: Box) -> Iterator[InstalledLab]:
    """The same on Debian 13."""
    yield from _installed(box_13)


def _installed(box: Box) -> Iterator[InstalledLab]:
    made = InstalledLab(box)
    yield made
    made.check_events()


@pytest.fixture(scope="session")
def ana(installed: InstalledLab) -> Person:
    """A researcher with a PC and an account on the server in the box."""
    return installed.person("ana-silva")


@pytest.fixture(scope="session")
def ben(installed: InstalledLab) -> Person:
    """Another one, who does not belong to ana's group."""
    return installed.person("ben-okoro")


@pytest.fixture
def signals_heeded() -> Iterator[None]:
    """Signals reach this process and those that it starts, also where what started the tests ignores them.

    nohup does, and a script that starts them in the background; a child inherits what is ignored.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def case_of(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Gets a project's case from the `cases` of the test's own file; raises what went wrong while it was made."""

    def case_of(project: str) -> Any:
        case = request.getfixturevalue("cases")[project]
        if case.failure:
            raise case.failure
        return case

    return case_of
