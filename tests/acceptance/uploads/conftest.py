"""Fixtures: a server of their own for the tests of uploads, which are half of those that need one.

How labd is installed is no question of theirs: what an installation takes longest for is there from the start.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.box.box import Box
from support.box.installed_lab import InstalledLab, Person


@pytest.fixture(scope="session")
def installed(ready_box: Box) -> Iterator[InstalledLab]:
    """labd, installed on that server."""
    ready_box.load("python:3.11-slim-bookworm")
    made = InstalledLab(ready_box, twice=False)
    yield made
    made.check_events()


@pytest.fixture(scope="session")
def ana(installed: InstalledLab) -> Person:
    """A researcher with a PC and an account on that server."""
    return installed.person("ana-silva")


@pytest.fixture(scope="session")
def ben(installed: InstalledLab) -> Person:
    """Another one."""
    return installed.person("ben-okoro")
