"""One account, folder or disk that fails or hangs, in front of the real daemon: all others go on as ever."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeLab
from support.hung_mount import HungMount
from support.lab import AS_ROOT, UIDS, Lab, Researcher, wait_for

pytestmark = pytest.mark.skipif(not AS_ROOT, reason="several accounts need root")

SOON = 20.0  # seconds, on a machine that has much else to do
QUICK = "print('hello')\n"


@pytest.fixture
def two(make_lab: MakeLab) -> Lab:
    """A started lab of ana and ben."""
    lab = make_lab(users=("ana-silva", "ben-okoro"))
    lab.start()
    return lab


@pytest.fixture
def hang() -> Iterator[list[HungMount]]:
    """Mounts that hang; all are taken away at the end."""
    mounts: list[HungMount] = []
    yield mounts
    for mount in mounts:
        mount.close()


def others_go_on(lab: Lab) -> None:
    """A job of ben's succeeds soon, and it is still the same daemon."""
    ben = lab.users["ben-okoro"]
    name = f"quick-{time.monotonic_ns()}"
    ben.program(name, QUICK)
    ben.submit(name)
    wait_for(f"{name} of ben's; the log says:\n{lab._tail()}", lambda: ben.complete(name), SOON)
    assert ben.status(name)["state"] == "succeeded"
    assert lab.process
    assert lab.process.poll() is None


def times_logged(lab: Lab, words: str) -> int:
    """In how many lines of the log `words` are."""
    return sum(words in line for line in lab.log.read_text().splitlines())


def test_an_account_that_the_machine_does_not_know_is_left_out_at_a_start(make_lab: MakeLab) -> None:
    lab = make_lab(
        users=("ana-silva", "ben-okoro"), settings='[[accounts]]\nname = "left-long-ago"\n[[accounts]]\nname = "root"'
    )
    lab.start()
    others_go_on(lab)
    assert times_logged(lab, "this machine has no user left-long-ago") == 1
    assert times_logged(lab, "never run as root") == 1


def test_an_account_that_disappears_takes_only_its_own_uploads_with_it(two: Lab) -> None:
    accounts = two.folder / "accounts"
    accounts.mkdir()
    home = two.folder / "home" / "eva-lang"
    (home / "inbox").mkdir(parents=True)
    file = accounts / "eva-lang.toml"
    file.write_text(f"uid = 5003\ngid = 5003\nhome = '{home}'\n")
    assert two.ask("reload")[0]["accounts"] == 3
    file.write_text("")
    assert two.ask("reload")[0]["accounts"] == 2
    others_go_on(two)


def test_a_job_of_somebody_who_is_not_known_after_a_restart_ends_well(two: Lab) -> None:
    two.ana.program("long", "import time\nprint('on', flush=True)\ntime.sleep(3)\nopen('/output/done', 'w')\n")
    two.ana.submit("long")
    wait_for("its program", lambda: two.ana.status("long").get("started"))
    two.kill()
    text = two.config_file.read_text()
    two.config_file.write_text(
        text.replace(f"uid = 5001\ngid = 5001\nhome = '{two.ana.home}'\n", "").replace("ana-silva", "ana-xilva")
    )
    two.start()
    assert two.wait_complete("long")["state"] == "succeeded"
    assert (two.ana.outbox("long") / "output" / "done").exists()


def test_a_folder_among_the_jobs_that_is_not_labds_is_left_alone(make_lab: MakeLab) -> None:
    lab = make_lab(users=("ana-silva", "ben-okoro"))
    for name in ("42.bak", "notes", "007", "²", "9" * 200):
        (lab.state / "jobs" / name).mkdir(parents=True)
    (lab.state / "jobs" / "31").mkdir()
    lab.start()
    others_go_on(lab)
    # A job with a higher number than any that the database knows is of another database: nothing of it is removed.
    assert {"42.bak", "notes", "007", "²", "9" * 200, "31"} <= {path.name for path in (lab.state / "jobs").iterdir()}


def test_notes_of_transfers_that_cannot_be_removed_hold_nobody_up(two: Lab) -> None:
    sessions = two.ana.home / ".labd" / "sessions"
    two.ana.write(sessions / "1-old", '{"kind": "rsync", "began": 1.0}\n{"ended": 2.0, "code": 0}\n')
    sessions.chmod(0o555)
    os.chown(sessions, 0, 0)
    others_go_on(two)
    two.ana.program("mine", QUICK)
    two.ana.submit("mine")
    wait_for("ana's own", lambda: two.ana.complete("mine"), SOON)


def _closed(ana: Researcher) -> None:
    (ana.home / "outbox").chmod(0)


def _closed_by_root(ana: Researcher) -> None:
    os.chown(ana.home / "outbox", 0, 0)
    (ana.home / "outbox").chmod(0o755)


def _file(ana: Researcher) -> None:
    (ana.home / "outbox").rmdir()
    ana.write(ana.home / "outbox", "a file")


