"""Where things are in an inbox: names of projects, the two layouts, control files, transfer temporaries.

This module owns the rules of an upload's form (docs/researcher.md) as pure functions on names. It never looks at a
disk.
"""

from __future__ import annotations

import re
from collections.abc import Collection

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_HINT = (
    "Rename the folder: letters, digits, dot, dash and underscore, beginning with a letter or digit, "
    "64 characters at most."
)
CONTROLS = ("SUBMIT", "CANCEL", "RERUN")
PARTS = ("code", "input", "job.toml")
"""What of a project a job can see; all else in the folder (say, results that were pulled into it) is not part of it."""

_JUNK = re.compile(r"\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|\.stfolder|\.Trash.*", re.IGNORECASE)
# rsync: .name.XXXXXX (one in 200 has no capital or digit; .config.backup is no transfer) and .~tmp~/; WinSCP:
# .filepart; browsers and FileZilla: .part; rclone: .XXXXXXXX.partial.
_TEMPORARY = re.compile(
    r"\.(.+)\.(?=[^.]*[A-Z0-9])[A-Za-z0-9]{6}|(.+)\.filepart|(.+)\.part|(.+)\.[0-9a-f]{8}\.partial|\.~tmp~", re.DOTALL
)


def is_valid_name(name: str) -> bool:
    """Whether `name` may be the name of a project."""
    return NAME.fullmatch(name) is not None


def is_junk(name: str) -> bool:
    """Whether `name` is something that a desktop leaves in every folder, no upload of anybody's."""
    return _JUNK.fullmatch(name) is not None


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this `name` is a transfer's unfinished work."""
    return _TEMPORARY.fullmatch(name) is not None


def final_path(path: str) -> str:
    """`path`, or where the file will be when the transfer that works on it under a temporary name is done."""
    folder, slash, name = path.rpartition("/")
    match = _TEMPORARY.fullmatch(name)
    return f"{folder}{slash}{next(filter(None, match.groups()), name)}" if match else path


def project_root(names: Collection[str], nested_is_folder: bool) -> str:
    """Where the project is in an inbox entry that holds `names`: "" for the entry itself, else "project".

    A folder `code` at the top decides for the entry itself, so that inbox/project/ with code/ in it is a project
    named "project".
    """
    if any(part in names for part in ("code", "job.toml")) or not nested_is_folder:
        return ""
    return "project"
