"""Holders: idle containers whose network namespaces jobs join.

This module owns the containers `<instance>-holder-…` and who has joined which. Setting up a network is most of a
container's start, so jobs join one that is there already (like a pod's pause container); jobs that run together never
share one, or they would share a loopback. A holder never ends by itself: one that did is evidence that Docker or the
machine was stopped.
"""

from __future__ import annotations

import contextlib
import threading

from labd.common.pidfd import Process
from labd.engines.docker import confinement
from labd.engines.docker.client import DockerClient
from labd.engines.docker.state import process, timestamp
from labd.model.engine import StartError

_MEMORY = 32 * 1024**2
_SHUTDOWN = 15.0
_KILLED = (137, 143, 255)
_MOST = 1000
_ATTEMPTS = 3


class Holders:
    """The holders of one lab. Docker's errors are passed on."""

    def __init__(self, instance: str, docker: DockerClient) -> None:
        self._instance = instance
        self._docker = docker
        self._lock = threading.Lock()
        self._joined: dict[int, str] | None = None  # job → holder; None until Docker was asked for those there are
        self._processes: dict[str, Process] = {}  # holder → its process, while it was seen running
        self._leaving: set[str] = set()  # holders that are being removed

    def join(self, job: int, network: bool, image: str) -> str:
        """Name of a running holder that is `job`'s alone, with Docker's bridge if it has the `network`, else without.

        A new one is made from `image`. Raises StartError.
        """
        kind = "bridge" if network else "none"
        failures = 0
        with self._lock:
            joined = self._known()
            if job in joined and self._is_running(joined[job]):
                # The container that it was made for may be there, from before labd was killed.
                return joined[job]
            taken = (set(joined.values()) - {joined.pop(job, "")}) | self._leaving
            for number in range(_MOST):
                name = f"{self._instance}-holder-{kind}-{number}"
                if name in taken:
                    continue
                try:
                    if not self._is_running(name):
                        self._make(name, kind, image)
                except self._docker.refusal:
                    # Docker can be stuck with one container ("removal in progress"), and be well otherwise.
                    failures += 1
                    if failures == _ATTEMPTS:
                        raise
                    continue
                joined[job] = name
                return name
        raise StartError("The server has no more networks for programs.", "Tell the administrator.")

    def leave(self, job: int) -> None:
        """Free the holder of `job` for another."""
        with self._lock:
            if self._joined is not None:
                self._joined.pop(job, None)

    def distrust(self) -> None:
        """Ask Docker again whether the holders are running."""
        with self._lock:
            self._processes.clear()

    def rest(self, keep: int = 0) -> None:
        """Remove the holders that no job has joined, but for `keep` of them: those that are joined first."""
        # Jobs that start do not wait meanwhile: Docker may take its time to list and remove.
        label = f"labd.holder={self._instance}"
        found = {
            (entry.get("Names") or [""])[0].lstrip("/"): entry["Id"]
            for entry in self._docker.api.containers(all=True, filters={"label": [label]})
        }
        with self._lock:
            idle = set(found) - set(self._known().values()) - self._leaving
            leaving = set(sorted(idle, key=_turn)[keep:])
            self._leaving |= leaving
        try:
            for name in leaving:
                with contextlib.suppress(self._docker.refusal):
                    self._docker.api.remove_container(found[name], v=True, force=True)
        finally:
            with self._lock:
                self._leaving -= leaving
                for name in leaving:
                    self._processes.pop(name, None)

    def stopped_with(self, job: int, network: str, ended: float, code: int) -> bool:
        """Whether `job`, which ended at `ended` with exit `code`, ended because Docker or the machine stopped.

        Docker does not tell: a program that handles SIGTERM is recorded with exit code 0. If its holder (`network` is
        how the job's container names it) is gone too, and not later than the job, both were stopped.
        """
        with self._lock:
            held = self._processes.get((self._joined or {}).get(job, ""))
        if held is not None and not held.has_ended():
            return False
        holder = self._docker.inspect(network.removeprefix("container:"))
        if holder is None or holder["State"]["Running"]:
            return False
        later = (timestamp(holder["State"]["FinishedAt"]) or 0.0) - ended
        return later < 1.0 or (later < _SHUTDOWN and code in _KILLED)

    def _known(self) -> dict[int, str]:
        """Who has joined which; after a restart of labd, from the containers that are there."""
        if self._joined is None:
            joined = {}
            label = f"labd.instance={self._instance}"
            for entry in self._docker.api.containers(all=True, filters={"label": [label]}):
                job = (entry.get("Labels") or {}).get("labd.job", "")
                mode = entry["HostConfig"]["NetworkMode"]
                if job.isdecimal() and (holder := self._docker.inspect(mode.removeprefix("container:"))):
                    joined[int(job)] = holder["Name"].lstrip("/")
            self._joined = joined
        return self._joined

    def _is_running(self, name: str) -> bool:
        """Whether it is there; one that has ended is removed."""
        if name in self._processes:
            if not self._processes[name].has_ended():
                return True
            del self._processes[name]
        holder = self._docker.inspect(name)
        if holder is None:
            return False
        if not holder["State"]["Running"]:
            self._docker.api.remove_container(name, v=True, force=True)
            return False
        with contextlib.suppress(OSError):
            self._processes[name] = Process(process(holder))
        return True

    def _make(self, name: str, kind: str, image: str) -> None:
        found = self._docker.facts()
        settings = self._docker.api.create_host_config(
            network_mode=kind,
            init=True,
            read_only=True,
            pids_limit=8,
            mem_limit=_MEMORY,
            **confinement.settings(found),
        )
        self._docker.api.create_container(
            image,
            ["sleep", "infinity"],
            name=name,
            entrypoint=[],
            user="65534:65534",
            environment=dict(confinement.environment(found)),
            labels={"labd.holder": self._instance},
            host_config=settings,
        )
        self._docker.api.start(name)


def _turn(name: str) -> tuple[bool, int]:
    """When a holder is joined, as against others: most programs have no network, and take the first that is free."""
    kind, _, number = name.rpartition("-")
    return not kind.endswith("-none"), int(number) if number.isdecimal() else _MOST
