"""What the command line asks a running daemon, and how the answer is shown.

This room owns one function for each question: the request that it is, and the way that the answer is printed. Each
returns the exit code and raises LabdError. It never decides anything.
"""

from __future__ import annotations

import json
import sys
import time

from labd.client import ask, find_socket
from labd.errors import Exit, UnavailableError
from labd.rendering import is_terminal, safe, show_history, show_images, show_job, show_jobs, show_queue

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import SimpleNamespace as Options
    from typing import Any


def status(options: Options) -> int:
    """What is going on; or all about one job."""
    answer = _ask_one(options, "status", job=options.job)
    if options.job is not None:
        _tell_also(answer)
        show_job(answer)
        return Exit.OK
    shown = [*answer["active"], *answer["recent"]]
    if is_terminal(sys.stdout):
        news = "\n" if shown else " You have no jobs yet."
        print(f"{answer['running']} running, {answer['queued']} queued.{news}")
    show_jobs(shown)
    return Exit.OK


def jobs(options: Options) -> int:
    """The latest jobs."""
    found = _ask(options, "jobs", limit=options.limit)
    if options.json:
        _print_json(found)
    else:
        show_history(found, time.time())
    return Exit.OK


def logs(options: Options) -> int:
    """What a program printed, as it comes."""
    shown = safe if is_terminal(sys.stdout) else str
    for piece in ask(find_socket(options.socket), "logs", None, job=options.job, follow=options.follow):
        _tell_also(piece)
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
    _tell_also(job)
    print(f"Job {job['job']} ({job['project']}) {_stopped(job)}")
    return Exit.OK


def rerun(options: Options) -> int:
    """Run a snapshot once more."""
    job = _ask_one(options, "rerun", job=options.job, exact=options.exact)
    _tell_also(job)
    print(f"{job['project']} runs again as job {job['job']}.")
    return Exit.OK


def submit(options: Options) -> int:
    """Say that an upload is complete."""
    print(_ask_one(options, "submit", project=options.project)["text"])
    return Exit.OK


def queue(options: Options) -> int:
    """What runs and what waits, in the order in which it will start."""
    found = _ask(options, "queue")
    if options.json:
        _print_json(found)
    elif found:
        show_queue(found)
    else:
        print("Nothing runs and nothing waits.")
    return Exit.OK


def images(options: Options) -> int:
    """The environment images."""
    found = _ask(options, "images")
    if options.json:
        _print_json(found)
    else:
        show_images(found)
    return Exit.OK


def _ask(options: Options, verb: str, **request: object) -> list[dict[str, Any]]:
    return list(ask(find_socket(options.socket), verb, **request))


def _ask_one(options: Options, verb: str, **request: object) -> dict[str, Any]:
    for answer in _ask(options, verb, **request):
        return answer
    raise UnavailableError("The labd daemon stopped before it answered.", "Try again in a moment.")


def _tell_also(answer: dict[str, Any]) -> None:
    """Say what else JOB could have meant, beside the answer."""
    if also := answer.get("also"):
        print(f"labd: {also}", file=sys.stderr)


def _print_json(documents: Sequence[dict[str, Any]]) -> None:
    sys.stdout.writelines(json.dumps(document) + "\n" for document in documents)
