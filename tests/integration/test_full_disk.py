"""Docker keeps what programs print on a disk that is full for a while: what may be lost is said, and only that."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import temporary_folder
from labd.daemon.pipeline.log_follower import LogFollower
from labd.daemon.pipeline.run_log import RunLog
from labd.model.engine import Condition
from support.engine.docker_daemon import DockerDaemon
from support.engine.standalone import IMAGE, EngineTestbed
from support.lab import AS_ROOT, wait_for

pytestmark = [
    pytest.mark.skipif(not AS_ROOT, reason="only root can make a disk"),
    pytest.mark.xdist_group("full-disk"),  # one Docker engine for all of them
]
_SIZE = 2 * 1024**3
# Of less than that it is Docker's log that tells, and this Docker has none in the journal.
_BLINK = 0.3
# Prints a long line for each file that it finds, in their order, until it is told to end.
PRINTER = """
import os, time
number = 0
while not os.path.exists('/output/end'):
    if os.path.exists(f'/output/{number}'):
        print(f'line {number}', 'x' * 9000, flush=True)
        os.rename(f'/output/{number}', f'/output/printed-{number}')
        number += 1
    time.sleep(0.01)
"""


class SmallDisk:
    """A disk of 2 GiB at `place`, in a file in `folder` that has no more than what is written."""

    def __init__(self, folder: Path, place: Path) -> None:
        self._place, image = place, folder / "disk"
        image.touch()
        os.truncate(image, _SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        place.mkdir()
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)

    @contextlib.contextmanager
    def is_full(self) -> Iterator[None]:
        """All the room there is, is taken, and for longer than a blink."""
        self._fill()
        until = time.monotonic() + _BLINK
        try:
            yield
            wait_for("the end of a blink", lambda: time.monotonic() > until)
        finally:
            (self._place / "filling").unlink()

    def _fill(self) -> None:
        disk = os.statvfs(self._place)
        # Never that of the machine, should Docker have unmounted this one.
        assert disk.f_blocks * disk.f_frsize <= _SIZE
        with open(self._place / "filling", "ab", buffering=0) as file:
            with contextlib.suppress(OSError):
                # What is only reserved takes no room on the machine's own disk.
                os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass


class SmallDiskTestbed(EngineTestbed):
    """An engine whose programs' output is on a small disk."""

    def __init__(self, folder: Path, daemon: DockerDaemon, disk: SmallDisk) -> None:
        super().__init__(folder, daemon.address)
        self.daemon, self.disk = daemon, disk

    def start(self) -> Path:
        """Start a program that prints; its /output."""
        run = self.run("python3", "-c", PRINTER)
        self.engine.start(run)
        return run.output

    def print(self, output: Path, number: int) -> None:
        """Have the program with this /output print the line `number`."""
        (output / str(number)).touch()
        wait_for("a line to be printed", (output / f"printed-{number}").exists)

    def has_lost(self) -> bool:
        """Whether Docker has lost a line of the programs that are there now."""
        there = self.daemon.folder / "data" / "containers"
        log = (self.daemon.folder / "log").read_text()
        return any(f"{container}/local-logs/" in log for container in os.listdir(there))

    def end(self, output: Path) -> Condition:
        (output / "end").touch()
        return self.ended(int(output.parent.name))


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[DockerDaemon, SmallDisk]]:
    folder = temporary_folder()
    disk = SmallDisk(folder, folder / "data")
    daemon = DockerDaemon(folder)
    try:
        daemon.load(IMAGE)
        yield daemon, disk
    finally:
        daemon.close()


@pytest.fixture
def testbed(engine: tuple[DockerDaemon, SmallDisk]) -> Iterator[SmallDiskTestbed]:
    folder = temporary_folder()
    folder.chmod(0o755)
    made = SmallDiskTestbed(folder, *engine)
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def test_of_a_program_on_a_disk_that_was_never_full_nothing_is_said(testbed: SmallDiskTestbed) -> None:
    output = testbed.start()
    testbed.print(output, 0)
    assert not testbed.end(output).lost_output
    assert testbed.printed(1).startswith("line 0 ")


def test_a_disk_that_was_full_for_a_while_is_told_of_each_program_that_ran_then_and_of_no_other(
    testbed: SmallDiskTestbed,
) -> None:
    before, during = testbed.start(), testbed.start()
    assert not testbed.end(before).lost_output
    testbed.print(during, 0)
    with testbed.disk.is_full():
        testbed.print(during, 1)
        wait_for("Docker to lose a line", testbed.has_lost)
    after = testbed.start()
    assert testbed.end(during).lost_output
    assert not testbed.end(after).lost_output


def test_what_was_printed_before_the_disk_was_full_stays_in_run_log(testbed: SmallDiskTestbed) -> None:
    output, file = testbed.start(), testbed.folder / "run.log"
    follower = LogFollower(testbed.engine, 1, lambda: RunLog(file, 1 << 20, os.getuid(), os.getgid()))
    follower.follow()
    testbed.print(output, 0)
    wait_for("the first line", lambda: file.read_bytes().startswith(b"line 0 x"))
    with testbed.disk.is_full():
        testbed.print(output, 1)
        wait_for("Docker to lose a line", testbed.has_lost)
    # What Docker kept of the line that had no room makes its whole file unreadable, or what comes after it.
    testbed.print(output, 2)
    follower.follow()
    assert testbed.end(output).lost_output
    assert follower.finish() == ""
    assert file.read_bytes().startswith(b"line 0 " + b"x" * 9000)


def test_a_program_that_ends_on_a_full_disk_has_an_end_and_the_loss_is_told(testbed: SmallDiskTestbed) -> None:
    output = testbed.start()
    with testbed.disk.is_full():
        testbed.print(output, 0)
        assert testbed.end(output).lost_output
        # Again, as by a job that is tried again.
        assert testbed.engine.poll(1).lost_output


def test_nobody_looks_at_the_disk_when_no_program_runs(testbed: SmallDiskTestbed) -> None:
    def watchers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "log disk"]

    # Those of other tests may still be about to end.
    before = watchers()
    output = testbed.start()
    (own,) = [thread for thread in watchers() if thread not in before]
    testbed.end(output)
    testbed.engine.remove(1)
    wait_for("the watch to end", lambda: not own.is_alive())
