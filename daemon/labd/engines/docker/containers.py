"""Programs as Docker containers on this machine.

This module owns the containers `<instance>-<job>` and what they may do and see. It never decides when a job runs or
what its end means, and never touches its files.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from labd.common.log import get
from labd.common.pidfd import Process
from labd.common.state_folder import view_support
from labd.common.units import human_size
from labd.engines.docker import confinement
from labd.engines.docker.cgroups import Cgroup
from labd.engines.docker.client import CONFLICT, DockerClient, reason, translated
from labd.engines.docker.kernel_log import saw_oom_kill
from labd.engines.docker.log_losses import LogLosses
from labd.engines.docker.mounts import mounts
from labd.engines.docker.network_holders import Holders
from labd.engines.docker.start_errors import is_about_views, start_error
from labd.engines.docker.state import condition, process
from labd.model.engine import Condition, Phase, Run, StartError, Usage

_LEAST_LOG = 1024**2
_LEAST_CPUS = 0.01
_LEAST_MEMORY = 6 * 1024**2
_NOTICE = 60
_ASK_MORE = "Ask for more in job.toml."


class DockerPrograms:
    """What the Engine protocol has of programs."""

    def __init__(self, instance: str, docker: DockerClient | None = None) -> None:
        """`instance` is the prefix of all names; two labs on one machine have two."""
        self._instance = instance
        self._docker = docker or DockerClient()
        self._holders = Holders(instance, self._docker)
        self._losses = LogLosses()
        self._lock = threading.Lock()  # of the three below
        self._cgroups: dict[int, Cgroup] = {}
        self._usage: dict[int, Usage] = {}
        self._processes: dict[int, Process] = {}
        self._has_views: bool | None = None  # None until it was tried

    # The protocol

    def start(self, run: Run) -> None:
        _check(run)
        with translated("start the program"):
            copied = not self._can_have_views(run)
            try:
                self._create_and_start(run, copied)
            except self._docker.refusal as error:
                said = reason(error)
                # Its holder may have gone with a restart of Docker: a new container joins a new one.
                self._holders.distrust()
                self._docker.forget_facts()
                get().info("starting once more", reason=said)
                self.remove(run.job)
                self._start_again(run, copied or is_about_views(said))
            self._watch(run.job)

    def poll(self, job: int) -> Condition:
        with translated("look at the program"):
            held = self._processes.get(job)
            if held and held.has_ended():
                # Docker takes tens of milliseconds to notice what the kernel said already.
                with contextlib.suppress(self._docker.missing):
                    self._docker.api.wait(self._name(job), timeout=_NOTICE)
            described = self._docker.inspect(self._name(job))
            if described is None:
                return Condition(Phase.ABSENT)
            found = condition(described)
            if found.phase is Phase.RUNNING and held is None:
                self._losses.watch(job, self._docker.facts().root, from_its_start=False)
                self._watch(job)
            if found.phase is not Phase.ENDED:
                return found
            code, ended = found.exit_code or 0, found.ended or time.time()
            if code and not self._known_usage(job).oom_kills and saw_oom_kill(described["Id"], found.started or 0.0):
                self._note_oom_kill(job, described["HostConfig"]["Memory"])
            network = described["HostConfig"]["NetworkMode"]
            stopped = found.interrupted or self._holders.stopped_with(job, network, ended, code)
            lost = self._losses.are_possible(job, described["Id"], found.started or 0.0)
            return replace(found, interrupted=stopped, lost_output=lost)

    def wait(self, job: int, timeout: float) -> bool:
        held = self._processes.get(job)
        if held is None:
            # Nothing to wait on (the process is gone, or the kernel has no pidfd): poll tells, once a second.
            threading.Event().wait(min(timeout, 1.0))
            return True
        ended = held.has_ended(timeout)
        # First of all, before Docker notices the end and removes the cgroup.
        self._measure(job)
        return ended

    def stop(self, job: int, grace: float) -> None:
        with translated("stop the program"), contextlib.suppress(self._docker.missing):
            self._docker.api.stop(self._name(job), timeout=math.ceil(grace))

    def logs(self, job: int, follow: bool) -> Iterator[bytes]:
        with translated("read what the program printed"):
            try:
                output = self._docker.api.logs(self._name(job), stream=follow, follow=follow)
            except self._docker.missing:
                return
            yield from output if follow else (output,)

    def usage(self, job: int) -> Usage | None:
        self._measure(job)
        return self._usage.get(job)

    def processes(self, job: int) -> list[int]:
        cgroup = self._cgroups.get(job)
        return cgroup.processes() if cgroup else []

    def remove(self, job: int) -> None:
        with translated("remove the container"):
            with contextlib.suppress(self._docker.missing):
                self._docker.api.remove_container(self._name(job), v=True, force=True)
            self._forget(job)

    def jobs(self) -> set[int]:
        with translated("list containers"):
            listed = self._docker.api.containers(all=True, filters={"label": [f"labd.instance={self._instance}"]})
            numbers = ((entry.get("Labels") or {}).get("labd.job", "") for entry in listed)
            return {int(number) for number in numbers if number.isdecimal()}

    def rest(self, keep: int = 0) -> None:
        with translated("remove idle holders"):
            self._holders.rest(keep)

    # Containers

    def _start_again(self, run: Run, copied: bool) -> None:
        """Raises StartError, after taking away what there is of the container."""
        try:
            self._create_and_start(run, copied)
        except self._docker.refusal as error:
            said = reason(error)
            get().error("the server could not start a program", reason=said)
            self.remove(run.job)
            raise start_error(said) from error

    def _create_and_start(self, run: Run, copied: bool) -> None:
        """Both, unless they were done before. Raises Docker's error, StartError."""
        self._losses.watch(run.job, self._docker.facts().root, from_its_start=True)
        try:
            self._create(run, copied)
        except self._docker.refusal as error:
            if error.status_code != CONFLICT:  # type: ignore[attr-defined]
                raise
            described = self._docker.inspect(self._name(run.job))
            if described and condition(described).phase is not Phase.ABSENT:
                self._losses.doubt(run.job)
                return
        self._docker.api.start(self._name(run.job))

    def _create(self, run: Run, copied: bool) -> None:
        found = self._docker.facts()
        self._docker.api.create_container(
            run.image,
            list(run.command),
            name=self._name(run.job),
            entrypoint=[],
            user=f"{run.uid}:{run.gid}",
            working_dir="/code",
            environment={**run.env, **confinement.environment(found, run.gpu_ids)},
            labels={"labd.instance": self._instance, "labd.job": str(run.job), "labd.user": run.user},
            host_config=self._host_config(run, copied),
        )

    def _host_config(self, run: Run, copied: bool) -> Any:
        from docker.types import LogConfig, Ulimit

        found = self._docker.facts()
        return self._docker.api.create_host_config(
            mounts=mounts(run, copied),
            network_mode=f"container:{self._holders.join(run.job, run.network, run.image)}",
            init=True,
            read_only=True,
            group_add=[str(group) for group in run.groups],
            tmpfs={"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={run.tmp}"},
            shm_size=run.shm,
            pids_limit=run.pids,
            # Docker takes no more than there are, which may be fewer than the config says.
            nano_cpus=int(min(run.cpus, found.cpus or run.cpus) * 1e9),
            mem_limit=run.memory,
            memswap_limit=run.memory,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            # No less than run.log keeps, so that it can be made again from its first byte after a restart of labd.
            log_config=LogConfig(
                type="local", config={"max-size": str(max(run.log, _LEAST_LOG)), "max-file": "2", "compress": "false"}
            ),
            **confinement.settings(found, run.gpu_ids),
        )

    def _can_have_views(self, run: Run) -> bool:
        """Whether the disk of the jobs' folders takes copy-on-write views, as it was found at the first start."""
        if self._has_views is None:
            try:
                why = view_support(run.scratch.parent)
            except OSError as error:
                get().warning("whether programs can have views of their uploads was not found out", reason=str(error))
                return True
            if why:
                get().warning("programs run from copies of their uploads, which is slower", reason=why)
            self._has_views = not why
        return self._has_views

    def _watch(self, job: int) -> None:
        """Hold on to the process and its counters, so that its end is known at once."""
        described = self._docker.inspect(self._name(job))
        number = process(described) if described else 0
        if not number:
            return
        with contextlib.suppress(OSError):
            held, cgroup = Process(number), Cgroup.of_process(number)
            with self._lock:
                self._processes[job] = held
                if cgroup:
                    self._cgroups[job] = cgroup
            self._measure(job)

    def _measure(self, job: int) -> None:
        cgroup = self._cgroups.get(job)
        if cgroup and (usage := cgroup.usage()):
            with self._lock:
                if job in self._cgroups:  # and was not removed meanwhile
                    self._usage[job] = usage

    def _known_usage(self, job: int) -> Usage:
        return self._usage.get(job, Usage(0.0, 0, 0, 0))

    def _note_oom_kill(self, job: int, limit: int) -> None:
        """Its last measurement was long before: it was killed at its limit, so that is what it used most."""
        known = self._known_usage(job)
        with self._lock:
            self._usage[job] = replace(known, oom_kills=1, peak_memory=max(known.peak_memory, limit))

    def _forget(self, job: int) -> None:
        with self._lock:
            for kept in (self._processes, self._cgroups, self._usage):
                kept.pop(job, None)
        self._losses.forget(job)
        self._holders.leave(job)

    def _name(self, job: int) -> str:
        return f"{self._instance}-{job}"


def _check(run: Run) -> None:
    """Raises StartError for what Docker and the kernel cannot limit a program to."""
    if not run.cpus >= _LEAST_CPUS:  # nan, too
        raise StartError(f"A program needs {_LEAST_CPUS:g} CPUs at least; this one was given {run.cpus:g}.", _ASK_MORE)
    if run.memory < _LEAST_MEMORY:
        least = human_size(_LEAST_MEMORY)
        raise StartError(
            f"A program needs {least} of memory at least; this one was given {human_size(run.memory)}.", _ASK_MORE
        )
