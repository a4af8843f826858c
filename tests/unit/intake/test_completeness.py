from __future__ import annotations

from dataclasses import replace

import pytest

from labd.intake.completeness import Complete, Look, Nothing, Refuse, Verdict, Wait, judge
from labd.model.config import Config
from labd.model.jobs import Signal
from labd.model.languages import load

NOW = 1_000_000.0
LIMITS = Config().inbox
LANGUAGES = load(Config().paths.templates)
FINE = Look("galaxies", True, files=3, bytes=300, newest=int((NOW - 60) * 1e9), fingerprint="f", code=("app.py",))


def verdict(look: Look, accepted: str = "", first_seen: float = NOW) -> Verdict:
    return judge(look, accepted, LANGUAGES, LIMITS, NOW, first_seen)


def test_a_quiet_project_with_a_program_is_complete() -> None:
    assert verdict(FINE) == Complete(Signal.SETTLED)


def test_what_was_dealt_with_is_nothing_even_when_it_is_submitted_again() -> None:
    assert verdict(FINE, accepted="f") == Nothing()
    assert verdict(replace(FINE, controls={"SUBMIT": 1}), accepted="f") == Nothing()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"newest": int((NOW - 1) * 1e9)}, "receiving: 3 files, 300 bytes so far"),
        ({"temporaries": ("input/.x.AbC123",)}, "unfinished transfer (input/.x.AbC123)"),
        ({"unfinished": ("input/x",)}, "cut in input/x: 3 files, 300 bytes so far, nothing has changed since"),
        ({"newest": int((NOW + 3600) * 1e9)}, "receiving"),
    ],
)
def test_what_may_still_change_waits_and_says_why(change: dict[str, object], words: str) -> None:
    found = verdict(replace(FINE, **change))  # type: ignore[arg-type]
    assert isinstance(found, Wait)
    assert words in found.why
    submitted = replace(FINE, controls={"SUBMIT": 1}, **change)  # type: ignore[arg-type]
    assert verdict(submitted) == Complete(Signal.SUBMIT)


def test_a_file_server_whose_clock_runs_ahead_only_delays() -> None:
    ahead = replace(FINE, newest=int((NOW + 3600) * 1e9))
    assert verdict(ahead, first_seen=NOW - LIMITS.settle - 1) == Complete(Signal.SETTLED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "my project"}, "cannot be the name"),
        ({"name": "x\x1b[31m"}, "x?[31m cannot be the name"),
        ({"folder": False, "fingerprint": ""}, "is a file; labd runs folders"),
        ({"code": ()}, "upload"),
        ({"code": (), "name": "code"}, "the folder code alone"),
        ({"too_deep": True}, "more than 64 levels"),
        ({"files": LIMITS.max_files + 1}, "more than 1,000,000 files"),
        ({"bytes": LIMITS.max_bytes * 2}, "1000 GB; the limit of this server is 500 GB"),
        ({"unreadable": ("input/x",)}, "input/x in galaxies cannot be read"),
    ],
)
def test_what_can_be_no_job_is_refused_with_cause_and_hint(change: dict[str, object], words: str) -> None:
    found = verdict(replace(FINE, **change))  # type: ignore[arg-type]
    assert isinstance(found, Refuse)
    assert words in found.diagnosis.cause
    assert found.diagnosis.hint


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", ".app.py.Xa81bC"])
def test_what_desktops_and_transfers_leave_is_nothing(name: str) -> None:
    assert verdict(replace(FINE, name=name)) == Nothing()
