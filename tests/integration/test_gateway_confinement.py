"""What a transfer cannot do outside inbox and outbox, tried with real clients that mean harm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.gateway.landlock import version
from support.gateway import AS_ROOT, Door

GROUP = 54321  # of nobody on this machine
FIRST_GROUP = 54320
OLD = 1_000_000_000


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door(FIRST_GROUP, [GROUP]) if AS_ROOT else Door()
    made.give("private", "secret\n").chmod(0o640)
    made.give(".ssh/config", "Host x\n").chmod(0o600)
    made.give("outbox/galaxies/STATUS", "done\n")
    for folder in (".labd", ".labd/sessions"):
        (made.home / folder).mkdir(0o700)
        os.chown(made.home / folder, made.uid, made.gid)
    (made.home / "inbox/out").symlink_to("..")
    yield made
    made.close()


def outside(door: Door) -> dict[str, tuple[int, int, int, int, int]]:
    """Mode, owner, group, time and links of all in the home but inbox, outbox and labd's own folder."""
    found = {}
    for path, folders, files in os.walk(door.home):
        if Path(path) == door.home:
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
def test_sftp_changes_and_reads_nothing_elsewhere(door: Door, command: str) -> None:
    door.give("inbox/own", "mine\n")
    copy = door.folder / "copy"
    words = {"HOME": door.home, "BATCH": door.folder / "batch", "COPY": copy, "PARENT": os.getpid()}
    for word, meaning in words.items():
        command = command.replace(word, str(meaning))
    before = outside(door)
    done = door.sftp(command)
    assert (done.returncode, outside(door)) == (0, before)
    assert done.stderr
    assert not copy.exists() or not copy.read_bytes()
    assert {path.name for path in (door.home / "inbox").iterdir()} <= {"own", "out"} | {"copy"}
    assert not (door.home / "inbox/copy").exists() or not (door.home / "inbox/copy").read_bytes()
    assert not Path("/tmp/labd-x").exists()
    assert not Path("/dev/shm/labd-x").exists()


def test_the_records_of_transfers_are_out_of_reach_of_transfers(door: Door) -> None:
    places = [f"chmod 0 /proc/self/fd/{number}" for number in range(3, 20)]
    door.sftp("mkdir inbox/x", *places, "chmod 0 .labd/sessions", "ls .labd/sessions", "rm .labd/sessions/*")
    modes = [path.stat().st_mode & 0o777 for path in (door.records, *door.records.iterdir())]
    assert modes == [0o700, 0o600]
    assert door.last()["x"]["result"] == "clean"


@pytest.mark.parametrize("options", ["-a", "-aK", "-rptK --inplace", "-aKR", "-rtK --delete", "-aK --backup"])
def test_rsync_changes_nothing_through_a_link(door: Door, options: str) -> None:
    folder = door.folder / "out"
    (folder / ".ssh").mkdir(parents=True, mode=0o777)
    for name in ("private", ".ssh/config"):
        (folder / name).write_text("mine instead\n")
        (folder / name).chmod(0o666)
        os.utime(folder / name, (OLD, OLD))
    (folder / "private").write_text("secret\n")  # as it is there, but for mode and time
    os.utime(folder / "private", (OLD, OLD))
    before = outside(door)
    for source, target in ((folder, "inbox/"), (f"{folder}/", "inbox/out/"), (f"{folder}/./.ssh/", "inbox/out/")):
        door.rsync(*options.split(), source, f"lab:{target}")
        assert outside(door) == before
        if not (door.home / "inbox/out").is_symlink():
            subprocess.run(["rm", "-rf", door.home / "inbox/out"], check=True)
            (door.home / "inbox/out").symlink_to("..")
    assert (door.home / "private").read_text() == "secret\n"


@pytest.mark.parametrize("protocol", ["", "-O"])
def test_scp_changes_nothing_through_a_link(door: Door, protocol: str) -> None:
    (door.folder / "private").write_text("mine instead\n")
    os.utime(door.folder / "private", (OLD, OLD))
    before = outside(door)
    for target in ("inbox/out/", "inbox/out/private", "inbox/out/.ssh/new", "inbox/out/.ssh"):
        done = door.scp(*protocol.split(), "-p", door.folder / "private", f"lab:{target}")
        assert (done.returncode != 0, outside(door)) == (True, before)
    done = door.scp(*protocol.split(), "-r", "lab:inbox/out/private", door.folder / "copy")
    assert done.returncode != 0
    assert not (door.folder / "copy").exists() or not (door.folder / "copy").read_bytes()


