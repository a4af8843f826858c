"""Which of the files that arrived whole are worth noting: those that another transfer may have left broken.

This module owns the comparison of a session's files with the records of others that lie beside its own. It runs in the
gateway at the end of a session, as the researcher. What it does not find holds an upload, and never starts one.
"""

from __future__ import annotations

from labd.gateway.records.record import FOLDER
from labd.model.layout import final_path
from labd.privsep.session_records import read_sessions

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Whole = Mapping[str, Mapping[str, float]]  # project → file → when it arrived

_MOST_UNASKED = 500


def worth_noting(home: str, own: str, whole: Whole) -> dict[str, dict[str, float]]:
    """Those of the files `whole` of the session with the record `own` of which another record in `home` may speak.

    While another session of the same project goes on, its broken files are not known yet: then it is the first that
    arrived, for a client that has lost a connection begins with what was in it. Raises OSError.
    """
    others = [session for session in read_sessions(f"{home}/{FOLDER}") if session["id"] != own]
    noted = {}
    for project, files in whole.items():
        asked: dict[str, float] = {}
        if any(session["alive"] and _is_about(session, project) for session in others):
            asked = dict(list(files.items())[:_MOST_UNASKED])
        for broken in {path for session in others for path in _broken(session, project)}:
            asked |= {path: files[path] for path in (broken, final_path(broken)) if path in files}
        if asked:
            noted[project] = asked
    return noted


def _is_about(session: Mapping[str, Any], project: str) -> bool:
    return any(line.get("project") == project for line in session["lines"])


def _broken(session: Mapping[str, Any], project: str) -> list[str]:
    """The files of `project` that `session` says it left broken; what makes no sense says nothing."""
    found: list[str] = []
    for line in session["lines"]:
        projects = line.get("projects")
        end = projects.get(project) if isinstance(projects, dict) else None
        broken = end.get("broken") if isinstance(end, dict) else None
        if isinstance(broken, dict):
            found += broken
    return found
