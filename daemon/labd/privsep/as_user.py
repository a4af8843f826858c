"""Being a researcher for one piece of work, and running programs as them.

This module owns the change of identity in the process that works on files: effective uid, gid and groups, with which
the kernel drops all capabilities. A program that is started takes the identity on for good, and dies with this process.
It imports the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_LONGEST_LINE = 65536


@contextlib.contextmanager
def identity(who: Sequence[Any] | None) -> Iterator[None]:
    """Be the researcher with [uid, gid, groups]; None: stay who we are. Raises OSError."""
    if who is None or os.getuid() != 0:
        yield
        return
    uid, gid, groups = who
    try:
        os.setgroups(groups)
        os.setegid(gid)
        os.seteuid(uid)
        if (os.geteuid(), os.getegid(), sorted(os.getgroups())) != (uid, gid, sorted(groups)):
            os._exit(70)
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


def run_program(arguments: Sequence[str], seconds: float, take: Callable[[bytes], None]) -> int:
    """Run a program that is for good what this process is only in effect; its exit code.

    `take` gets each line of what it says. It ends after `seconds`: then TimeoutError is raised.
    """
    with _started(arguments) as process:
        try:
            assert process.stdout is not None
            end, rest = time.monotonic() + seconds, b""
            while chunk := _read(process.stdout.fileno(), end):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    take(line)
                rest = rest[:_LONGEST_LINE]
            if rest:
                take(rest)
            return process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{arguments[0]} took too long") from None
        finally:
            if process.poll() is None:
                process.kill()


def _read(descriptor: int, end: float) -> bytes:
    if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
        raise TimeoutError("the program took too long")
    return os.read(descriptor, _LONGEST_LINE)


def _started(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    user, is_root = os.geteuid(), os.getuid() == 0
    # Killed with this process, which is killed when it does not answer: two of a kind must never work side by side.
    tied = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    os.seteuid(os.getuid())
    try:
        return subprocess.Popen(
            [*tied, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=user if is_root else None,
            group=os.getegid() if is_root else None,
            extra_groups=os.getgroups() if is_root else None,
        )
    finally:
        os.seteuid(user)
