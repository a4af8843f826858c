"""The engine that runs programs as Docker containers on this machine.

This room owns the containers `<instance>-<job>` and what they may do and see. It never decides when a job runs or what
its end means, and never touches its files.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from labd.cgroups import Cgroup
from labd.engine import Condition, EngineError, Phase, Run, StartError, Usage
from labd.holders import Holders, has_ended, timestamp
from labd.kernel_log import saw_oom_kill
from labd.log import get

_LEAST_LOG = 1024**2
_NOTICE = 60
_CONFLICT = 409
_VOLATILE_SINCE = (5, 10)


class DockerEngine:
    """See the Engine protocol."""

    def __init__(self, instance: str) -> None:
        """`instance` is the prefix of all names; two labs on one machine have two."""
        self._instance = instance
        self._holders = Holders(instance)
        self._cgroups: dict[int, Cgroup] = {}
        self._usage: dict[int, Usage] = {}
        self._pidfds: dict[int, int] = {}
        self._client: Any = None

    # The protocol

    def start(self, run: Run) -> None:
        with _errors("start the program"):
            try:
                self._create_and_start(run)
            except self._failure as error:
                # Its holder may have gone with a restart of Docker: a new container joins a new one.
                self._holders.distrust()
                get().info("starting once more", job=run.job, user=run.user, reason=_reason(error))
                self.remove(run.job)
                try:
                    self._create_and_start(run)
                except self._failure as final:
                    self.remove(run.job)
                    raise StartError(f"Docker could not start the program: {_reason(final)}") from final
            self._watch(run.job)

    def poll(self, job: int) -> Condition:
        with _errors("look at the program"):
            if job in self._pidfds and has_ended(self._pidfds[job]):
                # Docker takes tens of milliseconds to notice what the kernel said already.
                with contextlib.suppress(self._missing):
                    self._docker.wait(self._name(job), timeout=_NOTICE)
            state = self._inspect(job)
            if state is None or state["State"]["Status"] == "created":
                return Condition(Phase.ABSENT)
            started = timestamp(state["State"]["StartedAt"])
            if state["State"]["Running"]:
                if job not in self._pidfds:
                    self._watch(job)
                return Condition(Phase.RUNNING, started)
            ended, code = timestamp(state["State"]["FinishedAt"]), state["State"]["ExitCode"]
            known = self._usage.get(job, Usage(0.0, 0, 0, 0))
            if code and not known.oom_kills and saw_oom_kill(state["Id"], started or 0.0):
                # Its last measurement was long before: it was killed at its limit, so that is what it used most.
                peak = max(known.peak_memory, state["HostConfig"]["Memory"])
                self._usage[job] = replace(known, oom_kills=1, peak_memory=peak)
            interrupted = self._holders.stopped_with(self._docker, job, state["HostConfig"]["NetworkMode"], ended, code)
            return Condition(Phase.ENDED, started, ended, code, interrupted)

    def wait(self, job: int, timeout: float) -> bool:
        descriptor = self._pidfds.get(job)
        if descriptor is None:
            # Nothing to wait on (the process is gone, or the kernel has no pidfd): poll tells, once a second.
            threading.Event().wait(min(timeout, 1.0))
            return True
        ended = has_ended(descriptor, timeout)
        # First of all, before Docker notices the end and removes the cgroup.
        self._measure(job)
        return ended

    def stop(self, job: int, grace: float) -> None:
        with _errors("stop the program"), contextlib.suppress(self._missing):
            self._docker.stop(self._name(job), timeout=int(grace))

    def logs(self, job: int, follow: bool) -> Iterator[bytes]:
        with _errors("read what the program printed"):
            try:
                output = self._docker.logs(self._name(job), stream=follow, follow=follow)
            except self._missing:
                return
            yield from output if follow else (output,)

    def usage(self, job: int) -> Usage | None:
        self._measure(job)
        return self._usage.get(job)

    def processes(self, job: int) -> list[int]:
        cgroup = self._cgroups.get(job)
        return cgroup.processes() if cgroup else []

    def remove(self, job: int) -> None:
        with _errors("remove the container"):
            with contextlib.suppress(self._missing):
                self._docker.remove_container(self._name(job), v=True, force=True)
            self._forget(job)

    def jobs(self) -> set[int]:
        with _errors("list containers"):
            listed = self._docker.containers(all=True, filters={"label": [f"labd.instance={self._instance}"]})
            return {int(entry["Labels"]["labd.job"]) for entry in listed if "labd.job" in entry["Labels"]}

    def rest(self) -> None:
        with _errors("remove idle holders"):
            self._holders.rest(self._docker)

    # Containers

    def _create_and_start(self, run: Run) -> None:
        """Both, unless they were done before. Raises Docker's error."""
        try:
            self._create(run)
        except self._failure as error:
            if error.status_code != _CONFLICT:  # type: ignore[attr-defined]
                raise
            state = self._inspect(run.job)
            if state and state["State"]["Status"] != "created":
                return
        self._docker.start(self._name(run.job))

    def _create(self, run: Run) -> None:
        self._docker.create_container(
            run.image,
            list(run.command),
            name=self._name(run.job),
            entrypoint=[],
            user=f"{run.uid}:{run.gid}",
            working_dir="/code",
            environment=dict(run.env),
            labels={"labd.instance": self._instance, "labd.job": str(run.job), "labd.user": run.user},
            host_config=self._host_config(run),
        )

    def _host_config(self, run: Run) -> Any:
        from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

        return self._docker.create_host_config(
            mounts=[
                _overlay("/code", run.code, run.scratch / "code"),
                _overlay("/input", run.input, run.scratch / "input"),
                Mount("/output", str(run.output), type="bind"),
                Mount(run.env["HOME"], str(run.home), type="bind"),
                Mount("/etc/passwd", str(run.passwd), type="bind", read_only=True),
                Mount("/etc/group", str(run.group), type="bind", read_only=True),
                *(Mount(str(at), str(file), type="bind", read_only=True) for at, file in run.further.items()),
            ],
            network_mode=f"container:{self._holders.join(self._docker, run.job, run.network, run.image)}",
            init=True,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            group_add=[str(group) for group in run.groups],
            tmpfs={"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={run.tmp}"},
            shm_size=run.shm,
            pids_limit=run.pids,
            nano_cpus=int(run.cpus * 1e9),
            mem_limit=run.memory,
            memswap_limit=run.memory,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            device_requests=[DeviceRequest(device_ids=list(run.gpu_ids), capabilities=[["gpu"]])]
            if run.gpu_ids
            else None,
            # No less than run.log keeps, so that it can be made again from its first byte after a restart of labd.
            log_config=LogConfig(
                type="local", config={"max-size": str(max(run.log, _LEAST_LOG)), "max-file": "2", "compress": "false"}
            ),
        )

    def _watch(self, job: int) -> None:
        """Hold on to the process and its counters, so that its end is known at once (pidfd_open(2))."""
        state = self._inspect(job)
        pid = state["State"]["Pid"] if state else 0
        if not pid:
            return
        with contextlib.suppress(OSError):
            self._pidfds[job] = os.pidfd_open(pid)
            if cgroup := Cgroup.of_process(pid):
                self._cgroups[job] = cgroup
            self._measure(job)

    def _measure(self, job: int) -> None:
        cgroup = self._cgroups.get(job)
        if cgroup and (usage := cgroup.usage()):
            self._usage[job] = usage

    def _forget(self, job: int) -> None:
        descriptor = self._pidfds.pop(job, None)
        if descriptor is not None:
            os.close(descriptor)
        self._cgroups.pop(job, None)
        self._usage.pop(job, None)
        self._holders.leave(job)

    def _inspect(self, job: int) -> Any:
        try:
            return self._docker.inspect_container(self._name(job))
        except self._missing:
            return None

    def _name(self, job: int) -> str:
        return f"{self._instance}-{job}"

    # Docker itself

    @property
    def _docker(self) -> Any:
        if self._client is None:
            import docker  # here: 13 MB that an idle daemon does without

            try:
                self._client = docker.APIClient(timeout=120)
                # A Unix socket needs none of the proxies and passwords that requests would look for each time.
                self._client.trust_env = False
            except docker.errors.DockerException as error:
                raise EngineError("Docker does not answer.", _remedy(error)) from error
        return self._client

    @property
    def _missing(self) -> type[Exception]:
        from docker.errors import NotFound

        return NotFound  # type: ignore[no-any-return]

    @property
    def _failure(self) -> type[Exception]:
        from docker.errors import APIError

        return APIError  # type: ignore[no-any-return]


