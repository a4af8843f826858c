"""What to write instead, line by line, in a job.toml that cannot be taken as it is.

This module owns the tolerant reading of such a file: sections, options and values as people write them. A line is
proposed only if job.toml's own reader takes it. It raises nothing and changes no file.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from labd.common.excerpts import shorten
from labd.common.text_limits import LONGEST
from labd.projects.job_values import ALIASES, EXAMPLES, proposals, quoted, unquoted

Reads = Callable[[str], bool]
"""Whether job.toml's own reader takes this text."""

_MOST_LINES = 40  # with something in them; each is tried by the reader, several times
_SECTION = re.compile(r"\[+\s*[\"']?([\w. -]*?)[\"']?\s*\]*\s*(?:#.*)?")
_YAML_SECTION = re.compile(r"(job|jobs|options|env|environment)\s*:", re.IGNORECASE)
_OPTION = re.compile(
    r"[-$\s]*(?:export\s+|set\s+)?[\"']?([A-Za-z][\w.-]*(?: [A-Za-z]\w*)?)[\"']?\s*(?:=>|:=|==|=|:)\s*(.*)"
)
_SPACED = re.compile(r"-*([A-Za-z]\w*)\s+(.+)")
_ITEM = re.compile(r"\s*-\s+(.+)")
_COMMENT = re.compile(r"(?://|;|--|/\*|%|REM )\s*(.*?)(?:\*/)?", re.IGNORECASE)
_SEVERAL = re.compile(r"[^\[{\"',;]*(?:\"[^\"]*\"|'[^']*')?\s*[,;]\s*\w+\s*[=:]")
_NOTHING = ("", "none", "null", "auto", "unlimited", "default", "inf", "infinity", "max", "all")


