"""What a transfer did, for each project: the common ground of the readers of rsync's, scp's and sftp's logs.

This room owns how a path in the inbox becomes a project and a part of it, and the words for how a transfer ended. It is
pure.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from typing import Protocol

    class Log(Protocol):
        """Reads the log of a transfer's program."""

        news: list[tuple[str, str]]  # projects and scopes that were not known before; who reads them removes them
        files: int

        def take(self, block: bytes) -> None:
            """Take what the program wrote: whole lines, many at a time."""

        def results(self, code: int) -> dict[str, dict[str, object]]:
            """How the transfer ended for each project, now that its program ended with `code`."""


class LineLog:
    """A reader that looks at each line."""

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


def result(name: str, files: int, why: str = "") -> dict[str, object]:
    """The end of a transfer for one project, as the record has it."""
    return {"result": name, "why": why, "files": files}


def decoded(text: str) -> str:
    r"""`text` with octal escapes turned back into bytes: vis(3)'s \303 of the OpenSSH programs."""
    if "\\" not in text:
        return text
    raw = bytearray()
    position, encoded = 0, text.encode(errors="surrogateescape")
    while position < len(encoded):
        digits = encoded[position + 1 : position + 4]
        if encoded[position] == 92 and len(digits) == 3 and digits.isdigit() and max(digits) < 56:
            raw.append(int(digits, 8) & 255)
            position += 4
        elif encoded[position : position + 2] == b"\\\\":
            raw.append(92)
            position += 2
        else:
            raw.append(encoded[position])
            position += 1
    return raw.decode(errors="surrogateescape")
