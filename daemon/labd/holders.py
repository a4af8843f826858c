"""Holders: idle containers whose network namespaces jobs join.

This room owns the containers `<instance>-holder-…` and who has joined which. Setting up a network is most of a
container's start, so jobs join one that is there already (like a pod's pause container); jobs that run together never
share one, or they would share a loopback. A holder never ends by itself: one that did is evidence that Docker or the
machine was stopped.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from datetime import datetime
from typing import Any

from labd.engine import StartError

_MEMORY = 32 * 1024**2
_SHUTDOWN = 15.0
_KILLED = (137, 143, 255)
_MOST = 1000


class Holders:
    """The holders of one lab. `docker` is an APIClient everywhere; its errors are passed on."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._lock = threading.Lock()
        self._joined: dict[int, str] | None = None  # job → holder; None until Docker was asked for those there are
        self._pidfds: dict[str, int] = {}  # holder → its process, while it was seen running

    def join(self, docker: Any, job: int, network: bool, image: str) -> str:
        """Name of a running holder that is `job`'s alone, with Docker's bridge if it has the `network`, else without.

        A new one is made from `image`. Raises StartError.
        """
        kind = "bridge" if network else "none"
        with self._lock:
            joined = self._known(docker)
            for number in range(_MOST):
                name = f"{self._instance}-holder-{kind}-{number}"
                if name not in joined.values() and (self._is_running(docker, name) or _make(docker, name, kind, image)):
                    joined[job] = name
                    return name
        raise StartError("There are a thousand containers without a free network.")

    def leave(self, job: int) -> None:
        """Free the holder of `job` for another."""
        with self._lock:
            if self._joined is not None:
                self._joined.pop(job, None)

    def distrust(self) -> None:
        """Ask Docker again whether the holders are running."""
        with self._lock:
            for name in list(self._pidfds):
                os.close(self._pidfds.pop(name))

    def rest(self, docker: Any) -> None:
        """Remove the holders that no job has joined."""
        with self._lock:
            joined = self._known(docker)
            for entry in docker.containers(all=True, filters={"label": [f"labd.holder={self._instance}"]}):
                name = entry["Names"][0].lstrip("/")
                if name not in joined.values():
                    docker.remove_container(entry["Id"], v=True, force=True)
                    if name in self._pidfds:
                        os.close(self._pidfds.pop(name))

    def stopped_with(self, docker: Any, job: int, network: str, ended: float, code: int) -> bool:
        """Whether `job`, which ended at `ended` with exit `code`, ended because Docker or the machine stopped.

        Docker does not tell: a program that handles SIGTERM is recorded with exit code 0. If its holder (`network` is
        how the job's container names it) is gone too, and not later than the job, both were stopped.
        """
        with self._lock:
            descriptor = self._pidfds.get((self._joined or {}).get(job, ""))
            if descriptor is not None and not has_ended(descriptor):
                return False
        holder = _inspect(docker, network.removeprefix("container:"))
        if holder is None or holder["State"]["Running"]:
            return False
        later = timestamp(holder["State"]["FinishedAt"]) - ended
        return later < 1.0 or (later < _SHUTDOWN and code in _KILLED)

    def _known(self, docker: Any) -> dict[int, str]:
        """Who has joined which; after a restart of labd, from the containers that are there."""
        if self._joined is None:
            joined = {}
            for entry in docker.containers(all=True, filters={"label": [f"labd.instance={self._instance}"]}):
                mode = entry["HostConfig"]["NetworkMode"]
                if "labd.job" in entry["Labels"] and (holder := _inspect(docker, mode.removeprefix("container:"))):
                    joined[int(entry["Labels"]["labd.job"])] = holder["Name"].lstrip("/")
            self._joined = joined
        return self._joined

    def _is_running(self, docker: Any, name: str) -> bool:
        if name in self._pidfds:
            if not has_ended(self._pidfds[name]):
                return True
            os.close(self._pidfds.pop(name))
        holder = _inspect(docker, name)
        if holder is None:
            return False
        if not holder["State"]["Running"]:
            docker.remove_container(name, v=True, force=True)
            return False
        with contextlib.suppress(OSError):
            self._pidfds[name] = os.pidfd_open(holder["State"]["Pid"])
        return True


def has_ended(descriptor: int, timeout: float = 0.0) -> bool:
    """Whether the process of a pidfd has ended, after waiting `timeout` seconds at most (pidfd_open(2))."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def timestamp(text: str) -> float:
    """Seconds since the epoch of Docker's "2025-03-01T13:05:09.123456789Z"."""
    return datetime.fromisoformat(text[:19] + "+00:00").timestamp() + float(f"0.{text[20:-1] or 0}")


def _make(docker: Any, name: str, kind: str, image: str) -> bool:
    settings = docker.create_host_config(
        network_mode=kind,
        init=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=8,
        mem_limit=_MEMORY,
    )
    labels = {"labd.holder": name.partition("-holder-")[0]}
    command = ["sleep", "infinity"]
    docker.create_container(
        image, command, name=name, entrypoint=[], user="65534:65534", labels=labels, host_config=settings
    )
    docker.start(name)
    return True


def _inspect(docker: Any, name: str) -> Any:
    from docker.errors import NotFound

    try:
        return docker.inspect_container(name)
    except NotFound:
        return None
