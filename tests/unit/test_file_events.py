"""What wakes the lab up, with inotify itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import wait_for
from labd.file_events import FileEvents


@pytest.fixture
def events() -> Iterator[FileEvents]:
    made = FileEvents(lambda: None)
    yield made
    made.close()


def next_of(events: FileEvents) -> dict[tuple[str, str | None], bool]:
    return wait_for("an event", events.take)


def test_a_control_file_of_a_project_is_an_order_and_its_removal_is_nothing(events: FileEvents, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "SUBMIT").touch()
    events.watch("ana-silva", "nile", project)
    (tmp_path / "SUBMIT").rename(project / "SUBMIT")  # one event; touch makes several
    assert next_of(events) == {("ana-silva", "nile"): True}
    (project / "SUBMIT").unlink()
    (project / "code").mkdir()
    assert next_of(events) == {("ana-silva", "nile"): False}


@pytest.mark.parametrize("name", ["SUBMIT", "nile"])
def test_all_that_comes_to_an_inbox_and_goes_is_told_by_its_name(events: FileEvents, tmp_path: Path, name: str) -> None:
    events.watch("ana-silva", None, tmp_path)
    (tmp_path / name).mkdir()
    assert next_of(events) == {("ana-silva", name): False}
    (tmp_path / name).rmdir()
    assert next_of(events) == {("ana-silva", name): False}
