"""Files that are made to break the process that works on files: each request has an answer, and says what is true."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import temporary_folder
from labd.accounts.accounts import Account
from labd.common.schema import Size
from labd.daemon.outbox.mirror import DeliveryError, Outbox
from labd.daemon.outbox.receipt import hash_files
from labd.daemon.pipeline.writing_limits import WritingLimits
from labd.intake.completeness import Look
from labd.model.config import Config
from labd.privsep.workers import Identity, WorkerError, Workers
from support.lab import AS_ROOT, Researcher, wait_for

pytestmark = pytest.mark.skipif(not AS_ROOT, reason="one user has no other's rights to take on")


class Ground:
    """A home with inbox and outbox, and a folder of a job's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir()
        self.ana = Researcher("ana-silva", self.home)
        os.chown(self.home, self.ana.uid, self.ana.uid)
        self.who = Identity(self.ana.uid, self.ana.uid)
        self.account = Account("ana-silva", self.who, self.home)
        self.ana.do("mkdir", self.account.inbox, self.account.outbox)
        self.workers = Workers()
        self.outbox = Outbox(self.workers, self.account, "p")
        self.results = self.account.outbox / "p"
        self.delivery = folder / "job" / "delivery"
        self.delivery.mkdir(parents=True)
        (self.delivery / "output").mkdir()
        os.chown(self.delivery / "output", self.ana.uid, self.ana.uid)

    def program(self, source: str) -> None:
        """Do in /output what a program would do there."""
        self.ana.do("/usr/bin/python3", "-c", f"import os\nos.chdir('{self.delivery / 'output'}')\n{source}")

    def look(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        limits = Config().inbox
        answer = self.workers.do(
            self.who,
            "look",
            sessions=str(self.account.sessions),
            inbox=str(self.account.inbox),
            names=names,
            programs=["app.py"],
            max_files=limits.max_files,
            max_depth=limits.max_depth,
        )
        return list(answer["entries"])

    def held(self, most: int = 1_000_000, processes: tuple[int, ...] = ()) -> dict[str, Any]:
        folders = [str(self.delivery / "output")]
        return dict(self.workers.do(None, "held", folders=folders, most=most, processes=list(processes)))


@pytest.fixture
def ground() -> Iterator[Ground]:
    folder = temporary_folder()
    folder.chmod(0o755)
    made = Ground(folder)
    try:
        yield made
    finally:
        made.workers.trim(0)
        # rm(1), for what is nested deeper than Python goes.
        subprocess.run(["rm", "-rf", "--", folder], check=True)


NESTED = "for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nopen('deepest', 'w').write('x')\n"
LONG = "for _ in range(30):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\nopen('deepest', 'w').write('x')\n"


# What is asked of the process itself


def test_an_error_that_nobody_foresaw_is_an_answer_and_the_process_lives(ground: Ground) -> None:
    with pytest.raises(WorkerError, match="TypeError"):
        ground.workers.do(ground.who, "write", nothing="of the kind")
    with pytest.raises(WorkerError, match="ValueError"):
        ground.workers.do(ground.who, "remove", paths=["a\0b"])
    with pytest.raises(WorkerError, match="UnicodeEncodeError"):
        ground.workers.do(ground.who, "write", folder=str(ground.results), files={"x": "\ud800"})
    [process] = ground.workers._idle
    ground.workers.do(ground.who, "write", folder=str(ground.results), files={"STATUS": "fine"})
    assert ground.workers._idle == [process]
    assert (ground.results / "STATUS").stat().st_uid == ground.ana.uid


def test_an_identity_that_cannot_be_taken_on_leaves_none_behind(ground: Ground) -> None:
    with pytest.raises(WorkerError):
        ground.workers.do(Identity(ground.ana.uid, ground.ana.uid, tuple(range(70_000))), "remove", paths=[])
    ground.workers.do(None, "write", folder=str(ground.folder / "own"), files={"x": ""})
    assert (ground.folder / "own" / "x").stat().st_uid == 0


def test_what_a_killed_process_had_started_ends_with_it(ground: Ground) -> None:
    (ground.folder / "slow").write_text("#!/bin/sh\nexec sleep 1000\n")
    (ground.folder / "slow").chmod(0o755)
    arguments = [f"--rsh={ground.folder / 'slow'}", "host:x", str(ground.folder)]
    with pytest.raises(WorkerError, match="does not answer"):
        ground.workers.do(None, "rsync", timeout=2.0, arguments=arguments, seconds=600.0)

    def left() -> bytes:
        return subprocess.run(["pgrep", "-f", str(ground.folder / "slow")], capture_output=True, check=False).stdout

    wait_for("rsync has ended", lambda: not left(), 10.0)


# Looks at an inbox


def test_what_cannot_be_read_is_told_and_is_something_new_when_it_can(ground: Ground) -> None:
    upload = ground.account.inbox / "p"
    ground.ana.write(upload / "code" / "app.py", "print(1)\n")
    seen = set()
    for closed in (upload, upload / "code"):
        for mode in (0o000, 0o444, 0o111):
            closed.chmod(mode)
            [entry] = ground.look()
            look = Look.of(entry)
            assert look.folder
            assert look.unreadable or (mode == 0o444 and not look.code), entry
            assert look.fingerprint
            seen.add(look.fingerprint)
        closed.chmod(0o755)
        [entry] = ground.look()
        assert not Look.of(entry).unreadable
        assert Look.of(entry).fingerprint not in seen
    assert Look.of(entry).code == ("app.py",)


def test_one_entry_that_cannot_be_looked_at_does_not_hide_the_others(ground: Ground) -> None:
    for name in ("a", "p", "z"):
        ground.ana.write(ground.account.inbox / name / "code" / "app.py")
    (ground.account.inbox / "p").chmod(0)
    ground.ana.do("ln", "-s", "loop", ground.account.inbox / "loop")
    names = ["a", "x" * 300, "loop", "loop/x", "p", "missing", "z"]
    found = {entry["name"]: entry for entry in ground.look(names)}
    assert found["a"]["code"] == found["z"]["code"] == ["app.py"]
    assert found["p"]["why"] == "Permission denied"
    assert found["x" * 300]["why"] == "File name too long"
    assert "missing" not in found
    assert not found["loop"]["folder"]


def test_a_look_while_everything_is_renamed_never_fails_and_never_says_unreadable(ground: Ground) -> None:
    upload = ground.account.inbox / "p"
    for number in range(200):
        ground.ana.write(upload / "code" / f"{number}.py")
    ground.ana.write(upload / "code" / "app.py")
    loop = (
        f"cd '{upload}'; while :; do mv code c; mv c code; : >SUBMIT; rm SUBMIT; rm code/1.py; : >code/1.py;"
        " mkdir project; rmdir project; done"
    )
    mover = subprocess.Popen(
        ["setpriv", f"--reuid={ground.ana.uid}", f"--regid={ground.ana.uid}", "--clear-groups", "sh", "-c", loop],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            [entry] = ground.look()
            assert not entry["unreadable"], entry
    finally:
        mover.kill()
        mover.wait()


def test_a_program_among_thousands_of_files_is_found(ground: Ground) -> None:
    code = ground.account.inbox / "p" / "code"
    ground.ana.do("mkdir", "-p", code)
    ground.ana.do("bash", "-c", f"cd {code} && touch {{a..z}}{{1..100}} app.py")
    assert [entry["code"] for entry in ground.look()] == [["app.py"]]


def test_a_look_is_bounded_whatever_names_there_are(ground: Ground) -> None:
    script = (
        "import os\nos.chdir('inbox')\nfor p in range(300):\n    os.makedirs(f'p{p}/code')\n"
        "    os.mkdir(f'not a project {p}')\n"
        "    for n in range(100):\n        open(b'p%d/%s%d' % (p, b'\\xff' * 240, n), 'w').close()\n"
    )
    ground.ana.do("/usr/bin/python3", "-c", f"import os\nos.chdir({str(ground.home)!r})\n{script}")
    entries = ground.look()
    assert len(json.dumps(entries)) < 8_000_000
    assert {f"p{number}" for number in range(300)} <= {entry["name"] for entry in entries}
    assert len(entries) == 320


def test_an_inbox_that_is_no_folder_is_told_with_its_reason(ground: Ground) -> None:
    ground.account.inbox.rmdir()
    assert ground.look() == []
    ground.ana.write(ground.account.inbox)
    with pytest.raises(WorkerError, match="Not a directory"):
        ground.look()


@pytest.mark.parametrize(
    "break_it",
    [
        "mkdir -p s; : >s/a; chmod 0 s",
        "mkdir -p s; : >s/a; chmod 500 s",
        ": >s",
        "ln -s /etc s",
        "ln -s s s",
        "mkfifo s",
        "mkdir -p s/a; mkfifo s/b; ln -s /etc/shadow s/c; head -c 3000000 /dev/zero >s/d; : >s/.e",
        "mkdir s; head -c 900000 /dev/zero | tr '\\0' '[' >s/a; echo >>s/a; for n in 1 2 3 4; do cp s/a s/$n; done",
        "mkdir s; seq 2000 | sed 's/.*/{\"x\":1}/' >s/a; seq 600 | sed 's,^,s/,' | xargs -n1 cp s/a",
    ],
)
def test_records_of_transfers_that_make_no_sense_hide_no_upload(ground: Ground, break_it: str) -> None:
    ground.ana.write(ground.account.inbox / "p" / "code" / "app.py")
    ground.ana.do("mkdir", ground.home / ".labd")
    sessions = ground.account.sessions
    ground.ana.do("sh", "-c", f"cd '{ground.home / '.labd'}'; {break_it}; mv s sessions")
    [entry] = ground.look()
    assert entry["code"] == ["app.py"]
    inbox: dict[str, Any] = {
        "inbox": str(ground.account.inbox),
        "names": ["p"],
        "programs": [],
        "max_files": 9,
        "max_depth": 9,
    }
    answer = ground.workers.do(ground.who, "look", sessions=str(sessions), **inbox)
    assert len(json.dumps(answer)) < 20_000_000
    ground.workers.do(ground.who, "remove", paths=[str(sessions / name) for name in ("a", "b", "missing")])
    assert sessions.is_symlink() or not (sessions / "a").exists()


# The outbox


IN_THE_WAY = {
    "an outbox of mode 0": "chmod 0 outbox",
    "an outbox that cannot be written": "chmod 500 outbox",
    "a folder of mode 0": "mkdir outbox/p; chmod 0 outbox/p",
    "a file": ": >outbox/p",
    "a link to a folder": "ln -s /etc outbox/p",
    "a link to nothing": "ln -s nowhere outbox/p",
    "a link to itself": "ln -s p outbox/p",
    "a FIFO": "mkfifo outbox/p",
    "output is a link": "mkdir outbox/p; ln -s /etc outbox/p/output",
    "output is a file": "mkdir outbox/p; : >outbox/p/output",
    "output has a folder of mode 0 in it": "mkdir -p outbox/p/output/a/b; chmod 0 outbox/p/output/a outbox/p/output",
    "history is a link": "mkdir outbox/p; ln -s /etc outbox/p/history",
    "history has odd names": (
        "mkdir -p outbox/p/history/0007 outbox/p/history/٣ outbox/p/history/² outbox/p/history/x;"
        " mkdir outbox/p/history/$(printf '%0200d' 1 | tr 0 9); : >outbox/p/history/9"
    ),
    "run.log is a FIFO": "mkdir outbox/p; mkfifo outbox/p/run.log outbox/p/.run.log.labd",
    "STATUS is a full folder": "mkdir -p outbox/p/STATUS/a/b; : >outbox/p/STATUS/a/b/c; chmod 0 outbox/p/STATUS/a",
    "what is written first is a full folder": "mkdir -p outbox/p/.STATUS.labd/a/b; chmod 0 outbox/p/.STATUS.labd/a",
    "stray is a file": "mkdir outbox/p; : >outbox/p/stray",
    "the job before had a closed output": "mkdir -p outbox/p/output/a; chmod 500 outbox/p/output",
}


@pytest.mark.parametrize("command", IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_whatever_stands_in_an_outbox_the_results_get_there(ground: Ground, command: str) -> None:
    etc = sorted(os.listdir("/etc"))
    ground.ana.do("sh", "-c", f"cd '{ground.home}'; {command}")
    ground.program("open('result', 'w').write('1')")
    (ground.delivery / "run.log").write_text("hello\n")
    os.chown(ground.delivery / "run.log", ground.ana.uid, ground.ana.uid)
    ground.outbox.rotate(1, {"STATUS": "old\n"}, 5)
    assert ground.outbox.mirror(ground.delivery) == ()
    ground.outbox.show({"STATUS": "fine\n"})
    ground.ana.do("mkdir", "-p", ground.folder / "home" / "upper")
    ground.ana.write(ground.home / "upper" / "left", "2")
    assert ground.outbox.return_strays("code", ground.home / "upper", ["__pycache__"]) == (["left"], ())
    assert (ground.results / "output" / "result").read_text() == "1"
    assert (ground.results / "run.log").read_text() == "hello\n"
    assert (ground.results / "STATUS").read_text() == "fine\n"
    assert (ground.results / "stray" / "code" / "left").read_text() == "2"
    assert not ground.results.is_symlink()
    ground.outbox.rotate(2, {"STATUS": "older\n"}, 5)
    assert (ground.results / "history" / "2" / "output" / "result").read_text() == "1"
    assert sorted(os.listdir("/etc")) == etc


def test_an_outbox_that_is_a_file_is_told_with_what_to_do(ground: Ground) -> None:
    ground.account.outbox.rmdir()
    ground.ana.write(ground.account.outbox)
    with pytest.raises(DeliveryError) as told:
        ground.outbox.mirror(ground.delivery)
    assert "~/outbox is a folder of yours" in told.value.hint
    assert not told.value.is_full


def test_a_history_of_thousands_is_cut_to_what_is_kept(ground: Ground) -> None:
    ground.ana.do(
        "sh", "-c", f"mkdir -p '{ground.results}/history' && cd '{ground.results}/history' && seq 3000 | xargs mkdir"
    )
    ground.outbox.rotate(3001, {}, 5)
    assert sorted(map(int, os.listdir(ground.results / "history"))) == list(range(2996, 3001))


def test_removing_goes_on_after_what_cannot_be_removed(ground: Ground) -> None:
    ground.ana.do("sh", "-c", f"cd '{ground.home}'; mkdir -p closed/a/b; chmod 0 closed/a closed; mkdir open; : >file")
    (ground.home / "roots").mkdir()
    (ground.home / "roots" / "x").write_text("")
    paths = [str(ground.home / name) for name in ("roots", "closed", "missing", "file/x", "open", "file")]
    with pytest.raises(WorkerError, match="cannot be removed") as told:
        ground.workers.do(ground.who, "remove", paths=paths)
    assert told.value.file == str(ground.home / "roots")
    assert {path.name for path in ground.home.iterdir()} == {"inbox", "outbox", "roots"}


def test_a_control_file_in_a_folder_that_cannot_be_written_is_removed_all_the_same(ground: Ground) -> None:
    upload = ground.account.inbox / "p"
    ground.ana.write(upload / "SUBMIT")
    upload.chmod(0o500)
    ground.workers.do(ground.who, "remove", paths=[str(upload / "SUBMIT"), str(upload / "CANCEL")])
    assert list(upload.iterdir()) == []


# What programs leave in /output


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("os.makedirs('a/b'); open('a/b/c', 'w').write('x'); os.chmod('a/b', 0); os.chmod('a', 0)", ""),
        ("open('closed', 'w').write('x'); os.chmod('closed', 0); os.chmod('.', 0o500)", ""),
        ("open('x', 'w').write('x'); os.chmod('.', 0)", ""),
        (NESTED, "nested too deep"),
        (LONG, "the path is too long"),
        ("os.mkfifo('pipe'); os.symlink('pipe', 'link'); os.symlink('/etc/shadow', 'x')", ""),
        ("open(b'\\xff\\n', 'w').write('x')", ""),
    ],
    ids=["closed folders", "a closed file", "a closed /output", "nested", "long", "pipes and links", "names"],
)
def test_what_can_be_delivered_is_and_the_rest_is_told(ground: Ground, source: str, told: str) -> None:
    ground.program(f"open('good', 'w').write('1')\n{source}")
    notes = ground.outbox.mirror(ground.delivery)
    assert (ground.results / "output" / "good").read_text() == "1"
    assert len(notes) == bool(told)
    assert told in " ".join(notes)
    assert len(" ".join(notes)) < 400
    if not told:
        source, target = f"{ground.delivery}/output/", f"{ground.results}/output/"
        command = ["rsync", "-anc", "--no-specials", "--itemize-changes", "--info=nonreg0", source, target]
        assert subprocess.run(command, capture_output=True, check=True).stdout in (b"", b".d..t...... ./\n")


def test_a_full_disk_is_no_reason_to_leave_results_behind(ground: Ground) -> None:
    mount = ground.home / "outbox"
    options = f"size=1m,uid={ground.ana.uid},gid={ground.ana.uid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", mount], check=True)
    try:
        ground.program("open('big', 'wb').write(bytes(range(1, 256)) * 20000)")
        with pytest.raises(DeliveryError, match="disk of the outbox is full") as told:
            ground.outbox.mirror(ground.delivery)
        assert told.value.is_full
        subprocess.run(["mount", "-o", "remount,size=20m", mount], check=True)
        assert ground.outbox.mirror(ground.delivery) == ()
        assert (ground.results / "output" / "big").stat().st_size == 5_100_000
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


