"""A job as a row of the database, and back.

This module owns which fields are kept as JSON, and when a row cannot be read: when a newer labd wrote it, or it is
damaged. It never asks the database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_origin, get_type_hints

from labd.model.jobs import GRANTED, Grant, Job, Signal, State, within

COLUMNS = ", ".join(field.name for field in fields(Job))
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_TYPES = {name: get_origin(kind) if get_origin(kind) is tuple else kind for name, kind in get_type_hints(Job).items()}
_GRANTED = tuple(field.name for field in fields(Grant))


def encode(value: object) -> object:
    """`value` of a field of a job, as its column has it."""
    if isinstance(value, State):
        return value.value
    if isinstance(value, Grant):
        return json.dumps(asdict(value), allow_nan=False)
    if isinstance(value, tuple):
        return json.dumps(value, allow_nan=False)
    return value


def decode(row: sqlite3.Row) -> Job:
    """The job in `row`. Raises one of UNREADABLE."""
    values: dict[str, Any] = dict(row)
    for name in ("state", "outcome", "stopping"):
        values[name] = State(values[name]) if values[name] else None
    for name in ("gpu_ids", "notes"):
        values[name] = tuple(map(str, json.loads(values[name])))
    values["grant"] = grant(values["grant"]) if values["grant"] else None
    values["signal"] = Signal(values["signal"])
    for name, value in values.items():
        if not isinstance(value, _TYPES[name]):
            raise TypeError(f"{name} is {value!r}")
    if values["grant"] is None and values["state"] in GRANTED:
        raise ValueError(f"it is {values['state'].value} and has no grant")
    return Job(**values)


def grant(text: str) -> Grant:
    """The grant in `text`. One that an earlier labd gave may have numbers that no program can run with.

    Raises one of UNREADABLE.
    """
    values: Mapping[str, Any] = json.loads(text)
    known = {name: values[name] for name in _GRANTED if name in values}
    numbers = {name: within(name, values[name]) for name in ("cpus", "memory", "timeout")}
    return Grant(**{**known, **numbers, "args": tuple(map(str, values["args"])), "env": dict(values["env"])})
