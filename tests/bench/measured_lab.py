"""What the benches stand on: a lab of their own, the plain way to run a container, and what a process costs.

Both ways always work on the same image and the same disk. Everything that is made is named after its bench, and goes
with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from labd.engines.docker.builder import find_cli
from labd.model.config import Inbox
from support.lab import AS_ROOT, Lab, Researcher, docker, wait_for

Report = Callable[[str], None]
Row = tuple[str, float, float, str]
"""Name, ratio or value, the most that it should be, and the figures behind it."""

FILES, FILE_BYTES = 10_000, 100_000


class Ground:
    """A lab, and a folder beside it for what the plain way needs."""

    def __init__(self, settings: str = "", users: tuple[str, ...] = ("ana-silva",)) -> None:
        self.name = f"bench-{uuid.uuid4().hex[:8]}"  # all projects begin with it, and so do the names of images
        # Not below /tmp, which may be memory: here files cost what they cost in a home.
        self.folder = Path(tempfile.mkdtemp(prefix=f"labd-{self.name}-", dir="/var/tmp"))
        self.lab_folder = self.folder / "lab"
        self.plain_folder = self.folder / "plain"
        for folder in (self.lab_folder, self.plain_folder):
            folder.mkdir()
        self.folder.chmod(0o755)
        self._images = set(docker("images", "--quiet", "--no-trunc").split())
        # Tests want to be quick; this is to be what a server is.
        self.lab = Lab(self.lab_folder, users, settings, rescan=Inbox().rescan)
        self.ana = self.lab.ana
        self.cli = find_cli("")

    def staged(self, name: str) -> Path:
        """Where the researcher prepares an upload, beside the inbox."""
        return self.ana.home / "uploads" / name

    def upload(self, name: str) -> None:
        """Move what was prepared into the inbox, all of it at once."""
        os.rename(self.staged(name), self.ana.inbox(name))

    def run(self, name: str, source: str) -> Times:
        """Change the program of a project that was uploaded before, and see it through to COMPLETE."""
        before = self.ana.complete(name)
        self.ana.write(self.ana.inbox(name) / "code" / "app.py", source)
        time.sleep(0.3)  # The look that this causes is over when the researcher says that the upload is complete.
        submitted = tell_complete(self.ana, name)
        self.finished(name, before)
        lines = self.ana.text(name, "run.log").split()
        complete = os.stat(self.ana.outbox(name) / "COMPLETE").st_ctime
        return Times(submitted, float(lines[0]), float(lines[-1]), complete)

    def finished(self, name: str, before: int = 0) -> None:
        """Wait until a job later than job `before` is complete, and labd has cleaned up behind it."""
        number = self.complete(name, before)
        status = self.ana.status(name)
        assert status["state"] == "succeeded", status
        wait_for("the end of the clean-up", lambda: not (self.lab.state / "jobs" / str(number) / "scratch").exists())

    def complete(self, name: str, before: int = 0) -> int:
        """Wait until a job later than job `before` is complete; which one."""

        def later() -> int:
            number = self.ana.complete(name)
            return number if number > before else 0

        return wait_for(f"{name} to be complete", later)

    def image(self, name: str) -> str:
        """Id of the image in which the project's last job ran."""
        return str(self.ana.receipt(name)["environment"]["image"])

    def plain_command(self, image: str, project: Path) -> list[str]:
        """`docker run` as anybody would do it."""
        output = self.plain_folder / "output"
        output.mkdir(exist_ok=True)
        mounts = ["-v", f"{project / 'code'}:/code", "-v", f"{project / 'input'}:/input", "-v", f"{output}:/output"]
        return [self.cli, "run", "--rm", *mounts, "-w", "/code", image, "python", "/code/app.py"]

    def run_plainly(self, image: str, project: Path) -> Times:
        """The program of `project` in a plain container."""
        began = time.time()
        done = subprocess.run(self.plain_command(image, project), stdout=subprocess.PIPE, text=True, check=True)
        ended = time.time()
        lines = done.stdout.split()
        return Times(began, float(lines[0]), float(lines[-1]), ended)

    def close(self) -> None:
        """Take away all that was made: containers, folders, names of images, and images that were not there before."""
        self.lab.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        used = set()
        for line in docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines():
            tag, image = line.split(" ")
            if f"/{self.name}" in tag:
                docker("rmi", tag)
                used.add(image)
        for image in used - self._images:
            tags = docker("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}").splitlines()
            if all(tag.startswith("labd/env ") for tag in tags if tag.endswith(image)):
                # Somebody else's container may have begun to use it meanwhile: then it stays.
                subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False)


@dataclass(frozen=True)
class Times:
    """A run, in seconds since the epoch."""

    told: float  # when somebody asked for it
    first: float  # first line of the program
    last: float  # last line of the program
    ready: float  # when its results were there

    @property
    def start(self) -> float:
        return self.first - self.told

    @property
    def end(self) -> float:
        return self.ready - self.last


@contextmanager
def ground(settings: str = "", users: tuple[str, ...] = ("ana-silva",)) -> Iterator[Ground]:
    made = Ground(settings, users)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def acting_as(user: Researcher) -> Iterator[None]:
    """Make files as this researcher, without a process for it."""
    if AS_ROOT:
        os.setegid(user.uid)
        os.seteuid(user.uid)
    try:
        yield
    finally:
        if AS_ROOT:
            os.seteuid(0)
            os.setegid(0)


def tell_complete(user: Researcher, name: str) -> float:
    """Create SUBMIT; when that began."""
    with acting_as(user):
        began = time.time()
        (user.inbox(name) / "SUBMIT").touch()
    return began


def fill(folder: Path, files: int = FILES, size: int = FILE_BYTES) -> None:
    """Make `files` files of `size` bytes below `folder`, no two of them alike."""
    content = os.urandom(size)
    for number in range(files):
        if number % 100 == 0:
            (folder / str(number // 100)).mkdir(parents=True)
        mark = number.to_bytes(8, "big")
        (folder / str(number // 100) / f"{number}.dat").write_bytes(mark[:size] + content[8:])