@pytest.mark.parametrize("option", ["", "-L", "-k", "--copy-unsafe-links", "-R", "-s"])
def test_rsync_fetches_nothing_through_a_link(door: Door, option: str) -> None:
    for source in ("inbox/out/private", "inbox/out/.ssh/", "inbox/./out/private", "inbox/out/*"):
        door.rsync("-r", *option.split(), f"lab:{source}", f"{door.folder}/fetched/")
    found = [path for path in (door.folder / "fetched").rglob("*") if path.is_file()]
    assert [path for path in found if "outbox" not in path.parts] == []


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to other groups")
@pytest.mark.parametrize("options", ["-a", "-a --numeric-ids", "-a --protocol=29", "-aX", "-aA"])
def test_files_of_any_group_arrive_as_the_researchers_own(door: Door, options: str) -> None:
    folder = door.folder / "galaxies"
    folder.mkdir()
    for group in (0, FIRST_GROUP, GROUP, 65534, 4294967294):
        (folder / str(group)).write_text("x")
        os.chown(folder / str(group), 0, group)
    done = door.rsync(*options.split(), f"{folder}/", "lab:inbox/galaxies/")
    assert (done.returncode, done.stderr) == (0, "")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (door.home / "inbox/galaxies").iterdir()}
    assert owners == {(door.uid, door.gid)}


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to other groups")
def test_a_shared_folder_goes_on_giving_its_group(door: Door) -> None:
    shared = door.home / "inbox/shared"
    shared.mkdir()
    os.chown(shared, door.uid, GROUP)
    shared.chmod(0o2770)
    (door.folder / "one").write_text("x")
    os.chown(door.folder / "one", 0, 65534)
    assert door.rsync("-a", door.folder / "one", "lab:inbox/shared/").returncode == 0
    assert door.scp(door.folder / "one", "lab:inbox/shared/two").returncode == 0
    assert [path.stat().st_gid for path in sorted(shared.iterdir())] == [GROUP, GROUP]
    assert shared.stat().st_mode & 0o7777 == 0o2770


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to other groups")
def test_what_a_group_may_read_is_sent_on(door: Door) -> None:
    lent = door.give("outbox/galaxies/lent", "shared\n")
    os.chown(lent, 0, GROUP)
    lent.chmod(0o040)
    assert door.rsync("-a", "lab:outbox/galaxies/lent", f"{door.folder}/got").returncode == 0
    assert (door.folder / "got").read_text() == "shared\n"


@pytest.mark.parametrize("kind", ["a link to it", "a mount of its own"])
def test_an_inbox_that_lies_elsewhere_is_written_all_the_same(door: Door, kind: str) -> None:
    if kind == "a mount of its own" and not AS_ROOT:
        pytest.skip("only root mounts")
    elsewhere, inbox = door.folder / "elsewhere", door.home / "inbox"
    elsewhere.mkdir()
    os.chown(elsewhere, door.uid, door.gid)
    (inbox / "out").unlink()
    if kind == "a link to it":
        inbox.rmdir()
        inbox.symlink_to(elsewhere)
    else:
        subprocess.run(["mount", "--bind", elsewhere, inbox], check=True)
    try:
        (door.folder / "one").write_text("x")
        os.utime(door.folder / "one", (OLD, OLD))
        assert door.rsync("-a", door.folder / "one", "lab:inbox/galaxies").returncode == 0
        assert door.scp("-p", door.folder / "one", "lab:inbox/two").returncode == 0
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
def test_without_user_namespaces_transfers_work_and_landlock_is_left(door: Door, numbers: tuple[int, int]) -> None:
    number = dict(zip(("x86_64", "aarch64"), numbers, strict=True))[os.uname().machine]
    first, second, rest = door.stub.read_text().split("\n", 2)
    door.stub.write_text(f"{first}\n{second}\n{_WITHOUT_NAMESPACES.replace('NUMBER', str(number))}\n{rest}")
    one = door.folder / "one"
    one.write_text("x")
    for done in (
        door.rsync("-a", one, "lab:inbox/a"),
        door.scp(one, "lab:inbox/b"),
        door.rsync("lab:inbox/a", f"{one}s"),
    ):
        assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (door.home / "inbox").iterdir()} == {"out", "a", "b"}
    door.sftp(f"put {one} private", "chmod 600 private")
    assert (door.home / "private").read_text() == ("secret\n" if version() else "x")
    # What docs/security.md says of such a system, and how it can be told that this test had none.
    assert (door.home / "private").stat().st_mode & 0o777 == 0o600
    if AS_ROOT:
        # Nothing is left of the attempt: groups have their numbers.
        door.sftp(f"chgrp {GROUP} inbox/a")
        assert (door.home / "inbox/a").stat().st_gid == GROUP
