"""What `labd setup` put on the machine: the list by which it knows its own again, and can take it away.

This module owns /var/lib/labd/setup.json, and the judgement on a file that is there already: labd's own, or changed by
the administrator. It never changes any other file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from labd.client.writing import write_whole
from labd.common.errors import ConfigError
from labd.common.installation import STATE

FILE = STATE / "setup.json"


class Fate(Enum):
    """What becomes of a file."""

    FOUND = "it is there as wanted"
    MAKE = "it is not there"
    UPDATE = "it is as setup wrote it, and a newer form is wanted"
    KEEP = "the administrator changed it, and nothing new is wanted"
    OFFER = "the administrator changed it, and a newer form is wanted, too"


@dataclass(frozen=True)
class Put:
    """A file that setup dealt with; both are SHA-256 in hex."""

    written: str  # what setup wrote; "" if the file was there before
    wanted: str  # what setup wanted there the last time


@dataclass
class InstalledFiles:
    """What setup put on the machine, by path."""

    groups: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    files: dict[str, Put] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def fate(self, path: Path, wanted: bytes) -> Fate:
        """What is to be done with the file at `path`, which should hold `wanted`."""
        try:
            there = path.read_bytes()
        except FileNotFoundError:
            return Fate.MAKE
        put = self.files.get(str(path))
        if there == wanted:
            return Fate.FOUND
        if put and put.written == sha256(there):
            return Fate.UPDATE
        return Fate.KEEP if put and put.wanted == sha256(wanted) else Fate.OFFER

    def note(self, path: Path, wanted: bytes, fate: Fate) -> None:
        """Remember what was done with the file at `path`."""
        put = self.files.get(str(path))
        ours = fate in (Fate.MAKE, Fate.UPDATE)
        before = put.written if put else ""
        self.files[str(path)] = Put(sha256(wanted) if ours else before, sha256(wanted))

    def is_unchanged(self, path: Path) -> bool:
        """Whether the file at `path` is what setup wrote. Raises FileNotFoundError."""
        put = self.files.get(str(path))
        return put is not None and put.written == sha256(path.read_bytes())

    def save(self) -> None:
        """Write it down."""
        write_whole(FILE, (json.dumps(asdict(self), indent=1) + "\n").encode(), 0o644)


def load() -> InstalledFiles:
    """What was written down; an empty one the first time. Raises ConfigError when it cannot be understood."""
    try:
        known = json.loads(FILE.read_text())
        known["files"] = {path: Put(**put) for path, put in known["files"].items()}
        return InstalledFiles(**known)
    except FileNotFoundError:
        return InstalledFiles()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(
            f"{FILE}, where `labd setup` keeps what it put here, is damaged.",
            "Move it away: what is in place already then counts as yours, and is kept.",
        ) from None


def sha256(content: bytes) -> str:
    """SHA-256 of `content`, in hex."""
    return hashlib.sha256(content).hexdigest()
