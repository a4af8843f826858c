"""A machine of the lab's world: a container in which commands are run as somebody, and into which files are put."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
import time
from pathlib import Path

from support.box import shells

Done = subprocess.CompletedProcess[str]


class Machine:
    """A container that is a machine of the lab's world."""

    def __init__(self, name: str, user: str = "root", home: str = "/root") -> None:
        self.name, self.user, self.home = name, user, home

    def command(self, command: str, user: str = "") -> list[str]:
        """What runs a line of shell on this machine when it is started here, for one that goes on beside the test."""
        person, home = self._who(user)
        settings = ["--env", f"HOME={home}", "--env", f"USER={person}", "--workdir", home, "--user", person]
        return ["docker", "exec", "--interactive", *settings, self.name, "sh", "-c", command]

    def run(
        self, command: str, *, check: bool = True, user: str = "", stdin: str | None = None, timeout: float = 300.0
    ) -> Done:
        """Run a line of shell in the home of the machine's user. With `check`, an exit code other than 0 fails."""
        done = self._run(command, user, (stdin or "").encode("utf-8", "surrogateescape"), timeout)
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
        done = self._run(f"mkdir -p {quoted} && tar -C {quoted} --no-same-owner -xf -", "", archive, 300.0)
        done.check_returncode()

    def close(self) -> None:
        """End what was left running on the machine for its commands, before the machine is ended."""
        shells.close(self.name)

    def _who(self, user: str) -> tuple[str, str]:
        """`user`, or else the machine's own, and the folder to begin in."""
        return user or self.user, self.home if user in ("", self.user) else "/"

    def _run(self, command: str, user: str, stdin: bytes, timeout: float) -> Done:
        try:
            code, *said = shells.run(self.name, command, *self._who(user), stdin, timeout)
        except shells.GoneError:
            return Done(command, 125, "", "the machine is not there\n")
        # Names of files may be any bytes.
        out, err = (text.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n") for text in said)
        return Done(command, code, out, err)

    def text(self, path: str) -> str:
        """Content of a file; empty when there is none."""
        return self.run(f"cat {shlex.quote(path)} 2>/dev/null", check=False).stdout
