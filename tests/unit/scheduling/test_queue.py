from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from labd.model.engine import Capacity
from labd.model.jobs import Grant, Job, Signal, State
from labd.scheduling.queue import LONGEST_WAIT, PATIENCE, PROMISES, admit, order

MACHINE = Capacity(4.0, 8000, ("0", "1"))
GRANT = Grant("python", "3.11", cpus=1.0, memory=1000, gpus=0, timeout=60.0, network=False)


def job(number: int, user: str = "ana", project: str = "", **grant: float) -> Job:
    return Job(
        id=number,
        user=user,
        project=project or f"p{number}",
        state=State.QUEUED,
        signal=Signal.SUBMIT,
        created=0.0,
        changed=0.0,
        snapshot=number,
        grant=replace(GRANT, **grant),  # type: ignore[arg-type]
    )


def ids(queued: list[Job], admitted: list[Job] | None = None, now: float = 0.0, **more: object) -> list[int]:
    settings: dict[str, object] = {"usage": {}, "per_user": 10, "delivering": (), "capacity": MACHINE} | more
    return [
        chosen.job.id
        for chosen in admit(
            queued,
            admitted or [],
            settings["delivering"],  # type: ignore[arg-type]
            settings["capacity"],  # type: ignore[arg-type]
            settings["usage"],  # type: ignore[arg-type]
            lambda user: settings["per_user"],  # type: ignore[arg-type,return-value]
            now,
            settings.get("since", {}),  # type: ignore[arg-type]
        ).admissions
    ]


def test_a_user_is_served_first_come_first_served() -> None:
    assert ids([job(3), job(1), job(2)]) == [1, 2, 3]


def test_users_take_turns() -> None:
    queue = [job(1), job(2), job(3), job(4, "ben"), job(5, "ben")]
    assert [entry.id for entry in order(queue, {})] == [1, 4, 2, 5, 3]


def test_who_used_least_lately_goes_first() -> None:
    assert [entry.id for entry in order([job(1, "ana"), job(2, "ben")], {"ana": 100.0})] == [2, 1]


def test_a_job_that_fits_passes_one_that_does_not() -> None:
    assert ids([job(1, cpus=4.0), job(2, "ben")], [job(9, "eva", cpus=2.0)]) == [2]


def test_a_large_job_is_not_passed_for_ever() -> None:
    large, small = job(1, cpus=4.0), job(2, "ben", timeout=70.0)
    assert ids([large, small], [job(9, "eva")], now=PATIENCE, since={1: 0.0}) == [2]
    assert ids([large, small], [job(9, "eva")], now=PATIENCE + 1, since={1: 0.0}) == []


def test_a_project_runs_one_job_at_a_time() -> None:
    assert ids([job(1, project="x"), job(2, project="x")]) == [1]
    assert ids([job(2, project="x")], [job(1, project="x")]) == []
    assert ids([job(2, project="x")], delivering=[("ana", "x")]) == []


def test_a_user_runs_no_more_jobs_than_allowed() -> None:
    assert ids([job(1), job(2), job(3, "ben")], per_user=1) == [1, 3]


def test_gpus_are_given_out_once() -> None:
    chosen = admit([job(1, gpus=1), job(2, gpus=1), job(3, gpus=1)], [], (), MACHINE, {}, lambda user: 10, 0.0)
    assert [entry.gpu_ids for entry in chosen.admissions] == [("0",), ("1",)]
    holder = replace(job(9, "eva", gpus=1), gpu_ids=("0",))
    chosen = admit([job(1, gpus=1)], [holder], (), MACHINE, {}, lambda user: 10, 0.0)
    assert chosen.admissions[0].gpu_ids == ("1",)


def test_a_device_that_the_configuration_gives_no_more_is_not_given_out_again() -> None:
    holder = replace(job(9, "eva", gpus=1), gpu_ids=("7",))
    chosen = admit([job(1, gpus=2), job(2, gpus=1)], [holder], (), MACHINE, {}, lambda user: 10, 0.0)
    assert [entry.gpu_ids for entry in chosen.admissions] == [("0", "1")]


def test_who_waits_for_a_gpu_does_not_stop_those_who_need_none() -> None:
    holders = [replace(job(9, "eva", gpus=2, timeout=1000.0), gpu_ids=("0", "1"), state=State.RUNNING, started=0.0)]
    needs_gpu, others = job(1, cpus=2.0, gpus=1), [job(n, "ben", timeout=5000.0) for n in (2, 3, 4)]
    # Of four CPUs, two are promised, and one of these is in use until then: a third can be had until then only.
    assert ids([needs_gpu, *others], holders, now=PATIENCE + 1, since={1: 0.0}) == [2, 3]
    short = job(5, "ben", timeout=100.0)
    assert ids([needs_gpu, *others, short], holders, now=PATIENCE + 1, since={1: 0.0}) == [2, 3, 5]