# How much is written


def test_what_is_held_is_counted_in_closed_folders_once_for_each_file_and_by_blocks(ground: Ground) -> None:
    ground.program(
        "os.makedirs('a/b'); open('a/b/c', 'wb').write(bytes(3_000_000)); os.link('a/b/c', 'again')\n"
        "open('sparse', 'w').truncate(1 << 40)\nos.symlink('/usr', 'usr')\nos.chmod('a/b', 0); os.chmod('a', 0)"
    )
    found = ground.held()
    assert 3_000_000 <= found["bytes"] < 3_100_000
    assert found["files"] == 6
    assert found["closed"]
    assert not found["deep"]
    assert ground.held(most=3)["files"] == 4


def test_folders_nested_thousands_deep_are_counted_to_the_bottom(ground: Ground) -> None:
    ground.program(f"{NESTED}open('big', 'wb').write(bytes(3_000_000))")
    found = ground.held()
    assert found["files"] == 3002
    assert found["bytes"] > 3_000_000
    assert not found["deep"]


def test_a_look_at_what_is_held_survives_what_vanishes(ground: Ground) -> None:
    ground.program("open('big', 'wb').write(bytes(3_000_000)); os.mkdir('d')")
    loop = f"cd '{ground.delivery}/output'; while :; do : >d/x; mv d e; rm e/x; rmdir e; mkdir d; done"
    mover = subprocess.Popen(["sh", "-c", loop], stderr=subprocess.DEVNULL, user=ground.ana.uid, group=ground.ana.uid)
    try:
        for _ in range(300):
            assert 3_000_000 <= ground.held()["bytes"] < 3_100_000
    finally:
        mover.kill()
        mover.wait()


