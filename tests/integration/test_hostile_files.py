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


class HomeTestbed:
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
def testbed() -> Iterator[HomeTestbed]:
    folder = temporary_folder()
    folder.chmod(0o755)
    made = HomeTestbed(folder)
    try:
        yield made
    finally:
        made.workers.trim(0)
        # rm(1), for what is nested deeper than Python goes.
        subprocess.run(["rm", "-rf", "--", folder], check=True)


NESTED = "for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nopen('deepest', 'w').write('x')\n"
LONG = "for _ in range(30):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\nopen('deepest', 'w').write('x')\n"


# What is asked of the process itself


def test_an_error_that_nobody_foresaw_is_an_answer_and_the_process_lives(testbed: HomeTestbed) -> None:
    with pytest.raises(WorkerError, match="TypeError"):
        testbed.workers.do(testbed.who, "write", nothing="of the kind")
    with pytest.raises(WorkerError, match="ValueError"):
        testbed.workers.do(testbed.who, "remove", paths=["a\0b"])
    with pytest.raises(WorkerError, match="UnicodeEncodeError"):
        testbed.workers.do(testbed.who, "write", folder=str(testbed.results), files={"x": "\ud800"})
    [process] = testbed.workers._idle
    testbed.workers.do(testbed.who, "write", folder=str(testbed.results), files={"STATUS": "fine"})
    assert testbed.workers._idle == [process]
    assert (testbed.results / "STATUS").stat().st_uid == testbed.ana.uid


def test_an_identity_that_cannot_be_taken_on_leaves_none_behind(testbed: HomeTestbed) -> None:
    with pytest.raises(WorkerError):
        testbed.workers.do(Identity(testbed.ana.uid, testbed.ana.uid, tuple(range(70_000))), "remove", paths=[])
    testbed.workers.do(None, "write", folder=str(testbed.folder / "own"), files={"x": ""})
    assert (testbed.folder / "own" / "x").stat().st_uid == 0


def test_what_a_killed_process_had_started_ends_with_it(testbed: HomeTestbed) -> None:
    (testbed.folder / "slow").write_text("#!/bin/sh\nexec sleep 1000\n")
    (testbed.folder / "slow").chmod(0o755)
    arguments = [f"--rsh={testbed.folder / 'slow'}", "host:x", str(testbed.folder)]
    with pytest.raises(WorkerError, match="does not answer"):
        testbed.workers.do(None, "rsync", timeout=2.0, arguments=arguments, seconds=600.0)

    def left() -> bytes:
        return subprocess.run(["pgrep", "-f", str(testbed.folder / "slow")], capture_output=True, check=False).stdout

    wait_for("rsync has ended", lambda: not left(), 10.0)


# Looks at an inbox


def test_what_cannot_be_read_is_told_and_is_something_new_when_it_can(testbed: HomeTestbed) -> None:
    upload = testbed.account.inbox / "p"
    testbed.ana.write(upload / "code" / "app.py", "print(1)\n")
    seen = set()
    for closed in (upload, upload / "code"):
        for mode in (0o000, 0o444, 0o111):
            closed.chmod(mode)
            [entry] = testbed.look()
            look = Look.of(entry)
            assert look.folder
            assert look.unreadable or (mode == 0o444 and not look.code), entry
            assert look.fingerprint
            seen.add(look.fingerprint)
        closed.chmod(0o755)
        [entry] = testbed.look()
        assert not Look.of(entry).unreadable
        assert Look.of(entry).fingerprint not in seen
    assert Look.of(entry).code == ("app.py",)


def test_one_entry_that_cannot_be_looked_at_does_not_hide_the_others(testbed: HomeTestbed) -> None:
    for name in ("a", "p", "z"):
        testbed.ana.write(testbed.account.inbox / name / "code" / "app.py")
    (testbed.account.inbox / "p").chmod(0)
    testbed.ana.do("ln", "-s", "loop", testbed.account.inbox / "loop")
    names = ["a", "x" * 300, "loop", "loop/x", "p", "missing", "z"]
    found = {entry["name"]: entry for entry in testbed.look(names)}
    assert found["a"]["code"] == found["z"]["code"] == ["app.py"]
    assert found["p"]["why"] == "Permission denied"
    assert found["x" * 300]["why"] == "File name too long"
    assert "missing" not in found
    assert not found["loop"]["folder"]


