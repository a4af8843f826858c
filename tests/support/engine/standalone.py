"""What an engine needs to run a program, without a lab around it."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

from labd.engines.docker.client import DockerClient
from labd.engines.docker.containers import DockerPrograms
from labd.model.engine import Condition, Phase, Run
from support.lab import AS_ROOT, wait_for

IMAGE = "python:3.11-slim-bookworm"


def make_run(folder: Path, number: int, **settings: object) -> Run:
    """The run of job `number`, with folders in `folder`, and `settings` in place of what a small job gets."""
    job = folder / str(number)
    uid = 5001 if AS_ROOT else os.getuid()
    for part in ("code", "input", "scratch/code/upper", "scratch/code/work", "scratch/input/upper"):
        (job / part).mkdir(parents=True)
    for part in ("scratch/input/work", "output", "home"):
        (job / part).mkdir(parents=True)
    (job / "passwd").write_text(f"ana:x:{uid}:{uid}::/home/ana:/bin/sh\n")
    (job / "group").write_text(f"ana:x:{uid}:\n")
    for part in ("code", "input", "scratch/code/upper", "scratch/input/upper", "output", "home"):
        os.chown(job / part, uid, uid if AS_ROOT else os.getgid())
    run = Run(
        job=number,
        user="ana",
        uid=uid,
        gid=uid,
        groups=(),
        image=IMAGE,
        command=("sleep", "600"),
        env={"HOME": "/home/ana"},
        code=job / "code",
        input=job / "input",
        scratch=job / "scratch",
        output=job / "output",
        home=job / "home",
        passwd=job / "passwd",
        group=job / "group",
        further={},
        cpus=1.0,
        memory=512 * 1024**2,
        gpu_ids=(),
        network=False,
        pids=64,
        tmp=16 * 1024**2,
        shm=16 * 1024**2,
        log=1024**2,
    )
    return replace(run, **settings)  # type: ignore[arg-type]


class EngineTestbed:
    """An engine with an instance of its own, and folders for one program after the other."""

    def __init__(self, folder: Path, address: str | None = None, timeout: float = 90.0) -> None:
        self.folder = folder
        self.instance = f"labd-{uuid.uuid4().hex[:8]}"
        self.client = DockerClient(address, timeout)
        self.engine = DockerPrograms(self.instance, self.client)
        self._last = 0

    def again(self) -> DockerPrograms:
        """Another engine for the same containers, as after a restart of labd."""
        self.engine = DockerPrograms(self.instance, self.client)
        return self.engine

    def run(self, *command: str, image: str = IMAGE, **settings: object) -> Run:
        """A run of `command`, with `settings` in place of what a small job gets."""
        self._last += 1
        return make_run(self.folder, self._last, command=command or ("sleep", "600"), image=image, **settings)

    def ended(self, job: int) -> Condition:
        """How `job` ended, waiting for that."""
        return wait_for(f"the end of {job}", lambda: self._if_ended(job))  # type: ignore[return-value]

    def _if_ended(self, job: int) -> Condition | None:
        self.engine.wait(job, 1.0)
        found = self.engine.poll(job)
        return found if found.phase is Phase.ENDED else None

    def printed(self, job: int) -> str:
        return b"".join(self.engine.logs(job, follow=False)).decode()

    def output(self, *command: str, **settings: object) -> str:
        """What a program printed that was run to its end."""
        run = self.run(*command, **settings)
        self.engine.start(run)
        self.ended(run.job)
        text = self.printed(run.job)
        self.engine.remove(run.job)
        return text

    def close(self) -> None:
        end = time.monotonic() + 60
        for job in self.engine.jobs():
            assert time.monotonic() < end
            self.engine.remove(job)
        self.engine.rest()
        self.client.api.close()
