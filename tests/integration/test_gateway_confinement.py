"""What a transfer cannot do outside inbox and outbox, tried with real clients that mean harm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.gateway.landlock import version
from support.gateway import AS_ROOT, GatewayTestbed

GROUP = 54321  # of nobody on this machine
FIRST_GROUP = 54320
OLD = 1_000_000_000


@pytest.fixture
def testbed() -> Iterator[GatewayTestbed]:
    made = GatewayTestbed(FIRST_GROUP, [GROUP]) if AS_ROOT else GatewayTestbed()
    made.give("private", "secret\n").chmod(0o640)
    made.give(".ssh/config", "Host x\n").chmod(0o600)
    made.give("outbox/galaxies/STATUS", "done\n")
    for folder in (".labd", ".labd/sessions"):
        (made.home / folder).mkdir(0o700)
        os.chown(made.home / folder, made.uid, made.gid)
    (made.home / "inbox/out").symlink_to("..")
    yield made
    made.close()


def outside(testbed: GatewayTestbed) -> dict[str, tuple[int, int, int, int, int]]:
    """Mode, owner, group, time and links of all in the home but inbox, outbox and labd's own folder."""
    found = {}
    for path, folders, files in os.walk(testbed.home):
        if Path(path) == testbed.home:
            folders[:] = [name for name in folders if name not in ("inbox", "outbox", ".labd")]
        for name in (".", *folders, *files):
            at = os.lstat(os.path.join(path, name))
            found[os.path.join(path, name)] = (at.st_mode, at.st_uid, at.st_gid, at.st_mtime_ns, at.st_nlink)
    return found


@pytest.mark.parametrize(
    "command",
    [
        *("chmod 777 private", "chmod -h 777 private", "chmod 777 HOME/private", "chmod 600 inbox/out/private"),
        *("chmod 755 .ssh", "chgrp 54320 private", "chown 1 private", "rm private", "rmdir .ssh", "rename private x"),
        *("rename private inbox/private", "ln private inbox/private", "ln -s private x", "mkdir x", "put BATCH x"),
        *("put BATCH inbox/out/private", "put -p BATCH inbox/out/private", "cp inbox/own private", "rename outbox x"),
        *("cp private inbox/copy", "get private COPY", "get inbox/out/private COPY", "get /proc/self/environ COPY"),
        *("get /proc/self/root/etc/hostname COPY", "get /proc/PARENT/environ COPY", "ln /etc/passwd inbox/passwd"),
        *(
            "get .ssh/config COPY",
            "ls /etc",
            "ls /proc",
            "ls /tmp",
            "put BATCH /tmp/labd-x",
            "chmod 777 /tmp/",
        ),
        *("put BATCH /dev/shm/labd-x", "put BATCH .ssh/authorized_keys", "rename inbox x", "ln -s x .labd/x"),
    ],
)
def test_sftp_changes_and_reads_nothing_elsewhere(testbed: GatewayTestbed, command: str) -> None:
    testbed.give("inbox/own", "mine\n")
    copy = testbed.folder / "copy"
    words = {"HOME": testbed.home, "BATCH": testbed.folder / "batch", "COPY": copy, "PARENT": os.getpid()}
    for word, meaning in words.items():
        command = command.replace(word, str(meaning))
    before = outside(testbed)
    done = testbed.sftp(command)
    assert (done.returncode, outside(testbed)) == (0, before)
    assert done.stderr
    assert not copy.exists() or not copy.read_bytes()
    assert {path.name for path in (testbed.home / "inbox").iterdir()} <= {"own", "out"} | {"copy"}
    assert not (testbed.home / "inbox/copy").exists() or not (testbed.home / "inbox/copy").read_bytes()
    assert not Path("/tmp/labd-x").exists()
    assert not Path("/dev/shm/labd-x").exists()


def test_the_records_of_transfers_are_out_of_reach_of_transfers(testbed: GatewayTestbed) -> None:
    places = [f"chmod 0 /proc/self/fd/{number}" for number in range(3, 20)]
    testbed.sftp("mkdir inbox/x", *places, "chmod 0 .labd/sessions", "ls .labd/sessions", "rm .labd/sessions/*")
    modes = [path.stat().st_mode & 0o777 for path in (testbed.records, *testbed.records.iterdir())]
    assert modes == [0o700, 0o600]
    assert testbed.last()["x"]["result"] == "clean"