@dataclass
class Corrections:
    """What to change, so that the file can be read: line number → new text; None: the line goes."""

    lines: dict[int, str | None] = field(default_factory=dict)
    lacks_section: bool = False  # [job] has to stand above the first option
    remarks: list[str] = field(default_factory=list)  # sentences on what no new line can be proposed for
    first: int = 0  # the first line that is wrong

    def sentences(self, longest: int) -> str:
        """The corrections as one or two sentences of at most `longest` characters; "" if there are none."""
        new = ["`[job]` in a line above all others"] if self.lacks_section else []
        new += [f"`{line}` in line {number}" for number, line in self.lines.items() if line is not None]
        gone = [f"line {number}" for number, line in self.lines.items() if line is None]
        parts = [f"Write {_and(new)}"] if new else []
        parts += [f"{'remove' if parts else 'Remove'} {_and(gone)}"] if gone else []
        whole = [f"{', and '.join(parts)}."] if parts else []
        whole += list(dict.fromkeys(self.remarks))[:2]
        text = " ".join(whole)
        if len(text) <= longest:
            return text
        shorter = [line for line in new if len(line) <= longest // 2]
        while shorter and len(f"Write {_and(shorter)}, and others like them.") > longest:
            shorter.pop()
        return f"Write {_and(shorter)}, and others like them." if shorter else ""


def corrections(text: str, options: Sequence[str], reads: Reads) -> Corrections:
    """What to change in the `text` of a job.toml, which can have these `options`."""
    found = Corrections()
    lines = text.split("\n")
    if sum(map(bool, map(str.strip, lines))) > _MOST_LINES or max(map(len, lines)) > LONGEST // 4:
        return found
    if text.lstrip().startswith("{"):
        return _of_json(text, lines, options, reads) or found
    _Reading(found, options, reads, lines).read()
    return found


class _Reading:
    """One file, from its first line to its last."""

    def __init__(self, found: Corrections, options: Sequence[str], reads: Reads, lines: Sequence[str]) -> None:
        self._found, self._options, self._reads, self._lines = found, options, reads, lines
        self._section, self._has_job = "", False
        self._given: set[str] = set()

    def read(self) -> None:
        """Note what is wrong with each line."""
        number = 0
        while number < len(self._lines):
            number += self._line(number + 1, self._lines[number].strip())

    def _line(self, number: int, line: str) -> int:
        """Note what is wrong with this line; how many lines belong together."""
        if not line or line.startswith("#"):
            return 1
        if (line.startswith("[") and "=" not in line.split("]")[0]) or _YAML_SECTION.fullmatch(line):
            self._header(number, line)
        elif comment := _COMMENT.fullmatch(line) if not line.startswith("---") else None:
            # Options of a command line begin with the same sign as a comment elsewhere.
            if line.startswith("--") and (option := self._option(line)):
                return self._value(number, *option)
            self._correct(number, f"# {comment[1]}".strip())
        elif option := self._option(line):
            return self._value(number, *option)
        else:
            self._correct(number, None)
        return 1

    def _option(self, line: str) -> tuple[str, str] | None:
        """The name and the value of an option, as they are written."""
        if found := _OPTION.fullmatch(line):
            return found[1], found[2]
        spaced = _SPACED.fullmatch(line)
        return (spaced[1], spaced[2]) if spaced and self._name(spaced[1]) else None

    def _header(self, number: int, line: str) -> None:
        found = _SECTION.fullmatch(line)
        if not found and "=" in line:
            self._section, self._has_job = "job", True
            self._remark(number, "Write `[job]` in a line of its own, above the options.")
            return
        name = (found[1] if found else line.rstrip(": ")).lower()
        if name.rpartition(".")[2] in ("env", "environ", "environment", "variables"):
            self._section, right = "env", "[job.env]"
        else:
            self._section, right = "job", "[job]"
            if self._has_job or self._found.lacks_section:
                self._correct(number, None)
                return
            self._has_job = True
        if not re.fullmatch(re.escape(right) + r"\s*(#.*)?", line):
            self._correct(number, right)

    def _name(self, written: str) -> str:
        """The option that is meant by a name, "" if none is."""
        name = re.sub(r"[\s-]+", "_", written.lower()).removeprefix("job.")
        if name in self._options:
            return name
        if ALIASES.get(name) in self._options:
            return ALIASES[name]
        if "." in name:
            return ""
        return next(iter(difflib.get_close_matches(name, self._options, n=1, cutoff=0.7)), "")

    def _value(self, number: int, written: str, value: str) -> int:
        """Note what is wrong with an option; how many lines it has."""
        size = self._size(number)
        whole = "\n".join(self._lines[number - 1 : number - 1 + size])
        if not self._section and self._reads(whole) and re.match(r"\s*job\b", whole):
            return size
        if self._section == "env":
            self._variable(number, written, value, whole)
            return size
        if not self._section and not self._has_job and not self._found.lacks_section:
            self._found.lacks_section = True
            self._found.first = self._found.first or number
        name = self._name(written) or written
        if name in self._given:
            for line in range(number, number + size):
                self._correct(line, None)
            return size
        self._given.add(name)
        if self._reads(f"[job]\n{whole}"):
            return size
        if _SEVERAL.match(value):
            self._remark(number, "Write each option in a line of its own.")
            return size
        below = itertools.takewhile(bool, map(_ITEM.fullmatch, self._lines[number:]))
        items = [] if value else [found[1] for found in below if found]
        value = f"[{', '.join(items)}]" if items else _without_comment(value)
        self._propose(number, name, value)
        for line in range(number + 1, number + max(size, len(items) + 1 if items else 0)):
            self._correct(line, None)
        return max(size, len(items) + 1)

    def _propose(self, number: int, name: str, value: str) -> None:
        """Note the first way to write `value` for the option `name` that is read."""
        option, dot, variable = name.partition(".")
        if option == "env" and dot:
            right = f"env.{variable} = {quoted(unquoted(value))}"
            self._correct(number, right if self._reads(f"[job]\n{right}") else None)
            return
        if name not in self._options:
            self._correct(number, None)
            self._remark(number, f"There is no option `{shorten(name, 40)}`.")
            return
        written = (f"{name} = {one}" for one in (value, *proposals(name, value)) if one)
        if right := next((line for line in written if self._reads(f"[job]\n{line}")), ""):
            self._correct(number, right)
        elif unquoted(value).lower() in _NOTHING:
            self._correct(number, None)
        else:
            self._remark(number, f"An option is written as `{name} = {EXAMPLES.get(name, quoted('3.11'))}`.")

    def _variable(self, number: int, name: str, value: str, whole: str) -> None:
        if not self._reads(f"[job.env]\n{whole}"):
            right = f"{name} = {quoted(unquoted(_without_comment(value)))}"
            self._correct(number, right if self._reads(f"[job.env]\n{right}") else None)

    def _size(self, number: int) -> int:
        """How many lines the option in line `number` has: a list or a table can have several."""
        for size in range(1, len(self._lines) - number + 2):
            part = "\n".join(self._lines[number - 1 : number - 1 + size])
            if sum(map(part.count, "[{")) <= sum(map(part.count, "]}")):
                return size
        return 1

    def _remark(self, number: int, sentence: str) -> None:
        self._found.remarks.append(sentence)
        self._found.first = self._found.first or number

    def _correct(self, number: int, line: str | None) -> None:
        self._found.lines[number] = line
        self._found.first = self._found.first or number


def _of_json(text: str, lines: Sequence[str], options: Sequence[str], reads: Reads) -> Corrections | None:
    """The corrections for options that are written as JSON, each in the place of a line."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return None
    table = table.get("job", table) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return None
    right = [line for name, value in table.items() for line in _from_json(str(name), value, options, reads)]
    new: list[str | None] = ["[job]", *right]
    # What does not fit into the lines that there are stands in the last of them.
    if len(new) > len(lines):
        return None
    return Corrections(dict(enumerate([*new, *[None] * (len(lines) - len(new))], 1)), first=1)


def _from_json(name: str, value: object, options: Sequence[str], reads: Reads) -> Iterator[str]:
    if name in options:
        plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        exact = json.dumps(value, ensure_ascii=False)
        written = (f"{name} = {one}" for one in (exact, *proposals(name, plain)))
        yield from [line for line in written if reads(f"[job]\n{line}")][:1]


def _without_comment(value: str) -> str:
    """`value` without what stands behind it: a comment, a comma."""
    if found := re.match(r"(\"[^\"]*\"|'[^']*')\s*(?:[,;]|#|//|$)", value):
        return found[1]
    return re.split(r"\s+(?:#|//)", value)[0].rstrip(",; ")


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
