"""A machine to try the administrator's commands on: this one, with its own copies of what they change.

A mount namespace in which /etc, /home, /opt, /root, /run, /usr/local, /var/lib and /var/tmp are overlays: accounts,
groups and files are made for real, and nothing of it is seen outside. systemd does not run in it, and Docker answers as
outside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

COVERED = ("etc", "home", "opt", "root", "run", "usr/local", "var/lib", "var/tmp")
Done = subprocess.CompletedProcess[str]

_COVER = r"""
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
shift
mkdir outside
mount --bind /run outside
for folder in "$@"; do
    own="$PWD/$(echo $folder | tr / -)"
    mkdir -p "$own/upper" "$own/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$own/upper,workdir=$own/work" "/$folder"
done
if [ -S outside/docker.sock ]; then
    rm /run/docker.sock
    touch /run/docker.sock
    mount --bind outside/docker.sock /run/docker.sock
fi
# Numbers that no user of this machine, of a container or of another test has: programs are told apart by them.
sed -i "s/^\(UID\|GID\)_MIN.*/\1_MIN $((20000 + $$ % 30000))/" /etc/login.defs
echo ready
exec cat
"""


class Machine:
    """One such machine; `close` ends it."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="labd-machine-", dir="/tmp")
        shell = ["unshare", "--mount", "--propagation=private", "sh", "-c", _COVER, "sh"]
        self._keeper = subprocess.Popen(
            [*shell, self._folder, *COVERED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._keeper.stdout and self._keeper.stdout.readline() == "ready\n"

    LABD = (sys.executable, "-W", "error", "-m", "labd")

    def enter(self, *command: str | Path) -> list[str]:
        """What runs `command` there when it is started here."""
        return ["nsenter", f"--target={self._keeper.pid}", "--mount", "--wd=/root", *map(str, command)]

    def run(self, *command: str | Path, typed: str = "") -> Done:
        """What `command` does there."""
        return subprocess.run(
            self.enter(*command), input=typed, capture_output=True, text=True, timeout=120, check=False
        )

    def labd(self, *arguments: str | Path, typed: str = "") -> Done:
        """What `labd ARGUMENTS` does there."""
        return self.run(*self.LABD, *arguments, typed=typed)

    def read(self, path: str | Path) -> str:
        """A file of it."""
        return self.must("cat", path)

    def must(self, *command: str | Path) -> str:
        """What `command`, which has to succeed, prints there."""
        done = self.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, path: str | Path, text: str) -> None:
        """Write a file of it."""
        assert self.run("tee", path, typed=text).returncode == 0

    def close(self) -> None:
        """End it; the overlays go with its last process."""
        assert self._keeper.stdin and self._keeper.stdout
        self._keeper.stdin.close()
        self._keeper.wait(30)
        self._keeper.stdout.close()
        os.rmdir(self._folder)


needs_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("ssh-keygen"), reason="a machine to try on needs root and OpenSSH's client"
)