def test_a_look_while_everything_is_renamed_never_fails_and_never_says_unreadable(testbed: HomeTestbed) -> None:
    upload = testbed.account.inbox / "p"
    for number in range(200):
        testbed.ana.write(upload / "code" / f"{number}.py")
    testbed.ana.write(upload / "code" / "app.py")
    loop = (
        f"cd '{upload}'; while :; do mv code c; mv c code; : >SUBMIT; rm SUBMIT; rm code/1.py; : >code/1.py;"
        " mkdir project; rmdir project; done"
    )
    mover = subprocess.Popen(
        ["setpriv", f"--reuid={testbed.ana.uid}", f"--regid={testbed.ana.uid}", "--clear-groups", "sh", "-c", loop],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            [entry] = testbed.look()
            assert not entry["unreadable"], entry
    finally:
        mover.kill()
        mover.wait()


def test_a_program_among_thousands_of_files_is_found(testbed: HomeTestbed) -> None:
    code = testbed.account.inbox / "p" / "code"
    testbed.ana.do("mkdir", "-p", code)
    testbed.ana.do("bash", "-c", f"cd {code} && touch {{a..z}}{{1..100}} app.py")
    assert [entry["code"] for entry in testbed.look()] == [["app.py"]]


def test_a_look_is_bounded_whatever_names_there_are(testbed: HomeTestbed) -> None:
    script = (
        "import os\nos.chdir('inbox')\nfor p in range(300):\n    os.makedirs(f'p{p}/code')\n"
        "    os.mkdir(f'not a project {p}')\n"
        "    for n in range(100):\n        open(b'p%d/%s%d' % (p, b'\\xff' * 240, n), 'w').close()\n"
    )
    testbed.ana.do("/usr/bin/python3", "-c", f"import os\nos.chdir({str(testbed.home)!r})\n{script}")
    entries = testbed.look()
    assert len(json.dumps(entries)) < 8_000_000
    assert {f"p{number}" for number in range(300)} <= {entry["name"] for entry in entries}
    assert len(entries) == 320


def test_an_inbox_that_is_no_folder_is_told_with_its_reason(testbed: HomeTestbed) -> None:
    testbed.account.inbox.rmdir()
    assert testbed.look() == []
    testbed.ana.write(testbed.account.inbox)
    with pytest.raises(WorkerError, match="Not a directory"):
        testbed.look()


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
def test_records_of_transfers_that_make_no_sense_hide_no_upload(testbed: HomeTestbed, break_it: str) -> None:
    testbed.ana.write(testbed.account.inbox / "p" / "code" / "app.py")
    testbed.ana.do("mkdir", testbed.home / ".labd")
    sessions = testbed.account.sessions
    testbed.ana.do("sh", "-c", f"cd '{testbed.home / '.labd'}'; {break_it}; mv s sessions")
    [entry] = testbed.look()
    assert entry["code"] == ["app.py"]
    inbox: dict[str, Any] = {
        "inbox": str(testbed.account.inbox),
        "names": ["p"],
        "programs": [],
        "max_files": 9,
        "max_depth": 9,
    }
    answer = testbed.workers.do(testbed.who, "look", sessions=str(sessions), **inbox)
    assert len(json.dumps(answer)) < 20_000_000
    testbed.workers.do(testbed.who, "remove", paths=[str(sessions / name) for name in ("a", "b", "missing")])
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
def test_whatever_stands_in_an_outbox_the_results_get_there(testbed: HomeTestbed, command: str) -> None:
    etc = sorted(os.listdir("/etc"))
    testbed.ana.do("sh", "-c", f"cd '{testbed.home}'; {command}")
    testbed.program("open('result', 'w').write('1')")
    (testbed.delivery / "run.log").write_text("hello\n")
    os.chown(testbed.delivery / "run.log", testbed.ana.uid, testbed.ana.uid)
    testbed.outbox.rotate(1, {"STATUS": "old\n"}, 5)
    assert testbed.outbox.mirror(testbed.delivery) == ()
    testbed.outbox.show({"STATUS": "fine\n"})
    testbed.ana.do("mkdir", "-p", testbed.folder / "home" / "upper")
    testbed.ana.write(testbed.home / "upper" / "left", "2")
    assert testbed.outbox.return_strays("code", testbed.home / "upper", ["__pycache__"]) == (["left"], ())
    assert (testbed.results / "output" / "result").read_text() == "1"
    assert (testbed.results / "run.log").read_text() == "hello\n"
    assert (testbed.results / "STATUS").read_text() == "fine\n"
    assert (testbed.results / "stray" / "code" / "left").read_text() == "2"
    assert not testbed.results.is_symlink()
    testbed.outbox.rotate(2, {"STATUS": "older\n"}, 5)
    assert (testbed.results / "history" / "2" / "output" / "result").read_text() == "1"
    assert sorted(os.listdir("/etc")) == etc


def test_an_outbox_that_is_a_file_is_told_with_what_to_do(testbed: HomeTestbed) -> None:
    testbed.account.outbox.rmdir()
    testbed.ana.write(testbed.account.outbox)
    with pytest.raises(DeliveryError) as told:
        testbed.outbox.mirror(testbed.delivery)
    assert "~/outbox is a folder of yours" in told.value.hint
    assert not told.value.is_full


def test_a_history_of_thousands_is_cut_to_what_is_kept(testbed: HomeTestbed) -> None:
    testbed.ana.do(
        "sh", "-c", f"mkdir -p '{testbed.results}/history' && cd '{testbed.results}/history' && seq 3000 | xargs mkdir"
    )
    testbed.outbox.rotate(3001, {}, 5)
    assert sorted(map(int, os.listdir(testbed.results / "history"))) == list(range(2996, 3001))


def test_removing_goes_on_after_what_cannot_be_removed(testbed: HomeTestbed) -> None:
    testbed.ana.do(
        "sh", "-c", f"cd '{testbed.home}'; mkdir -p closed/a/b; chmod 0 closed/a closed; mkdir open; : >file"
    )
    (testbed.home / "roots").mkdir()
    (testbed.home / "roots" / "x").write_text("")
    paths = [str(testbed.home / name) for name in ("roots", "closed", "missing", "file/x", "open", "file")]
    with pytest.raises(WorkerError, match="cannot be removed") as told:
        testbed.workers.do(testbed.who, "remove", paths=paths)
    assert told.value.file == str(testbed.home / "roots")
    assert {path.name for path in testbed.home.iterdir()} == {"inbox", "outbox", "roots"}


def test_a_control_file_in_a_folder_that_cannot_be_written_is_removed_all_the_same(testbed: HomeTestbed) -> None:
    upload = testbed.account.inbox / "p"
    testbed.ana.write(upload / "SUBMIT")
    upload.chmod(0o500)
    testbed.workers.do(testbed.who, "remove", paths=[str(upload / "SUBMIT"), str(upload / "CANCEL")])
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
def test_what_can_be_delivered_is_and_the_rest_is_told(testbed: HomeTestbed, source: str, told: str) -> None:
    testbed.program(f"open('good', 'w').write('1')\n{source}")
    notes = testbed.outbox.mirror(testbed.delivery)
    assert (testbed.results / "output" / "good").read_text() == "1"
    assert len(notes) == bool(told)
    assert told in " ".join(notes)
    assert len(" ".join(notes)) < 400
    if not told:
        source, target = f"{testbed.delivery}/output/", f"{testbed.results}/output/"
        command = ["rsync", "-anc", "--no-specials", "--itemize-changes", "--info=nonreg0", source, target]
        assert subprocess.run(command, capture_output=True, check=True).stdout in (b"", b".d..t...... ./\n")


def test_a_full_disk_is_no_reason_to_leave_results_behind(testbed: HomeTestbed) -> None:
    mount = testbed.home / "outbox"
    options = f"size=1m,uid={testbed.ana.uid},gid={testbed.ana.uid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", mount], check=True)
    try:
        testbed.program("open('big', 'wb').write(bytes(range(1, 256)) * 20000)")
        with pytest.raises(DeliveryError, match="disk of the outbox is full") as told:
            testbed.outbox.mirror(testbed.delivery)
        assert told.value.is_full
        subprocess.run(["mount", "-o", "remount,size=20m", mount], check=True)
        assert testbed.outbox.mirror(testbed.delivery) == ()
        assert (testbed.results / "output" / "big").stat().st_size == 5_100_000
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


