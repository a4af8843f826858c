"""The words of a command that came over SSH, and which paths in them are the researcher's to use.

This module owns the quoting rules of the shell that is never started (POSIX, Shell Command Language, 2.2 and 2.13) and
the test that a path lies in the inbox or the outbox by its letters alone. It is pure: where a link leads is for the
kernel to guard (`landlock`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labd.common.errors import NotAllowedError

_WILDCARDS = "*?["
_PATHS_HINT = "Paths begin with inbox/ or outbox/, for example inbox/my-project/ or outbox/my-project/output/."
_LONGEST_PATH = 4096  # PATH_MAX of linux/limits.h
_SHOWN = 60  # characters
_ESCAPED_IN_QUOTES = '$`"\\'


class Word:
    """One word: its `text`, and as `pattern` the same for glob(7); "" when no wildcard of it was left unquoted."""

    __slots__ = ("pattern", "text")

    def __init__(self, text: str, pattern: str = "") -> None:
        self.text, self.pattern = text, pattern


def refusal(message: str, hint: str) -> NotAllowedError:
    """The error to raise for what is not allowed."""
    # Not at the top: it takes as long to import as all of this, and good commands never need it.
    from labd.common.errors import NotAllowedError

    return NotAllowedError(message, hint)


def split(command: str) -> list[Word]:
    """The words of `command` as a shell would see them, with nothing expanded. Raises NotAllowedError."""
    words = []
    characters = iter(command)
    for character in characters:
        if character not in " \t\n":
            words.append(_word(character, characters))
    return words


def _word(character: str, characters: Iterator[str]) -> Word:
    text: list[str] = []
    pattern: list[str] = []
    is_pattern = False
    while character not in ("", " ", "\t", "\n"):
        if character in "'\"":
            quoted = _quoted(character, characters)
        elif character == "\\":
            quoted = next(characters, "")
        else:
            quoted = ""
            is_pattern = is_pattern or character in _WILDCARDS
            text.append(character)
            pattern.append(character)
        text.append(quoted)
        pattern.append(literal(quoted))
        character = next(characters, "")
    return Word("".join(text), "".join(pattern) if is_pattern else "")


def _quoted(quote: str, characters: Iterator[str]) -> str:
    text: list[str] = []
    for character in characters:
        if character == quote:
            return "".join(text)
        if character == "\\" and quote == '"':
            following = next(characters, "")
            character = following if following in _ESCAPED_IN_QUOTES else character + following
        text.append(character)
    raise refusal("A quotation mark is not closed.", f"Write {quote} at both ends, or leave it out.")


def literal(text: str) -> str:
    """The pattern that matches `text` and nothing else."""
    return "".join(f"[{character}]" if character in _WILDCARDS else character for character in text)


def inside(path: str, home: str, areas: Sequence[str]) -> str:
    """`path` relative to `home`, where it begins with one of `areas`. Raises NotAllowedError when it does not.

    What follows stays as it is written: a final slash and `/./` have a meaning for rsync.
    """
    wanted = path
    if len(path) > _LONGEST_PATH:
        raise refusal(f"{shown(wanted)} is longer than a path can be.", "Shorten the names of folders in it.")
    if path.startswith("~/"):
        path = path[2:]
    elif path.startswith(f"{home}/"):
        path = path[len(home) + 1 :]
    path = _without_dots(path)
    parts = path.split("/")
    if parts[0] not in areas or ".." in parts:
        raise refusal(f"{shown(wanted)} is not a path that you can use here.", _PATHS_HINT)
    return path


def _without_dots(path: str) -> str:
    """`path` without `./` at its beginning."""
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def shown(text: str) -> str:
    """What somebody sent, safe and short enough for a sentence and a log."""
    # Not at the top: good commands never need it.
    from labd.common.printable import printable

    line = printable(text[: _SHOWN + 1])
    return f"`{line[:_SHOWN]}…`" if len(line) > _SHOWN else f"`{line}`"
