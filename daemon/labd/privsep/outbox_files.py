"""What is done to the files of an outbox, and how files are removed, by the process that works on files.

This module owns that nothing in an outbox is followed or waited for: what stands in the way of labd's own names is
moved aside or replaced, and what its owner has closed is opened by its owner. It imports the standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from contextlib import closing

from labd.privsep.as_user import run_program
from labd.privsep.tree_walk import entries

_PARTS = ("output", "history", "stray")
MOST_STRAYS = 1000
_AT_ONCE = 1000
_REMOVAL = 3600.0
_OPENING = 3600.0
_JOB = re.compile(r"[1-9][0-9]{0,17}")


def make_ready(folder: str) -> None:
    """Make the outbox `folder` a folder that can be written, with what labd keeps in it.

    A link or a file in the place of such a folder is moved aside, never followed. Raises OSError.
    """
    root = os.path.dirname(folder)
    os.makedirs(root, exist_ok=True)
    _open_folder(root)
    for path in (folder, *(os.path.join(folder, part) for part in _PARTS)):
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                _open_folder(path)
            else:
                _move_aside(path)
    os.makedirs(folder, exist_ok=True)


def write(folder: str, files: dict[str, str]) -> None:
    """Put text files into the outbox `folder`, each whole or not at all, in the given order. Raises OSError."""
    make_ready(folder)
    _write(folder, files)


def _write(folder: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        temporary = os.path.join(folder, f".{name}.labd")
        # A leftover may be anything, also a link: O_EXCL makes sure that the file is a new one.
        remove([temporary])
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        _replace(temporary, os.path.join(folder, name))


def place(source: str, target: str) -> None:
    """Make `target` in an outbox the same file as `source` (a hard link), or a copy of it on another file system."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.lstat(source), os.lstat(target)):
            return
    folder, name = os.path.split(target)
    make_ready(folder)
    temporary = f"{folder}/.{name}.labd"
    remove([temporary])
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, temporary, follow_symlinks=False)
    _replace(temporary, target)


def rotate(folder: str, names: list[str], job: str, files: dict[str, str], keep: int) -> None:
    """Move `names` of the outbox `folder` into history/<job>/, add `files` there, and keep the latest `keep` jobs."""
    make_ready(folder)
    history = os.path.join(folder, "history")
    present = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    if present and keep:
        _make_folder(history)
        _make_folder(os.path.join(history, job))
    for name in present:
        old, new = os.path.join(folder, name), os.path.join(history, job, name)
        remove([new])
        if not keep:
            remove([old])
            continue
        # Who moves a folder to another one changes its "..", and so must be allowed to write it.
        _open_folder(old)
        os.rename(old, new)
    if present and keep:
        _write(os.path.join(history, job), files)
    with contextlib.suppress(FileNotFoundError):
        jobs = sorted(filter(_JOB.fullmatch, os.listdir(history)), key=int)
        remove([os.path.join(history, old_job) for old_job in jobs[: -keep or None]])


def remove(paths: list[str]) -> None:
    """Remove files, and folders with all that is in them; what is not there is fine.

    All are tried. Raises OSError about the first that is still there.
    """
    problems: list[OSError] = []
    folders: list[str] = []
    for path in dict.fromkeys(paths):
        try:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                folders.append(path)
            else:
                _unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problems.append(error)
    for start in range(0, len(folders), _AT_ONCE):
        problems += _remove_folders(folders[start : start + _AT_ONCE])
    if problems:
        raise problems[0]


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except PermissionError:
        _open_folder(os.path.dirname(path))
        os.unlink(path)


def _remove_folders(folders: list[str]) -> list[OSError]:
    """What kept them from being removed."""
    # rm(1) goes to any depth; shutil.rmtree ends at Python's recursion limit.
    if run_program(["rm", "-rf", "--", *folders], _REMOVAL, _ignore) == 0:
        return []
    problems = []
    for folder in filter(os.path.lexists, folders):
        _open_folder(os.path.dirname(folder))
        open_up(folder)
        run_program(["rm", "-rf", "--", folder], _REMOVAL, _ignore)
        if os.path.lexists(folder):
            problems.append(OSError(errno.EACCES, "it cannot be removed", folder))
    return problems


def _ignore(line: bytes) -> None:
    """What is still there tells."""


def open_up(folder: str) -> None:
    """Give their owner all rights to the folders below `folder`, and to read the files, as far as that is possible."""
    if os.geteuid() != 0:
        run_program(["chmod", "-R", "u+rwX", "--", folder], _OPENING, _ignore)


def unignored(folder: str, ignore: list[str]) -> list[str]:
    """Files below `folder` that a program wrote, without the by-products called `ignore`; 1,000 at most."""
    problems: list[OSError] = []
    found = _unignored(folder, set(ignore), problems)
    if problems and len(found) < MOST_STRAYS:
        open_up(folder)
        found = _unignored(folder, set(ignore), [])
    return found


def _unignored(folder: str, ignore: set[str], problems: list[OSError]) -> list[str]:
    found: list[str] = []
    try:
        with closing(entries(folder, problems.append)) as below:
            for entry in below:
                kind = stat.S_IFMT(entry.status.st_mode)
                # overlayfs marks a deleted file with a character device: that is nothing that was written.
                if kind not in (stat.S_IFDIR, stat.S_IFCHR) and ignore.isdisjoint((*entry.parents, entry.name)):
                    found.append(entry.path)
                    if len(found) >= MOST_STRAYS:
                        break
    except PermissionError as error:
        problems.append(error)
    return found


def _open_folder(path: str) -> None:
    """Give the owner of the folder `path` all rights to it, if that is who we are and they lack."""
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():
            os.chmod(path, stat.S_IMODE(status.st_mode) | 0o700)


def _make_folder(path: str) -> None:
    if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
        _move_aside(path)
    os.makedirs(path, exist_ok=True)
    _open_folder(path)


def _move_aside(path: str) -> None:
    number, aside = 1, f"{path}.aside"
    while os.path.lexists(aside):
        number += 1
        aside = f"{path}.aside-{number}"
    os.rename(path, aside)


def _replace(temporary: str, target: str) -> None:
    if os.path.isdir(target) and not os.path.islink(target):
        remove([target])
    os.replace(temporary, target)
