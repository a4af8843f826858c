"""The process that touches researchers' files, with the researcher's own rights.

This module owns every access to an inbox or an outbox. It takes one request a line on standard input, becomes the
researcher (effective uid, gid and groups; the kernel drops all capabilities with them), does one thing, becomes itself
again and answers with one line. Programs it starts become the researcher for good. It imports the standard library
only, because it is small on purpose: an idle lab has one of these.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from labd.privsep.as_user import identity, run_program
from labd.privsep.disk_usage import held
from labd.privsep.manifest import compose, digest
from labd.privsep.outbox_files import make_ready, open_up, place, remove, rotate, unignored, write
from labd.privsep.scan import scan
from labd.privsep.session_records import read_sessions, remove_abandoned
from labd.privsep.tree_compare import changed_since, differs
from labd.privsep.tree_walk import allow_depth
from labd.privsep.upload_listing import list_upload

_Json = dict[str, Any]

_KEPT_LINES = 20
_LONGEST_PATH = 4000
_TOO_LONG = b"filename overflows"
_CAUSE = re.compile(rb"\((\d{1,3})\)$")


def look(sessions: str, **inbox: Any) -> _Json:
    """What is in an inbox (see `scan.scan`), and the transfers that the gateway noted in the folder `sessions`.

    The transfers come first: what they say was true before the look, so that a look never misses what they brought.
    The cost is that of both: a folder with very many notes must not be looked at all the time, either.
    """
    began = time.process_time()
    if inbox["names"] is None:
        remove_abandoned(sessions)
    transfers = read_sessions(sessions)
    return {"transfers": transfers, **scan(**inbox), "cost": time.process_time() - began}


def rsync(arguments: list[str], seconds: float) -> _Json:
    """Run rsync; its exit code and what it said, the first lines of each kind with the number of all.

    "complaints" are errors, "complained" is their number and "causes" that of each errno; "notes" are other lines, and
    "noted" is their number.
    """
    complaints, causes, notes = _Kept(), dict[int, int](), _Kept()

    def take(line: bytes) -> None:
        if line.startswith((b"rsync error:", b"IO error encountered")):
            return  # that there were others
        if line.startswith(b"rsync") or _TOO_LONG in line:
            complaints.add(line)
            number = _cause(line)
            causes[number] = causes.get(number, 0) + 1
        elif line:
            notes.add(line)

    try:
        code = run_program(["rsync", *arguments], seconds, take)
    except TimeoutError:
        code = 30
    return {
        "code": code,
        "complaints": complaints.lines,
        "complained": complaints.number,
        "causes": {str(number): times for number, times in causes.items()},
        "notes": notes.lines,
        "noted": notes.number,
    }


def _cause(complaint: bytes) -> int:
    """The errno that rsync gives; 0 when it gives none. A path that is too long leaves no room for it in the line."""
    if _TOO_LONG in complaint or len(complaint) > _LONGEST_PATH:
        return errno.ENAMETOOLONG
    cause = _CAUSE.search(complaint)
    return int(cause[1]) if cause else 0


class _Kept:
    """The first of many lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.number = 0

    def add(self, line: bytes) -> None:
        self.number += 1
        if len(self.lines) < _KEPT_LINES:
            self.lines.append(line.decode("utf-8", "surrogateescape"))


_ACTIONS: dict[str, Callable[..., Any]] = {
    action.__name__: action
    for action in (
        *(look, rsync, held, list_upload, changed_since, differs, digest, compose),
        *(make_ready, write, place, rotate, remove, open_up, unignored),
    )
}


def _answer(request: _Json) -> str:
    """What becomes of `request`; whatever it meets, it has an answer."""
    try:
        with identity(request["identity"]):
            value = _ACTIONS[request["action"]](**request["arguments"])
        return json.dumps({"value": value})
    except OSError as error:
        reason = f"{error.strerror or error}"
        return json.dumps({"error": reason, "errno": error.errno or 0, "file": _text(error.filename)})
    except Exception as error:
        reason = f"labd met an error of its own ({type(error).__name__})"
        return json.dumps({"error": reason, "errno": 0, "file": "", "trace": traceback.format_exc()})


def _text(name: Any) -> str:
    return "" if name is None else os.fsdecode(name) if isinstance(name, str | bytes) else str(name)


def main() -> None:
    """Serve requests until the other end closes."""
    os.umask(0o022)
    allow_depth()
    for line in sys.stdin.buffer:
        answer = _answer(json.loads(line))
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.buffer.write(answer.encode() + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
