"""What makes an image better but need not hold up the first program: done later, one image at a time.

This module owns the containers `<instance>-finish-…` that run a template's `labd.finish` command, and the change of
tags from the image as it was to the finished one. It knows no language. An image tells by a label whether it is
finished, so nothing is remembered: what was cut off is done when the image is next used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from labd.common import log
from labd.engines.docker import confinement
from labd.engines.docker.facts import parse
from labd.engines.docker.state import as_image
from labd.model.engine import FINISH, FINISHED

_MEMORY = 2 * 1024**3
_LEAST_SHARES = 2  # of the processor, against 1024 of each job
_LIMIT = 3600.0
_POLL = 0.3
_LEAVE_SECONDS = 20.0


class Finisher:
    """Finishes images in a thread that is there only while there is something to do."""

    def __init__(self, docker: Callable[[], Any], instance: str) -> None:
        """`docker` gives the SDK's client; `instance` is the prefix of containers' names."""
        self._docker = docker
        self._instance = instance
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._given_up: set[str] = set()  # ids
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def add(self, tag: str, image: str) -> None:
        """See to it that the image `tag`, with the id `image`, gets finished. Returns at once."""
        with self._changed:
            if tag in self._waiting or image in self._given_up or self._stop.is_set():
                return
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="finish-images", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.append(tag)

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is left to do, `timeout` seconds at most; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def close(self) -> None:
        """Stop; what was begun is undone."""
        self._stop.set()
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join(_LEAVE_SECONDS)  # a Docker that hangs holds it up, and must not hold up the end of labd

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting or self._stop.is_set():
                    self._waiting.clear()
                    self._thread = None
                    self._changed.notify_all()
                    return
                tag = self._waiting[0]
            try:
                self._finish(tag)
            except Exception as error:  # programs run well without it: it must not end anything else
                log.get().warning("environment could not be finished", environment=tag, reason=str(error))
            with self._changed:
                self._waiting.remove(tag)

    def _finish(self, tag: str) -> None:
        docker = self._docker()
        image = docker.inspect_image(tag)
        if not as_image(image).is_unfinished:
            return
        name = f"{self._instance}-finish-{image['Id'].rpartition(':')[2][:12]}"
        self._remove(docker, name)
        try:
            self._run(docker, name, image)
            code = self._wait(docker, name)
            if code is None:
                return
            if code != 0:
                self._given_up.add(image["Id"])
                raise RuntimeError(f"its command ended with exit code {code}")
            config = {**image["Config"], "Labels": {**image["Config"]["Labels"], FINISHED: "1"}}
            finished = docker.commit(name, conf=config)["Id"]
        finally:
            self._remove(docker, name)
        # First the name by which projects take it: who has taken the other one until now is in the list then.
        docker.tag(finished, *tag.rsplit(":", 1), force=True)
        for reference in docker.inspect_image(image["Id"])["RepoTags"] or []:
            repository, _, version = reference.rpartition(":")
            if repository.startswith("labd/"):
                docker.tag(finished, repository, version, force=True)
        log.get().info("environment finished", environment=tag)

    def _run(self, docker: Any, name: str, image: Any) -> None:
        docker.create_container(
            image["Id"],
            ["sh", "-c", image["Config"]["Labels"][FINISH]],
            name=name,
            entrypoint=[] if image["Config"].get("Entrypoint") else None,
            host_config=docker.create_host_config(
                network_mode="none",
                cpu_shares=_LEAST_SHARES,
                mem_limit=_MEMORY,
                pids_limit=128,
                **confinement.settings(parse(docker.info())),
            ),
        )
        docker.start(name)

    def _wait(self, docker: Any, name: str) -> int | None:
        """The exit code, or None when labd is being stopped."""
        for _ in range(int(_LIMIT / _POLL)):
            if self._stop.wait(_POLL):
                return None
            state = docker.inspect_container(name)["State"]
            if not state["Running"]:
                return int(state["ExitCode"])
        raise RuntimeError("its command took too long")

    def _remove(self, docker: Any, name: str) -> None:
        for entry in docker.containers(all=True, filters={"name": f"^/{name}$"}):
            docker.remove_container(entry["Id"], v=True, force=True)