@pytest.mark.parametrize("options", ["-a", "-aK", "-rptK --inplace", "-aKR", "-rtK --delete", "-aK --backup"])
def test_rsync_changes_nothing_through_a_link(testbed: GatewayTestbed, options: str) -> None:
    folder = testbed.folder / "out"
    (folder / ".ssh").mkdir(parents=True, mode=0o777)
    for name in ("private", ".ssh/config"):
        (folder / name).write_text("mine instead\n")
        (folder / name).chmod(0o666)
        os.utime(folder / name, (OLD, OLD))
    (folder / "private").write_text("secret\n")  # as it is there, but for mode and time
    os.utime(folder / "private", (OLD, OLD))
    before = outside(testbed)
    for source, target in ((folder, "inbox/"), (f"{folder}/", "inbox/out/"), (f"{folder}/./.ssh/", "inbox/out/")):
        testbed.rsync(*options.split(), source, f"lab:{target}")
        assert outside(testbed) == before
        if not (testbed.home / "inbox/out").is_symlink():
            subprocess.run(["rm", "-rf", testbed.home / "inbox/out"], check=True)
            (testbed.home / "inbox/out").symlink_to("..")
    assert (testbed.home / "private").read_text() == "secret\n"


@pytest.mark.parametrize("protocol", ["", "-O"])
def test_scp_changes_nothing_through_a_link(testbed: GatewayTestbed, protocol: str) -> None:
    (testbed.folder / "private").write_text("mine instead\n")
    os.utime(testbed.folder / "private", (OLD, OLD))
    before = outside(testbed)
    for target in ("inbox/out/", "inbox/out/private", "inbox/out/.ssh/new", "inbox/out/.ssh"):
        done = testbed.scp(*protocol.split(), "-p", testbed.folder / "private", f"lab:{target}")
        assert (done.returncode != 0, outside(testbed)) == (True, before)
    done = testbed.scp(*protocol.split(), "-r", "lab:inbox/out/private", testbed.folder / "copy")
    assert done.returncode != 0
    assert not (testbed.folder / "copy").exists() or not (testbed.folder / "copy").read_bytes()


@pytest.mark.parametrize("option", ["", "-L", "-k", "--copy-unsafe-links", "-R", "-s"])
def test_rsync_fetches_nothing_through_a_link(testbed: GatewayTestbed, option: str) -> None:
    for source in ("inbox/out/private", "inbox/out/.ssh/", "inbox/./out/private", "inbox/out/*"):
        testbed.rsync("-r", *option.split(), f"lab:{source}", f"{testbed.folder}/fetched/")
    found = [path for path in (testbed.folder / "fetched").rglob("*") if path.is_file()]
    assert [path for path in found if "outbox" not in path.parts] == []


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to other groups")
@pytest.mark.parametrize("options", ["-a", "-a --numeric-ids", "-a --protocol=29", "-aX", "-aA"])
def test_files_of_any_group_arrive_as_the_researchers_own(testbed: GatewayTestbed, options: str) -> None:
    folder = testbed.folder / "galaxies"
    folder.mkdir()
    for group in (0, FIRST_GROUP, GROUP, 65534, 4294967294):
        (folder / str(group)).write_text("x")
        os.chown(folder / str(group), 0, group)
    done = testbed.rsync(*options.split(), f"{folder}/", "lab:inbox/galaxies/")
    assert (done.returncode, done.stderr) == (0, "")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (testbed.home / "inbox/galaxies").iterdir()}
    assert owners == {(testbed.uid, testbed.gid)}


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to other groups")
def test_a_shared_folder_goes_on_giving_its_group(testbed: GatewayTestbed) -> None:
    shared = testbed.home / "inbox/shared"
    shared.mkdir()
    os.chown(shared, testbed.uid, GROUP)
    shared.chmod(0o2770)
    (testbed.folder / "one").write_text("x")
    os.chown(testbed.folder / "one", 0, 65534)
    assert testbed.rsync("-a", testbed.folder / "one", "lab:inbox/shared/").returncode == 0
    assert testbed.scp(testbed.folder / "one", "lab:inbox/shared/two").returncode == 0
    assert [path.stat().st_gid for path in sorted(shared.iterdir())] == [GROUP, GROUP]
    assert shared.stat().st_mode & 0o7777 == 0o2770


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to other groups")
def test_what_a_group_may_read_is_sent_on(testbed: GatewayTestbed) -> None:
    lent = testbed.give("outbox/galaxies/lent", "shared\n")
    os.chown(lent, 0, GROUP)
    lent.chmod(0o040)
    assert testbed.rsync("-a", "lab:outbox/galaxies/lent", f"{testbed.folder}/got").returncode == 0
    assert (testbed.folder / "got").read_text() == "shared\n"


