"""A real lab for tests: the daemon in a process of its own, on a folder of its own, with Docker itself.

As root the researchers are accounts in the config with uids of their own, as on a server; otherwise the lab is a
single-user one. Everything that a lab starts or makes carries its instance's name and is removed by it at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from labd.model.config import Config, for_user

T = TypeVar("T")

UIDS = {"ana-silva": 5001, "ben-okoro": 5002}
DEADLINE = 120.0
AS_ROOT = os.getuid() == 0
_TICKS = os.sysconf("SC_CLK_TCK")


def wait_for(what: str, condition: Callable[[], T], deadline: float = DEADLINE) -> T:
    """What `condition` returns once that is true; fails after `deadline` seconds, naming `what` was waited for."""
    end = time.monotonic() + deadline
    while True:
        began = time.monotonic()
        if result := condition():
            return result
        now = time.monotonic()
        assert now < end, f"waited {deadline:g} s for: {what}"
        # What is waited for may need the processor that a look takes.
        time.sleep(min(max(0.01, now - began), 1.0))


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


class Researcher:
    """Somebody with an inbox and an outbox. Everything is done with their rights."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home = name, home
        self.uid = UIDS[name] if AS_ROOT else os.getuid()

    def do(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as this researcher."""
        prefix = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--"] if AS_ROOT else []
        return subprocess.run([*prefix, *map(str, command)], capture_output=True, text=True, check=check)

    def inbox(self, name: str) -> Path:
        return self.home / "inbox" / name

    def outbox(self, name: str) -> Path:
        return self.home / "outbox" / name

    def push(self, project: Path, name: str, *options: str) -> None:
        """What `rsync -a project/ lab:inbox/NAME/project/` does, without the network."""
        self.do("mkdir", "-p", self.inbox(name) / "project")
        owner = [f"--chown={self.uid}:{self.uid}"] if AS_ROOT else []
        # Root sends, because a checkout may be closed to researchers; what arrives is theirs all the same.
        arguments = ["rsync", "-a", *owner, *options, f"{project}/", f"{self.inbox(name)}/project/"]
        subprocess.run(arguments, capture_output=True, check=True)

    def write(self, path: Path | bytes, content: bytes | str = b"") -> None:
        """Make a file as this researcher, with the folders that it needs."""
        raw = os.fsencode(path)
        made = []
        folder = os.path.dirname(raw)
        while not os.path.lexists(folder):
            made.append(folder)
            folder = os.path.dirname(folder)
        for missing in reversed(made):
            os.mkdir(missing)
            os.chown(missing, self.uid, self.uid if AS_ROOT else os.getgid())
        with open(raw, "wb") as file:
            # By the descriptor: labd may have obeyed and removed a control file before this line.
            os.fchown(file.fileno(), self.uid, self.uid if AS_ROOT else os.getgid())
            file.write(content.encode() if isinstance(content, str) else content)

    def program(self, name: str, source: str, **files: str) -> None:
        """Put a project of one program, and of `files` by their path in it (`__` for `/`), into the inbox."""
        for path, content in files.items():
            self.write(self.inbox(name) / path.replace("__", "/"), content)
        self.write(self.inbox(name) / "code" / "app.py", source)

    def submit(self, name: str) -> None:
        self.write(self.inbox(name) / "SUBMIT")

    def status(self, name: str) -> dict[str, Any]:
        """status.json as it is now; empty when there is none yet."""
        try:
            return dict(json.loads((self.outbox(name) / "status.json").read_text()))
        except FileNotFoundError:
            return {}

    def text(self, name: str, file: str = "STATUS") -> str:
        try:
            return (self.outbox(name) / file).read_text()
        except FileNotFoundError:
            return ""

    def receipt(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.outbox(name) / "receipt.json").read_text()))

    def complete(self, name: str) -> int:
        """The job that COMPLETE names, 0 without it."""
        return int(self.text(name, "COMPLETE").split(" ")[0] or 0)


class Lab:
    """The daemon and what belongs to it."""

    def __init__(
        self, folder: Path, users: tuple[str, ...] = ("ana-silva",), settings: str = "", rescan: float = 2.0
    ) -> None:
        """A lab in `folder`; `settings` is more TOML for its config, `rescan` its pace of looks in seconds."""
        self.folder = folder
        folder.chmod(0o755)
        self.users = {}
        for name in users if AS_ROOT else users[:1]:
            home = folder / "home" / name if AS_ROOT else folder / "home"
            for part in ("inbox", "outbox"):
                (home / part).mkdir(parents=True)
            self.users[name] = Researcher(name, home)
            for path in (home, home / "inbox", home / "outbox"):
                os.chown(path, self.users[name].uid, self.users[name].uid if AS_ROOT else os.getgid())
        self.ana = self.users[users[0]]
        self.config_file = folder / "config.toml"
        self.state = folder / "state" if AS_ROOT else self.ana.home / ".labd"
        self.socket = self.state / "labd.sock"
        config = Config()
        self.instance = replace(config, paths=replace(config.paths, state=self.state)).instance
        assert AS_ROOT or self.instance == for_user(config, self.ana.home).instance
        self.config_file.write_text(self._config(settings, rescan))
        self.process: subprocess.Popen[bytes] | None = None
        self.command = [sys.executable, "-m", "labd", "daemon", "--config", str(self.config_file)]
        if not AS_ROOT:
            self.command += ["--home", str(self.ana.home)]
        self.log = folder / "daemon.log"

    def _config(self, settings: str, rescan: float) -> str:
        text = f"[output]\ninterval = '300ms'\n[inbox]\nsettle = '1s'\nrescan = '{rescan:g}s'\n{settings}\n"
        if AS_ROOT:
            text += f"[paths]\nstate = '{self.state}'\nsocket = '{self.socket}'\n"
            text += f"accounts = '{self.folder / 'accounts'}'\n"
            for user in self.users.values():
                text += (
                    f"[[accounts]]\nname = '{user.name}'\nuid = {user.uid}\ngid = {user.uid}\nhome = '{user.home}'\n"
                )
        return text

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the daemon and wait until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        wait_for("the daemon", self._answers, 60.0)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, f"the daemon ended:\n{self._tail()}"
        with contextlib.suppress(OSError):
            return bool(self.ask("status"))
        return False

    def kill(self) -> None:
        """kill -9, as by a power cut."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End the daemon as systemd does; its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def ask(self, verb: str, **request: Any) -> list[dict[str, Any]]:
        """The lines of the daemon's answer on its socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
            with connection.makefile() as lines:
                return [json.loads(line) for line in lines]

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that there ever were, oldest first."""
        return self.ask("jobs", limit=1000)

    def containers(self) -> list[str]:
        """Those of this lab's jobs."""
        names = docker("ps", "-a", "--filter", f"label=labd.instance={self.instance}", "--format", "{{.Names}}")
        return names.split()

    def wait_complete(self, name: str, job: int = 1, user: Researcher | None = None) -> dict[str, Any]:
        """status.json once COMPLETE names `job`."""
        user = user or self.ana
        wait_for(f"job {job} of {name} complete; the log says:\n{self._tail()}", lambda: user.complete(name) == job)
        return user.status(name)

    def run(self, name: str, source: str, **files: str) -> dict[str, Any]:
        """Upload a program, submit it, wait for its end: status.json."""
        number = len(self.jobs()) + 1
        self.ana.program(name, source, **files)
        self.ana.submit(name)
        return self.wait_complete(name, number)

    def _tail(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    def close(self) -> None:
        """Take away everything that this lab made."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        # By name: what finishes an image has no label, and a daemon that was killed leaves it behind.
        names = docker("ps", "-a", "--filter", f"name=^{self.instance}-", "--format", "{{.Names}}").split()
        if names:
            subprocess.run(["docker", "rm", "-f", "-v", *names], capture_output=True, check=False)
        subprocess.run(["chmod", "-R", "u+rwX", str(self.folder)], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", "--", str(self.folder)], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def cpu_seconds(process: int) -> tuple[float, float]:
    """CPU time of a process itself, and of all that it ever started, so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own, children = (int(fields[11]) + int(fields[12])) / _TICKS, (int(fields[13]) + int(fields[14])) / _TICKS
    return own, children + sum(sum(cpu_seconds(child)) for child in children_of(process))


def children_of(process: int) -> list[int]:
    """The processes that a process has started and that are there now."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # The thread has just ended.
    return found
