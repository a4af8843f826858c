"""The story of a job, from the complete upload to its outcome. Read it from top to bottom.

This room owns the order of the steps. Each step starts from the state that the store has, may be cut off after any
line, and does the same again without harm when it is repeated: what it makes is named after the job.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import BufferedWriter
from pathlib import Path
from typing import Any

from labd import diagnosis, job_folder, receipt, run_log, snapshot
from labd.accounts import Account
from labd.build_diagnosis import build_failed, build_timed_out
from labd.config import Config
from labd.endings import understand
from labd.engine import Engine, EngineError, Phase, Run, StartError
from labd.errors import LabdError, ProjectError
from labd.granting import grant
from labd.hands import Hands
from labd.images import BuildFailed, Environment, Images
from labd.jobs import Job, Options, Signal, State, read_options
from labd.languages import Language, choose
from labd.log import get
from labd.outbox import Outbox
from labd.run_plan import plan
from labd.scheduling import Capacity
from labd.status import page
from labd.store import Store
from labd.supervision import Supervision
from labd.units import count

_DOCKER_RETRY = 2.0


@dataclass(frozen=True)
class Lab:
    """Everything that a job's story needs."""

    config: Config
    machine: Capacity
    accounts: Mapping[str, Account]
    languages: Mapping[str, Language]
    store: Store
    hands: Hands
    images: Images
    engine: Engine
    root: Callable[[Account, str], str]  # where in its inbox entry an upload has its project
    fingerprint: Callable[[Account, str], str]  # of an upload as it is now
    announce: Callable[[Job], None]  # the job changed: its STATUS wants to be written
    stop_events: dict[int, threading.Event] = field(default_factory=dict)
    watched: dict[int, Supervision] = field(default_factory=dict)
    growing: set[int] = field(default_factory=set)  # jobs whose upload went on growing within a minute of their start

    def folder(self, job_id: int) -> Path:
        return job_folder.path(self.config.paths.state, job_id)

    def outbox(self, job: Job) -> Outbox:
        return Outbox(self.hands, self.accounts[job.user], job.project)

    def language(self, job: Job) -> Language:
        assert job.grant is not None
        return self.languages[job.grant.language]


def advance(lab: Lab, job: Job) -> None:
    """Take `job` as far as it goes: to the queue, or to its outcome."""
    steps = {
        State.RECEIVED: receive,
        State.BUILDING: build,
        State.RUNNING: run_program,
        State.DELIVERING: deliver,
    }
    here: Job | None = job
    while here is not None and here.state in steps:
        here = steps[here.state](lab, here)


# RECEIVED → QUEUED: freeze the upload, and settle what the job gets


def receive(lab: Lab, job: Job) -> Job | None:
    """Take the snapshot and read job.toml. None when it was no job after all: the upload moved, or nothing changed."""
    folder = job_folder.make(lab.config.paths.state, job.id)
    fault("received")
    if job.signal is not Signal.RERUN:
        try:
            taken = _take_snapshot(lab, job, folder)
        except snapshot.MovedError:
            _withdraw(lab, job, accepted="")
            return None
        except snapshot.UnreadableError as error:
            return _end(lab, job, State.REJECTED, error.message, error.hint)
        if not taken.changed:
            _withdraw(lab, job, lab.store.project(job.user, job.project).accepted)
            return None
        fault("snapshot-taken")
        job = replace(job, notes=taken.notes)
    try:
        code = lab.folder(job.snapshot) / "snapshot" / "code"
        language = choose(lab.languages, os.listdir(code))
        granted = grant(_options(lab, job), language, lab.config, lab.machine)
    except ProjectError as error:
        return _end(lab, job, State.REJECTED, error.message, error.hint)
    fault("before-queued")
    _supersede(lab, job)
    job = lab.store.queue(job, time.time(), grant=granted, notes=job.notes)
    lab.announce(job)
    return job


def _take_snapshot(lab: Lab, job: Job, folder: Path) -> snapshot.Taken:
    account = lab.accounts[job.user]
    remembered = lab.store.project(job.user, job.project)
    previous = lab.folder(remembered.snapshot) / "snapshot"
    return snapshot.take(
        lab.hands,
        account,
        account.inbox / job.project / lab.root(account, job.project),
        folder / "snapshot",
        previous if remembered.snapshot and previous.exists() else None,
        unmoved=lambda: lab.fingerprint(account, job.project) == remembered.accepted,
    )