def test_patience_counts_from_when_a_job_first_did_not_fit() -> None:
    large, holder = job(1, cpus=4.0), job(9, "eva", timeout=1e6)
    first = admit([large], [holder], (), MACHINE, {}, lambda user: 10, 5000.0)
    assert first.since == {1: 5000.0}
    soon = admit([large], [holder], (), MACHINE, {}, lambda user: 10, 5000.0 + PATIENCE, first.since)
    assert soon.promised == []
    later = admit([large], [holder], (), MACHINE, {}, lambda user: 10, 5001.0 + PATIENCE, soon.since)
    assert (later.since, later.promised) == ({1: 5000.0}, [1])
    assert admit([], [holder], (), MACHINE, {}, lambda user: 10, 5002.0 + PATIENCE, later.since).since == {}


def test_who_waits_for_a_place_of_their_own_user_or_project_holds_nothing() -> None:
    own = job(8, "ana", timeout=1e6)
    choice = admit(
        [job(1, cpus=4.0), job(2, "ben", timeout=1e6)], [own], (), MACHINE, {}, lambda user: 1, 1e4, {1: 0.0}
    )
    assert [chosen.job.id for chosen in choice.admissions] == [2]
    assert choice.promised == []
    same = job(8, "ana", project="p1", timeout=1e6)
    choice = admit(
        [job(1, cpus=4.0), job(2, "ben", timeout=1e6)], [same], (), MACHINE, {}, lambda user: 9, 1e4, {1: 0.0}
    )
    assert [chosen.job.id for chosen in choice.admissions] == [2]
    assert choice.promised == []


def test_a_user_s_small_jobs_do_not_take_the_place_that_their_large_one_is_promised() -> None:
    holder = job(9, "eva", timeout=1000.0)
    queue = [job(1, cpus=4.0), job(2, cpus=1.0, timeout=500.0), job(3, cpus=1.0, timeout=500.0)]
    assert ids(queue, [holder], now=1e4, since={1: 0.0}, per_user=1) == []
    assert ids(queue, [holder], now=1e4, since={1: 0.0}, per_user=2) == [2]


def test_a_job_that_the_machine_has_become_too_small_for_holds_up_nobody() -> None:
    assert ids([job(1, cpus=9.0), job(2, "ben", timeout=1e6)], now=1e9, since={1: 0.0}) == [2]


def test_a_job_that_waited_for_a_day_is_promised_a_time_before_those_whose_owners_used_less() -> None:
    holder = job(99, "eva", timeout=1e6)
    others = [job(10 + n, f"u{n}", cpus=4.0) for n in range(PROMISES)]
    queue = [job(1, "ana", cpus=4.0), *others]

    def promised(since: float) -> list[int]:
        waits = {1: since, **{other.id: 1e6 - PATIENCE - 1 for other in others}}
        return admit(queue, [holder], (), MACHINE, {"ana": 1e9}, lambda user: 9, 1e6, waits).promised

    assert 1 not in promised(1e6 - LONGEST_WAIT)
    assert promised(1e6 - LONGEST_WAIT - 1)[0] == 1


JOBS = st.builds(
    lambda number, user, project, cpus, memory, gpus: job(number, user, project, cpus=cpus, memory=memory, gpus=gpus),
    st.integers(1, 10**6),
    st.sampled_from(["ana", "ben", "eva"]),
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from([0.5, 1.0, 2.0, 4.0]),
    st.integers(1, 8000),
    st.integers(0, 2),
)


@given(st.lists(JOBS, max_size=12, unique_by=lambda entry: entry.id), st.integers(1, 3), st.floats(0, 2 * PATIENCE))
def test_what_is_admitted_always_fits_the_machine_and_the_rules(queue: list[Job], per_user: int, now: float) -> None:
    chosen = admit(queue, [], (), MACHINE, {}, lambda user: per_user, now).admissions
    jobs = [entry.job for entry in chosen]
    assert sum(entry.grant.cpus for entry in jobs if entry.grant) <= MACHINE.cpus
    assert sum(entry.grant.memory for entry in jobs if entry.grant) <= MACHINE.memory
    gpus = [gpu for entry in chosen for gpu in entry.gpu_ids]
    assert len(gpus) == len(set(gpus))
    assert len({(entry.user, entry.project) for entry in jobs}) == len(jobs)
    assert all(sum(other.user == user for other in jobs) <= per_user for user in ("ana", "ben", "eva"))
    if queue:
        assert jobs, "an empty machine always starts something that fits it"
