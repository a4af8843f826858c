"""What a transfer did, for each project: what the readers of rsync's, scp's and sftp's logs share.

This module owns how a path in the inbox becomes a project and a part of it, and the words for how a transfer ended. It
is pure.
"""

from __future__ import annotations

from labd.common.octal import octal_decoded

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Protocol

    class Log(Protocol):
        """Reads the log of a transfer's program."""

        news: list[tuple[str, str]]  # projects and scopes that were not known before; who reads them removes them
        files: int
        is_hasty: bool  # the client may be one whose ssh closes the session first when it is killed (lftp)

        @property
        def whole(self) -> Mapping[str, Mapping[str, float]]:
            """By project, the files that are known to have arrived whole, and when."""

        def take(self, block: bytes) -> None:
            """Take what the program wrote: whole lines, many at a time."""

        def results(self, end: End) -> dict[str, dict[str, object]]:
            """How the transfer ended for each project, now that its program has ended."""


MOST_PLACES = 5  # that are noted of what a transfer changed in one project
MOST_KNOWN = 100_000  # files that are remembered to have arrived whole


class End:
    """How a transfer's program ended."""

    def __init__(self, code: int, is_orderly: bool, stat: Callable[[str], os.stat_result | None]) -> None:
        """`code` is its exit code; `is_orderly`: the connection lived when the client closed its session.

        `stat` says what there is of a file at a path relative to the inbox; None when there is none.
        """
        self.code, self.is_orderly, self._stat = code, is_orderly, stat

    def written(self, path: str) -> float:
        """When the file at `path` was written to last, in seconds since the epoch; 0 when it is not there.

        Not its ctime: clients set the modes of all files when all have arrived.
        """
        status = self._stat(path)
        return status.st_mtime if status else 0.0

    def size(self, path: str) -> int:
        """How many bytes the file at `path` has; -1 when it is not there."""
        status = self._stat(path)
        return status.st_size if status else -1

    def is_filled(self, path: str) -> bool:
        """Whether the file at `path` has no hole, as one has in which the writing went on where nothing was before."""
        status = self._stat(path)
        return status is not None and status.st_blocks * 512 >= status.st_size


class LineLog:
    """A reader that looks at each line."""

    is_hasty = False

    def take(self, block: bytes) -> None:
        """Take whole lines."""
        for line in block.decode(errors="surrogateescape").split("\n")[:-1]:
            self.read(line.rstrip("\r"))

    def read(self, line: str) -> None:
        """Take one line, without its end."""
        raise NotImplementedError


def locate(path: str) -> tuple[str, str]:
    """The project that `path` (relative to the inbox) is in, and the path in it; ("", "") for the inbox itself.

    A folder `project` around the parts of a project is left out, as in inbox/NAME/project/input.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if parts[1:2] == ["project"]:
        del parts[1]
    return (parts[0], "/".join(parts[1:])) if parts else ("", "")


def common(one: str, other: str) -> str:
    """The folder that holds both, as a path; "" when only the whole project does."""
    parts = []
    for mine, theirs in zip(one.split("/"), other.split("/"), strict=False):
        if mine != theirs:
            break
        parts.append(mine)
    return "/".join(parts)


def result(
    name: str, files: int, why: str = "", broken: Mapping[str, float] | None = None, **more: object
) -> dict[str, object]:
    """The end of a transfer for one project, as the record has it.

    `broken` are the files that it left broken, and when each was written to last; None when that is not known.
    """
    entry = {"result": name, "why": why, "files": files} | {key: value for key, value in more.items() if value}
    return entry if broken is None else {**entry, "broken": broken}


def place(path: str) -> str:
    """The name in its project's folder, or in `project` in that, that `path` (relative to the inbox) is below."""
    parts = [part for part in path.split("/") if part not in ("", ".")][1:]
    return "/".join(parts[: 1 + (parts[:1] == ["project"])])


def note_place(places: dict[str, None], path: str) -> None:
    """Add the place of `path` (relative to the inbox) to `places`, as long as they are few."""
    if len(places) < MOST_PLACES and (where := place(path)):
        places[where] = None


def decoded(text: str) -> str:
    r"""`text` of a log of OpenSSH's programs, as it was: \303 is a byte, and \\ a backslash (vis(3), VIS_OCTAL)."""
    # Two backslashes in a row are never the end of one escape and the beginning of another.
    return octal_decoded(text.replace("\\\\", r"\134"))