# How much is written


def test_what_is_held_is_counted_in_closed_folders_once_for_each_file_and_by_blocks(testbed: HomeTestbed) -> None:
    testbed.program(
        "os.makedirs('a/b'); open('a/b/c', 'wb').write(bytes(3_000_000)); os.link('a/b/c', 'again')\n"
        "open('sparse', 'w').truncate(1 << 40)\nos.symlink('/usr', 'usr')\nos.chmod('a/b', 0); os.chmod('a', 0)"
    )
    found = testbed.held()
    assert 3_000_000 <= found["bytes"] < 3_100_000
    assert found["files"] == 6
    assert found["closed"]
    assert not found["deep"]
    assert testbed.held(most=3)["files"] == 4


def test_folders_nested_thousands_deep_are_counted_to_the_bottom(testbed: HomeTestbed) -> None:
    testbed.program(f"{NESTED}open('big', 'wb').write(bytes(3_000_000))")
    found = testbed.held()
    assert found["files"] == 3002
    assert found["bytes"] > 3_000_000
    assert not found["deep"]


def test_a_look_at_what_is_held_survives_what_vanishes(testbed: HomeTestbed) -> None:
    testbed.program("open('big', 'wb').write(bytes(3_000_000)); os.mkdir('d')")
    loop = f"cd '{testbed.delivery}/output'; while :; do : >d/x; mv d e; rm e/x; rmdir e; mkdir d; done"
    mover = subprocess.Popen(["sh", "-c", loop], stderr=subprocess.DEVNULL, user=testbed.ana.uid, group=testbed.ana.uid)
    try:
        for _ in range(300):
            assert 3_000_000 <= testbed.held()["bytes"] < 3_100_000
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
    testbed: HomeTestbed, capsys: pytest.CaptureFixture[str]
) -> None:
    testbed.program("open('big', 'wb').write(bytes(3_000_000))")
    workers = Failing(2)
    settings = replace(Config().output, max_bytes=Size(2_000_000))
    limits = WritingLimits(workers, settings, [testbed.delivery / "output", testbed.folder / "none"], list)
    try:
        assert limits.broken() == ""
        assert limits.due < time.time() + 1.0
        assert limits.broken_at_the_end() == "its files hold 2.9 MB; the limit is 1.9 MB"
    finally:
        workers.trim(0)
    assert capsys.readouterr().out.count("cannot see how much is written") == 1


