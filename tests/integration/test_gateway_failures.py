"""The SSH gateway when what it leans on fails: its folder, the disk, the daemon; and when what it is given is huge."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.gateway.records.record import Record
from labd.intake.proof import traffic
from labd.intake.transfers import Part, TransferResult, parse
from labd.privsep.session_records import read_sessions
from support.gateway import AS_ROOT, GatewayTestbed


@pytest.fixture
def testbed() -> Iterator[GatewayTestbed]:
    made = GatewayTestbed()
    yield made
    made.close()


@pytest.fixture
def small_disk(testbed: GatewayTestbed) -> Iterator[Path]:
    """A disk of three pages at ~/.labd/sessions, of which a transfer's record takes one."""
    if not AS_ROOT:
        pytest.skip("only root mounts")
    testbed.give(".labd/first")
    testbed.records.mkdir()
    options = f"size=12k,mode=700,uid={testbed.uid},gid={testbed.gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", testbed.records], check=True)
    yield testbed.records
    subprocess.run(["umount", testbed.records], check=True)


def projects(testbed: GatewayTestbed, number: int, length: int = 0) -> Path:
    """A folder with `number` projects of one file, whose names have `length` letters at least."""
    folder = testbed.folder / "many"
    for name in range(number):
        (folder / f"p{name:0{length}}").mkdir(parents=True)
        (folder / f"p{name:0{length}}" / "app.py").write_text("print(1)\n")
    return folder


def prepare(testbed: GatewayTestbed, how: str) -> None:
    place = testbed.home / ".labd"
    if how == "a file":
        testbed.give(".labd")
    elif how == "a link to nowhere":
        place.symlink_to("nowhere/at/all")
    elif how == "a link to itself":
        place.symlink_to(".labd")
    else:
        for folder in (place, testbed.records):
            folder.mkdir()
            os.chown(folder, testbed.uid, testbed.gid)
        testbed.records.chmod({"closed": 0, "read-only": 0o500}[how])


@pytest.mark.parametrize("how", ["a file", "a link to nowhere", "a link to itself", "closed", "read-only"])
def test_a_transfer_without_a_place_for_its_record_works(testbed: GatewayTestbed, how: str) -> None:
    folder = projects(testbed, 2)
    prepare(testbed, how)
    for done in (
        testbed.rsync("-a", f"{folder}/p0", "lab:inbox/"),
        testbed.scp("-r", f"{folder}/p1", "lab:inbox/"),
        testbed.scp("-O", "-r", f"{folder}/p1", "lab:inbox/p2"),
    ):
        assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (testbed.home / "inbox").iterdir()) == ["p0", "p1", "p2"]
    assert testbed.rsync("-a", f"{folder}/none", "lab:inbox/").returncode == 23


def test_a_full_disk_for_records_changes_no_transfer_and_holds_no_upload(
    testbed: GatewayTestbed, small_disk: Path
) -> None:
    folder = projects(testbed, 60, 200)
    done = testbed.rsync("-a", f"{folder}/", "lab:inbox/")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(os.listdir(testbed.home / "inbox")) == 60
    # What could not be written to its end would look like a transfer that was cut.
    assert os.listdir(small_disk) == []


