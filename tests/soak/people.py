"""The people of the soak: how each of them sends and asks, and goes on until it works, as people do.

Two use SSH from PCs of their own; a third has an account that labd did not make, and works on the server itself. This
module owns what they have sent, which is what the lab is held to at the end.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from support.box.installed_lab import Person
from support.box.machine import Done, Machine

GIVE_UP_SECONDS = 300.0
"""Seconds until somebody gives up."""

PAUSE = 2.0


class GaveUpError(Exception):
    """What somebody wanted did not come about in their patience."""


@dataclass
class Upload:
    """What was sent under one name, and what the lab owes for it."""

    user: str
    project: str
    kind: str
    ends: tuple[str, ...] = ("succeeded",)  # states that its last job may have
    token: str = ""  # what its last program prints
    jobs: int = 1
    unsure: int = 0  # requests for one more job that failed, and may have been obeyed all the same
    is_whole: bool = False  # the client said so
    began: float = field(default_factory=time.time)


class Somebody:
    """A researcher, on a machine on which their projects are made."""

    def __init__(self, name: str, machine: Machine, server: Machine, inbox: str) -> None:
        """`inbox` is what it is called from there."""
        self.name, self.machine, self.server, self.inbox = name, machine, server, inbox
        self.uploads: list[Upload] = []
        self.is_here = threading.Lock()
        """Held while an upload is on its way, and by whoever takes the account away."""

    def make(self, project: str, files: dict[str, str]) -> None:
        """Write a project; on a disk that is full, that takes as long as it is."""
        end = time.monotonic() + GIVE_UP_SECONDS
        for path, content in files.items():
            while True:
                try:
                    self.machine.put(f"{project}/{path}", content)
                    break
                except subprocess.CalledProcessError as error:
                    if time.monotonic() > end:
                        raise GaveUpError(f"{self.name}: {project}/{path} cannot be written") from error
                    time.sleep(PAUSE)

    def insist(self, command: str, project: str = "") -> int:
        """Run a line of shell until it succeeds, or `project` is complete: how often it failed."""
        end = time.monotonic() + GIVE_UP_SECONDS
        failed = 0
        while True:
            done = self.run(command)
            if done.returncode == 0 or (project and self.is_complete(project)):
                return failed
            failed += 1
            if time.monotonic() > end:
                raise GaveUpError(f"{self.name}$ {command}: {done.stderr.strip()}")
            time.sleep(PAUSE)

    def run(self, command: str) -> Done:
        """A line of shell; one that hangs counts as failed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.machine.run(command, check=False, timeout=90.0)
        return subprocess.CompletedProcess(command, 124, "", "it hung")

    def send(self, upload: Upload, command: str) -> None:
        """Send by a line of shell."""
        with self.is_here:
            upload.began = time.time()
            self.uploads.append(upload)
            self.insist(command)
            upload.is_whole = True

    def rsync(self, project: str, options: str = "") -> str:
        """The line that sends a project."""
        return f"rsync -a {options} {project}/ {self.inbox}/{project}/"

    def is_complete(self, project: str, after: int = 0) -> bool:
        """Whether a job later than `after` is complete."""
        return self.complete(project) > after

    def complete(self, project: str) -> int:
        """The job that COMPLETE names; 0 without it."""
        path = shlex.quote(f"/home/{self.name}/outbox/{project}/COMPLETE")
        return int(self.server.run(f"cut -d' ' -f1 {path} 2>/dev/null", check=False).stdout.strip() or 0)

    def wait_complete(self, project: str, after: int = 0) -> int:
        """The job, once one later than `after` is complete."""
        end = time.monotonic() + GIVE_UP_SECONDS
        while (job := self.complete(project)) <= after:
            if time.monotonic() > end:
                raise GaveUpError(f"{self.name}: {project} did not complete")
            time.sleep(PAUSE)
        return job


class Remote(Somebody):
    """Somebody with a PC."""

    def __init__(self, person: Person) -> None:
        super().__init__(person.name, person.pc, person.lab.server, "lab:inbox")


class Local(Somebody):
    """Somebody whose account the machine has from elsewhere, and who works on the server."""

    def __init__(self, name: str, uid: int, server: Machine) -> None:
        super().__init__(name, _AsUid(server.name, uid, f"/home/{name}"), server, f"/home/{name}/inbox")

    def rsync(self, project: str, options: str = "") -> str:
        # Nobody tells labd that such an upload is complete: all of it comes at once.
        copy = f"mkdir -p sent && rsync -a {options} {project}/ sent/{project}/"
        return f"{copy} && mv -T sent/{project} {self.inbox}/{project}"


class _AsUid(Machine):
    """By number: the account may be away."""

    def __init__(self, name: str, uid: int, home: str) -> None:
        super().__init__(name, f"{uid}:{uid}", home)


def all_uploads(people: Iterable[Somebody]) -> list[Upload]:
    """What everybody has sent so far."""
    return [upload for somebody in people for upload in list(somebody.uploads)]
