"""From a TOML table to a frozen dataclass, with errors a person can act on.

This module owns reading and checking of tables: the key, what was found, what was expected, and the nearest known key.
It never knows what a table means. A library would do (cattrs was tried), but at 8 MB it is a fifth of the memory that
an idle daemon may take.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import reprlib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NewType, TypeVar

import tomli

from labd.common.errors import LabdError
from labd.common.text import deep_line
from labd.common.units import parse_duration, parse_size

Size = NewType("Size", int)
"""Bytes; written as a number or "8g"."""
Duration = NewType("Duration", float)
"""Seconds; written as a number or "12h"."""

T = TypeVar("T")

_PLAIN = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
_LARGEST = 10**15  # of plain numbers; a float counts exactly so far
_SHOWN = 60  # characters of what was found

_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = _SHOWN


class SchemaError(LabdError):
    """The file cannot be understood."""

    def __init__(self, message: str, hint: str = "", key: str = "") -> None:
        """`key` is the one that is wrong, as it is written in the file."""
        super().__init__(message, hint)
        self.key = key


def read_file(cls: type[T], path: Path, name: str) -> T:
    """The TOML file at `path` as `cls`; errors call the file `name`. Raises SchemaError, OSError."""
    return read_text(cls, path.read_bytes(), name)


def read_text(cls: type[T], content: bytes, name: str) -> T:
    """TOML `content` (UTF-8, a byte-order mark is allowed) as `cls`. Raises SchemaError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SchemaError(f"{name}, line {line}: this is not UTF-8 text.", "Save it as UTF-8 in your editor.") from None
    table = _parsed(text, name)
    try:
        return read_table(cls, table, name)
    except SchemaError as error:
        line = _line_of(error.key, text)
        if not line:
            raise
        message = error.message.replace(f"{name}: ", f"{name}, line {line}: ", 1)
        raise SchemaError(message, error.hint, error.key) from None


def _line_of(key: str, text: str) -> int:
    """The line of `text` that gives `key`; 0 when that cannot be known, as when two tables have such a key."""
    pattern = re.compile(rf"\[*\s*(?:[^#=]*\.)?\s*[\"']?{re.escape(key)}[\"']?\s*[=\].]")
    lines = [number for number, line in enumerate(text.split("\n"), 1) if pattern.match(line.strip())]
    return lines[0] if key and len(lines) == 1 else 0


def _parsed(text: str, name: str) -> Mapping[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        position = re.search(r"\(at line (\d+)", str(error))
        hint = f"Correct line {position[1]} of {name}." if position else f"Correct the end of {name}."
        raise SchemaError(f"{name} is not valid TOML: {error}.", hint) from None
    except RecursionError:
        most_dots = max(enumerate(text.split("\n"), 1), key=lambda entry: entry[1].count("."))[0]
        line = deep_line(text) or most_dots
        raise SchemaError(f"{name}, line {line}: brackets or dots are nested too deeply.") from None
    except (ValueError, OverflowError):
        # Python refuses to read numbers of more than some thousand digits (sys.get_int_max_str_digits).
        number = re.search(r"(?<![\d_])\d[\d_]{4000}", text)
        at = f", line {text.count(chr(10), 0, number.start()) + 1}" if number else ""
        raise SchemaError(f"{name}{at}: a number is too long.", "Write a shorter number.") from None


def read_table(cls: type[T], table: Mapping[str, Any], name: str) -> T:
    """`table` as `cls`; keys that are not there take the dataclass's defaults. Raises SchemaError."""
    return typing.cast(T, _dataclass(cls, table, _Place(name, "")))


def at_least(section: object, name: str, least: Mapping[str, float], or_zero: bool = False) -> None:
    """Raise ValueError unless all values of the `section` called `name` are None or at least what `least` says."""
    for key, bound in least.items():
        value = getattr(section, key)
        if value is not None and value < bound and not (or_zero and value == 0):
            raise ValueError(f"{name}.{key} must be {'0, or ' if or_zero else ''}at least {bound:g}.")


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where in which file a value stands."""

    file: str
    key: str
    last: str = ""  # the part of the key that stands nearest to the value

    def below(self, key: str, last: str | None = None) -> _Place:
        """The place of `key` in the table here; of an entry of a list, `last` is the list's own key."""
        shown = key if key.isprintable() and len(key) <= _SHOWN else _shown.repr(key)
        return _Place(self.file, f"{self.key}.{shown}" if self.key else shown, key if last is None else last)

    def wrong(self, found: object, expected: str) -> SchemaError:
        return SchemaError(f"{self.file}: {self.key} is {_found(found)}; expected is {expected}.", key=self.last)


def _found(value: object) -> str:
    try:
        return _shown.repr(value)
    except ValueError:  # Python does not print whole numbers of more than some thousand digits.
        return "a number that is too long"


def _dataclass(cls: Any, table: object, place: _Place) -> object:
    if not isinstance(table, Mapping):
        raise place.wrong(table, "a table")
    known = {field.name: field for field in dataclasses.fields(cls)}
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known) or 'nothing'}."
            here = place.below(str(key))
            raise SchemaError(f"{place.file}: there is no option `{here.key}`.", hint, here.last)
    hints = typing.get_type_hints(cls)
    given = {key: _value(hints[key], value, place.below(key)) for key, value in table.items()}
    for key, field in known.items():
        if key not in given and field.default is field.default_factory is dataclasses.MISSING:
            raise SchemaError(f"{place.file}: `{place.below(key).key}` is missing.")
    try:
        return cls(**given)
    except ValueError as error:
        message, hint = (*error.args, "")[:2]
        # Such a message begins with the key, if it is about one.
        key = next((key for key in known if re.match(rf"([\w.]+\.)?{key}\b", message)), "")
        raise SchemaError(f"{place.file}: {message}", hint, key) from None


def _value(expected: Any, value: object, place: _Place) -> object:
    if dataclasses.is_dataclass(expected):
        return _dataclass(expected, value, place)
    if expected is Size or expected is Duration:
        return _measured(parse_size if expected is Size else parse_duration, value, place)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (types.UnionType, typing.Union):
        return _value(next(kind for kind in arguments if kind is not type(None)), value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise place.wrong(value, "a list in [ ]")
        return tuple(
            _value(arguments[0], item, place.below(str(index), place.last)) for index, item in enumerate(value)
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise place.wrong(value, "a table")
        return {str(key): _value(arguments[1], item, place.below(str(key))) for key, item in value.items()}
    return _scalar(expected, value, place)


def _measured(parse: Callable[[Any], float], value: object, place: _Place) -> float:
    try:
        return parse(value)
    except ValueError as error:
        raise place.wrong(value, str(error)) from None


def _scalar(expected: type, value: object, place: _Place) -> object:
    if isinstance(value, str) and "\0" in value:
        raise place.wrong(value, "text without NUL characters")
    if expected is Path and isinstance(value, str):
        return Path(value)
    # bool is an int to Python, but `cpus = true` is a mistake.
    is_number = expected is float and type(value) is int
    if type(value) is not expected and not is_number:
        raise place.wrong(value, _PLAIN.get(expected, "a path in quotes"))
    # The comparison is written so that nan fails it.
    if isinstance(value, (int, float)) and not 0 <= value <= _LARGEST:
        raise place.wrong(value, f"{_PLAIN[expected]} from 0 to {_LARGEST:.0e}")
    return float(value) if is_number else value  # type: ignore[arg-type]
