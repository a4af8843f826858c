"""`rerun --exact`: the very environment of an earlier job, or the nearest there is, and a word on what differs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import docker as sdk
import pytest

from conftest import MakeLab
from support.lab import Lab, wait_for
from support.package_index import PackageIndex

USES_IT = "import {name}; print({name}.__version__)\n"


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """One whose library no other test has, so that its environments are this test's alone."""
    index = PackageIndex()
    yield index
    index.close()


class Shelf:
    """A lab with one project whose only library is on the shelf of `index`."""

    def __init__(self, lab: Lab, index: PackageIndex) -> None:
        self.lab, self.index = lab, index
        self.library = f"lonely{uuid.uuid4().hex[:8]}"
        index.add(self.library, "1.0")
        lab.start()
        self.first = self.run(requirements=self.library)

    def run(self, requirements: str) -> dict[str, Any]:
        return self.lab.run("galaxies", USES_IT.format(name=self.library), **{"code/requirements.txt": requirements})

    def again(self, job: int) -> dict[str, Any]:
        (told,) = self.lab.ask("rerun", job=str(job), exact=True)
        return self.lab.wait_complete("galaxies", told["job"])

    @property
    def printed(self) -> str:
        return self.lab.ana.text("galaxies", "run.log")

    def forget(self) -> None:
        """Remove the environments of this lab, all of which have the library, as if nothing had used them for long."""
        with sdk.APIClient() as docker:
            for row in self.lab.ask("images"):

                def finished(tag: str = row["tag"]) -> bool:
                    return bool(docker.inspect_image(tag)["Config"]["Labels"]["labd.finished"])

                # Until then a container has it, from which it would come back.
                wait_for(f"{row['tag']} is finished", finished)
                for holder in docker.containers(filters={"label": f"labd.holder={self.lab.instance}"}):
                    docker.remove_container(holder["Id"], v=True, force=True)
                for name in docker.inspect_image(row["tag"])["RepoTags"]:
                    docker.remove_image(name, force=True)


@pytest.fixture
def shelf(make_lab: MakeLab, prepared: None, index: PackageIndex) -> Shelf:
    return Shelf(make_lab(settings=f'[build]\nnetwork = "host"\nindex = "{index.url}"\n'), index)


def test_the_image_of_the_earlier_job_is_used_again_whatever_is_newer(shelf: Shelf) -> None:
    shelf.index.add(shelf.library, "2.0")
    shelf.run(requirements=f"{shelf.library}>=2")
    assert shelf.printed == "2.0\n"
    assert "exact" not in shelf.lab.ana.receipt("galaxies")
    status = shelf.again(shelf.first["job"])
    assert status["state"] == "succeeded"
    assert shelf.printed == "1.0\n"
    assert f"It runs in the very environment of job {shelf.first['job']}." in status["notes"]
    assert shelf.lab.ana.receipt("galaxies")["exact"] == {"of": shelf.first["job"], "differences": []}


def test_an_environment_that_is_gone_is_built_again_with_the_same_versions(shelf: Shelf) -> None:
    shelf.index.add(shelf.library, "2.0")
    shelf.forget()
    status = shelf.again(shelf.first["job"])
    assert shelf.printed == "1.0\n", shelf.lab.ana.text("galaxies", "build.log")
    told = f"The environment of job {shelf.first['job']} is not kept any more and was built again, with the same"
    assert any(note.startswith(told) for note in status["notes"]), status["notes"]
    assert f"{shelf.library}==1.0" in shelf.lab.ana.receipt("galaxies")["environment"]["packages"]


def test_what_differs_is_told(shelf: Shelf) -> None:
    record = shelf.lab.state / "jobs" / str(shelf.first["job"]) / "environment"
    shelf.forget()
    record.write_text(record.read_text().replace(f'"{shelf.library}==1.0"', f'"{shelf.library}==1.0", "gone==3.0"'))
    shelf.index.add("gone", "3.0")
    assert shelf.again(shelf.first["job"])["state"] == "succeeded"
    record.write_text(record.read_text().replace('"python==3.11.2"', '"python==3.11.1"'))
    status = shelf.again(shelf.first["job"])
    assert any(note.endswith("What differs: python 3.11.2 instead of 3.11.1.") for note in status["notes"]), status
    assert shelf.lab.ana.receipt("galaxies")["exact"]["differences"] == ["python 3.11.2 instead of 3.11.1"]


def test_a_version_that_is_no_longer_offered_runs_as_long_as_its_image_is_kept(shelf: Shelf) -> None:
    lab = shelf.lab
    lab.stop()
    lab.config_file.write_text(
        f"{lab.config_file.read_text()}[languages.python]\ndefault = '3.13'\n"
        "versions = { '3.13' = 'python:3.13-slim-trixie' }\n"
    )
    lab.start()
    assert shelf.again(shelf.first["job"])["state"] == "succeeded"
    assert shelf.printed == "1.0\n"
    shelf.forget()
    status = shelf.again(shelf.first["job"])
    assert status["state"] == "rejected"
    assert status["cause"].startswith("This server does not offer python 3.11 any more, which job 1 had")


def test_a_job_whose_program_never_ran_has_no_environment_to_run_in(shelf: Shelf) -> None:
    failed = shelf.run(requirements="no-such-library-anywhere")
    assert failed["state"] == "build-failed"
    (told,) = shelf.lab.ask("rerun", job=str(failed["job"]), exact=True)
    assert told["error"] == f"Job {failed['job']} never had an environment: its program did not run."
    assert len(shelf.lab.jobs()) == failed["job"]


def test_a_version_that_the_index_no_longer_has_is_a_clear_end(shelf: Shelf) -> None:
    shelf.forget()
    shelf.index.remove(shelf.library, "1.0")
    shelf.index.add(shelf.library, "2.0")
    status = shelf.again(shelf.first["job"])
    assert status["state"] == "build-failed"
    assert f"no `{shelf.library}==1.0`" in status["cause"]
    assert "Without --exact" in status["hint"]
