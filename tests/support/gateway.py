"""The SSH gateway with real clients and without sshd: they start a stub, which starts the gateway as sshd would.

As root the gateway runs as `nobody`, an account that every machine has in its passwd (sftp-server asks for one) and
that owns nothing; otherwise as whoever runs the tests. A socket takes the place of the daemon and keeps what it is
told. Everything lies in one folder, which `close` removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "daemon"
# As `python -I -X utf8 -m labd.gateway`, for a Python that labd is not installed in.
_START = f"import sys; sys.path.append({str(PACKAGE)!r}); from labd.gateway.__main__ import main; sys.exit(main())"
ADDRESS = "127.0.0.1"
AS_ROOT = os.getuid() == 0
DEADLINE = 60.0

_STUB = """#!{python} -IS
import os, sys
words = sys.argv[1:]
command = "internal-sftp" if "-s" in words else ""
while words[0].startswith("-"):
    words = words[2 if words[0] in ("-l", "-p", "-i") else 1:]
command = command or " ".join(words[1:])
if {as_root}:
    os.setgroups({groups})
    os.setgid({gid})
    os.setuid({uid})
os.environ.clear()
os.environ.update({environment})
os.environ["SSH_ORIGINAL_COMMAND"] = command
os.execv({gateway}[0], {gateway})
"""


class GatewayTestbed:
    """A researcher's home, and the way into it."""

    def __init__(self, gid: int | None = None, groups: Sequence[int] = ()) -> None:
        """As root, the researcher may have another first group, and more `groups`."""
        # Not in pytest's own folders: they are closed to the account that the gateway runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="labd-test-gateway-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        account = pwd.getpwnam("nobody") if AS_ROOT else pwd.getpwuid(os.getuid())
        self.uid, self.gid = account.pw_uid, account.pw_gid if gid is None else gid
        self.home = self.folder / "home"
        for path in (self.home, self.home / "inbox", self.home / "outbox"):
            path.mkdir(0o700)
            os.chown(path, self.uid, self.gid)
        self.socket = self.folder / "socket"
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Iterable[dict[str, Any]]] = {}
        self._daemon = self._listen()
        self.environment = {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "SSH_CONNECTION": self._connect(),
            "LABD_SOCKET": str(self.socket),
            "TERM": "xterm",
        }
        self.gateway = [_python(), "-I", "-S", "-X", "utf8", "-c", _START]
        self.stub = self.folder / "stub"
        self.stub.write_text(
            _STUB.format(
                python="/usr/bin/python3",
                as_root=AS_ROOT,
                uid=self.uid,
                gid=self.gid,
                groups=[*groups],
                environment=self.environment,
                gateway=self.gateway,
            )
        )
        self.stub.chmod(0o755)

    def _connect(self) -> str:
        """Make the TCP connection of ssh and sshd, which nothing is sent through; what sshd says of it."""
        with socket.create_server((ADDRESS, 0)) as server:
            self._ssh = socket.create_connection(server.getsockname())
            self._sshd, _ = server.accept()
        (_, port), (_, server_port) = self._ssh.getsockname(), self._ssh.getpeername()
        return f"{ADDRESS} {port} {ADDRESS} {server_port}"

    def disconnect(self) -> None:
        """Take ssh's end of the connection away, as the end of a client does."""
        self._ssh.close()

    def _listen(self) -> socketserver.ThreadingUnixStreamServer:
        testbed = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                request = json.loads(self.rfile.readline())
                testbed.asked.append(request)
                for line in testbed.answers.get(request["verb"], [{}]):
                    self.wfile.write(json.dumps(line).encode() + b"\n")

        server = socketserver.ThreadingUnixStreamServer(str(self.socket), Handler)
        server.daemon_threads = True
        self.socket.chmod(0o666)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def ask(self, command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the gateway as for `ssh lab COMMAND`."""
        settings = {"capture_output": True, "text": True, "timeout": DEADLINE, "stdin": subprocess.DEVNULL, **options}
        return subprocess.run([self.stub, "lab", command], check=False, **settings)

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start a client in a session of its own."""
        null = subprocess.DEVNULL
        return subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)

    def client(self, *command: str | bytes | Path) -> subprocess.CompletedProcess[str]:
        """Run a client to its end."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def rsync(self, *arguments: str | bytes | Path) -> subprocess.CompletedProcess[str]:
        return self.client("rsync", "-e", str(self.stub), *arguments)

    def scp(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.client("scp", "-q", "-S", str(self.stub), *arguments)

    def sftp(self, *commands: str) -> subprocess.CompletedProcess[str]:
        """Run `commands`; each may fail without ending the session."""
        batch = self.folder / "batch"
        batch.write_text("".join(f"-{command}\n" for command in commands))
        return self.client("sftp", "-q", "-b", str(batch), "-S", str(self.stub), "lab")

    @property
    def records(self) -> Path:
        return self.home / ".labd" / "sessions"

    def sessions(self) -> list[list[dict[str, Any]]]:
        """All records that the daemon would find, oldest first."""
        names = sorted(os.listdir(self.records)) if self.records.exists() else []
        names = [name for name in names if not name.startswith(".")]
        return [[json.loads(line) for line in (self.records / name).read_text().splitlines()] for name in names]

    def has_ended(self) -> bool:
        """Whether there is a record, and the latest has its end."""
        sessions = self.sessions()
        return bool(sessions) and "ended" in sessions[-1][-1]

    def last(self) -> dict[str, Any]:
        """How the latest session ended for each project: the `projects` of its last line."""
        end = self.sessions()[-1][-1]
        assert "ended" in end
        return dict(end["projects"])

    def scopes(self) -> list[tuple[str, str]]:
        return [(line["project"], line["scope"]) for line in self.sessions()[-1] if "project" in line]

    def is_locked(self) -> bool:
        """Whether the only record is locked."""
        (name,) = os.listdir(self.records)
        with open(self.records / name) as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        return True

    def notes(self, event: str) -> list[dict[str, Any]]:
        return [request for request in self.asked if request["verb"] == "note" and request["event"] == event]

    def give(self, path: str, content: str = "") -> Path:
        """Make a file in the home, as the researcher's own."""
        file = self.home / path
        for folder in [*reversed(file.relative_to(self.home).parents)][1:]:
            if not (self.home / folder).exists():
                (self.home / folder).mkdir()
                os.chown(self.home / folder, self.uid, self.gid)
        file.write_text(content)
        os.chown(file, self.uid, self.gid)
        return file

    def close(self) -> None:
        self._daemon.shutdown()
        self._daemon.server_close()
        self._ssh.close()
        self._sshd.close()
        shutil.rmtree(self.folder)


def _python() -> str:
    """A Python that the gateway's account may start; the tests' own may lie in root's home."""
    own = Path(sys.executable).resolve()
    is_open = all(path.stat().st_mode & 0o001 for path in own.parents)
    return sys.executable if is_open or not AS_ROOT else "/usr/bin/python3"


def tree(folder: Path) -> dict[bytes, bytes | None]:
    """All that is below `folder`: files with their content, links with their target, folders with None."""
    found: dict[bytes, bytes | None] = {}
    start = os.fsencode(folder)
    for path, folders, files in os.walk(start):
        for name in (*folders, *files):
            full = os.path.join(path, name)
            relative = os.path.relpath(full, start)
            if os.path.islink(full):
                found[relative] = os.readlink(full)
            elif os.path.isdir(full):
                found[relative] = None
            else:
                with open(full, "rb") as file:
                    found[relative] = file.read()
    return found
