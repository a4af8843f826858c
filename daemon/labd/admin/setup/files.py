"""Groups, folders, files and links of `labd setup`: put in place, each known again the next time.

This module owns that nothing of the administrator's is overwritten: a changed file stays, and what is new is put beside
it. It never knows what is in a file.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Callable
from pathlib import Path

from labd.admin.setup.manifest import Fate, InstalledFiles
from labd.admin.setup.plan import File
from labd.client.writing import Teller, write_whole
from labd.common.commands import must


class Placing:
    """Puts things in place and writes down what it put."""

    def __init__(self, teller: Teller, manifest: InstalledFiles) -> None:
        self.teller, self.manifest = teller, manifest

    def group(self, name: str) -> None:
        """A system group."""
        try:
            grp.getgrnam(name)
            self.teller.found(f"the group {name}")
        except KeyError:
            self.teller.change("make", f"the group {name}", lambda: must(["groupadd", "--system", name]))
            self.manifest.groups.append(name)

    def folder(self, path: Path, mode: int) -> None:
        """A folder of root's."""
        if not path.exists():
            self.teller.change("make", f"{path}/", lambda: self._make_folder(path, mode))
            return
        status = path.stat()
        if stat.S_IMODE(status.st_mode) == mode and status.st_uid == 0:
            self.teller.found(f"{path}/")
        else:
            self.teller.change("update", f"{path}/ (root's, mode {mode:04o})", lambda: _close(path, mode))

    def file(self, file: File, write: Callable[[File], None] | None = None) -> bool:
        """A file, written by `write` where that is not simple; whether it changed."""
        fate = self.manifest.fate(file.path, file.content)
        if fate is Fate.FOUND:
            self.teller.found(str(file.path))
        elif fate in (Fate.MAKE, Fate.UPDATE):
            verb = "make" if fate is Fate.MAKE else "update"
            self.teller.change(verb, str(file.path), lambda: (write or self.write)(file))
        else:
            self._keep(file, fate)
        self.manifest.note(file.path, file.content, fate)
        return fate in (Fate.MAKE, Fate.UPDATE)

    def write(self, file: File) -> None:
        """Write a file, and make its folder."""
        if not file.path.parent.exists():
            self._make_folder(file.path.parent, 0o755)
        write_whole(file.path, file.content, file.mode)

    def link(self, path: Path, target: Path) -> None:
        """A symbolic link; something else that has its name stays."""
        there = os.readlink(path) if path.is_symlink() else None
        if there == str(target):
            self.teller.found(f"{path} -> {target}")
        elif there is None and path.exists():
            self.teller.note(f"{path} is not labd's, and stays.", f"labd is called by {target}.")
        elif there is not None and there != self.manifest.links.get(str(path)) and path.exists():
            self.teller.note(f"{path} leads to {there}, and stays so.", f"This labd is called by {target}.")
        else:
            self.teller.change("make", f"{path} -> {target}", lambda: _link(path, target))
            self.manifest.links[str(path)] = str(target)

    def _keep(self, file: File, fate: Fate) -> None:
        new = file.path.with_name(file.path.name + ".new")
        if fate is Fate.KEEP:
            self.teller.found(f"{file.path}, changed by you")
            return
        self.teller.note(
            f"{file.path} was changed by you, and stays.", f"What labd has now is beside it: {new}. Take what you want."
        )
        if not self.teller.dry_run:
            write_whole(new, file.content, file.mode)
        self.manifest.note(new, file.content, Fate.MAKE)

    def _make_folder(self, path: Path, mode: int) -> None:
        if not path.parent.exists():
            self._make_folder(path.parent, 0o755)
        path.mkdir()
        _close(path, mode)
        self.manifest.folders.append(str(path))


def _close(path: Path, mode: int) -> None:
    os.chown(path, 0, 0)
    path.chmod(mode)


def _link(path: Path, target: Path) -> None:
    temporary = path.with_name(f".{path.name}.labd")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
