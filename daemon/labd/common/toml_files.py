"""TOML that labd writes: a whole file, or one key of a file that an administrator has written.

This module owns that what is written reads as the same (`schema` reads it), and that an edited file keeps its comments,
order and spacing. It never knows what a key means. The format is that of tomlkit (https://toml.io/en/v1.0.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import tomlkit


def as_toml(values: Any) -> str:
    """The text of a TOML file with `values`, a mapping or a dataclass. What is None is left out."""
    return tomlkit.dumps(_plain(values))


def with_key(content: bytes, key: str, value: bool | int | float | str | None) -> bytes:
    """The `content` of a TOML file with `key` of its top table set to `value`, or without it where that is None.

    All else stays as it is written. Raises ValueError for what is not TOML.
    """
    text = content.decode("utf-8-sig")
    document = tomlkit.parse(text)
    if value is None:
        document.pop(key, None)
    elif key in document:
        document[key] = value
    else:
        # The first line is in the top table, and parts no comment from what it is about.
        return (as_toml({key: value}) + text).encode()
    return tomlkit.dumps(document).encode()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
