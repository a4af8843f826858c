"""Whether there is a job: a snapshot compared with the one before, by all that a program can see and nothing less."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import MakeLab, temporary_folder
from labd.accounts.accounts import Account
from labd.intake import snapshot
from labd.privsep.workers import Identity, Workers
from support.lab import AS_ROOT, Researcher, wait_for

MANY = 10_000


class Inbox:
    """An upload of one researcher's, and the snapshots of it."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self.folder, self.workers = folder, workers
        home = folder / "home"
        home.mkdir()
        self.ana = Researcher("ana-silva", home)
        os.chown(home, self.ana.uid, self.ana.uid if AS_ROOT else os.getgid())
        group = self.ana.uid if AS_ROOT else os.getgid()
        self.account = Account("ana-silva", Identity(self.ana.uid, group), home)
        self.root = home / "inbox" / "p"
        self.taken = 0
        self.write("code/app.py", "print(1)\n")

    def write(self, path: str | bytes, content: str = "") -> None:
        self.ana.write(os.path.join(os.fsencode(self.root), os.fsencode(path)), content)

    def do(self, command: str) -> None:
        """Run a shell command as the researcher, in the project."""
        self.ana.do("sh", "-c", f"cd '{self.root}' && {command}")

    def job(self, number: int) -> Path:
        return self.folder / str(number) / "snapshot"

    def take(self, unmoved: Callable[[], bool] = lambda: True) -> snapshot.Taken:
        """Take the next snapshot; one that is as the one before is not kept."""
        target = self.job(self.taken + 1)
        target.parent.mkdir(exist_ok=True)
        previous = self.job(self.taken) if self.taken else None
        taken = snapshot.take(self.workers, self.account, self.root, target, previous, unmoved)
        assert target.exists() == taken.changed
        assert sorted(path.name for path in target.parent.iterdir()) == (
            ["newest", "snapshot", "upload.json"] if taken.changed else []
        )
        self.taken += taken.changed
        return taken

    @property
    def latest(self) -> Path:
        return self.job(self.taken)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    folder = temporary_folder()
    folder.chmod(0o755)
    workers = Workers()
    try:
        yield Inbox(folder, workers)
    finally:
        workers.trim(0)
        shutil.rmtree(folder)


def test_one_byte_changed_among_ten_thousand_files_sent_again_is_seen(inbox: Inbox) -> None:
    (inbox.root / "input").mkdir()
    for number in range(MANY):
        (inbox.root / "input" / f"a-rather-long-name-of-a-file-{number:08}.csv").write_text(str(number))
    subprocess.run(["chown", "-R", f"{inbox.ana.uid}:{inbox.ana.uid}", inbox.root / "input"], check=AS_ROOT)
    assert inbox.take().changed
    # What `scp -r` from Windows does: every file has a new time.
    inbox.do("find . -type f -exec touch -d '2030-01-01 12:00:01' {} +")
    assert not inbox.take().changed
    inbox.do("find . -type f -exec touch -d '2030-01-01 12:00:02' {} +")
    inbox.write("code/app.py", "print(2)\n")
    assert inbox.take().changed
    assert (inbox.latest / "code" / "app.py").read_text() == "print(2)\n"
    # The very first and the very last of them are looked at, too.
    for number in (0, MANY - 1):
        inbox.do("find . -type f -exec touch {} +")
        inbox.write(f"input/a-rather-long-name-of-a-file-{number:08}.csv", "#" * len(str(number)))
        assert inbox.take().changed, number


