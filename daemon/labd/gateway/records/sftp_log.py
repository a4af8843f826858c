"""What an sftp session did, from the log of its server (`sftp-server -e -l VERBOSE`).

This module owns the meaning of these lines (sftp-server.c; measured with the scp and sftp of OpenSSH 9.2, killed at
random moments): what they say is noted in `sftp_project`, which judges it. It is pure but for the clock.
"""

from __future__ import annotations

import os
import time

from labd.gateway.records.log import End, LineLog, common, decoded, locate, note_place
from labd.gateway.records.sftp_project import SftpProject

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHANGES = ("remove name ", "rmdir name ", "rename old ", "posix-rename old ", "hardlink old ", "symlink old ")
_ALL_RIGHTS = "0777"
_PLAIN_MODE = 4  # digits of a mode without the kind of file
_VERSION = 3  # of the protocol, for which all clients ask but lftp, and WinSCP at times
# sftp-server cuts its lines after about 1,020 characters, of which a letter that is not ASCII takes eight or more.
_CUT = 1000
_SURE = 900  # of a name in a line that may be cut
_LETTER = 8  # characters that may be left of a letter


class SftpLog(LineLog):
    """Reads the log of one session."""

    def __init__(self, homes: Sequence[str]) -> None:
        """`homes` are the ways to write the home; paths in the log are absolute or relative to it."""
        self.news: list[tuple[str, str]] = []
        self.files = 0
        self._inboxes = [*(f"{home}/inbox/" for home in homes), "inbox/", "./inbox/"]
        self._projects: dict[str, SftpProject] = {}
        # What to do when the next line has shown whether the last request succeeded: only failures have a line.
        self._pending: Callable[[bool], None] | None = None
        self._is_broken = False
        self.is_hasty = False

    def read(self, line: str) -> None:
        """Take one line."""
        self._settle(not line.startswith("sent status "))
        if line.startswith('open "'):
            self._opened(line)
        elif line.startswith(('close "', 'forced close "')):
            self._closed(line)
        elif line.startswith('set "'):
            self._set(line)
        elif line.startswith('mkdir name "'):
            self._made(line)
        elif line.startswith('stat name "'):
            self._looked(line)
        elif line.startswith(_CHANGES):
            self._changed(line)
        elif line.startswith("process_write: write "):
            self._not_written(line)
        elif line.startswith(("read: ", "write: ")):
            self._is_broken = True
        elif line.startswith("received client version "):
            self.is_hasty = not line.endswith(f" {_VERSION}")

    @property
    def whole(self) -> dict[str, dict[str, float]]:
        """By project, the files that arrived whole, and when."""
        self._settle(is_done=True)
        return {name: project.whole for name, project in self._projects.items()}

    def results(self, end: End) -> dict[str, dict[str, object]]:
        """The server's exit code says little: it is 0 also when the client was killed."""
        self._settle(is_done=True)
        return {name: project.result(end, self._is_broken) for name, project in self._projects.items()}

    def _opened(self, line: str) -> None:
        path, rest = _name(line)
        flags = rest.removeprefix("flags ").split(" ", 1)[0]
        # Of a name that is cut in the log nobody knows what it was opened for.
        if "WRITE" in flags or "APPEND" in flags or (len(line) > _CUT and " mode " not in rest):
            project = self._act(path, is_folder=False)
            if project:
                path = self._inner(path)
                note_place(project.places, path)
                project.opens_plainly |= len(rest.rpartition(" mode ")[2]) == _PLAIN_MODE
                project.is_scp &= "TRUNCATE" not in flags and "APPEND" not in flags
                project.faults.pop(path, None)
                project.whole.pop(locate(path)[1], None)
                project.resumed.pop(path, None)
                project.writing[path] = None
                self._pending = _fault(project, path, "could not write")

    def _closed(self, line: str) -> None:
        path, rest = _name(line)
        project, path = self._known(path)
        is_cut = len(line) > _CUT
        if project and is_cut and path not in project.writing:
            start = self._inner(decoded(line.partition('"')[2][:_SURE])[:-_LETTER])
            path = next((opened for opened in project.writing if opened.startswith(start)), path)
        if project is None or path not in project.writing:
            return
        size = project.writing.pop(path)
        written = _number(rest.rsplit(" ", 1)[-1])
        if line.startswith("forced"):
            project.faults[path] = "the connection broke in"
        elif size is not None and written < size:
            project.resumed[path] = time.time()
            project.is_scp = False
        elif path not in project.faults:
            project.files += 1
            self.files += 1
            project.settle(path)
        # Whoever was cut in a file had no time to set its size.
        project.is_scp &= size is not None or line.startswith("forced") or is_cut

    def _set(self, line: str) -> None:
        path, rest = _name(line)
        project, path = self._known(path)
        if project is None:
            return
        if rest.startswith("size ") and path in project.writing:
            project.writing[path] = _number(rest.removeprefix("size "))
        elif path in project.made:
            project.close_folder(path)

    def _made(self, line: str) -> None:
        path, rest = _name(line)
        project = self._act(path, is_folder=True)
        # What closes a folder whose name is cut has it cut at another place.
        if project and len(line) <= _CUT:
            path = self._inner(path)
            project.made[path] = True
            project.makes_rights |= not rest.endswith(_ALL_RIGHTS)
            project.finished.discard(path)
            self._pending = lambda is_done: project.made.update({path: is_done})

    def _looked(self, line: str) -> None:
        # scp takes a folder that cannot be made for one that is there, and looks.
        project, path = self._known(_name(line)[0])
        if project and path in project.made:
            project.made[path] = False
            self._pending = _fault(project, path, "could not make")

    def _changed(self, line: str) -> None:
        old, *new = [decoded(name) for name in line.partition('"')[2].removesuffix('"').split('" new "')]
        for path in (old, *new):
            project = self._act(path, is_folder=False)
            if project:
                project.is_scp = False
        if "rename " in line.partition('"')[0] and new:
            self._pending = lambda is_done: self._renamed(old, new[0]) if is_done else None

    def _renamed(self, old: str, new: str) -> None:
        project, old = self._known(old)
        other, new = self._known(new)
        if project is None:
            return
        is_whole = locate(old)[1] in project.whole
        if other and other is not project and not is_whole:
            # A record of another session may say that it is broken: under the name that it had.
            other.is_moved |= not project.files
        broken = [old] if old in project.faults else []
        if not is_whole and not broken:
            # It may be a folder.
            broken = [path for path in project.faults if path.startswith(f"{old}/")]
        faults = {path: project.faults.pop(path) for path in broken}
        if other and faults:
            other.faults |= {new + path[len(old) :]: why for path, why in faults.items()}
        elif other and is_whole:
            other.faults.pop(new, None)
            other.settle(new)

    def _settle(self, is_done: bool) -> None:
        pending, self._pending = self._pending, None
        if pending:
            pending(is_done)

    def _not_written(self, line: str) -> None:
        # A long name is cut there.
        start, rest = _name(line)
        start = self._inner(start)
        why = "the disk is full at" if "No space" in rest or "quota" in rest else "a write failed in"
        # The status before a disk's first full write is taken for that of the open: it has no line of its own.
        about = self._projects.get(locate(start)[0])
        if about and (start in about.writing or start in about.faults):
            about.faults[start] = why
            return
        for project in self._projects.values():
            for path in [*project.writing, *project.faults]:
                if start and path.startswith(start):
                    project.faults[path] = why

    def _act(self, path: str, is_folder: bool) -> SftpProject | None:
        """Note that something is done at `path`; its project, if it is in one."""
        path = self._inner(path)
        name, inner = locate(path)
        if not name:
            return None
        scope = inner if is_folder else inner.rpartition("/")[0]
        project = self._projects.get(name)
        if project is None:
            project = self._projects[name] = SftpProject(name, scope)
            self.news.append((name, scope))
        elif (wider := common(project.scope, scope)) != project.scope:
            project.scope = wider
            self.news.append((name, wider))
        project.act(path if is_folder else path.rpartition("/")[0])
        return project

    def _known(self, path: str) -> tuple[SftpProject | None, str]:
        path = self._inner(path)
        return self._projects.get(locate(path)[0]), path

    def _inner(self, path: str) -> str:
        """`path` relative to the inbox, "" for what is elsewhere."""
        if "/." in path or "//" in path:
            # Many clients send it as it was typed.
            path = os.path.normpath(path).replace("//", "/")
        for inbox in self._inboxes:
            if path.startswith(inbox):
                return "/".join(part for part in path[len(inbox) :].split("/") if part not in ("", "."))
        return ""


def _fault(project: SftpProject, path: str, why: str) -> Callable[[bool], None]:
    """What to do after a request for `path`: nothing when it succeeded."""

    def note(is_done: bool) -> None:
        if not is_done:
            project.writing.pop(path, None)
            project.faults[path] = why

    return note


def _name(line: str) -> tuple[str, str]:
    """The name between quotation marks in `line`, which may hold some itself, and what follows it, which has none."""
    name, mark, rest = line.partition('"')[2].rpartition('"')
    return decoded(name if mark else rest), rest.lstrip(" ") if mark else ""


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
