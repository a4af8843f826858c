"""The chapter of a job in which its environment image is found or made.

This module owns which image a job runs in, build.log, and the words when there is none. It never decides what an
environment is made of, and builds nothing itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from labd.common.errors import LabdError, UnavailableError
from labd.common.log import carried, get
from labd.daemon.pipeline import exact
from labd.daemon.pipeline.lab import Lab, despite_docker, end, fault, move, occupy, stop_event, stopped
from labd.daemon.pipeline.project_options import read_dependencies, tell_forgotten
from labd.daemon.pipeline.run_log import RunLog
from labd.diagnosis.builds.verdicts import build_timed_out, refused
from labd.environments.environment import Environment
from labd.model.engine import AwayError, BuildFailed, Report
from labd.model.jobs import Grant, Job, State
from labd.projects import reading

_REWRITE = 2.0  # seconds
_MOST_CUT = 5  # builds in which Docker failed: it may be the build that does it
_RERUN = "This is no fault of your project: tell the administrator, and create RERUN in its inbox when it is mended."
_SHOWING = 2.0  # seconds that a build waits for its owner's outbox, which may hang


def build(lab: Lab, job: Job) -> Job:
    """Make the environment image, unless it is there."""
    assert job.grant is not None
    fault("building")
    stop = stop_event(lab, job)
    if stop.is_set():
        return stopped(lab, lab.store.job(job.id))
    try:
        cut = _Cut()
        image = despite_docker(lab, job, lambda: cut.counted(lambda: _image(lab, job, stop)))
    except BuildFailed as error:
        if error.cancelled:
            return stopped(lab, lab.store.job(job.id))
        diagnosis = build_timed_out(lab.config.build.timeout)
        if not error.timed_out:
            identity = lab.accounts[job.user].identity
            diagnosis = reading.build_failed(error.log_tail, error.exit_code, lab.language(job), identity)
        hint = (
            f"{diagnosis.hint} Without --exact it takes the versions that are there now."
            if job.exact
            else diagnosis.hint
        )
        return end(lab, job, State.BUILD_FAILED, diagnosis.cause, hint)
    except UnavailableError as error:
        diagnosis = refused(error.message, error.hint)
        return end(lab, job, State.BUILD_FAILED, diagnosis.cause, diagnosis.hint)
    except LabdError as error:
        return end(lab, job, State.BUILD_FAILED, error.message, error.hint)
    if image is None:
        return stopped(lab, lab.store.job(job.id))
    fault("built")
    job = lab.store.job(job.id)
    notes = (*job.notes, exact.note(lab, job, image)) if job.exact else job.notes
    return move(lab, job, State.RUNNING, image=image, notes=tuple(dict.fromkeys(notes)))


class _Cut:
    """How often Docker failed in the middle of one job's builds."""

    def __init__(self) -> None:
        self._times = 0

    def counted(self, build: Callable[[], str]) -> str:
        """What `build` returns. Raises UnavailableError when it seems to be the build that makes Docker fail."""
        try:
            return build()
        except AwayError as error:
            self._times += error.was_there
            if self._times < _MOST_CUT:
                raise
            message = f"The server's Docker failed {self._times} times while it built the environment."
            raise UnavailableError(message, _RERUN) from error


def _image(lab: Lab, job: Job, stop: threading.Event) -> str:
    """Id of the image for `job`, which is made unless it is there."""
    assert job.grant is not None
    image = exact.kept(lab, job) if job.exact else None
    if image is None:
        return _environment(lab, job, job.grant, stop)
    _say_built(lab, job, f"Nothing to build: the environment of job {job.exact} is kept.")
    return image


def _environment(lab: Lab, job: Job, granted: Grant, stop: threading.Event) -> str:
    asked = read_dependencies(lab, job, lab.language(job), granted.version)
    if job.exact:
        asked = exact.pinned(lab, job, asked)
    environment = lab.images.describe(granted.language, granted.version, asked.files)
    image = lab.images.ready(environment, f"{job.user}/{job.project}")
    if image is None:
        return _make_image(lab, job, environment, asked.log, stop)
    _say_built(lab, job, *asked.log, f"Nothing to build: the environment {environment.tag} is there already.")
    return image


def _say_built(lab: Lab, job: Job, *lines: str) -> None:
    with _build_log(lab, job) as report:
        for line in lines:
            report(line)


def _make_image(lab: Lab, job: Job, environment: Environment, changes: Iterable[str], stop: threading.Event) -> str:
    get().info("building the environment", state="building", tag=environment.tag)
    with _build_log(lab, job) as report:
        showing = threading.Thread(target=carried(_show_log), args=(lab, job), name=f"build-log-{job.id}", daemon=True)
        showing.start()
        showing.join(_SHOWING)
        for change in changes:
            report(change)
        return lab.images.ensure(environment, f"{job.user}/{job.project}", report, stop)


def _show_log(lab: Lab, job: Job) -> None:
    """Let the researcher see build.log while it grows, and what their project forgot to ask for."""
    try:
        occupy(lab, job)
        lab.outbox(job).place_logs(lab.folder(job.id) / "delivery")
        lab.announce(tell_forgotten(lab, job))
    except (LabdError, OSError) as error:
        get().warning("build.log is shown at the end only", reason=str(error))


@contextlib.contextmanager
def _build_log(lab: Lab, job: Job) -> Iterator[Report]:
    """What writes a line into build.log, which keeps as much of them as run.log does."""
    identity, limit = lab.accounts[job.user].identity, lab.config.output.log
    log = RunLog(lab.folder(job.id) / "delivery" / "build.log", limit, identity.uid, identity.gid)
    size, due = 0, 0.0

    def report(line: str) -> None:
        nonlocal size, due
        said = line.rstrip("\n").encode("utf-8", "replace") + b"\n"
        log.feed(said)
        size += len(said)
        if time.monotonic() >= due:
            flush()
            # A log that is cut is written whole each time.
            due = time.monotonic() + (_REWRITE if size > limit // 2 else 0.0)

    def flush() -> None:
        with contextlib.suppress(OSError):  # a full disk: the build itself says so, and better
            log.flush()

    try:
        yield report
    finally:
        flush()
