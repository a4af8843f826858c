"""What the command line asks a running daemon, and how the answer is shown.

This module owns one function for each request that is typed, of the same name (`model/requests`): it asks, and prints
the answer. Each returns the exit code and raises LabdError. It never decides anything. What the daemon says of commands
names those of `labd`; `command` in the options is what somebody types instead, where that is something else.
"""

from __future__ import annotations

import json
import sys
import time

from labd.client.connection import ask, find_socket
from labd.client.rendering import is_terminal, show_history, show_images, show_job, show_jobs, show_queue
from labd.common.errors import Exit, UnavailableError
from labd.common.printable import for_terminal
from labd.common.units import count
from labd.model.request_arguments import MOST_JOBS

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import SimpleNamespace as Options
    from typing import Any


def status(options: Options) -> int:
    """What is going on; or all about one job."""
    answer = _ask_one(options, "status", job=options.job)
    if options.json:
        _print_json([answer], options)
    elif options.job is not None:
        _tell_also(answer, options)
        show_job(answer, lambda text: as_typed(text, _command(options)))
    else:
        _show_all(answer, options)
    return Exit.OK


def _show_all(answer: Mapping[str, Any], options: Options) -> None:
    # A daemon from before an update, which runs until it is restarted, has no uploads and nothing older to tell.
    jobs, uploads, older = [*answer["active"], *answer["recent"]], answer.get("uploads", []), answer.get("older", 0)
    if is_terminal(sys.stdout):
        news = "\n" if jobs or uploads else " You have no jobs yet."
        print(f"{answer['running']} running, {answer['queued']} queued.{news}")
    show_jobs(jobs, uploads)
    if older:
        _note(f"{count(older, 'older job')}: `labd jobs` lists them.", options)


def jobs(options: Options) -> int:
    """The latest jobs."""
    limit = min(options.limit, MOST_JOBS)
    if options.json:
        _print_json(_ask(options, "jobs", limit=limit), options)
        return Exit.OK
    # One more than is shown tells whether there are more.
    found = _ask(options, "jobs", limit=limit + (0 < limit < MOST_JOBS))
    is_cut = len(found) > limit
    show_history(found[-limit:] if is_cut else found, time.time())
    if is_cut:
        more = min(max(limit * 10, 1000), MOST_JOBS)
        _note(f"There are older jobs: `labd jobs -n {more}` lists more.", options)
    return Exit.OK


def logs(options: Options) -> int:
    """What a program printed, as it comes."""
    shown = for_terminal if is_terminal(sys.stdout) else str
    for piece in ask(find_socket(options.socket), "logs", None, job=options.job, follow=options.follow):
        _tell_also(piece, options)
        sys.stdout.write(shown(piece["text"]))
        sys.stdout.flush()
    return Exit.OK


def _stopped(job: dict[str, Any]) -> str:
    if job["state"] in ("building", "running"):
        return "is being stopped; what it wrote so far is kept."
    if job["started"]:
        return "has ended; its results are no longer waited for."
    return "will not run."


def cancel(options: Options) -> int:
    """Stop a job."""
    job = _ask_one(options, "cancel", job=options.job)
    _tell_also(job, options)
    print(f"Job {job['job']} ({job['project']}) {_stopped(job)}")
    return Exit.OK


def rerun(options: Options) -> int:
    """Run a snapshot once more."""
    job = _ask_one(options, "rerun", job=options.job, exact=options.exact)
    _tell_also(job, options)
    print(f"{job['project']} runs again as job {job['job']}.")
    return Exit.OK


def submit(options: Options) -> int:
    """Say that an upload is complete."""
    print(as_typed(_ask_one(options, "submit", project=options.project)["text"], _command(options)))
    return Exit.OK


def queue(options: Options) -> int:
    """What runs and what waits, in the order in which it will start."""
    found = _ask(options, "queue")
    if options.json:
        _print_json(found, options)
    elif found:
        show_queue(found)
    else:
        print("Nothing runs and nothing waits.")
    return Exit.OK


def images(options: Options) -> int:
    """The environment images."""
    found = _ask(options, "images")
    if options.json:
        _print_json(found, options)
    else:
        show_images(found)
    return Exit.OK


def _ask(options: Options, verb: str, **request: object) -> list[dict[str, Any]]:
    return list(ask(find_socket(options.socket), verb, **request))


def _ask_one(options: Options, verb: str, **request: object) -> dict[str, Any]:
    for answer in _ask(options, verb, **request):
        return answer
    raise UnavailableError("The labd daemon stopped before it answered.", "Try again in a moment.")


def as_typed(text: str, command: str) -> str:
    """`text` of the daemon's with its commands as they are typed where it is read."""
    return text.replace("`labd ", f"`{command} ")


def _command(options: Options) -> str:
    return getattr(options, "command", "labd")


def _tell_also(answer: dict[str, Any], options: Options) -> None:
    """Say what else JOB could have meant, beside the answer."""
    if also := answer.get("also"):
        _note(also, options)


def _note(text: str, options: Options) -> None:
    """Something about the answer that is no part of it."""
    print(f"labd: {as_typed(text, _command(options))}", file=sys.stderr)


def _print_json(documents: Sequence[dict[str, Any]], options: Options) -> None:
    sys.stdout.writelines(as_typed(json.dumps(document), _command(options)) + "\n" for document in documents)
