"""Commands on a machine of the box, without the start of a `docker exec` for each of them.

That takes 60 ms and more than 100 of the processor's time, and the tests of a run need it some thousand times. So a
process that is started in this way once stays, and forks a shell for each command: in the same container, with the same
rights and settings. This module owns these processes: as many for a machine as commands are run on it at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from collections import defaultdict

# With the least Python there is. Each command is a line with the lengths of its parts, and the parts.
_SERVER = r"""
import os, pwd, subprocess, sys, threading

os.environ.pop("PYTHONCOERCECLOCALE", None)
asked, told = sys.stdin.buffer, sys.stdout.buffer

def identity(user):
    if ":" in user:
        uid, gid = map(int, user.split(":"))
        return {"user": uid, "group": gid, "extra_groups": []}
    if user == "root":
        return {}
    known = pwd.getpwnam(user)
    groups = os.getgrouplist(user, known.pw_gid)
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": groups}

def run(command, user, home, given):
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        ["sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe, cwd=home, start_new_session=True,
        env={**os.environb, b"HOME": home, b"USER": user.encode()}, **identity(user),
    )
    kept = [], []

    def keep(file, parts):
        while True:
            part = os.read(file.fileno(), 65536)
            if not part:
                file.close()
                return
            parts.append(part)

    def give():
        try:
            process.stdin.write(given)
            process.stdin.close()
        except OSError:
            pass

    threads = [
        threading.Thread(target=keep, args=(process.stdout, kept[0]), daemon=True),
        threading.Thread(target=keep, args=(process.stderr, kept[1]), daemon=True),
    ]
    for thread in [threading.Thread(target=give, daemon=True), *threads]:
        thread.start()
    code = process.wait()
    for thread in threads:
        thread.join(0.5)  # What goes on in the background may keep its output open.
    return code if code >= 0 else 128 - code, b"".join(kept[0]), b"".join(kept[1])

while True:
    command, user, home, given = (asked.read(int(size)) for size in asked.readline().split() or sys.exit())
    try:
        code, out, err = run(command, user.decode(), home, given)
    except (OSError, KeyError, subprocess.SubprocessError) as error:
        code, out, err = 126, b"", f"{error!r}\n".encode()
    told.write(b"%d %d %d\n" % (code, len(out), len(err)) + out + err)
    told.flush()
"""

_lock = threading.Lock()
_idle: dict[str, list[_Shell]] = defaultdict(list)


class GoneError(Exception):
    """The machine has ended, or was never there."""


def run(machine: str, command: str, user: str, home: str, given: bytes, timeout: float) -> tuple[int, bytes, bytes]:
    """Run a line of shell as `user` (a name, or UID:GID) in `home`: exit code, and what it wrote to both outputs.

    Raises GoneError, and TimeoutExpired.
    """
    parts = [os.fsencode(part) for part in (command, user, home)] + [given]
    shell = _idle_shell(machine) or _Shell(machine)
    try:
        done = shell.ask(b" ".join(b"%d" % len(part) for part in parts) + b"\n" + b"".join(parts), timeout)
    except GoneError:
        shell.close()
        raise
    except TimeoutError:
        shell.close()
        raise subprocess.TimeoutExpired(command, timeout) from None
    except BaseException:
        shell.close()
        raise
    with _lock:
        _idle[machine].append(shell)
    return done


def close(machine: str) -> None:
    """End what was started on a machine."""
    with _lock:
        shells = _idle.pop(machine, [])
    for shell in shells:
        shell.close()


def _idle_shell(machine: str) -> _Shell | None:
    """One that waits, if there is one; those that ended with their machine are forgotten."""
    while True:
        with _lock:
            if not _idle[machine]:
                return None
            shell = _idle[machine].pop()
        if shell.lives():
            return shell
        shell.close()


class _Shell:
    """The process on the machine, which does one command at a time."""

    def __init__(self, machine: str) -> None:
        # The C locale is to stay what it is for the commands.
        command = ["docker", "exec", "--interactive", "--user", "root", "--env", "PYTHONCOERCECLOCALE=0", machine]
        self._process = subprocess.Popen(
            [*command, "python3", "-Sc", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._said = b""

    def lives(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: bytes, timeout: float) -> tuple[int, bytes, bytes]:
        """The answer to a question. Raises GoneError and TimeoutError."""
        assert self._process.stdin
        until = time.monotonic() + timeout
        try:
            written = 0
            while written < len(question):
                written += self._process.stdin.write(question[written : written + 65536]) or 0
        except BrokenPipeError:
            raise GoneError from None
        while b"\n" not in self._said:
            self._read(until)
        head, _, self._said = self._said.partition(b"\n")
        code, out, err = map(int, head.split())
        while len(self._said) < out + err:
            self._read(until)
        said, self._said = self._said, b""
        return code, said[:out], said[out:]

    def _read(self, until: float) -> None:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        if not (part := os.read(self._process.stdout.fileno(), 1 << 20)):
            raise GoneError
        self._said += part

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()  # `docker exec` alone; what it has started sees the end of its input.
        self._process.wait()
        self._process.stdout.close()
