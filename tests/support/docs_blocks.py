"""The commands in the documentation, and what it says they print, so that tests can run them.

The convention: in a block fenced as ```console, a line that begins with `$ ` is run by the researcher on the PC, one
with `# ` by root on the server; a command goes on over lines that end in a backslash. The other lines are what it
prints. Numbers, times, sizes, keys and fingerprints may differ, and so may the width of gaps; `…` stands for anything,
and a line of its own with nothing but `…` for any number of lines. Blocks without a prompt are no business of this
module.

A comment of its own line above the block chooses what happens to it: `<!-- not run: reason -->` leaves it out, and
`<!-- file: PATH -->` above any block says that the PC has a file of that content from then on.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<remark>not run|file): (?P<value>.*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{10,}|\b[0-9a-f]{12,}\b|\bAAAA[A-Za-z0-9+/=]{20,}")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?|\b\d\d:\d\d:\d\d\b")
_UNIT = re.compile(
    r"(?<=<number>) ?(B|bytes|[kKMGT]i?B|[kMGT]|seconds?|minutes?|hours?|days?|min|ms|s|h)(/s(ec)?)?(?![\w-])"
)
_NUMBER = re.compile(r"(?<![\w.-])[-+]?\d[\d,]*(\.\d+)?(?=[^\w-]|[a-zA-Z]{1,2}(?![\w-])|$)")


@dataclass(frozen=True)
class Step:
    """One command of the documentation, or one file that the PC has from then on."""

    place: str
    """File and line, as in docs/researcher.md:12."""
    on_server: bool
    command: str
    expected: tuple[str, ...]
    """The lines that it prints, as they are written."""
    file: str = ""
    """Path of a file on the PC with `command` as its content; then there is nothing to run."""


def steps(document: Path) -> Iterator[Step]:
    """All that there is to do in a Markdown file, from its top to its end."""
    text = document.read_text()
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start("body")) + 1
        body = textwrap.dedent(block["body"])
        if block["remark"] == "file":
            yield Step(f"{document.name}:{line}", False, body, (), file=block["value"])
        elif block["language"] == "console" and block["remark"] is None:
            yield from _session(f"{document.name}", line, body)


def differs(expected: tuple[str, ...], printed: str) -> str:
    """Where `printed` is not what the documentation says, in words; empty when it agrees."""
    pattern = "".join(_line_pattern(line) for line in expected)
    text = "".join(f"{_normal(line)}\n" for line in printed.splitlines())
    if re.fullmatch(pattern, text):
        return ""
    return "The documentation says:\n" + "\n".join(expected) + "\nIt printed:\n" + printed


def _session(name: str, first_line: int, body: str) -> Iterator[Step]:
    """The commands of one block."""
    prompt, command, expected, place = "", "", [], ""
    goes_on = False
    for number, line in enumerate(body.splitlines(), first_line):
        if goes_on:
            command += f"\n{line}"
        elif line.startswith(("$ ", "# ")):
            if command:
                yield Step(place, prompt == "#", command, tuple(expected))
            prompt, command, expected, place = line[0], line[2:], [], f"{name}:{number}"
        else:
            expected.append(line)
        goes_on = (goes_on or line.startswith(("$ ", "# "))) and line.endswith("\\")
    if command:
        yield Step(place, prompt == "#", command, tuple(expected))


def _line_pattern(line: str) -> str:
    if line.strip() == "…":
        return "(?:.*\n)*?"
    return ".*?".join(re.escape(part) for part in _normal(line).split("…")) + "\n"


def _normal(line: str) -> str:
    """The line without what differs from run to run."""
    line = _FINGERPRINT.sub("<key>", line)
    line = _DATE.sub("<time>", line)
    line = _NUMBER.sub("<number>", line)
    line = _UNIT.sub(" <unit>", line)
    return " ".join(line.split())
