"""The listing of a whole upload, kept beside its snapshot: what explanations know of files that a job cannot see.

This module owns where the listing is and when it is empty. The walk is `privsep/upload_listing`; what a listing means
is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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


def notes(listing: Mapping[str, Any]) -> tuple[str, ...]:
    """What the names in an upload's `listing` tell before anything runs."""
    return (*_misnamed(listing["files"]), *_pointers(listing))


def _misnamed(files: Iterable[str]) -> tuple[str, ...]:
    """A sentence about each folder that is a part of the job but for its capital letters."""
    tops = {path.partition("/")[0] for path in files if "/" in path}
    return tuple(
        f"{top}/ is not part of the job: the folder must be called {top.lower()}/, in small letters."
        for top in sorted(tops)
        if top.lower() in ("code", "input") and top.lower() not in tops
    )


def _pointers(listing: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence about each git-lfs pointer that stands where a job looks for data."""
    found = [path for path in listing["pointers"] if path.startswith(("code/", "input/"))]
    told = [f"{printable(path)} is a git-lfs pointer, not the data: {_PULL}." for path in found[:_SHOWN]]
    more = len(found) - len(told)
    return (*told, f"{more} more of the files are git-lfs pointers.") if more else tuple(told)