def test_the_manifest_is_made_again_from_what_did_not_change_and_never_fails_for_a_file(testbed: HomeTestbed) -> None:
    testbed.program(
        "open('b', 'w').write('1'); os.mkdir('a'); open('a/x', 'w').write('2'); open('a.b', 'w').write('3')\n"
        "os.mkfifo('pipe'); open(b'\\xff', 'w').write('4'); open('sparse', 'w').truncate(1 << 40)\n"
        "open('closed', 'w').write('5'); os.chmod('closed', 0)"
    )
    file = testbed.folder / "job" / "outputs.jsonl"
    output = testbed.delivery / "output"
    first = hash_files(testbed.workers, testbed.who, output, file, file, float("inf"))
    assert (first.files, first.unread, first.unlisted) == (5, 1, 0)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line[0] for line in lines] == ["a/x", "a.b", "b", "sparse", "\udcff"]
    assert lines[3][4] == ""
    # A line is taken over as long as size, time and inode say that it may be.
    file.write_text("".join(json.dumps([*line[:4], "kept"]) + "\n" for line in lines))
    testbed.program("open('b', 'a').write('more')")
    hash_files(testbed.workers, testbed.who, output, file, file, float("inf"))
    assert [json.loads(line)[4] == "kept" for line in file.read_text().splitlines()] == [True, True, False, True, True]
    file.write_text('{"what": "an earlier labd left"}')
    assert hash_files(testbed.workers, testbed.who, output, file, file, float("inf")).files == 5


def test_a_receipt_is_json_for_any_name(testbed: HomeTestbed) -> None:
    testbed.program("open(b'\\xff\\n\"', 'w').write('4'); open('ü', 'w').write('5')")
    file = testbed.folder / "job" / "outputs.jsonl"
    hash_files(testbed.workers, testbed.who, testbed.delivery / "output", file, file, float("inf"))
    testbed.workers.do(
        None,
        "compose",
        head=json.dumps({"job": 1, "cause": "}"}, indent=1) + "\n",
        inputs=str(testbed.folder / "none"),
        outputs=str(file),
        target=str(testbed.delivery / "receipt.json"),
        owner=(testbed.ana.uid, testbed.ana.uid, ()),
    )
    testbed.outbox.place(testbed.delivery / "receipt.json")
    receipt = json.loads((testbed.results / "receipt.json").read_bytes().decode("ascii"))
    assert (receipt["job"], receipt["cause"], receipt["inputs"]) == (1, "}", [])
    assert {entry["path"] for entry in receipt["outputs"]} == {'\udcff\n"', "ü"}
    assert (testbed.results / "receipt.json").stat().st_uid == testbed.ana.uid