def test_a_cut_transfer_is_held_although_its_record_did_not_fit(testbed: GatewayTestbed, small_disk: Path) -> None:
    record = Record(str(testbed.home), "rsync", "192.0.2.7")
    record.guard()
    for number in range(60):
        record.touch(f"{number:0200}", "")
    record.end(12, 0, {f"{number:0200}": {"result": "cut", "why": "", "files": 0} for number in range(60)}, {})
    (transfer,) = parse(read_sessions(str(small_disk)))
    assert not transfer.alive
    assert transfer.part(f"{0:0200}").result is None
    assert traffic(f"{0:0200}", [transfer], time.time()).held


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), open(disk / "full", "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_a_cut_transfer_is_held_although_the_disk_took_no_line_of_it(testbed: GatewayTestbed, small_disk: Path) -> None:
    folder = projects(testbed, 2)
    fill(small_disk)
    closed = testbed.home / "inbox" / "p0" / "code"
    closed.mkdir(parents=True)
    closed.chmod(0o555)
    began = time.time()
    assert testbed.rsync("-a", f"{folder}/p0/", "lab:inbox/p0/code/").returncode == 23
    cut = parse(read_sessions(str(small_disk)))
    assert [(transfer.alive, dict(transfer.projects)) for transfer in cut] == [(False, {"p0": Part("code")})]
    assert began < cut[0].began <= (cut[0].ended or 0.0) < time.time()
    assert traffic("p0", cut, time.time()).held
    assert not traffic("p1", cut, time.time()).held
    closed.rmdir()
    closed.parent.rmdir()
    (small_disk / "full").unlink()
    assert testbed.rsync("-a", f"{folder}/p0", "lab:inbox/").returncode == 0
    assert not traffic("p0", parse(read_sessions(str(small_disk))), time.time()).held


@pytest.mark.parametrize("client", ["rsync", "scp"])
def test_a_good_transfer_is_not_held_because_the_disk_took_no_line_of_it(
    testbed: GatewayTestbed, small_disk: Path, client: str
) -> None:
    folder = projects(testbed, 1)
    fill(small_disk)
    send = {"rsync": testbed.rsync, "scp": testbed.scp}[client]
    done = send("-r", f"{folder}/p0", "lab:inbox/")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(small_disk) == ["full"]


def test_what_did_not_fit_for_a_while_is_written_later(testbed: GatewayTestbed, small_disk: Path) -> None:
    full = small_disk / "full"
    record = Record(str(testbed.home), "rsync", "192.0.2.7")
    record.guard()
    full.write_bytes(b"x" * 8192)
    for number in range(25):
        record.touch(f"{number:0200}", "")
    full.unlink()
    record.end(0, 10, {f"{number:0200}": {"result": "complete", "why": "", "files": 1} for number in range(10)}, {})
    (transfer,) = parse(read_sessions(str(small_disk)))
    assert len(transfer.projects) == 25
    assert transfer.part(f"{9:0200}").result is TransferResult.COMPLETE


def test_a_record_is_never_longer_than_what_is_read_of_it(testbed: GatewayTestbed) -> None:
    names = [f"ü{number:0100}" for number in range(5000)]
    record = Record(str(testbed.home), "sftp", "192.0.2.7")
    record.guard()
    for name in names:
        record.touch(name, "")
    record.end(0, 5000, {name: {"result": "clean", "why": "ü" * 9000, "files": 1} for name in names}, {})
    (transfer,) = parse(read_sessions(str(testbed.records)))
    assert transfer.ended is not None
    assert {part.result for part in transfer.projects.values()} == {TransferResult.CLEAN}
    assert 500 < len(transfer.projects) < 5000


def test_a_daemon_that_hangs_holds_up_no_transfer(testbed: GatewayTestbed) -> None:
    testbed.socket.unlink()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(testbed.socket))
        testbed.socket.chmod(0o666)
        silent.listen(100)
        began = time.monotonic()
        done = testbed.sftp(*(f"mkdir inbox/p{number}" for number in range(30)), "ls inbox")
        assert (done.returncode, done.stderr) == (0, "")
        # A second for the first note, and one for the last.
        assert time.monotonic() - began < 15.0
    assert len(testbed.last()) == 30


_BREAKS = """
from labd.gateway.records.{module} import {reader}
def fail(*_): raise ValueError("a line that nobody expected")
{reader}.{step} = fail
"""


@pytest.mark.parametrize("step", ["take", "results"])
@pytest.mark.parametrize(
    ("kind", "module", "reader"), [("rsync", "rsync_log", "RsyncLog"), ("scp", "sftp_log", "SftpLog")]
)
def test_an_error_in_reading_the_log_changes_no_transfer(
    testbed: GatewayTestbed, kind: str, module: str, reader: str, step: str
) -> None:
    folder = projects(testbed, 3)
    (folder / "p0" / "large").write_bytes(os.urandom(3_000_000))
    *python, start = testbed.gateway
    broken = start.replace(
        "from labd.gateway", f"exec({_BREAKS.format(module=module, reader=reader, step=step)!r}); from labd.gateway"
    )
    assert broken != start
    testbed.stub.write_text(_with_gateway(testbed.stub.read_text(), [*python, broken]))
    done = (
        testbed.rsync("-a", f"{folder}/", "lab:inbox/")
        if kind == "rsync"
        else testbed.scp("-r", *folder.iterdir(), "lab:inbox/")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((testbed.home / "inbox").iterdir())) == 3
    assert testbed.sessions() == []
    assert "a line that nobody expected" in testbed.notes("transfer")[-1]["text"]


def _with_gateway(stub: str, gateway: list[str]) -> str:
    """`stub` with another command to start the gateway."""
    lines = stub.splitlines()
    return "\n".join([*lines[:-1], f"gateway = {gateway}", "os.execv(gateway[0], gateway)", ""])


@pytest.mark.parametrize("kind", ["rsync", "scp"])
def test_more_matches_than_a_command_can_name_are_said_in_words(testbed: GatewayTestbed, kind: str) -> None:
    for number in range(30_000):
        (testbed.home / "inbox" / f"{number:0100}").touch()
    done = testbed.ask({"rsync": "rsync --server --sender -re.LsfxC . inbox/*", "scp": "scp -f inbox/*"}[kind])
    assert done.returncode == 77
    assert done.stderr.startswith("labd: More files match than can be named at once.\n      Fetch the folder")
