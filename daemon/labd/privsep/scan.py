"""A look at an inbox by stat alone: what is there, how much, and whether it is still changing.

This module owns the walk that judgement on uploads rests on. It runs in the workers' process with the researcher's
rights, imports the standard library only, opens folders and never a file, and follows no link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from typing import Any

from labd.model.layout import CONTROLS, PARTS, is_junk, is_temporary, is_valid_name, project_root

Json = dict[str, Any]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_ENTRIES = 10_000
_MOST_MISNAMED = 20
_MOST_TEXT = 1 << 20
_LONGEST, _SHORT = 200, 20
_NAMES = ("sample", "temporaries", "unfinished", "unreadable")
_SAMPLE = 100
_SAMPLE_DEPTH = 4
_TRIES = 3
_SHOWN = 10


def scan(inbox: str, names: list[str] | None, programs: list[str], max_files: int, max_depth: int) -> Json:
    """What is in `inbox`: an entry for each file or folder, or for those called `names` that are there.

    `programs` are the names of files in code/ that matter. Also the CPU time that it took, in seconds. What is wrong
    with one entry is told in that entry. All together is bounded: the first 10,000 entries that can be projects, a few
    of the others, and a sample of the files as long as there is room. Raises OSError when the inbox itself cannot be
    looked into; one that is not there is empty.
    """
    began = time.process_time()
    entries, room = [], _MOST_TEXT
    with contextlib.suppress(FileNotFoundError), _open_folder(inbox) as folder:
        for name in _looked_at(os.listdir(folder)) if names is None else names:
            if entry := _entry(folder, name, programs, max_files, max_depth):
                room -= sum(len(path) for key in _NAMES for path in entry.get(key, ()))
                if room < 0:
                    entry |= {key: [path[-_SHORT:] for path in entry.get(key, ())[:1]] for key in _NAMES}
                entries.append(entry)
    return {"entries": entries, "cost": time.process_time() - began}


def _looked_at(names: list[str]) -> list[str]:
    """Those of the `names` in an inbox that a look at the whole is about."""
    good = [name for name in names if is_valid_name(name)]
    others = sorted(name for name in set(names).difference(good) if not is_junk(name) and not is_temporary(name))
    return sorted([*sorted(good)[:_MOST_ENTRIES], *others[:_MOST_MISNAMED]])


def _entry(inbox: int, name: str, programs: list[str], max_files: int, max_depth: int) -> Json | None:
    """What there is to say of the entry `name`; None when it is not there."""
    changed, problem = 0, OSError()
    for _ in range(_TRIES):
        try:
            status = os.stat(name, dir_fd=inbox, follow_symlinks=False)
            changed = status.st_ctime_ns
            if not stat.S_ISDIR(status.st_mode):
                return {"name": name, "folder": False}
            return _folder(inbox, name, programs, max_files, max_depth)
        except OSError as error:
            problem = error
            # A part of it was renamed or removed in this moment: what is there now is another look away.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                break
    if isinstance(problem, FileNotFoundError) and not _is_there(inbox, name):
        return None
    return {
        "name": name,
        "folder": True,
        "unreadable": [""],
        "why": problem.strerror,
        # Never that of "nothing dealt with yet", and another one as soon as somebody gives or takes rights.
        "fingerprint": f"unreadable:{problem.errno}:{changed}",
    }


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _folder(inbox: int, name: str, programs: list[str], max_files: int, max_depth: int) -> Json:
    with _open_folder(name, inbox) as top:
        names = os.listdir(top)
        root = project_root(names, "project" in names and _is_folder(top, "project"))
        scan = _ProjectScan(programs, max_files, max_depth)
        with _open_folder(root or ".", top) as project:
            scan.visit_project(project)
            touched = max(os.fstat(folder).st_ctime_ns for folder in (top, project))
        sample = _sample(top)
        controls = {}
        # Only those that were there before the walk: one that came later speaks of files that it has not seen.
        for control in set(CONTROLS).intersection(names):
            # Somebody may obey or remove it in this moment.
            with contextlib.suppress(OSError):
                controls[control] = os.stat(control, dir_fd=top, follow_symlinks=False).st_ctime_ns
    return {
        "name": name,
        "folder": True,
        "root": root,
        "controls": controls,
        "sample": sample,
        **scan.result(touched),
    }


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


class _ProjectScan:
    """A walk over the parts of a project that a job can see, by stat alone."""

    def __init__(self, programs: list[str], max_files: int, max_depth: int) -> None:
        self._programs, self._max_files, self._max_depth = programs, max_files, max_depth
        self._files = self._bytes = self._newest = self._oldest = self._ctimes = 0
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
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # it vanished: the upload moves
        except OSError:
            _note(self._unreadable, path + entry.name)
            return
        name, changed = entry.name, status.st_ctime_ns
        self._ctimes += changed
        if changed > self._newest:
            self._newest = changed
        if is_temporary(name):
            _note(self._temporaries, path + name)
        if stat.S_ISREG(status.st_mode):
            self._files += 1
            self._bytes += status.st_size
            if changed < self._oldest or not self._oldest:
                self._oldest = changed
            if status.st_mtime_ns == 0:
                _note(self._unfinished, path + name)
            if path == "code/" and name in self._programs:
                self._code.append(name)
        elif stat.S_ISDIR(status.st_mode):
            self._descend(folder, name, path + name, depth)

    def _descend(self, folder: int, name: str, path: str, depth: int) -> None:
        if depth >= self._max_depth:
            self._too_deep = True
            return
        try:
            with _open_folder(name, folder) as inner:
                self._visit(inner, f"{path}/", depth + 1)
        except FileNotFoundError:
            return
        except OSError:
            _note(self._unreadable, path)

    def result(self, touched: int) -> Json:
        """What was found. `touched` is when something came or went at the project's top, in nanoseconds.

        That delays the settling of an upload but is no part of its fingerprint: control files come and go there.
        """
        return {
            "files": self._files,
            "bytes": self._bytes,
            "newest": max(self._newest, touched),
            "oldest": self._oldest,
            "fingerprint": f"{self._files}:{self._bytes}:{self._newest}:{self._ctimes % 2**64}",
            "code": self._code,
            "temporaries": self._temporaries,
            "unfinished": self._unfinished,
            "unreadable": self._unreadable,
            "too_deep": self._too_deep,
        }


def _note(found: list[str], path: str) -> None:
    if len(found) < _SHOWN:
        found.append(path if len(path) <= _LONGEST else f"…{path[-_LONGEST:]}")


def _sample(folder: int) -> list[str]:
    """Names of the first files near the top, to say what was found where a program is missing."""
    found: list[str] = []
    with contextlib.ExitStack() as handles:
        level = [("", folder)]
        for depth in range(_SAMPLE_DEPTH):
            below: list[tuple[str, int]] = []
            for path, handle in level:
                for name in _first_names(handle):
                    if name in CONTROLS:
                        continue
                    if not _is_folder(handle, name):
                        found.append(path + name)
                    elif depth < _SAMPLE_DEPTH - 1 and len(below) < 20:
                        with contextlib.suppress(OSError):
                            below.append((f"{path}{name}/", handles.enter_context(_open_folder(name, handle))))
            level = below
    return found[:_SAMPLE]


def _first_names(folder: int) -> list[str]:
    try:
        return sorted(os.listdir(folder))[:_SAMPLE]
    except OSError:
        return []


@contextlib.contextmanager
def _open_folder(name: str, parent: int | None = None) -> Iterator[int]:
    handle = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield handle
    finally:
        os.close(handle)
