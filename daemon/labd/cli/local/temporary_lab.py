"""A lab for one job: a daemon of its own on a folder of its own, of which nothing is left.

This module owns the daemon's process, and what is in the folder that it works in. A program never runs as root here:
when root asks, it runs as who called sudo, or as nobody.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from labd.cli.local import temporary_folder as folders
from labd.client.connection import ask
from labd.common.commands import run, start
from labd.common.errors import LabdError, UnavailableError
from labd.common.schema import Duration
from labd.common.toml_files import as_toml
from labd.daemon.outbox import job_folder
from labd.engines.docker.containers import DockerPrograms
from labd.model.account_settings import AccountEntry
from labd.model.config import Build, Config, for_user
from labd.model.layout import CONTROLS, is_valid_name

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_START = 30.0
_STOP = 30.0
_RSYNC_SECONDS = 6 * 3600.0
_NOBODY = 65534
_INTERVAL = 0.5
_SETTLE = 0.1


@contextmanager
def temporary_lab(config: Config | None, name: str) -> Iterator[TemporaryLab]:
    """A lab like that of `config` (None: with this machine's own settings) for a project of about that `name`.

    Raises UnavailableError when Docker does not answer.
    """
    place = folders.place()
    folders.tidy(place)
    folder = Path(tempfile.mkdtemp(prefix=folders.PREFIX, dir=place)).resolve()
    lab = None
    try:
        with folders.held(folder):
            DockerPrograms(folders.instance(folder)).jobs()
            lab = TemporaryLab(folder, config or Config(build=_machine_build()), name)
            yield lab
    finally:
        # From here on Ctrl-C would only leave things behind.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if lab:
            lab.stop()
        folders.remove_lab(folder, keep=lab is not None and lab.kept)


class TemporaryLab:
    """A lab in a folder that is there already."""

    def __init__(self, folder: Path, config: Config, name: str) -> None:
        self._folder, self._owner = folder, _owner()
        self._process: subprocess.Popen[bytes] | None = None
        self.home = folder / "home" if self._owner else folder
        self.config = self._configured(config)
        self.project = valid_name(name)
        self.outbox = self.home / "outbox" / self.project
        self.logs = job_folder.path(self.config.paths.state, 1) / "delivery"  # of its only job, as they grow
        self.kept = False  # whether the folder, and with it the results, shall stay

    def upload(self, project: Path, leave_out: Path) -> None:
        """Put `project` into the inbox and say that it is complete; not `leave_out`, if that is in it."""
        target = self.home / "inbox" / self.project
        target.mkdir(parents=True)
        (self.home / "outbox").mkdir()
        excludes = [f"--exclude=/{name}" for name in CONTROLS]
        if leave_out.is_relative_to(project):
            excludes.append(f"--exclude=/{leave_out.relative_to(project)}/")
        (target / "SUBMIT").touch()
        owner = [f"--chown={self._owner[0]}:{self._owner[1]}"] if self._owner else []
        done = run(
            ["rsync", "--archive", "--no-devices", *owner, *excludes, f"{project}/", f"{target}/"],
            timeout=_RSYNC_SECONDS,
        )
        if done.code != 0:
            lines = [line for line in done.output.splitlines() if line.startswith("rsync:")]
            raise LabdError(f"{project} cannot be copied ({lines[0] if lines else f'rsync code {done.code}'}).")
        if self._owner:
            for path in (self.home, target.parent, target, target / "SUBMIT", self.outbox.parent):
                os.chown(path, *self._owner)

    def start(self) -> None:
        """Start the daemon and wait until it answers. Raises UnavailableError with the reason when it does not."""
        command = [sys.executable, "-I", "-m", "labd", "daemon", "--config", str(self._folder / "config.toml")]
        if self._owner is None:
            command += ["--home", str(self.home)]
        # If we are killed, so is the daemon: nobody would ever stop it.
        self._process = start(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            self._folder / "daemon.log",
            {**os.environ, "LABD_DEBUG": "1"},
        )
        deadline = time.monotonic() + _START
        while True:
            try:
                self.ask("status")
                return
            except UnavailableError:
                self._check_alive()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def ask(self, verb: str, **request: Any) -> list[dict[str, Any]]:
        """The daemon's answer. Raises LabdError."""
        return list(ask(str(self.config.paths.socket), verb, **request))

    def job(self) -> dict[str, Any] | None:
        """The job as it is now; None while there is none. Raises UnavailableError when the daemon is gone."""
        self._check_alive()
        for job in self.ask("jobs", limit=1):
            return job
        return None

    def stop(self) -> None:
        """Stop the daemon, if it was started."""
        if not self._process:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if os.environ.get("LABD_DEBUG"):
            sys.stderr.write(self._log())

    def _check_alive(self) -> None:
        if self._process and self._process.poll() is not None:
            said = [line.removeprefix("labd: ") for line in self._log().splitlines() if line.startswith("labd: ")]
            raise UnavailableError(
                f"The temporary lab ended: {said[-1] if said else f'code {self._process.returncode}'}",
                "With LABD_DEBUG=1 in front, labd prints all that it said.",
            )

    def _log(self) -> str:
        return (self._folder / "daemon.log").read_text("utf-8", "replace")

    def _configured(self, config: Config) -> Config:
        """The config of the daemon, also in the file that it reads."""
        config = replace(
            for_user(config, self._folder),
            # Until it has settled once more, an upload that was refused counts as one that is being received.
            inbox=replace(config.inbox, settle=Duration(_SETTLE)),
            machine=replace(config.machine, cpus=0.0),
            output=replace(config.output, interval=Duration(_INTERVAL)),
        )
        if self._owner:
            uid, gid = self._owner
            owner = AccountEntry(name=_name(uid), home=self.home, uid=uid, gid=gid)
            config = replace(config, accounts=(owner,))
            self._folder.chmod(0o711)
        file = self._folder / "config.toml"
        # It can hold passwords of a package index.
        file.touch(mode=0o600)
        file.write_bytes(as_toml(config).encode())
        return config


def valid_name(name: str) -> str:
    """The name of a project that is most like `name`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:64] or "project"


def as_caller() -> list[str]:
    """Options for an rsync of results: they belong to who asked for them, and no program of theirs may be setuid."""
    caller = [int(os.environ.get(name, "0")) for name in ("SUDO_UID", "SUDO_GID")] if os.getuid() == 0 else []
    return ["--chmod=ug-s", *([f"--chown={caller[0]}:{caller[1]}"] if caller else [])]


def _owner() -> tuple[int, int] | None:
    """uid and gid of the program when they are not our own: for root, those of who called sudo, else nobody's."""
    if os.getuid() != 0:
        return None
    uid, gid = (int(os.environ.get(name, "0")) for name in ("SUDO_UID", "SUDO_GID"))
    return (uid, gid) if uid and gid else (_NOBODY, _NOBODY)


def _name(uid: int) -> str:
    with suppress(KeyError):
        name = pwd.getpwuid(uid).pw_name
        if is_valid_name(name):
            return name
    return "researcher"


def _machine_build() -> Build:
    """How this machine's own programs reach the world, for a machine without a config of labd's."""
    build = Build(proxy=os.environ.get("https_proxy", ""))
    pip_conf, bundle = Path("/etc/pip.conf"), os.environ.get("SSL_CERT_FILE")
    if pip_conf.is_file():
        build = replace(build, pip_conf=pip_conf)
    return replace(build, ca_bundle=Path(bundle)) if bundle else build
