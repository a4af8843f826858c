"""Fixtures: a lab in memory for each test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labd.model.config import Config
from support.engine.fake_engine import LabIsDead
from support.lab_in_memory import LabInMemory

MakeLab = Callable[..., LabInMemory]


@pytest.fixture(autouse=True)
def _dead_labs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads of a lab that was killed end, and that is no error."""
    tell = threading.excepthook
    monkeypatch.setattr(threading, "excepthook", lambda told: None if told.exc_type is LabIsDead else tell(told))


@pytest.fixture
def make_lab(tmp_path: Path) -> Iterator[MakeLab]:
    """Makes a lab that is not started yet; it is closed at the end."""
    labs: list[LabInMemory] = []

    def make(config: Config | None = None, users: tuple[str, ...] = ("ana",)) -> LabInMemory:
        labs.append(LabInMemory(tmp_path, config, users))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


@pytest.fixture
def lab(make_lab: MakeLab) -> LabInMemory:
    """A started lab of this test's own."""
    made = make_lab()
    made.start()
    return made
