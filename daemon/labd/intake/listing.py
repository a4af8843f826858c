"""The listing of a whole upload, kept beside its snapshot: what explanations know of files that a job cannot see.

This module owns where the listing is and when it is empty. The walk is `privsep/upload_listing`; what a listing means
is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labd.accounts.accounts import Account
from labd.common.log import get
from labd.common.printable import printable
from labd.privsep.workers import WorkerError, Workers
from labd.projects.evidence import listing_file

_SECONDS = 600.0
_SHOWN = 3
_PULL = "run `git lfs pull` on your own computer, and send it again"


def make(workers: Workers, account: Account, source: Path) -> Mapping[str, Any]:
    """The listing of the upload in `source`. It is evidence only: a job does not wait for one that cannot be made."""
    try:
        listing: dict[str, Any] = workers.do(account.identity, "list_upload", timeout=_SECONDS, folder=str(source))
        return listing
    except WorkerError as error:
        get().warning("the upload cannot be listed", reason=error.message, file=str(source))
        return {"files": {}, "pointers": {}, "is_whole": False}


def keep(listing: Mapping[str, Any], snapshot: Path) -> None:
    """Put `listing` where explanations of jobs with this `snapshot` look for it. Raises OSError."""
    listing_file(snapshot).write_text(json.dumps(listing))


def pointers(listing: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence about each git-lfs pointer of an upload that stands where a job looks for data."""
    found = [path for path in listing["pointers"] if path.startswith(("code/", "input/"))]
    notes = [f"{printable(path)} is a git-lfs pointer, not the data: {_PULL}." for path in found[:_SHOWN]]
    more = len(found) - len(notes)
    return (*notes, f"{more} more of the files are git-lfs pointers.") if more else tuple(notes)
