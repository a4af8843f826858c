"""From a TOML table to a frozen dataclass, with errors a person can act on.

This room owns reading and checking of tables: the key, what was found, what was expected, and the nearest known key.
It never knows what a table means. A library would do (cattrs was tried), but at 8 MB it is a fifth of the memory that
an idle daemon may take.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NewType, TypeVar

import tomli

from labd.errors import LabdError
from labd.units import parse_duration, parse_size

Size = NewType("Size", int)
"""Bytes; written as a number or "8g"."""
Duration = NewType("Duration", float)
"""Seconds; written as a number or "12h"."""

T = TypeVar("T")

_PLAIN = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


class SchemaError(LabdError):
    """The file cannot be understood."""


def read_file(cls: type[T], path: Path, name: str) -> T:
    """The TOML file at `path` as `cls`; errors call the file `name`. Raises SchemaError, OSError."""
    return read_text(cls, path.read_bytes(), name)


def read_text(cls: type[T], content: bytes, name: str) -> T:
    """TOML `content` (UTF-8, a byte-order mark is allowed) as `cls`. Raises SchemaError."""
    try:
        table = tomli.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SchemaError(f"{name} is not UTF-8 text.", "Save it as UTF-8 in your editor.") from None
    except tomli.TOMLDecodeError as error:
        raise SchemaError(f"{name} is not valid TOML: {error}.", "See https://toml.io for the format.") from None
    return read_table(cls, table, name)


def read_table(cls: type[T], table: Mapping[str, Any], name: str) -> T:
    """`table` as `cls`; keys that are not there take the dataclass's defaults. Raises SchemaError."""
    return typing.cast(T, _dataclass(cls, table, _Place(name, "")))


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where in which file a value stands."""

    file: str
    key: str

    def below(self, key: str) -> _Place:
        return _Place(self.file, f"{self.key}.{key}" if self.key else key)

    def wrong(self, found: object, expected: str) -> SchemaError:
        return SchemaError(f"{self.file}: {self.key} is {found!r}; expected is {expected}.")


def _dataclass(cls: Any, table: object, place: _Place) -> object:
    if not isinstance(table, Mapping):
        raise place.wrong(table, "a table")
    known = {field.name: field for field in dataclasses.fields(cls)}
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known) or 'nothing'}."
            raise SchemaError(f"{place.file}: there is no option `{place.below(str(key)).key}`.", hint)
    hints = typing.get_type_hints(cls)
    given = {key: _value(hints[key], value, place.below(key)) for key, value in table.items()}
    for key, field in known.items():
        if key not in given and field.default is field.default_factory is dataclasses.MISSING:
            raise SchemaError(f"{place.file}: `{place.below(key).key}` is missing.")
    try:
        return cls(**given)
    except ValueError as error:
        raise SchemaError(f"{place.file}: {error}") from None


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
        return tuple(_value(arguments[0], item, place.below(str(index))) for index, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise place.wrong(value, "a table")
        return {str(key): _value(arguments[1], item, place.below(str(key))) for key, item in value.items()}
    return _scalar(expected, value, place)


def _measured(parse: Callable[[Any], float], value: object, place: _Place) -> float:
    try:
        number = parse(value)
    except ValueError as error:
        raise place.wrong(value, str(error)) from None
    if number < 0:
        raise place.wrong(value, "not negative")
    return number


def _scalar(expected: type, value: object, place: _Place) -> object:
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if expected is Path and isinstance(value, str):
        return Path(value)
    # bool is an int to Python, but `cpus = true` is a mistake.
    if type(value) is not expected:
        raise place.wrong(value, _PLAIN.get(expected, "a path in quotes"))
    return value