def _supersede(lab: Lab, job: Job) -> None:
    """An upload that went on growing was not complete: `job`, which has all of it, takes the place of its job."""
    for older in lab.store.active():
        if older.id in lab.growing and (older.user, older.project) == (job.user, job.project) and older.id != job.id:
            request_stop(lab, older, State.CANCELLED, f"more files arrived, and job {job.id} has them")


def _withdraw(lab: Lab, job: Job, accepted: str) -> None:
    lab.store.withdraw(job, accepted)
    get().info(
        "withdrawn: " + ("nothing has changed" if accepted else "it is still changing"), job=job.id, user=job.user
    )
    job_folder.remove(lab.hands, lab.folder(job.id))
    lab.announce(job)


def _options(lab: Lab, job: Job) -> Options:
    file = lab.folder(job.snapshot) / "snapshot" / "job.toml"
    try:
        # It is the researcher's: a link in its place would lead labd anywhere.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Options()
    except OSError:
        raise ProjectError("job.toml is not a file.", "Make it a plain text file.") from None
    with open(descriptor, "rb") as opened:
        return read_options(opened.read(65536))


# BUILDING → RUNNING: make or find the environment image


def build(lab: Lab, job: Job) -> Job:
    """Make the environment image, unless it is there."""
    assert job.grant is not None
    fault("building")
    stop = stop_event(lab, job)
    if stop.is_set():
        return _stopped(lab, job)
    try:
        environment = _environment(lab, job)
        image = lab.images.ready(environment, f"{job.user}/{job.project}")
        if image is None:
            image = _make_image(lab, job, environment, stop)
        else:
            with _build_log(lab, job) as log:
                log.write(f"Nothing to build: the environment {environment.tag} is there already.\n".encode())
    except BuildFailed as error:
        if error.cancelled:
            return _stopped(lab, lab.store.job(job.id))
        told = build_timed_out(lab.config.build.timeout)
        if not error.timed_out:
            told = build_failed(error.log_tail, error.exit_code, lab.language(job).template.distributions)
        return _end(lab, job, State.BUILD_FAILED, told.cause, told.hint)
    except LabdError as error:
        return _end(lab, job, State.BUILD_FAILED, error.message, error.hint)
    fault("built")
    return _move(lab, job, State.RUNNING, image=image)


def _environment(lab: Lab, job: Job) -> Environment:
    assert job.grant is not None
    code = lab.folder(job.snapshot) / "snapshot" / "code"
    files = {}
    for name in lab.language(job).template.environment:
        if (code / name).is_file() and not (code / name).is_symlink():
            files[name] = (code / name).read_bytes()
    return lab.images.describe(job.grant.language, job.grant.version, files)


def _make_image(lab: Lab, job: Job, environment: Environment, stop: threading.Event) -> str:
    get().info("building the environment", job=job.id, user=job.user, environment=environment.tag)
    with _build_log(lab, job) as file:
        _occupy(lab, job)
        lab.outbox(job).place_logs(lab.folder(job.id) / "delivery")

        def report(line: str) -> None:
            file.write(line.rstrip("\n").encode("utf-8", "replace") + b"\n")
            file.flush()

        return lab.images.ensure(environment, f"{job.user}/{job.project}", report, stop)


# RUNNING → DELIVERING: start the program, watch over it, and understand its end


