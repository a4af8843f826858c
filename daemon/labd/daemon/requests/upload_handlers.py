"""The answers about uploads: one is said to be complete, or a transfer is told of."""

from __future__ import annotations

from collections.abc import Iterator

from labd.common.log import get
from labd.common.printable import one_line
from labd.daemon.requests.handling import Asking, Json, handles
from labd.model.requests import Note, Submit

_NOTE, _ADDRESS = 200, 64  # characters that are kept


@handles(Submit)
def submit(request: Submit, asking: Asking) -> Iterator[Json]:
    project = request.project
    with asking.connection.waiting():
        job = asking.parts.submissions.submit(asking.researcher, project, asking.connection.check)
    if job is None:
        text = f"Nothing has changed in {project} since its last job; `rerun {project}` runs it again."
    else:
        text = f"{project} is job {job.id}."
    yield {"text": text, "job": job.id if job else None}


@handles(Note)
def note(request: Note, asking: Asking) -> Iterator[Json]:
    text, address = one_line(request.text)[:_NOTE], one_line(request.address)[:_ADDRESS]
    if request.event == "refused":
        get().warning("command refused", user=asking.researcher, address=address, what=text)
    elif request.event == "transfer":
        get().info("transfer", user=asking.researcher, address=address, what=text)
    asking.parts.inbox.note(asking.researcher, request.projects)
    yield {}
