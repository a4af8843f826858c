"""Environment images for a test, without a lab around them."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker as sdk

from labd.engines.build_settings import BuildSettings
from labd.engines.docker.engine import DockerEngine
from labd.environments.environment import Environment
from labd.environments.images import Images
from labd.model.config import Build, Config, Paths
from labd.model.languages import load
from labd.storage.store import Store

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


class Workshop:
    """The images of a lab of a test's own. All that it makes is removed by `close`."""

    def __init__(self, build: Build, **changes: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="labd-test-", dir="/var/tmp"))
        self.user = f"test-{uuid.uuid4().hex[:8]}"
        paths = Paths(self.folder, self.folder / "socket", TEMPLATES)
        self.config = replace(Config(paths=paths, build=build), **changes)
        self.languages = load(TEMPLATES)
        self.store = Store(self.folder / "database")
        self.docker = sdk.APIClient()
        self.images = self.open()

    def open(self) -> Images:
        settings = BuildSettings(self.config.build)
        engine = DockerEngine(self.config, settings, self.folder / "build")
        self.images = Images(self.config, self.languages, self.store, engine.images, settings)
        return self.images

    def describe(self, *requirements: str, version: str = "3.11") -> Environment:
        files = {"requirements.txt": "\n".join(requirements).encode()} if requirements else {}
        return self.images.describe("python", version, files)

    def ensure(self, *requirements: str, project: str = "project", version: str = "3.11") -> tuple[str, list[str]]:
        """The image's id, and what was reported."""
        said: list[str] = []
        environment = self.describe(*requirements, version=version)
        never = threading.Event()
        return self.images.ensure(environment, f"{self.user}/{project}", said.append, never), said

    def run(self, image: str, program: str) -> str:
        """What `program` prints in `image`, run as nobody in particular, with nothing to write on."""
        command = ["docker", "run", "--rm", "--network=none", "--read-only", "--user=12345:12345", image]
        return subprocess.run([*command, "python", "-c", program], capture_output=True, text=True, check=True).stdout

    def close(self) -> None:
        self.images.close()
        mine = [image for image in self.docker.images() if self._made(image)]
        for container in self.docker.containers(all=True):
            if container["ImageID"] in {image["Id"] for image in mine}:
                self.docker.remove_container(container["Id"], v=True, force=True)
        for image in mine:
            for name in image["RepoTags"]:
                self.docker.remove_image(name, force=True)
        self.docker.close()
        self.store.close()
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=True)

    def _made(self, image: Any) -> bool:
        tags = {row.tag for row in self.store.environments()}
        names = image["RepoTags"] or []
        return any(name in tags or name.startswith((f"labd/{self.user}/", f"{self.user}-")) for name in names)
