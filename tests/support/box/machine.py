"""A machine of the lab's world: a container in which commands are run as somebody, and into which files are put."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
import time
from pathlib import Path

Done = subprocess.CompletedProcess[str]


class Machine:
    """A container that is a machine of the lab's world."""

    def __init__(self, name: str, user: str = "root", home: str = "/root") -> None:
        self.name, self.user, self.home = name, user, home

    def command(self, command: str, user: str = "") -> list[str]:
        """What runs a line of shell on this machine when it is started here."""
        person = user or self.user
        home = self.home if person == self.user else "/"
        settings = ["--env", f"HOME={home}", "--env", f"USER={person}", "--workdir", home, "--user", person]
        return ["docker", "exec", "--interactive", *settings, self.name, "sh", "-c", command]

    def run(
        self, command: str, *, check: bool = True, user: str = "", stdin: str | None = None, timeout: float = 300.0
    ) -> Done:
        """Run a line of shell in the home of the machine's user. With `check`, an exit code other than 0 fails."""
        # Names of files may be any bytes.
        done = subprocess.run(
            self.command(command, user),
            input=stdin or "",
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, (
            f"{self.name}$ {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def put(self, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file, with the folders that it needs. Relative to the home of the machine's user."""
        entry = tarfile.TarInfo(path.lstrip("/"))
        raw = content.encode() if isinstance(content, str) else content
        entry.size, entry.mode, entry.mtime = len(raw), mode, int(time.time())
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.addfile(entry, io.BytesIO(raw))
        self.unpack(archive.getvalue(), "/" if path.startswith("/") else ".")

    def put_folder(self, source: Path, path: str) -> None:
        """Copy what is in the folder `source` into the folder `path`, which is made."""
        archive = subprocess.run(["tar", "-C", str(source), "-cf", "-", "."], capture_output=True, check=True)
        self.unpack(archive.stdout, path)

    def unpack(self, archive: bytes, path: str) -> None:
        """Unpack a tar archive into the folder `path`, which is made; all of it belongs to the machine's user."""
        quoted = shlex.quote(path)
        command = self.command(f"mkdir -p {quoted} && tar -C {quoted} --no-same-owner -xf -")
        subprocess.run(command, input=archive, capture_output=True, check=True)

    def text(self, path: str) -> str:
        """Content of a file; empty when there is none."""
        return self.run(f"cat {shlex.quote(path)} 2>/dev/null", check=False).stdout
