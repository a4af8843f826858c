"""The process that touches researchers' files, with the researcher's own rights.

This room owns every access to an inbox or an outbox. It takes one request a line on standard input, becomes the
researcher (effective uid, gid and groups; the kernel drops all capabilities with them), does one thing, becomes itself
again and answers with one line. Programs it starts become the researcher for good. It imports the standard library
only, because it is small on purpose: an idle lab has one of these.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from labd.session_files import read_sessions, remove_abandoned
from labd.survey import scan

Json = dict[str, Any]

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def look(sessions: str, **inbox: Any) -> Json:
    """What is in an inbox (see `survey.scan`), and the transfers that the gateway noted in the folder `sessions`.

    The transfers come first: what they say was true before the look, so that a look never misses what they brought.
    """
    if inbox["names"] is None:
        remove_abandoned(sessions)
    transfers = read_sessions(sessions)
    return {"transfers": transfers, **scan(**inbox)}


def remove(paths: list[str]) -> None:
    """Remove files, and folders with all that is in them; what is not there is fine."""
    folders = [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]
    for path in set(paths) - set(folders):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    if folders:
        # rm(1) goes to any depth; shutil.rmtree ends at Python's recursion limit.
        _run(["rm", "-rf", "--", *folders], 3600.0)


def write(folder: str, files: dict[str, str]) -> None:
    """Put text files into `folder`, each whole or not at all (temporary file, then rename), in the given order."""
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        temporary = os.path.join(folder, f".{name}.labd")
        # A leftover may be anything, also a link: O_EXCL makes sure that the file is a new one.
        remove([temporary])
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        target = os.path.join(folder, name)
        if os.path.isdir(target) and not os.path.islink(target):
            remove([target])
        os.replace(temporary, target)


def place(source: str, target: str) -> None:
    """Make `target` the same file as `source` (a hard link), or a copy of it on another file system."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.lstat(source), os.lstat(target)):
            return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{os.path.dirname(target)}/.{os.path.basename(target)}.labd"
    remove([temporary])
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, temporary, follow_symlinks=False)
    if os.path.isdir(target) and not os.path.islink(target):
        remove([target])
    os.replace(temporary, target)


def rotate(folder: str, names: list[str], job: str, files: dict[str, str], keep: int) -> None:
    """Move `names` of `folder` into history/<job>/, add `files` there, and keep the latest `keep` jobs only."""
    history = os.path.join(folder, "history")
    present = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    if present and keep:
        os.makedirs(os.path.join(history, job), exist_ok=True)
    for name in present:
        old, new = os.path.join(folder, name), os.path.join(history, job, name)
        remove([new])
        if keep:
            os.rename(old, new)
        else:
            remove([old])
    if present and keep:
        write(os.path.join(history, job), files)
    with contextlib.suppress(FileNotFoundError):
        for old_job in sorted(filter(str.isdecimal, os.listdir(history)), key=int)[: -keep or None]:
            remove([os.path.join(history, old_job)])


def rsync(arguments: list[str], seconds: float) -> Json:
    """Run rsync; its exit code and the last of what it said."""
    try:
        done = _run(["rsync", *arguments], seconds)
    except subprocess.TimeoutExpired:
        return {"code": 30, "output": "rsync took too long"}
    return {"code": done.returncode, "output": done.stdout[-65536:].decode("utf-8", "surrogateescape")}


def digest(folder: str, known: dict[str, list[Any]], settled: float) -> Json:
    """SHA-256 of every regular file below `folder`: {path: [size, mtime_ns, inode, sha256]}.

    What `known` says of a file that did not change since is taken over; files changed after `settled` (seconds since
    the epoch) are left out: they are about to change again. Also the sum of all sizes.
    """
    found: dict[str, list[Any]] = {}
    total = 0
    for path, _, names, handle in os.fwalk(folder):
        for name in names:
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                continue
            # A sparse file fills the disk by its blocks, not by its length.
            total += status.st_blocks * 512
            relative = os.path.relpath(os.path.join(path, name), folder)
            mark = [status.st_size, status.st_mtime_ns, status.st_ino]
            entry = known.get(relative)
            if entry and entry[:3] == mark:
                found[relative] = entry
            elif status.st_mtime <= settled:
                with contextlib.suppress(OSError):
                    found[relative] = [*mark, _sha256(os.open(name, _FILE, dir_fd=handle))]
    return {"files": found, "bytes": total}


def _sha256(handle: int) -> str:
    with open(handle, "rb", buffering=0) as file:
        state = hashlib.sha256()
        while chunk := file.read(1 << 20):
            state.update(chunk)
        return state.hexdigest()


def unignored(folder: str, ignore: list[str]) -> list[str]:
    """Files below `folder` that a program wrote, without the by-products called `ignore`; 1,000 at most."""
    found: list[str] = []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in ignore)
        for name in sorted(names):
            full = os.path.join(path, name)
            # overlayfs marks a deleted file with a character device: that is nothing that was written.
            if name not in ignore and not stat.S_ISCHR(os.lstat(full).st_mode):
                found.append(os.path.relpath(full, folder))
        if len(found) >= 1000:
            break
    return found


def _run(arguments: list[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program that is for good what this process is only in effect: the researcher."""
    user = os.geteuid()
    root = os.getuid() == 0
    os.seteuid(os.getuid())
    try:
        return subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            user=user if root else None,
            group=os.getegid() if root else None,
            extra_groups=os.getgroups() if root else None,
        )
    finally:
        os.seteuid(user)


@contextlib.contextmanager
def _identity(identity: list[Any] | None) -> Iterator[None]:
    """Be the researcher with [uid, gid, groups]; None: stay who we are."""
    if identity is None or os.getuid() != 0:
        yield
        return
    uid, gid, groups = identity
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    if (os.geteuid(), os.getegid(), sorted(os.getgroups())) != (uid, gid, sorted(groups)):
        os._exit(70)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


_ACTIONS: dict[str, Callable[..., Any]] = {
    action.__name__: action for action in (look, remove, write, place, rotate, rsync, digest, unignored)
}


def main() -> None:
    """Serve requests until the other end closes."""
    os.umask(0o022)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            with _identity(request["identity"]):
                answer = {"value": _ACTIONS[request["action"]](**request["arguments"])}
        except OSError as error:
            answer = {
                "error": f"{error.strerror or error}",
                "errno": error.errno or 0,
                "file": str(error.filename or ""),
            }
        except RecursionError:
            answer = {"error": "The folders are nested too deep", "errno": 0, "file": ""}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