def _overlay(target: str, lower: Any, scratch: Any) -> Any:
    """A copy-on-write view of `lower`; Docker mounts it when the container starts."""
    from docker.types import DriverConfig, Mount

    layers = f"lowerdir={_escaped(lower)},upperdir={_escaped(scratch / 'upper')},workdir={_escaped(scratch / 'work')}"
    if _kernel() >= _VOLATILE_SINCE:
        # Without it, the unmount at the program's end waits until all that anybody wrote to the disk is on it.
        layers += ",volatile"
    options = {"type": "overlay", "device": "overlay", "o": layers}
    return Mount(target, "", type="volume", no_copy=True, driver_config=DriverConfig("local", options))


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def _escaped(path: Any) -> str:
    """`path` inside overlayfs's option string, where colon, comma and backslash have a meaning."""
    return "".join(f"\\{character}" if character in ":,\\" else character for character in str(path))


@contextlib.contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Docker's own failures as EngineError."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise EngineError(f"Docker could not {doing}: {_reason(error)}", "See `journalctl -u docker`.") from error


def _remedy(error: Exception) -> str:
    if "PermissionError" in str(error):
        return "Whoever runs labd must be allowed to use Docker: be root, or in the group docker."
    return "Start it: systemctl start docker"


def _reason(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error).strip()