def run_program(lab: Lab, job: Job) -> Job:
    """Start the program unless it was started before, and see it through to its end."""
    account, folder = lab.accounts[job.user], lab.folder(job.id)
    _occupy(lab, job)
    fault("outbox-rotated")
    stop = stop_event(lab, job)
    if stop.is_set() and job.started is None and lab.engine.poll(job.id).phase is Phase.ABSENT:
        return _stopped(lab, lab.store.job(job.id))
    if job.started is None:
        job_folder.prepare_run(folder, account)
        try:
            _despite_docker(lambda: lab.engine.start(_run(lab, job)), job)
        except StartError as error:
            return _end(lab, job, State.INTERRUPTED, error.message, "Create RERUN in the project's inbox to try again.")
        fault("started")
        job = lab.store.update(job, started=time.time())
        lab.announce(job)
        get().info("program started", job=job.id, user=job.user, project=job.project)
    if stop.is_set():
        request_stop(lab, job, State.CANCELLED, "")
    # The receipt's hashes are made beside the program, so that nobody waits for them.
    hashing = threading.Thread(target=_inputs, args=(lab, job), name=f"hash-{job.id}", daemon=True)
    hashing.start()
    supervision = lab.watched[job.id] = _supervision(lab, job)
    condition = supervision.until_end(job.started or time.time())
    hashing.join()
    fault("ended")
    job, usage = lab.store.job(job.id), lab.engine.usage(job.id)
    log = run_log.tail(folder / "delivery" / "run.log")
    outcome, told = understand(job, condition, usage, log, lab.language(job).template.distributions)
    facts: dict[str, Any] = {"exit_code": condition.exit_code, "ended": condition.ended or time.time()}
    if condition.started:
        facts["started"] = condition.started
    if usage:
        facts |= {"peak_memory": usage.peak_memory or None, "cpu_seconds": round(usage.cpu_seconds, 3)}
    return _end(lab, job, outcome, told.cause, told.hint, **facts)


def _supervision(lab: Lab, job: Job) -> Supervision:
    return Supervision(
        job,
        lab.engine,
        lab.hands,
        lab.accounts[job.user],
        lab.outbox(job),
        lab.folder(job.id) / "delivery",
        lab.config.output,
        stop=lambda why, reason: request_stop(lab, job, why, reason),
        tell=lambda: lab.announce(job),
    )


def _run(lab: Lab, job: Job) -> Run:
    return plan(
        job,
        lab.accounts[job.user],
        lab.language(job).template,
        frozen=lab.folder(job.snapshot) / "snapshot",
        folder=lab.folder(job.id),
        config=lab.config,
    )


# DELIVERING → outcome: bring everything home, COMPLETE last


def deliver(lab: Lab, job: Job) -> Job:
    """Put everything into the outbox, commit the outcome, and clean up."""
    outcome = job.outcome
    assert outcome is not None
    outbox, delivery = lab.outbox(job), lab.folder(job.id) / "delivery"
    fault("delivering")
    _occupy(lab, job)
    supervision = lab.watched.pop(job.id, None)
    inputs = _inputs(lab, job)
    if not (supervision and supervision.finish_mirror()):
        outbox.mirror(delivery)
    # The mirror may have begun before the last lines of the log were there.
    outbox.place_logs(delivery)
    outputs = _outputs(lab, job, supervision.outputs if supervision else {})
    notes = (*job.notes, *_remarks(lab, job, outputs))
    fault("mirrored")
    final = replace(job, state=outcome, changed=job.ended or job.changed, notes=notes)
    environment = lab.images.provenance(job.image) if job.image else {}
    text = receipt.render(final, lab.store.events(job.id), environment, inputs, outputs)
    outbox.show({"receipt.json": text, **page(job.project, final, None, time.time())})
    fault("before-complete")
    outbox.show({"COMPLETE": f"{job.id} {outcome.value}\n"})
    fault("complete")
    job = _move(lab, job, outcome, notes=notes)
    get().info(f"job {job.state.value}", job=job.id, user=job.user, **({"cause": job.cause} if job.cause else {}))
    clean_up(lab, job)
    return job


def _inputs(lab: Lab, job: Job) -> receipt.Manifest:
    """The manifest of the job's snapshot; what is shared with the snapshot before is not read again."""
    folder = lab.folder(job.snapshot)
    if not (folder / "snapshot").exists():
        return {}
    manifest = receipt.load_manifest(folder / "inputs")
    if not manifest:
        known = receipt.load_manifest(lab.config.paths.state / "manifests" / job.user / job.project)
        manifest, _ = receipt.hash_files(lab.hands, None, folder / "snapshot", known, time.time())
        receipt.save_manifest(folder / "inputs", manifest)
        receipt.save_manifest(lab.config.paths.state / "manifests" / job.user / job.project, manifest)
    return manifest


def _outputs(lab: Lab, job: Job, known: receipt.Manifest) -> receipt.Manifest:
    output = lab.folder(job.id) / "delivery" / "output"
    if not output.exists():
        return {}
    manifest, _ = receipt.hash_files(lab.hands, lab.accounts[job.user].identity, output, known, float("inf"))
    return manifest


