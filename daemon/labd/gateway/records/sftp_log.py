"""What an sftp session did, from the log of its server (`sftp-server -e -l VERBOSE`).

This module owns the meaning of these lines (sftp-server.c; measured with the scp and sftp of OpenSSH 9.2, killed at
random moments) and the signature of scp, which is the only client that shows when it is done: it opens without
TRUNCATE, sets the size before it closes, and sets the attributes of the folder that it was given last. Of other clients
it says whether they closed their session. It is pure but for the clock.
"""

from __future__ import annotations

import os
import time

from labd.gateway.records.log import MOST_KNOWN, End, LineLog, common, decoded, locate, note_place, result

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHANGES = ("remove name ", "rmdir name ", "rename old ", "posix-rename old ", "hardlink old ", "symlink old ")
_MOST_BROKEN = 20
_ALL_RIGHTS = "0777"
_PLAIN_MODE = 4  # digits of a mode without the kind of file
_VERSION = 3  # of the protocol, for which all clients ask but lftp, and WinSCP at times
# sftp-server cuts its lines after about 1,020 characters, of which a letter that is not ASCII takes eight or more.
_CUT = 1000
_SURE = 900  # of a name in a line that may be cut
_LETTER = 8  # characters that may be left of a letter


class _Project:
    """What the session did to one project. Paths are relative to the inbox."""

    def __init__(self, name: str, scope: str) -> None:
        self.roots = (name, f"{name}/project")
        self.scope = scope
        self.files = 0
        self.writing: dict[str, int | None] = {}  # open for writing → the size that was set
        self.faults: dict[str, str] = {}  # what is not there as it was sent → why
        self.made: dict[str, bool] = {}  # folders that the client made, or tried to → whether they are new
        self.finished: set[str] = set()  # those whose attributes were set
        self.unclosed: set[str] = set()  # folders in which something is that no closing attributes cover yet
        self.closed = ""  # the folder whose attributes were set last, "" when something was done since
        self.is_scp = True  # nothing was done in another way than scp's
        self.resumed: dict[str, float] = {}  # files of which less was written than their size says → when
        self.whole: dict[str, float] = {}  # files that arrived whole, relative to the project → when
        self.places: dict[str, None] = {}
        self.makes_rights = self.opens_plainly = False  # as OpenSSH's programs do
        self.is_moved = False  # some of it came from another project, and was not sent in this session

    def act(self, folder: str) -> None:
        self.closed = ""
        self.unclosed.add(folder)

    def close_folder(self, folder: str) -> None:
        self.unclosed = {path for path in self.unclosed if path != folder and not path.startswith(f"{folder}/")}
        self.closed = folder
        self.finished.add(folder)

    def settle(self, path: str, when: float = 0.0) -> None:
        """Note that the file at `path` is there as it was sent."""
        if len(self.whole) < MOST_KNOWN:
            self.whole[locate(path)[1]] = when or time.time()

    @property
    def is_half_an_scp(self) -> bool:
        """Whether a folder that scp began is not finished. Newer ones only finish those that they made themselves."""
        finishes_all = any(not self.made[folder] for folder in self.finished)
        begun = {folder for folder, is_new in self.made.items() if is_new or finishes_all}
        return self.is_scp and self.files > 0 and not begun <= self.finished

    @property
    def is_half_finished(self) -> bool:
        """Whether a client that sets the attributes of folders at their end has not done so for all that it made.

        OpenSSH's sftp is known before its first folder ends: it alone makes folders with the rights that they have at
        home, and files without the bits of their kind.
        """
        ends_folders = bool(self.finished) or (self.makes_rights and self.opens_plainly)
        return ends_folders and any(is_new and path not in self.finished for path, is_new in self.made.items())

    def _judge_resumed(self, end: End) -> None:
        """A client may go on where another session was cut: then the rest of the file is there already."""
        for path, when in self.resumed.items():
            if end.is_filled(path):
                self.settle(path, when)
            else:
                self.faults.setdefault(path, "not all arrived of")
        self.resumed.clear()

    def result(self, end: End, is_broken: bool) -> dict[str, object]:
        self._judge_resumed(end)
        places = list(self.places)
        faults = {**dict.fromkeys(self.writing, "the connection broke in"), **self.faults}
        if faults:
            path, why = next(iter(faults.items()))
            broken = {locate(path)[1]: end.written(path) for path in [*faults][:_MOST_BROKEN]}
            is_known = len(broken) == len(faults)
            is_half = self.is_scp and bool(self.made)
            why = f"{why} {locate(path)[1]}"
            return result("cut", self.files, why, broken if is_known else None, half=is_half, places=places)
        if self.is_scp and self.closed in self.roots and not self.unclosed:
            return result("complete", self.files, places=places)
        if self.is_half_an_scp:
            return result("cut", self.files, "the connection broke between two files", places=places)
        if end.code or is_broken:
            return result("cut", self.files, "the connection broke", {}, places=places)
        is_whole = self.is_scp and bool(self.made) and self.files > 0
        is_clean = end.is_orderly and not self.is_half_finished and not self.is_moved
        name = "clean" if is_clean else "unproven"
        return result(name, self.files, whole=is_whole, places=places)


class SftpLog(LineLog):
    """Reads the log of one session."""

    def __init__(self, homes: Sequence[str]) -> None:
        """`homes` are the ways to write the home; paths in the log are absolute or relative to it."""
        self.news: list[tuple[str, str]] = []
        self.files = 0
        self._inboxes = [*(f"{home}/inbox/" for home in homes), "inbox/", "./inbox/"]
        self._projects: dict[str, _Project] = {}
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

    def _act(self, path: str, is_folder: bool) -> _Project | None:
        """Note that something is done at `path`; its project, if it is in one."""
        path = self._inner(path)
        name, inner = locate(path)
        if not name:
            return None
        scope = inner if is_folder else inner.rpartition("/")[0]
        project = self._projects.get(name)
        if project is None:
            project = self._projects[name] = _Project(name, scope)
            self.news.append((name, scope))
        elif (wider := common(project.scope, scope)) != project.scope:
            project.scope = wider
            self.news.append((name, wider))
        project.act(path if is_folder else path.rpartition("/")[0])
        return project

    def _known(self, path: str) -> tuple[_Project | None, str]:
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


def _fault(project: _Project, path: str, why: str) -> Callable[[bool], None]:
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