@pytest.mark.parametrize("spoil", [_closed_by_root, _file])
def test_an_outbox_that_cannot_be_written_holds_no_cpus_and_cancel_ends_its_jobs(make_lab: MakeLab, spoil) -> None:  # type: ignore[no-untyped-def]
    lab = make_lab(users=("ana-silva", "ben-okoro"), settings="[machine]\ncpus = 2.0")
    lab.start()
    spoil(lab.ana)
    for name in ("one", "two"):
        lab.ana.program(name, QUICK)
        lab.ana.submit(name)

    def held_up() -> list[str]:
        jobs = [job for job in lab.jobs() if job["user"] == "ana-silva"]
        return [job["sentence"] for job in jobs if job["state"] == "delivering" and job["waiting"]]

    wait_for("both to be held up", lambda: len(held_up()) == 2, 60.0)
    assert all("held up: " in sentence for sentence in held_up())
    others_go_on(lab)
    for job in lab.jobs():
        if job["user"] == "ana-silva":
            lab.ask("cancel", job=job["job"])
    mine = [job for job in lab.jobs() if job["user"] == "ana-silva"]
    assert [job["state"] for job in mine] == ["succeeded", "succeeded"]
    assert all("The results are not in the outbox" in job["notes"][-1] for job in mine)


def test_an_outbox_that_is_mended_gets_its_results(two: Lab) -> None:
    _closed_by_root(two.ana)
    two.ana.program("p", "open('/output/x', 'w').write('1')\n")
    two.ana.submit("p")
    wait_for("it to be held up", lambda: any(job["state"] == "delivering" and job["waiting"] for job in two.jobs()))
    os.chown(two.ana.home / "outbox", UIDS["ana-silva"], UIDS["ana-silva"])
    assert two.wait_complete("p")["state"] == "succeeded"
    assert (two.ana.outbox("p") / "output" / "x").read_text() == "1"


@pytest.mark.parametrize("part", ["inbox", "outbox", "."])
def test_a_home_that_hangs_delays_nobody_else(two: Lab, hang: list[HungMount], part: str) -> None:
    two.ana.program("before", "import time\ntime.sleep(1)\n")
    two.ana.submit("before")
    wait_for("its job", lambda: two.jobs())
    hang.append(HungMount(two.ana.home / part))
    for _ in range(3):
        others_go_on(two)
    hang[0].close()
    two.ana.program("after", QUICK)
    two.ana.submit("after")
    wait_for("ana's own, when the home answers again", lambda: two.ana.complete("after"), 90.0)
    wait_for("what was under way", lambda: two.ana.complete("before"), 90.0)


def test_two_who_submit_the_same_upload_at_once_hear_the_same(two: Lab) -> None:
    import threading

    two.ana.program("p", QUICK)
    answers: list[list[dict[str, object]]] = []

    def submit() -> None:
        import subprocess
        import sys

        ask = (
            "import json, socket, sys\n"
            "with socket.socket(socket.AF_UNIX) as connection:\n"
            "    connection.connect(sys.argv[1])\n"
            '    connection.sendall(b\'{"verb": "submit", "project": "p"}\\n\')\n'
            "    print(connection.makefile().read())\n"
        )
        who = [f"--reuid={UIDS['ana-silva']}", f"--regid={UIDS['ana-silva']}", "--clear-groups"]
        done = subprocess.run(
            ["setpriv", *who, sys.executable, "-I", "-c", ask, two.socket], capture_output=True, text=True, check=True
        )
        answers.append([__import__("json").loads(line) for line in done.stdout.splitlines() if line])

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert len(answers) == 4
    assert all("text" in answer[0] for answer in answers), answers
    two.wait_complete("p")
    assert [job["project"] for job in two.jobs()] == ["p"]


def test_a_folder_whose_name_is_no_text_and_thousands_that_cannot_be_projects(two: Lab) -> None:
    inbox = bytes(two.ana.home / "inbox")
    two.ana.write(inbox + b"/\xdcbung/code/app.py", QUICK)
    for number in range(3000):
        os.mkdir(inbox + b"/not a project %d" % number)
    others_go_on(two)
    two.ana.program("mine", QUICK)
    two.ana.submit("mine")
    wait_for("ana's own", lambda: two.ana.complete("mine"), SOON)
    assert len(list(Path(two.ana.home / "outbox").iterdir())) < 30
    assert "defect" not in two.log.read_text()


def test_a_flood_of_uploads_delays_no_job_of_others(make_lab: MakeLab) -> None:
    lab = make_lab(users=("ana-silva", "ben-okoro"), settings="[user]\nrunning = 1")
    lab.start()
    for number in range(150):
        lab.ana.program(f"flood-{number}", QUICK)
        lab.ana.submit(f"flood-{number}")
    waited = []
    for _ in range(3):
        began = time.monotonic()
        others_go_on(lab)
        waited.append(time.monotonic() - began)
    print(f"while 150 uploads came in, a job took {', '.join(f'{seconds:.1f}' for seconds in waited)} s")
    wait_for("all uploads to be jobs", lambda: len(lab.jobs()) == 153, 120.0)
    assert len({job["project"] for job in lab.jobs()}) == 153