NAMES = [
    b"new\nline",
    b"\\#012",
    b"not-utf8-\xff\xfe",
    b"x" * 255,
    b"-rf",
    b" ",
    b"'\"",
    b"\\",
    b"\x01\x7f",
    "ü".encode(),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_change_in_a_file_of_any_name_is_seen(inbox: Inbox, name: bytes) -> None:
    inbox.write(b"input/" + name, "one")
    assert inbox.take().changed
    inbox.write(b"input/" + name, "one")
    assert not inbox.take().changed
    inbox.write(b"input/" + name, "two")
    assert inbox.take().changed
    assert Path(os.fsdecode(os.fsencode(inbox.latest / "input") + b"/" + name)).read_text() == "two"


DIFFERENT = {
    "a file more": "echo 1 >input/more",
    "a file less": "rm input/data",
    "a file removed and another added": "mv input/data input/other",
    "a file under a name that sorts elsewhere": "mv input/data input/sub/data",
    "a link to elsewhere": "ln -sfn other input/link",
    "an empty folder more": "mkdir input/empty-too",
    "an empty folder less": "rmdir input/empty",
    "a file replaced by a folder": "rm input/data && mkdir input/data",
    "a folder replaced by a file": "rmdir input/empty && echo >input/empty",
    "a file replaced by a link to its copy": "mv input/data input/sub/copy && ln -s sub/copy input/data",
    "the last byte of a large file": "printf x | dd of=input/large bs=1 seek=2999999 conv=notrunc status=none",
    "a hole punched where data was": "fallocate --punch-hole -o 1048576 -l 1048576 input/large",
    "other bytes with the size and the time of before": (
        "touch -r input/data code/stamp && printf 7 | dd of=input/data bs=1 conv=notrunc status=none"
        " && touch -r code/stamp input/data && rm code/stamp"
    ),
    "a program that can be started now": "chmod +x input/tool",
    "job.toml more": "echo >job.toml",
    "two files that changed their names": "mv input/data input/x && mv input/twin input/data && mv input/x input/twin",
}
SAME = {
    "nothing": "true",
    "new times": "find . -exec touch {} +",
    "other rights": "chmod 755 code/app.py input/data && chmod 700 input/empty && chmod 600 input/twin",
    "the same bytes written again": "cp input/large /tmp/labd-$$ && cat /tmp/labd-$$ >input/large && rm /tmp/labd-$$",
    "results beside the project": "echo >results && mkdir -p output && echo 1 >output/x",
    "a hole filled with zeros": "cp --sparse=never input/holes input/h && mv input/h input/holes",
}


@pytest.mark.parametrize("command", [*DIFFERENT.values(), *SAME.values()], ids=[*DIFFERENT, *SAME])
def test_what_a_program_can_see_is_a_difference_and_nothing_else_is(inbox: Inbox, command: str) -> None:
    inbox.write("input/data", "1")
    inbox.write("input/twin", "2")
    inbox.write("input/tool", "#!/bin/sh\n")
    inbox.write("input/sub/x", "1")
    inbox.do("ln -s data input/link && mkdir input/empty && truncate -s 5M input/holes")
    inbox.do("head -c 3000000 /dev/urandom >input/large")
    assert inbox.take().changed
    assert not inbox.take().changed
    inbox.do(command)
    assert inbox.take().changed == (command in DIFFERENT.values())
    if inbox.taken == 2:
        assert (
            subprocess.run(
                ["diff", "-r", "--no-dereference", inbox.root / "input", inbox.latest / "input"], check=False
            ).returncode
            == 0
        )


def test_what_did_not_change_is_shared_with_the_snapshot_before(inbox: Inbox) -> None:
    inbox.write("input/data", "1")
    inbox.take()
    inbox.write("code/app.py", "print(2)\n")
    inbox.take()
    assert os.path.samefile(inbox.job(1) / "input" / "data", inbox.job(2) / "input" / "data")
    assert (inbox.job(1) / "code" / "app.py").read_text() == "print(1)\n"


def damage_nothing(job: Path) -> None:
    """Of a snapshot that an earlier version of labd took."""
    (job.parent / "newest").unlink()


def damage_note(job: Path) -> None:
    (job.parent / "newest").write_text("?")


def remove_a_file(job: Path) -> None:
    (job / "input" / "data").unlink()


def remove_all(job: Path) -> None:
    shutil.rmtree(job / "input")


def put_a_file_in_its_place(job: Path) -> None:
    shutil.rmtree(job)
    job.write_text("")


@pytest.mark.parametrize(
    ("damage", "is_job"),
    [
        (damage_nothing, False),
        (damage_note, False),
        (remove_a_file, True),
        (remove_all, True),
        (put_a_file_in_its_place, True),
    ],
)
def test_a_damaged_snapshot_before_leads_to_a_job_and_never_to_an_error(
    inbox: Inbox, damage: Callable[[Path], None], is_job: bool
) -> None:
    inbox.write("input/data", "1")
    inbox.take()
    damage(inbox.job(1))
    assert inbox.take().changed == is_job


def test_an_edit_with_the_time_of_before_is_seen_also_when_nothing_is_known_of_the_snapshot_before(
    inbox: Inbox,
) -> None:
    inbox.write("input/data", "1")
    inbox.take()
    (inbox.job(1).parent / "newest").unlink()
    inbox.do("touch -r input/data ../stamp && printf 7 >input/data && touch -r ../stamp input/data")
    assert inbox.take().changed
    assert (inbox.latest / "input" / "data").read_text() == "7"
    assert (inbox.job(1) / "input" / "data").read_text() == "1"


def test_what_vanishes_while_it_is_copied_is_an_upload_that_moves(inbox: Inbox) -> None:
    inbox.write("input/closed", "1")
    inbox.do("chmod 0 input/closed")
    with pytest.raises(snapshot.MovedError):
        inbox.take(unmoved=lambda: False)
    if AS_ROOT:
        with pytest.raises(snapshot.UnreadableError, match=r"input/closed.*Permission denied"):
            inbox.take()
    assert list((inbox.folder / "1").iterdir()) == []


@pytest.mark.skipif(not AS_ROOT, reason="one user has nobody to hide files from")
def test_a_part_that_was_closed_after_the_look_is_told_as_such(inbox: Inbox) -> None:
    inbox.do("chmod 0 code")
    with pytest.raises(snapshot.UnreadableError, match=r"code.*Permission denied"):
        inbox.take()


@pytest.mark.skipif(not AS_ROOT, reason="only root mounts")
def test_a_snapshot_for_which_there_is_no_room_is_no_fault_of_the_upload_and_is_taken_later(inbox: Inbox) -> None:
    inbox.write("input/data", "x" * 300_000)
    disk = inbox.job(1).parent
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "small", disk], check=True)
    try:
        with pytest.raises(OSError, match="No space left on device"):
            inbox.take()
        assert list(disk.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        assert inbox.take().changed
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_notes_of_what_is_left_out_count_all_of_it(inbox: Inbox) -> None:
    (inbox.root / "input").mkdir()
    for number in range(3000):
        os.mkfifo(inbox.root / "input" / f"a-rather-long-name-of-a-pipe-{number:04}")
    taken = inbox.take()
    assert len(taken.notes) == 6
    assert taken.notes[-1] == "2995 more of the kind were left out."


def test_what_was_right_before_a_rejected_upload_runs_when_it_is_sent_again(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    assert lab.run("p", "print('right')\n")["state"] == "succeeded"
    options = lab.ana.inbox("p") / "job.toml"
    lab.ana.write(options, "[job]\nmemroy = 1\n")
    lab.ana.submit("p")
    assert lab.wait_complete("p", 2)["state"] == "rejected"
    options.unlink()
    lab.ana.submit("p")
    assert lab.wait_complete("p", 3)["state"] == "succeeded"
    # Once it has run, the same again is nothing new.
    os.utime(lab.ana.inbox("p") / "code" / "app.py")
    lab.ana.submit("p")
    wait_for("SUBMIT to be obeyed", lambda: not (lab.ana.inbox("p") / "SUBMIT").exists())
    wait_for("it to be found the same", lambda: "nothing has changed" in lab.log.read_text())
    assert [job["job"] for job in lab.jobs()] == [1, 2, 3]
