"""`labd try`: the whole product for one project, in a temporary lab.

This module owns the way of a folder through a lab of its own: what is shown on the way, where the results go, and which
exit code that makes. The lab itself is the daemon, as on a server; nothing is done here that it does otherwise.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labd.cli.local.temporary_lab import TemporaryLab, as_caller, temporary_lab
from labd.client.connection import AnswerError
from labd.client.progress import Progress
from labd.client.rendering import BOLD, styled, wrapped
from labd.common.commands import run as run_program
from labd.common.errors import Exit, LabdError, NotFoundError, ProjectError
from labd.common.printable import one_line
from labd.common.signals import catch
from labd.common.units import count, human_size
from labd.daemon.outbox.mirror import CONTENTS
from labd.model.config import Config
from labd.model.jobs import State
from labd.privsep.outbox_files import rotate

_LOOK = 0.1
_RSYNC_SECONDS = 6 * 3600.0
_SHOWN = 6


def run(project: Path, output: Path, config: Config | None) -> int:
    """Run `project` in a lab of its own and put what the outbox has into `output`; the exit code.

    `config` is the machine's, None: it has none. Raises LabdError, with NOT_RUN as its exit code as long as no program
    was started.
    """
    try:
        return _run(project.resolve(), output.resolve(), config)
    except LabdError as error:
        if not isinstance(error, _LostError):
            error.exit_code = Exit.NOT_RUN
        raise


class _LostError(LabdError):
    """The results could not be brought to where they should be."""


def _run(project: Path, output: Path, config: Config | None) -> int:
    if not project.is_dir():
        raise NotFoundError(f"There is no folder {project}.", "Name the folder that has code/ in it.")
    _check_output(output, project)
    catch((signal.SIGTERM, signal.SIGHUP), signal.default_int_handler)
    progress = Progress()
    progress.enter("preparing", time.time())
    with temporary_lab(config, project.name) as lab:
        try:
            lab.upload(project, leave_out=output)
            lab.start()
            job = _Story(lab, progress).see_through()
        finally:
            progress.leave(time.time())
        _deliver(lab, output)
    _tell(job, output, progress)
    return _exit_code(job)


class _Story:
    """The job, from the upload to its outcome, as somebody at a terminal sees it."""

    def __init__(self, lab: TemporaryLab, progress: Progress) -> None:
        self._lab, self._progress = lab, progress
        self._run_log, self._build_log = _GrowingFile(lab.logs / "run.log"), _GrowingFile(lab.logs / "build.log")
        self._started = False

    def see_through(self) -> dict[str, Any]:
        """The job in its outcome. Ctrl-C stops it and waits for the results; a second one does not."""
        try:
            return self._until_outcome()
        except KeyboardInterrupt:
            self._progress.say("Stopping the program. (Ctrl-C once more: without its results)")
            job = self._lab.job()
            if job is None:
                raise
            with suppress(AnswerError):  # It ended in this moment.
                self._lab.ask("cancel", job=job["job"])
            return self._until_outcome()

    def _until_outcome(self) -> dict[str, Any]:
        while True:
            job = self._lab.job()
            if job is None:
                self._check_refusal()
            elif self._show(job):
                return job
            self._progress.tick()
            time.sleep(_LOOK)

    def _show(self, job: dict[str, Any]) -> bool:
        """Show how the job is now; whether that is its outcome."""
        state = State(job["state"])
        if lines := self._build_log.more().decode("utf-8", "replace").splitlines():
            self._progress.detail(lines[-1])
        if job["started"]:
            # A short program may have ended before it was seen running; its output still belongs there.
            if not self._started:
                self._progress.enter(State.RUNNING.value, job["started"])
            self._started = True
            self._progress.show(self._run_log.more(), last=state is State.DELIVERING or state.is_outcome)
        if not state.is_outcome:
            self._progress.enter(state.value, job["ended"] or job["since"])
        return state.is_outcome

    def _check_refusal(self) -> None:
        """Raise what the outbox says of an upload that became no job."""
        try:
            upload = json.loads((self._lab.outbox / "status.json").read_bytes()).get("upload", {})
        except FileNotFoundError:
            return
        if upload.get("state") == "refused":
            raise ProjectError(upload["cause"], upload["hint"])


class _GrowingFile:
    """What is new in a growing file."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0

    def more(self) -> bytes:
        """What was added since the last time; nothing while there is no such file."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._seen)
                new = file.read()
        except FileNotFoundError:
            return b""
        self._seen += len(new)
        return new


# The results


def _check_output(output: Path, project: Path) -> None:
    """Raise ProjectError unless results can go to the folder `output` without touching anything of anybody's."""
    if output == project or output in project.parents:
        raise ProjectError(f"{output} holds the project itself.", "Name another folder with --output DIR.")
    try:
        entries = {entry.name for entry in output.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise ProjectError(
            f"Results cannot go to {output}: {error.strerror}.", "Name another folder with --output DIR."
        ) from None
    if entries and "STATUS" not in entries:
        raise ProjectError(
            f"{output} has files in it that are not from labd.", "Name another folder with --output DIR."
        )


def _deliver(lab: TemporaryLab, output: Path) -> None:
    """Copy what is in the outbox to `output`; what an earlier try left there moves to history/, as in an outbox.

    Raises _LostError, after which the lab's folder stays.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        history = output / "history"
        numbers = [int(entry.name) for entry in history.glob("*") if entry.name.isdecimal()]
        rotate(str(output), list(CONTENTS), str(max(numbers, default=0) + 1), {}, lab.config.retention.history)
        # COMPLETE once more, and last: who sees it has all of it.
        for part in ([f"{lab.outbox}/", "--exclude=/COMPLETE"], [str(lab.outbox / "COMPLETE")]):
            _copy([*part, *as_caller(), f"{output}/"])
    except (OSError, LabdError, KeyboardInterrupt) as error:
        lab.kept = True
        reason = error.message if isinstance(error, LabdError) else str(error) or "interrupted"
        raise _LostError(
            f"The results could not be brought to {output}: {reason}", f"They are still in {lab.outbox}."
        ) from None


def _copy(arguments: Sequence[str]) -> None:
    done = run_program(["rsync", "--archive", *arguments], timeout=_RSYNC_SECONDS)
    if done.code != 0:
        lines = [line for line in done.output.splitlines() if line.startswith("rsync:")]
        raise LabdError(lines[0].removeprefix("rsync: ") if lines else f"rsync ended with code {done.code}.")


def _tell(job: dict[str, Any], output: Path, progress: Progress) -> None:
    """How it ended, why, and where the results are."""
    progress.say(styled(f"{job['project']}: {job['sentence']}", BOLD, progress.err))
    for name, text in (("Cause", job["cause"]), ("What to do", job["hint"])):
        if text and job["state"] != State.CANCELLED.value:
            progress.say(wrapped(f"{name}: {one_line(text)}", progress.err))
    for note in job["notes"]:
        progress.say(wrapped(f"Note: {one_line(note)}", progress.err))
    shown = _relative(output)
    files = sorted(path for path in (output / "output").rglob("*") if path.is_file() and not path.is_symlink())
    if not files:
        progress.say(f"Everything about it is in {shown}/")
        return
    progress.say(f"Results: {shown}/output/ ({count(len(files), 'file')}), and all about the run in {shown}/")
    for file in files[:_SHOWN]:
        progress.say(f"  {one_line(file.relative_to(output / 'output'))}  {human_size(file.stat().st_size)}")
    if len(files) > _SHOWN:
        progress.say(f"  and {len(files) - _SHOWN} more")


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _exit_code(job: dict[str, Any]) -> int:
    state = State(job["state"])
    if state in (State.TIMED_OUT, State.CANCELLED):
        return Exit.TIMED_OUT if state is State.TIMED_OUT else Exit.CANCELLED
    if job["started"] is None:
        return Exit.NOT_RUN
    if state in (State.SUCCEEDED, State.FAILED, State.OUT_OF_MEMORY):
        return int(job["exit_code"] or (Exit.OK if state is State.SUCCEEDED else Exit.FAILED))
    # Stopped by labd or by the machine: an exit code of 0 would be a lie.
    return Exit.FAILED
