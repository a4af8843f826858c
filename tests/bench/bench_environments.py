"""B3: how long a new environment takes to the program's first line, against a plain Dockerfile with pip.

Both ways are measured in this run, on the same base image, from the same package index, each round with nothing of the
libraries downloaded before. The plain way gets its pip for nothing (it is in the image that it starts from), labd's its
installer (it is got once for all environments of a version).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker as sdk

from labd.engines.build_settings import BuildSettings
from labd.engines.docker.builder import find_cli
from labd.engines.docker.engine import DockerEngine
from labd.engines.docker.image_keeping import take_off
from labd.environments.images import Images
from labd.model.config import Build, Config, Paths
from labd.model.languages import load
from labd.storage.store import Store

Report = Callable[[str], None]
Row = tuple[str, float, float, str]

LIBRARIES = ("numpy", "pandas", "scipy", "matplotlib")
ONE_MORE = "seaborn"
ROUNDS = 3
RUNS = 5

PROGRAM = """
import time
print("started", flush=True)
began = time.perf_counter()
import numpy, pandas, scipy.optimize, scipy.stats, matplotlib.pyplot
print(time.perf_counter() - began)
"""
WITH_PIP = """
FROM {base}
RUN --mount=type=secret,id=settings,target=/dev/labd/settings . /dev/labd/settings && python3 -m venv /opt/env
ENV PATH=/opt/env/bin:$PATH
"""
# The secret is this machine's way to its package index; all else is the Dockerfile of every tutorial.
PLAIN = """
FROM {pip}
COPY requirements.txt .
RUN --mount=type=secret,id=settings,target=/dev/labd/settings . /dev/labd/settings && pip install -r requirements.txt
"""


class Bench:
    """Both ways, each in a name space of its own; `close` removes what they made."""

    def __init__(self) -> None:
        self.name = f"labd-bench-{uuid.uuid4().hex[:8]}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir="/var/tmp"))
        self.docker = sdk.APIClient()
        self.cli = find_cli("")
        self.config = Config(paths=Paths(self.folder, self.folder / "socket"), build=Build())
        self.base = self.config.languages["python"].versions["3.11"]
        (self.folder / "app.py").write_text(PROGRAM)
        self.settings = self.folder / "settings"
        self.settings.write_text(BuildSettings(self.config.build).script)
        self.store = Store(self.folder / "database")
        self._caches = self._cache_mounts()

    @contextlib.contextmanager
    def lab(self, number: int) -> Iterator[Images]:
        """labd's images with a download cache that is empty."""
        templates = self.folder / f"templates-{number}"
        shutil.copytree(Path(__file__).resolve().parents[2] / "templates", templates)
        dockerfile = templates / "python" / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text().replace("id=labd-uv", f"id={self.name}-{number}"))
        settings = BuildSettings(self.config.build)
        engine = DockerEngine(self.config, settings, self.folder / f"build-{number}")
        images = Images(self.config, load(templates), self.store, engine.images, settings)
        try:
            yield images
        finally:
            images.close()

    def labd(self, images: Images, *requirements: str, project: str = "project") -> str:
        """labd's image for `requirements`."""
        files = {"requirements.txt": "\n".join(requirements).encode()}
        environment = images.describe("python", "3.11", files)
        never = threading.Event()
        return images.ready(environment, f"{self.name}/{project}") or images.ensure(
            environment, f"{self.name}/{project}", lambda _: None, never
        )

    def plain(self, dockerfile: str, *requirements: str) -> str:
        """The plain image for `requirements`."""
        context = Path(tempfile.mkdtemp(dir=self.folder))
        # The comment keeps rounds apart: the builder would find the step of the one before.
        (context / "requirements.txt").write_text("\n".join([f"# {uuid.uuid4()}", *requirements]))
        (context / "Dockerfile").write_text(dockerfile)
        tag = f"labd/{self.name}:{uuid.uuid4().hex[:8]}"
        secret = ["--secret", f"id=settings,src={self.settings}"]
        subprocess.run(
            [self.cli, "build", "--quiet", "--tag", tag, *secret, str(context)],
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return tag

    def first_line(self, image: str) -> tuple[float, float]:
        """When the program in `image` printed its first line, and how many seconds its imports took then."""
        mount = f"{self.folder}/app.py:/code/app.py:ro"
        command = [self.cli, "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--user=12345:12345"]
        command += ["--env=MPLCONFIGDIR=/tmp", f"--volume={mount}", image, "python", "/code/app.py"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            at = time.perf_counter()
            return at, float(process.stdout.readline())

    def close(self) -> None:
        for image in self.docker.images():
            if any(self.name in name for name in image["RepoTags"] or []) or self._is_environment(image):
                take_off(self.docker, self.docker.inspect_image(image["Id"]))
        for cache in self._cache_mounts() - self._caches:
            self.docker.prune_builds(filters={"id": cache}, all=True)
        self.docker.close()
        self.store.close()
        shutil.rmtree(self.folder)

    def _is_environment(self, image: dict[str, list[str]]) -> bool:
        tags = {row.tag for row in self.store.environments()}
        return not tags.isdisjoint(image["RepoTags"] or [])

    def _cache_mounts(self) -> set[str]:
        return {entry["ID"] for entry in self.docker.df()["BuildCache"] or [] if entry["Type"] == "exec.cachemount"}


def timed(bench: Bench, make: Callable[[], str]) -> tuple[float, float, str]:
    """Seconds from asking for an image to the first line in it, seconds of imports after that, and the image."""
    began = time.perf_counter()
    image = make()
    at, imports = bench.first_line(image)
    return at - began, imports, image


def run(report: Report) -> list[Row]:
    """Measure; rows are name, ratio to the plain way, target for the ratio, and the figures."""
    bench = Bench()
    try:
        return _measure(bench, report)
    finally:
        bench.close()


def _measure(bench: Bench, report: Report) -> list[Row]:
    with_pip = bench.plain(WITH_PIP.format(base=bench.base))
    plainly = PLAIN.format(pip=with_pip)
    figures: dict[str, list[float]] = {}
    imports: dict[str, list[float]] = {"pip": [], "labd": []}

    def note(name: str, seconds: float) -> None:
        figures.setdefault(name, []).append(seconds)
        report(f"  {name}: {seconds:.2f} s")

    for number in range(ROUNDS):
        report(f"round {number + 1} of {ROUNDS}")
        with bench.lab(number) as images:
            bench.labd(images, project="none")  # the installer
            images.settle(600)
            seconds, first_imports, _ = timed(bench, lambda: bench.labd(images, *LIBRARIES))
            note("labd, new", seconds)
            note("labd, new, until imported", seconds + first_imports)
            images.settle(600)
            later = bench.labd(images, *LIBRARIES)
            note("labd, one added", timed(bench, lambda: bench.labd(images, *LIBRARIES, ONE_MORE))[0])
            images.settle(600)
            note("labd, downloads known", timed(bench, lambda: bench.labd(images, *LIBRARIES, "six", project="b"))[0])
        seconds, first_imports, plain = timed(bench, lambda: bench.plain(plainly, *LIBRARIES))
        note("pip, new", seconds)
        note("pip, new, until imported", seconds + first_imports)
        note("pip, one added", timed(bench, lambda: bench.plain(plainly, *LIBRARIES, ONE_MORE))[0])
        for _ in range(RUNS):
            imports["pip"].append(bench.first_line(plain)[1])
            imports["labd"].append(bench.first_line(later)[1])
    return _rows({name: statistics.median(seconds) for name, seconds in {**figures, **imports}.items()})


def _rows(median: dict[str, float]) -> list[Row]:
    until = f"{median['labd, new, until imported']:.1f} s against {median['pip, new, until imported']:.1f} s"
    return [
        (
            "B3 new numpy, pandas, scipy, matplotlib → first line",
            median["labd, new"] / median["pip, new"],
            0.25,
            f"{median['labd, new']:.1f} s against {median['pip, new']:.1f} s; with downloads known to the lab "
            f"{median['labd, downloads known']:.1f} s; until they are imported {until}",
        ),
        (
            "B3 one package added → first line",
            median["labd, one added"] / median["pip, one added"],
            0.15,
            f"{median['labd, one added']:.2f} s against {median['pip, one added']:.1f} s",
        ),
        (
            "B3 imports in the second run",
            median["labd"] / median["pip"],
            1.1,
            f"{median['labd']:.2f} s against {median['pip']:.2f} s",
        ),
    ]


if __name__ == "__main__":
    for name, ratio, target, detail in run(lambda line: print(line, file=sys.stderr, flush=True)):
        print(f"{name}: {ratio:.3f} (target {target:g}); {detail}")