@pytest.mark.parametrize("kind", ["a link to it", "a mount of its own"])
def test_an_inbox_that_lies_elsewhere_is_written_all_the_same(testbed: GatewayTestbed, kind: str) -> None:
    if kind == "a mount of its own" and not AS_ROOT:
        pytest.skip("only root mounts")
    elsewhere, inbox = testbed.folder / "elsewhere", testbed.home / "inbox"
    elsewhere.mkdir()
    os.chown(elsewhere, testbed.uid, testbed.gid)
    (inbox / "out").unlink()
    if kind == "a link to it":
        inbox.rmdir()
        inbox.symlink_to(elsewhere)
    else:
        subprocess.run(["mount", "--bind", elsewhere, inbox], check=True)
    try:
        (testbed.folder / "one").write_text("x")
        os.utime(testbed.folder / "one", (OLD, OLD))
        assert testbed.rsync("-a", testbed.folder / "one", "lab:inbox/galaxies").returncode == 0
        assert testbed.scp("-p", testbed.folder / "one", "lab:inbox/two").returncode == 0
        assert [(elsewhere / name).stat().st_mtime for name in ("galaxies", "two")] == [OLD, OLD]
    finally:
        if kind != "a link to it":
            subprocess.run(["umount", inbox], check=True)


# As a container's seccomp profile does: one system call is answered with EPERM, all others are let through.
_WITHOUT_NAMESPACES = """
import ctypes, struct
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in (
    (0x20, 0, 0, 0), (0x15, 0, 1, NUMBER), (0x06, 0, 0, 0x50001),
    (0x06, 0, 0, 0x7FFF0000))))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, ctypes.c_long(1), 0, 0, 0) == 0 and libc.prctl(22, ctypes.c_long(2), program) == 0
"""


@pytest.mark.parametrize("numbers", [(272, 97), (308, 268), (442, 442)], ids=["unshare", "setns", "mount_setattr"])
def test_without_user_namespaces_transfers_work_and_landlock_is_left(
    testbed: GatewayTestbed, numbers: tuple[int, int]
) -> None:
    number = dict(zip(("x86_64", "aarch64"), numbers, strict=True))[os.uname().machine]
    first, second, rest = testbed.stub.read_text().split("\n", 2)
    testbed.stub.write_text(f"{first}\n{second}\n{_WITHOUT_NAMESPACES.replace('NUMBER', str(number))}\n{rest}")
    one = testbed.folder / "one"
    one.write_text("x")
    for done in (
        testbed.rsync("-a", one, "lab:inbox/a"),
        testbed.scp(one, "lab:inbox/b"),
        testbed.rsync("lab:inbox/a", f"{one}s"),
    ):
        assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (testbed.home / "inbox").iterdir()} == {"out", "a", "b"}
    testbed.sftp(f"put {one} private", "chmod 600 private")
    assert (testbed.home / "private").read_text() == ("secret\n" if version() else "x")
    # What docs/security.md says of such a system, and how it can be told that this test had none.
    assert (testbed.home / "private").stat().st_mode & 0o777 == 0o600
    if AS_ROOT:
        # Nothing is left of the attempt: groups have their numbers.
        testbed.sftp(f"chgrp {GROUP} inbox/a")
        assert (testbed.home / "inbox/a").stat().st_gid == GROUP
