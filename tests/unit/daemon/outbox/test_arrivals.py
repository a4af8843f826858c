"""Uploads that are no jobs (yet): what is said of them, since when, and where a job was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from labd.common.errors import NotFoundError
from labd.daemon.outbox.arrivals import GONE, UNCHANGED, Upload, as_json, upload
from labd.daemon.outbox.status import job_fields, upload_fields
from labd.daemon.requests.job_lookup import find, find_job
from labd.diagnosis.programs import Diagnosis
from labd.model.jobs import Signal
from labd.model.request_arguments import Target
from labd.storage.store import Store

KEY = ("ana-silva", "galaxies")
CUT = "upload interrupted (rsync code 20) after 2 files; send it again to continue"
REFUSED = Diagnosis("Your upload has no program.", "Put it into code/app.py.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "labd.db")
    yield made
    made.close()


def sent(reason: str | Diagnosis = CUT, user: str = KEY[0], project: str = KEY[1], since: float = 100.0) -> Upload:
    return Upload(user, project, reason, since, isinstance(reason, str))


class Inbox:
    """What `SubmissionHandler.uploads` would say."""

    def __init__(self, *uploads: Upload) -> None:
        self.uploads = uploads

    def __call__(self, user: str | None, project: str) -> Sequence[Upload]:
        return [upload for upload in self.uploads if user in (None, upload.user) and upload.project == project]


def galaxies(text: str = "galaxies") -> Target:
    name = text.rstrip("/")
    return Target(text, int(name) if text.isdecimal() else None, name)


# Since when


def test_what_holds_an_upload_holds_it_since_it_last_changed() -> None:
    assert upload(None, KEY, CUT, 900.0, changed=500.0, is_arriving=True).since == 500.0
    assert upload(None, KEY, REFUSED, 900.0, changed=500.0).since == 500.0


def test_an_upload_arrives_since_it_was_first_seen_however_it_grows() -> None:
    first = upload(None, KEY, "receiving: 1 file, 5 bytes so far", 900.0, changed=500.0)
    second = upload(first, KEY, "receiving: 2 files, 9 bytes so far", 960.0, changed=950.0)
    assert (first.since, second.since) == (900.0, 900.0)
    assert upload(second, KEY, CUT, 990.0, changed=970.0).since == 970.0


@pytest.mark.parametrize("changed", [0.0, 1e12])
def test_a_clock_elsewhere_makes_no_time_to_come(changed: float) -> None:
    assert upload(None, KEY, CUT, 900.0, changed).since == 900.0


# What can be done


def test_each_upload_has_a_way_to_be_started() -> None:
    assert "send it again" in sent().hint and "`labd submit galaxies`" in sent().hint
    assert sent(REFUSED).hint == REFUSED.hint
    assert Upload(*KEY, UNCHANGED, 0.0, False).hint == "`labd rerun galaxies` runs it again."
    assert "inbox/galaxies/" in Upload(*KEY, GONE, 0.0, False).hint
    assert Upload(*KEY, "waiting: You have 1,000 jobs", 0.0, False).hint


def test_programs_are_told_the_same_of_each_upload() -> None:
    for reason, state in ((CUT, "waiting"), ("receiving: 1 file", "receiving"), (REFUSED, "refused")):
        data = as_json(sent(reason), "/home/ana-silva/inbox/galaxies")
        assert data["state"] == state
        kinds = {name: type(value) for name, value in data.items()}
        assert kinds.pop("since") is float and kinds.pop("arriving") is bool
        assert kinds.pop("until") is type(None)
        assert set(kinds.values()) == {str}
    assert as_json(sent()._replace(until=160.0), "")["until"] == 160.0


def test_an_upload_without_a_job_is_told_with_all_that_a_job_has(store: Store) -> None:
    job = store.create(*KEY, Signal.SUBMIT, "x", 1.0)
    assert list(job_fields(job)) == list(upload_fields(sent()))
    assert upload_fields(sent())["job"] is upload_fields(sent())["state"] is None


# Where a job is asked for


def test_an_upload_without_a_job_is_found_by_its_name(store: Store) -> None:
    assert find(store, galaxies(), "ana-silva", Inbox(sent())) == (None, sent(), "")
    assert find(store, galaxies("galaxies/"), None, Inbox(sent())).upload == sent()
    number = sent(project="2024")
    assert find(store, galaxies("2024"), "ana-silva", Inbox(number)).upload == number


def test_an_upload_is_told_with_the_job_before_it(store: Store) -> None:
    job = store.create(*KEY, Signal.SUBMIT, "x", 1.0)
    assert find(store, galaxies(), "ana-silva", Inbox(sent())) == (job, sent(), "")
    assert find(store, galaxies(str(job.id)), "ana-silva", Inbox(sent())) == (job, None, "")
    assert find_job(store, galaxies(), None, Inbox(sent())).also.startswith("galaxies has a newer upload")


def test_a_number_that_is_a_job_and_an_upload_means_the_job_and_says_so(store: Store) -> None:
    job = store.create(*KEY, Signal.SUBMIT, "x", 1.0)
    found = find(store, galaxies(str(job.id)), "ana-silva", Inbox(sent(project=str(job.id))))
    assert found.job == job and f"`{job.id}/` means that" in found.also


def test_nobody_hears_of_the_uploads_of_others(store: Store) -> None:
    others = Inbox(sent(user="ben-okoro"))
    for look in (find, find_job):
        with pytest.raises(NotFoundError, match="no project `galaxies` that had a job"):
            look(store, galaxies(), "ana-silva", others)
    both = Inbox(sent(), sent(user="ben-okoro", since=200.0))
    assert find(store, galaxies(), None, both) == (None, both.uploads[1], "ana-silva sent one of that name, too.")


@pytest.mark.parametrize("reason", [CUT, REFUSED])
def test_without_a_job_the_upload_is_why(store: Store, reason: str | Diagnosis) -> None:
    with pytest.raises(NotFoundError, match=r"galaxies has no job yet: \w") as why:
        find_job(store, galaxies(), "ana-silva", Inbox(sent(reason)))
    assert sent(reason).text.removesuffix(".") in why.value.message
    assert why.value.hint == sent(reason).hint
    with pytest.raises(NotFoundError, match="galaxies has no job yet") as why:
        find_job(store, galaxies(), "ana-silva", Inbox(sent(reason)), is_to_end=True)
    assert why.value.hint.startswith("Nothing of it runs.") and "inbox/galaxies" in why.value.hint
