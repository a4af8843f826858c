"""The engine that makes images and runs programs with the Docker of this machine."""

from __future__ import annotations

from pathlib import Path

from labd.engines.build_settings import BuildSettings
from labd.engines.docker.client import DockerClient
from labd.engines.docker.containers import DockerPrograms
from labd.engines.docker.images import DockerImages
from labd.model.config import Config
from labd.model.engine import Capacity
from labd.scheduling.machine import capacity


class DockerEngine(DockerPrograms):
    """See the Engine protocol."""

    def __init__(self, config: Config, settings: BuildSettings, work: Path) -> None:
        """`settings` is what builds are given, `work` a folder of labd's own, emptied, for what is being made."""
        docker = DockerClient()
        super().__init__(config.instance, docker)
        self.images = DockerImages(docker, config.build, settings, work, config.instance)
        self._machine = config.machine

    def capacity(self) -> Capacity:
        return capacity(self._machine)
