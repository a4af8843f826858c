"""Each thing that the daemon asks of the disk, SQLite, Docker and its helpers fails once, or hangs: a table of places.

Whatever it was, the daemon lives, the other account's job succeeds meanwhile, the account that was hit gets its result
by itself, no job is lost or made twice, and the cause is told once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import temporary_folder
from support.faulty_daemon import FAULT_VARIABLE, WORDS
from support.lab import AS_ROOT, Lab, wait_for

pytestmark = pytest.mark.skipif(not AS_ROOT, reason="several accounts need root")

SOON = 20.0  # seconds, on a machine that has much else to do
SLOWEST = 240.0  # seconds; a loaded Docker may take the 90 of a question before labd asks again
PROGRAM = "open('/output/result', 'w').write(open('/input/data').read())\nprint('done')\n"

# Place, what it is about, and how it fails. The daemon does all of this for every job.
HELPERS = [
    ("privsep:look", "ana-silva", ("EIO", "ESTALE", "EACCES", "die", "hang")),
    ("privsep:write", "ana-silva.*STATUS", ("ENOSPC", "EDQUOT", "EROFS", "die", "hang")),
    ("privsep:compose", "receipt", ("ENOSPC", "die", "hang")),
    ("privsep:write", "ana-silva.*COMPLETE", ("ENOSPC", "die", "hang")),
    ("privsep:rotate", "ana-silva", ("EIO", "die", "hang")),
    ("privsep:remove", "SUBMIT", ("EIO", "EACCES", "die", "hang")),
    ("privsep:rsync", "snapshot", ("EIO", "ENOSPC", "die", "hang")),
    ("privsep:list_upload", "", ("EIO", "die", "hang")),
    ("privsep:rsync", "outbox", ("EDQUOT", "die", "hang")),
    ("privsep:place", "ana-silva", ("EIO", "die", "hang")),
    ("privsep:digest", "", ("EIO", "die", "hang")),
]
DATABASE = [
    ("sql", sql, ("disk I/O error", "database or disk is full"))
    for sql in (
        "BEGIN IMMEDIATE",
        "COMMIT",
        "INSERT INTO jobs",
        "INSERT INTO events",
        "UPDATE jobs SET snapshot",
        "UPDATE jobs SET state",
        "UPDATE jobs SET started",
        "UPDATE projects",
        "FROM projects WHERE",
    )
]
DOCKER = [
    ("docker:create_container", "", ("ConnectionError", "500", "hang")),
    ("docker:start", "", ("ConnectionError", "500", "hang")),
    ("docker:inspect_container", "", ("ConnectionError", "500", "hang")),
    ("docker:inspect_image", "", ("ConnectionError", "500", "hang")),
    ("docker:logs", "", ("ConnectionError", "500", "hang")),
    ("docker:remove_container", "", ("ConnectionError", "500", "hang")),
]
DISK = [
    ("file:mkdir", "/jobs/", ("ENOSPC", "EIO")),
    ("file:chmod", "/jobs/", ("EIO",)),
    ("file:chown", "/jobs/", ("EIO",)),
    ("file:replace", "/state/", ("EIO", "ENOSPC")),
    ("file:listdir", "/jobs/", ("EIO",)),
    ("file:open", "run.log", ("ENOSPC", "EIO")),
    ("file:open", "passwd", ("ENOSPC",)),
    ("file:link", "manifests.*[.]part", ("ENOSPC", "EIO")),
]
CASES = [
    pytest.param(place, about, error, id=f"{place} {about} {error}")
    for place, about, errors in (*HELPERS, *DATABASE, *DOCKER, *DISK)
    for error in errors
]


class FaultyLab(Lab):
    """A lab whose daemon meets the fault that a test names."""

    def __init__(self) -> None:
        super().__init__(temporary_folder(), ("ana-silva", "ben-okoro"), "[machine]\ncpus = 4.0\nmemory = '16g'\n")
        self.fault, self.met = self.folder / "fault", self.folder / "fault.met"
        script = Path(__file__).resolve().parents[1] / "support" / "faulty_daemon.py"
        self.command = [sys.executable, str(script), *self.command[3:]]
        self.ben = self.users["ben-okoro"]
        self.at_rest = ""  # a project of ana's whose latest job succeeded; "" where there is none

    def begin(self) -> None:
        self.start({FAULT_VARIABLE: str(self.fault)})
        # Once without any fault: what is only made the first time is there.
        for user in self.users.values():
            user.program("first", PROGRAM, input__data="0")
            user.submit("first")
        for user in self.users.values():
            wait_for("the first job", lambda user=user: user.complete("first"))  # type: ignore[misc]

    def inject(self, place: str, about: str, error: str) -> None:
        self.met.unlink(missing_ok=True)
        self.fault.write_text(json.dumps({"place": place, "match": about, "error": error}))

    def heal(self) -> None:
        self.fault.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyLab]:
    """A started lab for all tests of this file."""
    made = FaultyLab()
    try:
        made.begin()
        yield made
    finally:
        made.heal()
        made.close()


def jobs_of(lab: Lab, project: str) -> list[dict[str, Any]]:
    return [job for job in lab.jobs() if job["project"] == project]


@pytest.mark.parametrize(("place", "about", "error"), CASES)
def test_a_fault_is_met_once_told_once_and_mended_by_itself(
    faulty: FaultyLab, place: str, about: str, error: str
) -> None:
    lab, name, data = faulty, faulty.at_rest, f"{time.monotonic_ns()}"
    if not name:
        name = f"p{data}"
        lab.ana.program(name, PROGRAM, input__data="first")
        lab.ana.submit(name)
        wait_for("a first job, so that there is something to put away", lambda: lab.ana.complete(name))
    lab.at_rest = ""
    first = lab.ana.complete(name)
    jobs_before = len(jobs_of(lab, name))
    log_before = lab.log.stat().st_size

    lab.inject(place, about, error)
    try:
        lab.ana.write(lab.ana.inbox(name) / "input" / "data", data)
        lab.ana.submit(name)
        wait_for(f"the fault to be met; the log says:\n{lab._tail()}", lab.met.exists, 60.0)
        quick = f"q{time.monotonic_ns()}"
        lab.ben.program(quick, PROGRAM, input__data="ben")
        lab.ben.submit(quick)
        wait_for(f"a job of the other account; the log says:\n{lab._tail()}", lambda: lab.ben.complete(quick), SOON)
    finally:
        lab.heal()

    try:
        wait_for("the job that was hit", lambda: lab.ana.complete(name) > first, SLOWEST)
    except AssertionError as error:
        pytest.fail(f"{error}; STATUS says:\n{lab.ana.text(name)}\nthe log says:\n{lab._tail()}")
    assert lab.ana.status(name)["state"] == "succeeded", lab.ana.text(name)
    assert (lab.ana.outbox(name) / "output" / "result").read_text() == data
    assert lab.process
    assert lab.process.poll() is None
    wait_for("the outcome", lambda: jobs_of(lab, name)[-1]["state"] == "succeeded")
    assert len(jobs_of(lab, name)) == jobs_before + 1
    with lab.log.open() as log:
        log.seek(log_before)
        lines = log.read().splitlines()
    if error not in ("hang", "die"):
        # In a traceback the cause is in more lines than one, all of the same entry.
        assert 1 <= sum(WORDS in line for line in lines) <= 4, "\n".join(lines)
    lab.at_rest = name
