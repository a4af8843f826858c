"""What a check of the server found: a level, a sentence, and the command that mends it.

This module owns the form of a finding, and that no check can end the others: whatever goes wrong in one becomes a
finding of its own. It never looks at anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from labd.common.errors import Exit, LabdError

AS_ROOT = "sudo labd doctor"


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # labd works, but less well or less safely than it could
    FAIL = "fail"  # something that labd is for does not work, or is not safe


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Level
    what: str  # a sentence
    mend: str = ""  # a command, or what to write where


def ok(what: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, what)


def warn(what: str, mend: str = "") -> Finding:
    """It could be better."""
    return Finding(Level.WARN, what, mend)


def fail(what: str, mend: str = "") -> Finding:
    """It must be mended."""
    return Finding(Level.FAIL, what, mend)


@dataclass(frozen=True)
class Check:
    """One thing to look at. Safe to run beside others in a thread."""

    subject: str  # heading that it stands below
    about: str  # what is looked at, as it stands in "… could not be checked"
    look: Callable[[], Iterable[Finding]]

    def findings(self) -> list[Finding]:
        """What `look` found; a failure of the check itself is the last of it. Never raises."""
        found: list[Finding] = []
        try:
            found.extend(self.look())
        except LabdError as error:
            is_forbidden = error.exit_code == Exit.NO_PERMISSION and os.geteuid() != 0
            found.append(self._forbidden() if is_forbidden else fail(error.message, error.hint))
        except PermissionError as error:
            found.append(self._forbidden() if os.geteuid() != 0 else self._failed(error))
        except Exception as error:
            found.append(self._failed(error))
        return found

    def _failed(self, error: Exception) -> Finding:
        return fail(f"{self._about} could not be checked ({str(error) or type(error).__name__}).")

    def _forbidden(self) -> Finding:
        return warn(f"{self._about} can be checked by root only.", AS_ROOT)

    @property
    def _about(self) -> str:
        return self.about[:1].upper() + self.about[1:]
