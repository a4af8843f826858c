"""docker build: the one way in which labd makes an image from a template.

This module owns the search for a docker command that can build, the command line, and how a build ends. It never
decides what is built or why, and never looks at what images there are.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labd.common.commands import Result, run
from labd.common.errors import UnavailableError
from labd.engines.build_settings import BuildSettings
from labd.engines.docker.build_output import HEADING, BuildProgress, tells_docker_is_away
from labd.engines.docker.client import DockerAwayError
from labd.model.config import Build
from labd.model.engine import BuildFailed, Recipe, Report

_PROBE_SECONDS = 30.0
_ANSWER_SECONDS = 10.0  # seconds in which Docker says its version
_ORPHAN_GRACE = 60  # seconds that a build may go on beyond its limit when labd is no longer there to end it
_ATTEMPTS = 3  # at a build of which the builder does not tell why it failed


class _StepCancelledError(DockerAwayError):
    """A step was cancelled that nobody here cancelled."""

    def __init__(self) -> None:
        super().__init__(was_there=True)


class Builder:
    """Builds images with one administrator's settings. Any thread may use it."""

    def __init__(self, build: Build, settings: BuildSettings, work: Path) -> None:
        """`work` is a folder of labd's own, for build contexts."""
        self._build = build
        self._settings = settings
        self._work = work
        self._lock = threading.Lock()
        self._cli = ""

    def build(self, recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        """Make the image of `recipe`, telling `report` each line.

        Raises BuildFailed, DockerAwayError, UnavailableError, ConfigError.
        """
        if cancelled.is_set():  # a build from Docker's cache would be over before anybody notices
            raise BuildFailed(cancelled=True)
        try:
            self._build_recipe(recipe, report, cancelled)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise BuildFailed(log_tail=f"{os.strerror(error.errno)}\n") from error

    def _build_recipe(self, recipe: Recipe, report: Report, cancelled: threading.Event) -> None:
        with tempfile.TemporaryDirectory(dir=self._work, prefix="build-") as folder:
            context = Path(folder, "context")
            context.mkdir()
            for name, content in recipe.files.items():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                (context / name).write_bytes(content)
                (context / name).chmod(0o644)  # COPY takes it along, and programs run as anybody
            scripts = {"settings": self._settings.script, "open-settings": self._settings.open_script}
            for name, script in scripts.items():
                Path(folder, name).touch(0o600)
                Path(folder, name).write_text(script)
            secrets = {name: Path(folder, name) for name in scripts}
            command = ["build", *self._options(recipe, secrets), str(context)]
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._build_once(command, report, cancelled)
                    return
                except BuildFailed as error:
                    is_told = not error.is_cut or error.needs_code or not _has_headings(recipe)
                    if is_told or attempt == _ATTEMPTS:
                        raise
                    why = "the builder did not tell all that the step before said"
                except _StepCancelledError:
                    if attempt == _ATTEMPTS:
                        raise
                    why = "the step before was cancelled together with another build"
                report(f"Building once more: {why}")
                # Another context, so that the step is shared with nobody.
                (context / ".again").write_text(uuid.uuid4().hex)

    def _build_once(self, command: Sequence[str], report: Report, cancelled: threading.Event) -> None:
        progress = BuildProgress(report, self._settings.redact)
        result = self._run(command, progress.feed, cancelled)
        if progress.lost_docker and not result.cancelled:
            raise DockerAwayError(was_there=True)
        if progress.is_cancelled and not (result.cancelled or result.timed_out):
            raise _StepCancelledError
        if result.code != 0 or result.timed_out or result.cancelled:
            raise BuildFailed(
                log_tail=progress.tail,
                exit_code=progress.exit_code or result.code,
                timed_out=result.timed_out,
                cancelled=result.cancelled,
                is_cut=progress.is_cut,
            )

    def docker(self, *arguments: str, report: Report, cancelled: threading.Event) -> Result:
        """Run a docker command within the time limit for builds. Raises DockerAwayError when it fails for that."""
        result = self._run(arguments, report, cancelled)
        if result.code != 0 and tells_docker_is_away(result.output):
            raise DockerAwayError(was_there=True)
        return result

    def _run(self, arguments: Sequence[str], report: Report, cancelled: threading.Event) -> Result:
        limit = self._build.timeout
        # The default builder is the one whose images this machine's Docker has; others would keep theirs.
        env = {**os.environ, **self.proxies, "DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default"}
        env |= {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "DOCKER_CLI_HINTS": "false"}
        # A labd that is killed cannot end what it started; timeout(1) can.
        orphaned = ["timeout", "--signal=KILL", str(int(limit) + _ORPHAN_GRACE)]
        command = [*orphaned, self.cli(), *arguments]
        result = run(command, timeout=limit, env=env, on_output=report, cancelled=cancelled)
        if result.code != 0 and not result.cancelled and not self._answers():
            raise DockerAwayError(was_there=result.timed_out)
        return replace(result, output=self.redact(result.output))

    def redact(self, text: str) -> str:
        """`text` without the passwords of the settings."""
        return self._settings.redact(text)

    def _answers(self) -> bool:
        """Whether Docker answers now, and not only takes the call."""
        return run([self.cli(), "version", "--format", "{{.Server.Version}}"], timeout=_ANSWER_SECONDS).code == 0

    @property
    def proxies(self) -> Mapping[str, str]:
        """Environment variables for programs that fetch something for a build."""
        return self._settings.proxies

    def cli(self) -> str:
        """The docker command that builds. Raises UnavailableError when there is none."""
        with self._lock:
            if not self._cli:
                self._cli = find_cli(self._build.cli)
            return self._cli

    def _options(self, recipe: Recipe, secrets: Mapping[str, Path]) -> list[str]:
        options = ["--progress=plain", "--network", self._build.network, "--tag", recipe.tag]
        options += ["--file", str(recipe.dockerfile), "--target", recipe.target]
        # CSV: quoted, so that a comma in the path is no separator.
        for name, file in secrets.items():
            options += ["--secret", f'id={name},"src={file}"']
        for name, value in recipe.arguments.items():
            options += ["--build-arg", f"{name}={value}"]
        for name in self._settings.open_proxies:
            options += ["--build-arg", name]  # without a value: Docker takes it from the environment, unseen by ps
        for name, value in recipe.labels.items():
            options += ["--label", f"{name}={value}"]
        return options


def _has_headings(recipe: Recipe) -> bool:
    """Whether the steps of its template say what they do."""
    files = [recipe.dockerfile.read_bytes(), *recipe.files.values()]
    return any(HEADING.encode() in content for content in files)


def find_cli(wanted: str) -> str:
    """A docker command that can build with BuildKit: `wanted`, or the first that is found.

    Raises UnavailableError when there is none.
    """
    folders = [*os.get_exec_path(), "/usr/bin", "/usr/local/bin"]
    candidates = [wanted] if wanted else [f"{folder}/docker" for folder in dict.fromkeys(folders)]
    found = [path for candidate in candidates if (path := shutil.which(candidate))]
    for candidate in found:
        if _can_build(candidate):
            return candidate
    hint = "Install Docker's buildx plugin (docker-buildx-plugin or docker-buildx), or name a docker command that has"
    hint += " it as `cli` below [build] in the config."
    if not found and not wanted:
        packages = "docker-cli and docker-buildx from Debian 13 on, docker.io before"
        raise UnavailableError("There is no docker command on this machine.", f"Install it: {packages}.")
    if not found:
        raise UnavailableError(f"There is no {wanted} command on this machine.", hint)
    raise UnavailableError(f"{' and '.join(found)} cannot build images: the buildx component is missing.", hint)


def _can_build(cli: str) -> bool:
    if run([cli, "buildx", "version"], timeout=_PROBE_SECONDS).code == 0:
        return True
    # Until version 23, BuildKit was a part of the command itself.
    said = run([cli, "--version"], timeout=_PROBE_SECONDS).output
    version = re.search(r"^Docker version (\d+)\.(\d+)", said, re.MULTILINE)
    return version is not None and (18, 9) <= (int(version[1]), int(version[2])) < (23, 0)
