"""What a shell would make of a command: several calls in a row, a call inside another.

This module owns how a command that will not be run is taken apart, so that a refusal can say what was meant. It is
pure, and it is imported only for a refusal.
"""

from __future__ import annotations

import re
import shlex

from labd.common.errors import NotAllowedError
from labd.gateway.words import split

_SHELLS = frozenset("sh bash dash zsh fish ksh csh tcsh busybox powershell pwsh cmd su".split())
WRAPPERS = frozenset(
    "exec nohup sudo doas nice ionice time timeout env command setsid stdbuf eval builtin xvfb-run unbuffer script"
    " systemd-run flock winpty watch".split()
)
"""Programs that only start another one."""
_INNER = re.compile(r"-[a-zA-Z]*c|/[ck]|-Command|--command", re.IGNORECASE)
_NO_FILE = re.compile(r"\d*>&\d?-?|&?\d*>>?\s*/dev/null|<\s*/dev/null|<<<?\s*\S+")
_OPERATORS = ";|&\n()<>"
_MOST = 20  # calls; a command has room for very many
_DEEPEST = 8


class Call:
    """One program in a command, with its arguments."""

    def __init__(self, words: list[str], before: str, rest: str) -> None:
        """`before` is the operator before it, `rest` all that comes after it; `written` where its output goes."""
        self.words, self.before, self.rest, self.written = words, before, rest, ""


def program(call: Call) -> str:
    """The name of the program that `call` is of, without folders; "" for none."""
    return call.words[0].rpartition("/")[2] if call.words else ""


def expands(command: str) -> bool:
    """Whether a shell would put something else into `command`."""
    return "$" in command or "`" in command


def unwrapped(command: str) -> tuple[str, str]:
    """`command` without the programs that only start another, and the first of these; "" for none."""
    wrapper = ""
    for _ in range(_DEEPEST):
        try:
            words = [word.text for word in split(command)]
        except NotAllowedError:
            break
        rest = _without_assignments(words)
        name = rest[0].rpartition("/")[2].removesuffix(".exe") if rest else ""
        if name in _SHELLS:
            at = next((at for at, word in enumerate(rest) if at and _INNER.fullmatch(word)), 0)
            if not 0 < at < len(rest) - 1:
                return name, wrapper
            command = rest[at + 1] if name != "cmd" else " ".join(rest[at + 1 :])
        elif name in WRAPPERS and len(rest) > 1:
            # Their own options, and numbers as of timeout and nice; what follows keeps its quotation marks.
            after = command[command.find(rest[0]) + len(rest[0]) :].strip()
            while match := re.match(r"(-[ugUs]\s+\S+|-\S*|\d\S*|\w+=\S*)(\s+|$)", after):
                after = after[match.end() :]
            if not after:
                return name, wrapper
            command = after
        else:
            return (shlex.join(rest) if len(rest) < len(words) and not _is_split(command) else command), wrapper
        wrapper = wrapper or name
    return command, wrapper


def calls(command: str) -> list[Call]:
    """The calls in `command`, in their order."""
    found: list[Call] = []
    for before, text, rest in _cut(_NO_FILE.sub(" ", command)):
        try:
            words = [word.text for word in split(text)]
        except NotAllowedError:
            words = text.split()
        if before in (">", ">>") and found and words:
            found[-1].written, found[-1].rest = words[0], rest
        elif before in (">", ">>") and words:
            found.append(Call([":"], "", rest))
            found[-1].written = words[0]
        elif before == "<" or not words:
            continue
        elif len(found) < _MOST and (words := _without_assignments(words)):
            found.append(Call(words, before, rest))
    return found


def _is_split(command: str) -> bool:
    return any(operator in command for operator in _OPERATORS)


def _without_assignments(words: list[str]) -> list[str]:
    while words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0], re.DOTALL):
        words = words[1:]
    return words


def _cut(command: str) -> list[tuple[str, str, str]]:
    """`command` cut at its operators: the operator before, the text, and all that follows it."""
    pieces: list[tuple[str, int, int]] = []
    before, start, at, quote = "", 0, 0, ""
    while at < len(command):
        character = command[at]
        if character == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _OPERATORS:
            pieces.append((before, start, at))
            before = character
            if command[at + 1 : at + 2] == character:
                before, at = character * 2, at + 1
            start = at + 1
        at += 1
    pieces.append((before, start, len(command)))
    return [(operator, command[begin:end], command[end:]) for operator, begin, end in pieces]