class Failing(Workers):
    """Workers that do nothing the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def do(self, identity: Identity | None, action: str, *, timeout: float = 30.0, **arguments: Any) -> Any:
        if self.times > 0:
            self.times -= 1
            raise WorkerError("Input/output error", 5)
        return super().do(identity, action, timeout=timeout, **arguments)


def test_a_look_that_failed_is_no_proof_that_little_is_written(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.program("open('big', 'wb').write(bytes(3_000_000))")
    workers = Failing(2)
    settings = replace(Config().output, max_bytes=Size(2_000_000))
    limits = WritingLimits(workers, settings, [ground.delivery / "output", ground.folder / "none"], list)
    try:
        assert limits.broken() == ""
        assert limits.due < time.time() + 1.0
        assert limits.broken_at_the_end() == "its files hold 2.9 MB; the limit is 1.9 MB"
    finally:
        workers.trim(0)
    assert capsys.readouterr().out.count("cannot see how much is written") == 1


def test_the_manifest_is_made_again_from_what_did_not_change_and_never_fails_for_a_file(ground: Ground) -> None:
    ground.program(
        "open('b', 'w').write('1'); os.mkdir('a'); open('a/x', 'w').write('2'); open('a.b', 'w').write('3')\n"
        "os.mkfifo('pipe'); open(b'\\xff', 'w').write('4'); open('sparse', 'w').truncate(1 << 40)\n"
        "open('closed', 'w').write('5'); os.chmod('closed', 0)"
    )
    file = ground.folder / "job" / "outputs.jsonl"
    output = ground.delivery / "output"
    first = hash_files(ground.workers, ground.who, output, file, file, float("inf"))
    assert (first.files, first.unread, first.unlisted) == (5, 1, 0)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line[0] for line in lines] == ["a/x", "a.b", "b", "sparse", "\udcff"]
    assert lines[3][4] == ""
    # A line is taken over as long as size, time and inode say that it may be.
    file.write_text("".join(json.dumps([*line[:4], "kept"]) + "\n" for line in lines))
    ground.program("open('b', 'a').write('more')")
    hash_files(ground.workers, ground.who, output, file, file, float("inf"))
    assert [json.loads(line)[4] == "kept" for line in file.read_text().splitlines()] == [True, True, False, True, True]
    file.write_text('{"what": "an earlier labd left"}')
    assert hash_files(ground.workers, ground.who, output, file, file, float("inf")).files == 5


def test_a_receipt_is_json_for_any_name(ground: Ground) -> None:
    ground.program("open(b'\\xff\\n\"', 'w').write('4'); open('ü', 'w').write('5')")
    file = ground.folder / "job" / "outputs.jsonl"
    hash_files(ground.workers, ground.who, ground.delivery / "output", file, file, float("inf"))
    ground.workers.do(
        None,
        "compose",
        head=json.dumps({"job": 1, "cause": "}"}, indent=1) + "\n",
        inputs=str(ground.folder / "none"),
        outputs=str(file),
        target=str(ground.delivery / "receipt.json"),
        owner=(ground.ana.uid, ground.ana.uid, ()),
    )
    ground.outbox.place(ground.delivery / "receipt.json")
    receipt = json.loads((ground.results / "receipt.json").read_bytes().decode("ascii"))
    assert (receipt["job"], receipt["cause"], receipt["inputs"]) == (1, "}", [])
    assert {entry["path"] for entry in receipt["outputs"]} == {'\udcff\n"', "ü"}
    assert (ground.results / "receipt.json").stat().st_uid == ground.ana.uid
