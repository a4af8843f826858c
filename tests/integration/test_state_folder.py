"""labd's state on file systems that cannot do what is asked of them: real ones, mounted for the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import temporary_folder
from labd.admin.doctor import disk as doctor_disk
from labd.admin.doctor.subject import CheckContext
from labd.admin.setup import install
from labd.client.writing import Teller
from labd.common import state_folder
from labd.common.errors import ConfigError
from labd.common.state_folder import loss, unfitness, view_support
from labd.engines import copies
from labd.engines.docker import containers
from labd.model.config import Config, Paths
from support.engine.standalone import EngineTestbed
from support.lab import AS_ROOT, Lab

pytestmark = pytest.mark.skipif(not AS_ROOT, reason="only root can mount")

Mounted = Callable[..., Path]


@pytest.fixture
def mounted() -> Iterator[Mounted]:
    """Mounts file systems, where Docker sees them, too; all of them are gone at the end."""
    folders: list[Path] = []

    def mount(kind: str, options: str = "") -> Path:
        folder = temporary_folder()
        folders.append(folder)
        folder.chmod(0o755)
        for part in ("disk", "lower", "upper", "work"):
            (folder / part).mkdir()
        if kind == "overlay":
            options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        arguments = ["-o", options] if options else []
        subprocess.run(["mount", "-t", kind, *arguments, "labd-test", folder / "disk"], check=True)
        if options != "ro":
            (folder / "disk").chmod(0o755)
        return folder / "disk"

    try:
        yield mount
    finally:
        for folder in folders:
            subprocess.run(["umount", "-l", folder / "disk"], capture_output=True, check=False)
            subprocess.run(["rm", "-rf", "--one-file-system", "--", folder], check=True)


@pytest.fixture
def disk() -> Iterator[Path]:
    made = temporary_folder()
    yield made
    subprocess.run(["rm", "-rf", "--one-file-system", "--", made], check=True)


def test_a_disk_that_serves_is_found_so_and_nothing_is_left_of_the_trial(disk: Path, mounted: Mounted) -> None:
    memory = mounted("tmpfs")
    for folder in (disk, disk / "not" / "yet", memory):
        assert (view_support(folder), unfitness(folder)) == ("", "")
    assert (list(disk.iterdir()), list(memory.iterdir())) == ([], [])
    assert str(disk) not in Path("/proc/self/mountinfo").read_text()
    assert "lost" in loss(memory) and not loss(disk)


def test_an_overlay_takes_no_views_by_trial_and_by_its_name(mounted: Mounted, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mounted("overlay")
    assert "overlay" in view_support(folder)
    assert unfitness(folder) == ""
    monkeypatch.setattr(state_folder, "_mount_apart", lambda probe: 1)  # as in labd's unit, which may not mount
    assert "overlay" in view_support(folder)


def test_where_nothing_may_be_mounted_an_ordinary_disk_is_taken_for_one(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_folder, "_mount_apart", lambda probe: 1)
    assert view_support(disk) == ""


def test_what_holds_no_ordinary_files_holds_no_state_and_stops_the_start(mounted: Mounted) -> None:
    folder = mounted("hugetlbfs")
    assert "no ordinary files" in unfitness(folder)
    config = folder.parent / "config.toml"
    config.write_text(f"[paths]\nstate = '{folder}/state'\nsocket = '{folder.parent}/socket'\n")
    command = [sys.executable, "-m", "labd", "daemon", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 78
    assert "cannot hold labd's state" in ended.stdout + ended.stderr


def test_a_disk_that_is_read_only_for_now_is_no_wrong_config(mounted: Mounted) -> None:
    folder = mounted("tmpfs", "ro")
    with pytest.raises(OSError, match="Read-only"):
        unfitness(folder)


@pytest.mark.parametrize(("kind", "level"), [("overlay", "warn"), ("tmpfs", "fail"), ("hugetlbfs", "fail")])
def test_the_doctor_tells_by_trial(mounted: Mounted, kind: str, level: str) -> None:
    folder = mounted(kind)
    testbed = CheckContext(Config(paths=Paths(state=folder / "state")), folder.parent / "config.toml")
    (check,) = [check for check in doctor_disk.checks(testbed) if "state" in check.about]
    assert [found.level.value for found in check.findings()] == [level]


def test_an_installation_says_at_once_what_the_disk_cannot_do_and_what_to_do(
    mounted: Mounted, capsys: pytest.CaptureFixture[str]
) -> None:
    install.check_disk(Teller(False), mounted("overlay"))
    told = capsys.readouterr().out
    assert "copies of their uploads" in told and "local disk" in told
    install.check_disk(Teller(False), mounted("tmpfs"))
    assert "lost at the next start" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="cannot hold"):
        install.check_disk(Teller(False), mounted("hugetlbfs"))
    with pytest.raises(ConfigError, match="Nothing can be written"):
        install.check_disk(Teller(False), mounted("tmpfs", "ro"))


PROGRAM = """
import os
assert open('input/data.txt').read() == 'data'
open('input/data.txt', 'a').write(' and more')
open('model.bin', 'w').write('weights')
os.remove('input/other.txt')
open('/output/result', 'w').write('42')
"""


def test_a_lab_on_an_overlay_runs_programs_from_copies_and_returns_what_they_wrote_beside_output(
    mounted: Mounted,
) -> None:
    folder = mounted("overlay") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    try:
        lab.start()
        assert "copies of their uploads" in lab.log.read_text()
        source = PROGRAM.replace("input/", "/input/")
        status = lab.run("p", source, **{"input/data.txt": "data", "input/other.txt": "other"})
        assert status["state"] == "succeeded", lab.ana.text("p")
        outbox = lab.ana.outbox("p")
        assert (outbox / "output" / "result").read_text() == "42"
        strays = sorted(str(path.relative_to(outbox / "stray")) for path in (outbox / "stray").rglob("*.*"))
        assert strays == ["code/model.bin", "input/data.txt"]
        assert (outbox / "stray" / "input" / "data.txt").read_text() == "data and more"
        frozen = lab.state / "jobs" / "1" / "snapshot" / "input"
        assert (frozen / "data.txt").read_text() == "data", "the snapshot is what was uploaded"
        assert (frozen / "other.txt").exists()
        # A second run gets what was uploaded, not what the first one made of it.
        lab.ana.write(lab.ana.inbox("p") / "RERUN")
        assert lab.wait_complete("p", 2)["state"] == "succeeded"
    finally:
        lab.close()


def test_where_docker_alone_knows_that_the_disk_takes_no_views_a_program_runs_from_a_copy(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "view_support", lambda folder: "")
    testbed = EngineTestbed(mounted("overlay"))
    try:
        run = testbed.run("sh", "-c", "cat /input/data; echo changed >/input/data")
        (run.input / "data").write_text("as uploaded\n")
        os.chown(run.input / "data", run.uid, run.gid)
        testbed.engine.start(run)
        assert testbed.ended(run.job).exit_code == 0
        assert testbed.printed(run.job) == "as uploaded\n"
        assert (run.input / "data").read_text() == "as uploaded\n"
        copies.keep_changes(run.scratch / "input")
        assert (run.scratch / "input" / "upper" / "data").read_text() == "changed\n"
    finally:
        testbed.close()


# Copies


def test_a_copy_is_made_once_and_what_is_left_of_it_is_what_changed(disk: Path) -> None:
    frozen, scratch = disk / "frozen", disk / "scratch"
    (frozen / "folder").mkdir(parents=True)
    (scratch / "upper").mkdir(parents=True)
    for name in ("same", "edited", "folder/inner", "linked"):
        (frozen / name).write_text(name)
    (frozen / "link").symlink_to("same")
    os.truncate(frozen / "same", 1 << 30)
    (scratch / "copying").mkdir()  # by a labd that was killed
    copy = copies.make(frozen, scratch)
    assert (copy / "link").readlink() == Path("same")
    assert (copy / "same").stat().st_blocks * 512 < 1 << 20, "holes stay holes"
    times = (copy / "edited").stat()
    (copy / "edited").write_text("EDITED")
    os.utime(copy / "edited", ns=(times.st_atime_ns, times.st_mtime_ns))
    (copy / "folder" / "new").write_text("new")
    (copy / "other").symlink_to("/etc/passwd")
    assert copies.make(frozen, scratch) == copy
    assert (copy / "edited").read_text() == "EDITED", "a program may have run already"
    for _ in range(2):
        copies.keep_changes(scratch)
    upper = scratch / "upper"
    left = sorted(str(path.relative_to(upper)) for path in upper.rglob("*") if path.is_symlink() or path.is_file())
    assert left == ["edited", "folder/new", "other"]
    assert not (scratch / "copy").exists()
    assert (frozen / "edited").read_text() == "edited"


def test_there_is_nothing_to_do_where_there_was_no_copy(disk: Path) -> None:
    (disk / "upper").mkdir()
    (disk / "upper" / "kept").write_text("x")
    copies.keep_changes(disk)
    assert (disk / "upper" / "kept").exists()
