"""What the end of a program means: from evidence to an outcome and the sentence that goes with it.

This module owns the order in which evidence counts: who asked to stop it, whether the machine stopped it, what the
kernel counted, its exit code. It is pure; all evidence is handed in.
"""

from __future__ import annotations

from collections.abc import Callable

from labd.diagnosis.programs import Diagnosis, out_of_memory, timed_out
from labd.model.engine import Condition, Phase, Usage
from labd.model.jobs import Job, State

_LESS = "Write less, remove what is not needed any more while it runs, or ask the administrator for a higher limit."
_AGAIN = "Create the file RERUN in the project's inbox to run it again."


def understand(
    job: Job, condition: Condition, usage: Usage | None, explain: Callable[[int], Diagnosis], log_tail: str = ""
) -> tuple[State, Diagnosis]:
    """The outcome of `job` whose program printed `log_tail` and ended in `condition`, and why.

    `explain` knows what an exit code means.
    """
    assert job.grant is not None
    code = condition.exit_code
    if condition.phase is Phase.ABSENT:
        return State.INTERRUPTED, Diagnosis(
            "The program disappeared from this server while labd was not looking.", _AGAIN
        )
    if job.stopping is State.TIMED_OUT:
        return State.TIMED_OUT, timed_out(job.grant.timeout, log_tail)
    if job.stopping is State.OUTPUT_TOO_LARGE:
        return job.stopping, Diagnosis(f"The program wrote too much: {job.stop_reason}.", _LESS)
    if job.stopping:
        return job.stopping, Diagnosis(f"The job was stopped: {job.stop_reason}.", "")
    if condition.interrupted:
        return State.INTERRUPTED, Diagnosis("The server or its Docker was stopped while the program ran.", _AGAIN)
    if code == 0:
        return State.SUCCEEDED, Diagnosis("", "")
    if usage and usage.oom_kills:
        return State.OUT_OF_MEMORY, out_of_memory(job.grant.memory, usage.peak_memory or None)
    return State.FAILED, explain(code or 0)
