"""What wakes the lab up, with inotify itself."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.intake.file_events import FileEvents
from support.hung_mount import HungMount
from support.lab import AS_ROOT, wait_for


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


@pytest.mark.parametrize("known", [False, True])
def test_a_renamed_folder_is_watched_under_its_new_name(events: FileEvents, tmp_path: Path, known: bool) -> None:
    events.watch("ana-silva", None, tmp_path)
    names = ("new", "galaxies") if known else ("new",)
    for name in names:
        (tmp_path / name).mkdir()
        events.watch("ana-silva", name, tmp_path / name)
    if known:
        (tmp_path / "galaxies").rename(tmp_path / "old")
    (tmp_path / "new").rename(tmp_path / "galaxies")
    wait_for("word of the new name", lambda: ("ana-silva", "galaxies") in events.take())
    (tmp_path / "new").mkdir()
    for name in ("galaxies", "new"):

        def is_heard(name: str = name) -> bool:
            """What a look does: watch what is there. Then an order comes."""
            events.watch("ana-silva", name, tmp_path / name)
            (tmp_path / name / "CANCEL").unlink(missing_ok=True)
            (tmp_path / name / "CANCEL").touch()
            return any(is_order and project == name for (_, project), is_order in events.take().items())

        wait_for(f"word of {name}/CANCEL", is_heard)


def test_a_folder_in_the_place_of_the_inbox_is_watched_at_the_next_look(events: FileEvents, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    events.watch("ana-silva", None, inbox)
    inbox.rename(tmp_path / "before")
    inbox.mkdir()
    wait_for("word of the inbox", lambda: events.take().get(("ana-silva", None)) is not None)
    events.watch("ana-silva", None, inbox)
    (inbox / "nile").mkdir()
    assert ("ana-silva", "nile") in next_of(events)


def test_one_account_cannot_take_all_watches_of_the_machine(
    events: FileEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labd.intake.file_events._MOST", 3)
    for account, name in [("ana-silva", f"p{number}") for number in range(6)] + [("ben-okoro", "nile")]:
        (tmp_path / account / name).mkdir(parents=True)
        events.watch(account, name, tmp_path / account / name)
    (tmp_path / "ana-silva" / "p5" / "SUBMIT").touch()
    (tmp_path / "ben-okoro" / "nile" / "SUBMIT").touch()
    assert set(next_of(events)) == {("ben-okoro", "nile")}


def test_a_machine_without_inotify_instances_is_told(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        blind = FileEvents(lambda: None)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert "the kernel gives none" in blind.why_blind()
    blind.watch("ana-silva", None, tmp_path)
    assert blind.take() == {}
    blind.close()


@pytest.mark.skipif(not AS_ROOT, reason="only root can make the mount")
def test_a_folder_that_hangs_makes_blind_and_is_told_and_its_end_makes_see(events: FileEvents, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "other").mkdir()
    hung = HungMount(tmp_path / "home")
    try:
        events.watch("ana-silva", None, tmp_path / "home" / "inbox")
        wait_for("word of it", lambda: events.why_blind() == "a folder does not answer", 20.0)
        for _ in range(20):
            events.watch("ben-okoro", None, tmp_path / "other")
        assert events._errands.empty()
    finally:
        hung.close()
    wait_for("its end", lambda: not events.why_blind(), 20.0)
    events.watch("ben-okoro", None, tmp_path / "other")
    (tmp_path / "other" / "nile").mkdir()
    assert ("ben-okoro", "nile") in next_of(events)
