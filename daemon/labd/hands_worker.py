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

from labd.layout import CONTROLS, PARTS, is_temporary, project_root

Json = dict[str, Any]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SAMPLE = 100
_CODE_NAMES = 1000


def scan(inbox: str, names: list[str] | None, max_files: int, max_depth: int) -> list[Json]:
    """What is in `inbox`: an entry for each file or folder, or for those called `names` that are there."""
    entries = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), _open_folder(inbox) as folder:
        for name in sorted(os.listdir(folder)) if names is None else names:
            with contextlib.suppress(FileNotFoundError):
                entries.append(_entry(folder, name, max_files, max_depth))
    return entries


def _entry(inbox: int, name: str, max_files: int, max_depth: int) -> Json:
    if not stat.S_ISDIR(os.stat(name, dir_fd=inbox, follow_symlinks=False).st_mode):
        return {"name": name, "folder": False}
    try:
        with _open_folder(name, inbox) as top:
            names = os.listdir(top)
            nested = "project" in names and stat.S_ISDIR(os.stat("project", dir_fd=top, follow_symlinks=False).st_mode)
            root = project_root(names, nested)
            survey = _Survey(max_files, max_depth)
            with _open_folder(root or ".", top) as project:
                survey.visit_project(project)
            sample = _sample(top)
            controls = {
                name: os.stat(name, dir_fd=top, follow_symlinks=False).st_ctime_ns for name in CONTROLS if name in names
            }
    except OSError as error:
        return {"name": name, "folder": True, "unreadable": [error.strerror], "controls": {}, "root": ""}
    return {"name": name, "folder": True, "root": root, "controls": controls, "sample": sample, **survey.result()}


class _Survey:
    """A walk over the parts of a project that a job can see, by stat alone."""

    def __init__(self, max_files: int, max_depth: int) -> None:
        self._max_files, self._max_depth = max_files, max_depth
        self._files = self._bytes = self._newest = self._ctimes = self._specials = 0
        self._code: list[str] = []
        self._temporaries: list[str] = []
        self._unfinished: list[str] = []
        self._unreadable: list[str] = []
        self._too_deep = False

    def visit_project(self, project: int) -> None:
        with os.scandir(project) as entries:
            for entry in entries:
                if entry.name in PARTS or is_temporary(entry.name):
                    self._look(project, entry, "", 0)

    def _visit(self, folder: int, path: str, depth: int) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._files > self._max_files:
                    return
                self._look(folder, entry, path, depth)

    def _look(self, folder: int, entry: os.DirEntry[str], path: str, depth: int) -> None:
        status = entry.stat(follow_symlinks=False)
        name = f"{path}/{entry.name}" if path else entry.name
        self._newest = max(self._newest, status.st_ctime_ns)
        self._ctimes = (self._ctimes + status.st_ctime_ns) & 0xFFFFFFFFFFFFFFFF
        if is_temporary(entry.name):
            self._temporaries.append(name)
        if stat.S_ISDIR(status.st_mode):
            self._descend(folder, entry.name, name, depth)
        elif stat.S_ISREG(status.st_mode):
            self._files += 1
            self._bytes += status.st_size
            if status.st_mtime_ns == 0:
                self._unfinished.append(name)
            if path == "code" and len(self._code) < _CODE_NAMES:
                self._code.append(entry.name)
        elif not stat.S_ISLNK(status.st_mode):
            self._specials += 1

    def _descend(self, folder: int, name: str, path: str, depth: int) -> None:
        if depth >= self._max_depth:
            self._too_deep = True
            return
        try:
            with _open_folder(name, folder) as inner:
                self._visit(inner, path, depth + 1)
        except FileNotFoundError:
            pass
        except OSError:
            self._unreadable.append(path)

    def result(self) -> Json:
        return {
            "files": self._files,
            "bytes": self._bytes,
            "newest": self._newest,
            "fingerprint": f"{self._files}:{self._bytes}:{self._newest}:{self._ctimes}",
            "code": self._code,
            "temporaries": self._temporaries[:3],
            "unfinished": self._unfinished[:3],
            "unreadable": self._unreadable[:3],
            "too_deep": self._too_deep,
            "specials": self._specials,
        }


def _sample(folder: int) -> list[str]:
    """Names of the first files near the top, to say what was found where a program is missing."""
    found: list[str] = []
    level = [("", os.dup(folder))]
    for depth in range(3):
        below: list[tuple[str, int]] = []
        for path, handle in level:
            with os.scandir(handle) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name)[:_SAMPLE]:
                    if not entry.is_dir(follow_symlinks=False):
                        found.append(path + entry.name)
                    elif depth < 2 and len(below) < 20:
                        with contextlib.suppress(OSError):
                            below.append((f"{path}{entry.name}/", os.open(entry.name, _FOLDER, dir_fd=handle)))
            os.close(handle)
        level = below
    return found[:_SAMPLE]


def remove(path: str) -> None:
    """Remove a control file, or a folder that somebody made by that name."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_tree(path)
        else:
            os.unlink(path)


def write(folder: str, files: dict[str, str]) -> None:
    """Put text files into `folder`, each whole or not at all (temporary file, then rename), in the given order."""
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        temporary = os.path.join(folder, f".{name}.labd")
        # A leftover may be anything, also a link: O_EXCL makes sure that the file is a new one.
        remove(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        target = os.path.join(folder, name)
        if os.path.isdir(target) and not os.path.islink(target):
            _remove_tree(target)
        os.replace(temporary, target)


def place(source: str, target: str) -> None:
    """Make `target` the same file as `source` (a hard link), or a copy of it on another file system."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.lstat(source), os.lstat(target)):
            return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{os.path.dirname(target)}/.{os.path.basename(target)}.labd"
    remove(temporary)
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, temporary, follow_symlinks=False)
    if os.path.isdir(target) and not os.path.islink(target):
        _remove_tree(target)
    os.replace(temporary, target)


def rotate(folder: str, names: list[str], job: str, files: dict[str, str], keep: int) -> None:
    """Move `names` of `folder` into history/<job>/, add `files` there, and keep the latest `keep` jobs only."""
    history = os.path.join(folder, "history")
    present = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    if present and keep:
        os.makedirs(os.path.join(history, job), exist_ok=True)
    for name in present:
        old, new = os.path.join(folder, name), os.path.join(history, job, name)
        remove(new)
        if keep:
            os.rename(old, new)
        else:
            remove(old)
    if present and keep:
        write(os.path.join(history, job), files)
    with contextlib.suppress(FileNotFoundError):
        for old_job in sorted(filter(str.isdecimal, os.listdir(history)), key=int)[: -keep or None]:
            _remove_tree(os.path.join(history, old_job))


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


def _remove_tree(path: str) -> None:
    # rm(1) goes to any depth; shutil.rmtree ends at Python's recursion limit.
    _run(["rm", "-rf", "--", path], 600.0)


@contextlib.contextmanager
def _open_folder(name: str, parent: int | None = None) -> Iterator[int]:
    handle = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield handle
    finally:
        os.close(handle)


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
    action.__name__: action for action in (scan, remove, write, place, rotate, rsync, digest, unignored)
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
