from __future__ import annotations

import json
from dataclasses import replace

import pytest

from labd.daemon.outbox.status import page
from labd.diagnosis.programs import Diagnosis
from labd.model.jobs import Job, Signal, State

JOB = Job(
    id=42,
    user="ana-silva",
    project="galaxies",
    state=State.RUNNING,
    signal=Signal.SUBMIT,
    created=1000.0,
    changed=1000.0,
    snapshot=42,
    started=1000.0,
)


def status(job: Job | None, upload: str | Diagnosis | None = None, place: int = 0, ahead: int = 0) -> list[str]:
    return page("galaxies", job, upload, 1120.0, place, ahead)["STATUS"].splitlines()


def test_a_running_job_says_for_how_long() -> None:
    assert status(JOB)[0] == "galaxies: running for 2 minutes (job 42)"


def test_a_queued_job_says_its_place() -> None:
    assert (
        status(replace(JOB, state=State.QUEUED), place=3, ahead=2)[0] == "galaxies: queued, place 3; 2 running (job 42)"
    )


def test_a_job_that_is_being_stopped_says_why() -> None:
    stopping = replace(JOB, stopping=State.TIMED_OUT, stop_reason="it ran for 2 minutes")
    assert status(stopping)[0] == "galaxies: stopping: it ran for 2 minutes (job 42)"


def test_a_failure_says_cause_and_what_to_do_in_five_lines_at_most() -> None:
    failed = replace(JOB, state=State.FAILED, ended=1090.0, cause="It broke.", hint="Mend it.", notes=("A note.",))
    assert status(failed)[2:] == ["Cause: It broke.", "What to do: Mend it.", "Note: A note."]
    assert len(status(failed)) == 5


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_words(state: State) -> None:
    assert status(replace(JOB, state=state))[0].startswith("galaxies: ")


def test_an_upload_that_is_no_job_yet_is_told_alone_and_beside_a_job() -> None:
    assert status(None, "receiving: 3 files, 5 bytes so far") == ["galaxies: receiving: 3 files, 5 bytes so far"]
    assert status(JOB, "receiving: 3 files, 5 bytes so far")[-1] == "New upload: receiving: 3 files, 5 bytes so far"
    refused = status(None, Diagnosis("No program.", "Add one."))
    assert refused == ["galaxies: not started. No program.", "What to do: Add one."]


def test_the_same_is_told_to_programs() -> None:
    data = json.loads(page("galaxies", JOB, Diagnosis("No program.", "Add one."), 1120.0)["status.json"])
    assert (data["job"], data["state"], data["trigger"]) == (42, "running", "submit")
    assert data["upload"] == {"state": "refused", "cause": "No program.", "hint": "Add one."}


@pytest.mark.parametrize("back", [0.0001, 1.0, 3600.0])
def test_a_clock_that_was_set_back_makes_no_negative_times(back: float) -> None:
    for job in (replace(JOB, started=1120.0 + back), replace(JOB, state=State.SUCCEEDED, ended=1000.0 - back)):
        assert "-" not in status(job)[0]
        assert " 0 seconds" in status(job)[0]