def _remarks(lab: Lab, job: Job, outputs: receipt.Manifest) -> list[str]:
    """Return what the program wrote beside /output, and say so."""
    if job.started is None:
        return []
    strays = []
    for part in ("code", "input"):
        upper = lab.folder(job.id) / "scratch" / part / "upper"
        if upper.exists():
            found = lab.outbox(job).return_strays(part, upper, lab.language(job).template.ignore)
            strays += [f"{part}/{name}" for name in found]
    if job.outcome is State.SUCCEEDED and not outputs:
        told = diagnosis.nothing_in_output(strays)
        return [f"{told.cause} {told.hint}"]
    if strays:
        names = ", ".join(strays[:3]) + (" …" if len(strays) > 3 else "")
        return [f"Your program wrote {count(len(strays), 'file')} outside /output: {names}; see the folder stray/."]
    return []


def clean_up(lab: Lab, job: Job) -> None:
    """Remove what is left of a job that has its outcome; snapshot and logs stay. Safe to repeat."""
    fault("committed")
    if job.image:
        lab.engine.remove(job.id)
    job_folder.remove_run(lab.hands, lab.folder(job.id))
    lab.stop_events.pop(job.id, None)
    lab.growing.discard(job.id)


def give_up(lab: Lab, job_id: int) -> None:
    """End a job that a defect of labd keeps from going on. What there is of its results is delivered."""
    job = lab.store.job(job_id)
    if job.state is not State.DELIVERING and not job.state.is_outcome:
        cause = "labd itself met an error while it worked on this job."
        _end(lab, job, State.INTERRUPTED, cause, f"Tell the administrator: journalctl LABD_JOB={job.id}")


# Steps that several of the above share


def fault(point: str) -> None:
    """Die here, as by a power cut, when a test asks for it by LABD_FAULT."""
    if os.environ.get("LABD_FAULT") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def stop_event(lab: Lab, job: Job) -> threading.Event:
    """Set when somebody asked to stop `job`; set from the start if that was before labd was restarted."""
    event = lab.stop_events.setdefault(job.id, threading.Event())
    if job.stopping:
        event.set()
    return event


def request_stop(lab: Lab, job: Job, why: State, reason: str) -> Job:
    """Have `job` end as `why`, now or when its step next looks. The first request stays."""
    job = lab.store.ask_to_stop(job.id, why, reason)
    stop_event(lab, job).set()
    if job.state is State.RUNNING:
        grace = lab.config.job.grace
        stopper = threading.Thread(
            target=_despite_docker,
            args=(lambda: lab.engine.stop(job.id, grace), job),
            name=f"stop-{job.id}",
            daemon=True,
        )
        stopper.start()
    elif job.state is State.QUEUED:
        job = _stopped(lab, job)
    lab.announce(job)
    return job


def _stopped(lab: Lab, job: Job) -> Job:
    return _end(lab, job, job.stopping or State.CANCELLED, f"The job was stopped: {job.stop_reason}.", "")


def _end(lab: Lab, job: Job, outcome: State, cause: str, hint: str, **facts: Any) -> Job:
    """Everything about the end is known, and is committed before anything is told."""
    return _move(lab, job, State.DELIVERING, outcome=outcome, cause=cause, hint=hint, **facts)


def _move(lab: Lab, job: Job, state: State, **changes: Any) -> Job:
    job = lab.store.move(job, state, time.time(), **changes)
    lab.announce(job)
    return job


def _occupy(lab: Lab, job: Job) -> None:
    """Make the outbox this job's; what the job before left there goes to history/."""
    occupant = lab.store.project(job.user, job.project).occupant
    if occupant == job.id:
        return
    shown: Mapping[str, str] = {}
    if occupant:
        before = lab.store.job(occupant)
        shown = page(job.project, before, None, time.time())
    lab.outbox(job).rotate(occupant, shown, lab.config.retention.history)
    lab.store.occupy(job)


def _build_log(lab: Lab, job: Job) -> BufferedWriter:
    identity = lab.accounts[job.user].identity
    return run_log.create(lab.folder(job.id) / "delivery" / "build.log", identity.uid, identity.gid)


def _despite_docker(step: Callable[[], None], job: Job) -> None:
    """Do `step`, as often as it takes until Docker answers."""
    while True:
        try:
            return step()
        except StartError:
            raise
        except EngineError as error:
            get().warning("waiting for Docker", job=job.id, reason=error.message)
            threading.Event().wait(_DOCKER_RETRY)
