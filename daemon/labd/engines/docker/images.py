"""The images that Docker has, and how labd has them made.

This module brings together the builder, base images, finishing and removal. It never decides what is built or why.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from labd.engines.build_settings import BuildSettings
from labd.engines.docker import image_keeping
from labd.engines.docker.base_images import BaseImages
from labd.engines.docker.builder import Builder
from labd.engines.docker.client import CHANGE_SECONDS, LOOK_SECONDS, DockerClient, translated_for_images
from labd.engines.docker.image_finishing import Finisher
from labd.engines.docker.state import as_image
from labd.model.config import Build
from labd.model.engine import Image, Recipe, Report
from labd.model.languages import Language


class DockerImages:
    """See the ImageStore protocol."""

    def __init__(self, docker: DockerClient, build: Build, settings: BuildSettings, work: Path, instance: str) -> None:
        """`instance` is the prefix of containers' names.

        `work` is a folder of labd's own for what is being made; what an earlier life left there is removed.
        """
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, parents=True)
        self._docker, self._instance = docker, instance
        self._builder = Builder(build, settings, work)
        self._bases = BaseImages(build, self._builder, work)
        self._finisher = Finisher(lambda: docker.waiting(CHANGE_SECONDS), instance)

    def find(self, name: str) -> Image | None:
        described = self._described(name)
        return described and as_image(described)

    def tag(self, tag: str, name: str) -> None:
        with translated_for_images():
            self._docker.waiting(LOOK_SECONDS).tag(tag, name, "latest", force=True)

    def build(self, recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        self._builder.build(recipe, report, cancelled)

    def get_base(self, name: str, language: Language, version: str, report: Report, cancelled: threading.Event) -> None:
        self._bases.get(name, language, version, report, cancelled)

    def finish(self, tag: str, image: Image) -> None:
        self._finisher.add(tag, image.id)

    def remove_unused(self, tags: Collection[str], before: float) -> list[str]:
        with translated_for_images():
            docker = self._docker.waiting(CHANGE_SECONDS)
            busy = image_keeping.in_use(docker)
            found = {tag: self._described(tag) for tag in tags}
            gone = {tag: image for tag, image in found.items() if image is None or image["Id"] not in busy}
            if images := [image for image in gone.values() if image is not None]:
                image_keeping.take_off(docker, *images)
            image_keeping.sweep(docker, busy, before)
            return list(gone)

    def read_file(self, image: str, path: str) -> str:
        name = f"{self._instance}-read-{image.rpartition(':')[2][:12]}"
        with translated_for_images():
            return image_keeping.read_file(self._docker.waiting(CHANGE_SECONDS), image, path, name)

    def settle(self, timeout: float) -> bool:
        return self._finisher.settle(timeout)

    def close(self) -> None:
        self._finisher.close()
        self._docker.close()

    def _described(self, name: str) -> Any:
        """What Docker says of an image; None when it is not there. Raises UnavailableError."""
        with translated_for_images():
            try:
                return self._docker.waiting(LOOK_SECONDS).inspect_image(name)
            except self._docker.missing:
                return None
