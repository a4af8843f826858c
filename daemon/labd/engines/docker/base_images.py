"""Base images: what the environments of a language's version stand on.

This module owns how a missing base image comes to this machine: from a registry, or from Debian's packages when none
can be reached. It never builds on one, and never replaces one that is there.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from labd.common.commands import run, which
from labd.common.errors import UnavailableError
from labd.engines.docker.builder import Builder
from labd.model.config import Build
from labd.model.engine import BuildFailed, Report
from labd.model.languages import Language

_APT_SOURCES = Path("/etc/apt")
_STEP = re.compile(r"I: ((?:running|downloading|extracting|installing|creating|cleaning).*)")
_PROBE = 10.0  # seconds
_NOT_NEEDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class BaseImageError(UnavailableError):
    """The base image is not there and cannot be had."""


class BaseImages:
    """Gets base images. Any thread may use it."""

    def __init__(self, build: Build, builder: Builder, work: Path) -> None:
        """`work` is a folder of labd's own, for what is on its way to become an image."""
        self._build = build
        self._builder = builder
        self._work = work

    def get(self, name: str, language: Language, version: str, report: Report, cancelled: threading.Event) -> None:
        """Bring the base image `name` of `language` in `version` here.

        Raises BaseImageError when it cannot be had, BuildFailed when it was cancelled or took too long.
        """
        report(f"Fetching {name}")
        reason = self._pull(name, report, cancelled)
        if reason is None:
            return
        cannot = f"{name} cannot be pulled ({reason})"
        release = language.template.debian.get(version)
        if not self._build.debian or release is None:
            why = "the config forbids it" if release else f"Debian has no {language.template.title} {version}"
            hint = f"It cannot be made from Debian's packages either, because {why}. Load it: docker load -i FILE"
            raise BaseImageError(f"{cannot}.", hint)
        try:
            which("mmdebstrap")
        except UnavailableError as error:
            raise BaseImageError(f"{cannot}, and what labd makes it with is missing.", error.hint) from None
        if not _may_mount():
            report(f"{cannot}, and this service may not make it")
            raise BaseImageError(
                f"{language.template.title} {version} is offered by this server, but its base image is not there yet.",
                f"The administrator gets it with: labd images get {language.name} {version}; then create RERUN.",
            )
        report(f"{cannot}; making it from the packages of Debian {release}, about a minute")
        # All of it is in this folder until Docker has the whole: a run that is cut off leaves no half image.
        with tempfile.TemporaryDirectory(dir=self._work, prefix="base-") as folder:
            self._make(name, release, language.template.debian_packages, Path(folder), report, cancelled)

    def _pull(self, name: str, report: Report, cancelled: threading.Event) -> str | None:
        """None when `name` is here now; otherwise the reason, in a few words."""
        result = self._builder.docker("pull", name, report=_Layers(report), cancelled=cancelled)
        if result.cancelled or result.timed_out:
            raise BuildFailed(cancelled=result.cancelled, timed_out=result.timed_out, log_tail=result.output)
        return None if result.code == 0 else _reason(result.output)

    def _make(
        self,
        name: str,
        release: str,
        packages: tuple[str, ...],
        folder: Path,
        report: Report,
        cancelled: threading.Event,
    ) -> None:
        tar, said = str(folder / "base.tar"), _Said(lambda line: report(self._builder.redact(line)))
        limit = self._build.timeout
        env = {**os.environ, **self._builder.proxies}
        command = ["timeout", "--signal=KILL", str(int(limit))]
        if os.geteuid() == 0:
            # In a mount namespace of its own, so that no end, however sudden, leaves mounts behind.
            command += ["unshare", "--mount", "mmdebstrap"]
            env["TMPDIR"] = str(folder)
        else:
            command += ["mmdebstrap", "--mode=unshare"]
        command += ["--variant=minbase", f"--include={','.join(packages)}"]
        # Old releases are no longer signed anew; their signatures are checked all the same.
        command += ["--aptopt=Acquire::Check-Valid-Until false"]
        command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_NEEDED]
        mirror = self._build.debian_mirror or machine_mirror()
        command += [release, tar, *([mirror] if mirror else [])]
        result = run(command, timeout=limit, env=env, on_output=said, cancelled=cancelled)
        if result.code == 0:
            report("Handing it to Docker")
            changes = (f"LABEL labd.made-from=debian:{release}", "ENV LANG=C.UTF-8", 'CMD ["python3"]')
            options = [part for change in changes for part in ("--change", change)]
            result = self._builder.docker("import", *options, tar, name, report=said, cancelled=cancelled)
        if result.cancelled or result.timed_out:
            raise BuildFailed(cancelled=result.cancelled, timed_out=result.timed_out, log_tail=result.output)
        if result.code != 0:
            why = self._builder.redact(said.last)
            raise BaseImageError(
                f"{name} cannot be pulled, and could not be made from Debian's packages: {why}",
                "Check `debian_mirror` below [build] in the config, or load the image: docker load -i FILE",
            )


def _may_mount() -> bool:
    """Whether this process may make a base image: a service that is confined as labd's may not."""
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    # A bind mount is what mmdebstrap begins with, and it changes nothing outside.
    return run([*own, "mount", "--bind", "/tmp", "/tmp"], timeout=_PROBE).code == 0


class _Layers:
    """Tells how far a pull is."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._all = self._here = 0

    def __call__(self, line: str) -> None:
        self._all += "Pulling fs layer" in line
        if "Pull complete" in line:
            self._here += 1
            self._report(f"{self._here} of {self._all} parts are here")


class _Said:
    """Workers on what mmdebstrap says of its steps, and keeps its last words."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.last = ""

    def __call__(self, line: str) -> None:
        text = line.rsplit("\r", 1)[-1].strip()
        self.last = text.removeprefix("E:").strip() or self.last
        if step := _STEP.match(text):
            self._report(step[1])


def machine_mirror() -> str:
    """The Debian mirror that this machine's own apt uses; "" when it uses none."""
    files = [_APT_SOURCES / "sources.list", *sorted((_APT_SOURCES / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        for line in file.read_text("utf-8", "replace").splitlines():
            for url in re.findall(r"\bhttps?://\S+", line.partition("#")[0]):
                # Mirrors keep Debian's own names for the parts of the archive.
                if urlsplit(url).path.rstrip("/").endswith("/debian"):
                    return str(url)
    return ""


def _reason(output: str) -> str:
    """Why a pull failed, in a few words."""
    for pattern in (r"no such host", r"connection refused", r"i/o timeout|request canceled|deadline exceeded"):
        if found := re.search(pattern, output):
            return "the registry does not answer" if "|" in pattern else found[0]
    if re.search(r"manifest .* not found|manifest unknown|pull access denied", output):
        return "the registry has no such image"
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error response from daemon: ").strip()[:200] if lines else "no reason given"
