"""What stands in for MATLAB and its licence server where there is neither: an image and a listening port."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

from labd.engines.build_settings import BuildSettings
from labd.engines.docker.base_images import BaseImages
from labd.engines.docker.builder import Builder
from labd.model.config import Build
from labd.model.languages import load
from support.lab import docker

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE.parents[2] / "templates"
BASE = "localhost/labd/octave:7"


@contextmanager
def base_image() -> Iterator[str]:
    """Name of an image with a command `matlab` as the template expects it, made on that of Octave."""
    build = Build()
    settings = BuildSettings(build)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="labd-test-") as folder:
        builder = Builder(build, settings, Path(folder))
        if not docker("images", "-q", BASE).strip():
            octave = load(TEMPLATES)["octave"]
            BaseImages(build, builder, Path(folder)).get(BASE, octave, "7", print, threading.Event())
        name = f"labd-test-matlab:{uuid.uuid4().hex[:8]}"
        command = [builder.cli(), "build", "--quiet", "--build-arg", f"BASE={BASE}", "--tag", name]
        subprocess.run(
            [*command, str(HERE / "image")],
            env={"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin"},
            check=True,
        )
    try:
        yield name
    finally:
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)


def bridge() -> str:
    """The address at which programs on Docker's bridge reach this machine."""
    (found,) = json.loads(docker("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"))
    # Until Docker is first restarted it does not say which address it took: it is the first.
    return found.get("Gateway") or str(next(ip_network(found["Subnet"]).hosts()))


class LicenceServer:
    """A port that gives seats, or answers with the number of an error."""

    def __init__(self) -> None:
        self.answer = "seat"
        self.looks = self.asked = 0
        with socket.create_server((bridge(), 0)) as listener:
            self.port = listener.getsockname()[1]  # of a server that is not there yet
        self.address = f"{self.port}@{bridge()}"
        self._listener: socket.socket | None = None

    def start(self) -> None:
        self._listener = socket.create_server((bridge(), self.port))
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as lines:
                if lines.readline():
                    self.asked += 1
                    lines.write(f"{self.answer}\n")
                else:
                    self.looks += 1
