"""The queue over hours: a clock that jumps from event to event, and jobs that end when they like, in time or early."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labd.model.engine import Capacity
from labd.model.jobs import Grant, Job, Signal, State
from labd.scheduling import fair_share
from labd.scheduling.fair_share import Run
from labd.scheduling.queue import PATIENCE, admit, order

MACHINE = Capacity(4.0, 8000, ("a", "b"))
GRACE = 10.0
LOOK = 5.0  # the daemon looks at the queue at least this often
LONGEST = 3600.0


def job(number: int, user: str, at: float, project: str = "", **grant: float) -> Job:
    granted = replace(Grant("python", "3.11", 1.0, 1000, 0, 60.0, False), **grant)  # type: ignore[arg-type]
    return Job(number, user, project or f"p{number}", State.QUEUED, Signal.SUBMIT, at, at, number, grant=granted)


@dataclass
class Clock:
    """A machine without a daemon: only the choice is real."""

    per_user: int = 10
    look: float = LOOK
    now: float = 0.0
    queue: list[Job] = field(default_factory=list)
    running: dict[int, tuple[Job, float]] = field(default_factory=dict)  # with the time at which it will end
    since: Mapping[int, float] = field(default_factory=dict)
    promised: list[int] = field(default_factory=list)
    started: dict[int, float] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    part: random.Random = field(default_factory=lambda: random.Random(1))

    def step(self, early: bool) -> None:
        """Go on by a look: end what is over, choose, start what was chosen, and check what has to hold always."""
        self.now += self.look
        for number, (one, end) in list(self.running.items()):
            if end <= self.now:
                del self.running[number]
                assert one.grant and one.started is not None
                self.runs.append(Run.of(one.user, one.started, end, one.grant))
        admitted = [one for one, _ in self.running.values()]
        going = [Run.of(one.user, one.started or 0.0, None, one.grant) for one in admitted if one.grant]
        usage = fair_share.usage([*self.runs, *going], MACHINE, 86400.0, self.now)
        choice = admit(self.queue, admitted, (), MACHINE, usage, lambda _: self.per_user, self.now, self.since, GRACE)
        self.since, self.promised = choice.since, choice.promised
        for chosen in choice.admissions:
            self.queue.remove(chosen.job)
            assert chosen.job.grant
            one = replace(chosen.job, state=State.RUNNING, started=self.now, gpu_ids=chosen.gpu_ids)
            lasts = chosen.job.grant.timeout * (self.part.random() if early else 1.0)
            self.running[one.id] = (one, self.now + lasts)
            self.started[one.id] = self.now
        self.check()

    def check(self) -> None:
        here = [one for one, _ in self.running.values()]
        grants = [one.grant for one in here if one.grant]
        assert sum(grant.cpus for grant in grants) <= MACHINE.cpus + 1e-6
        assert sum(grant.memory for grant in grants) <= MACHINE.memory
        gpus = [gpu for one in here for gpu in one.gpu_ids]
        assert len(gpus) == len(set(gpus)) == sum(grant.gpus for grant in grants)
        assert len({(one.user, one.project) for one in here}) == len(here)
        assert max(Counter(one.user for one in here).values(), default=0) <= self.per_user
        self.check_nothing_idles(here)

    def check_nothing_idles(self, here: list[Job]) -> None:
        """Each job that waits does not fit, waits for its own user or project, or would delay one that is promised."""
        if len(self.promised) > 1:
            return
        free, busy = free_beside(here), {(one.user, one.project) for one in here}
        promised = next((one for one in self.queue if one.id in self.promised), None)
        for one in sorted(self.queue, key=lambda one: one.id):
            may = (one.user, one.project) not in busy and one is not promised
            running = sum(other.user == one.user for other in here) + (
                promised is not None and promised.user == one.user
            )
            if may and running < self.per_user and holds(free, one):
                assert promised
                started = replace(one, state=State.RUNNING, started=self.now)
                assert self.earliest(promised, [*here, started]) > self.earliest(promised, here)
            busy.add((one.user, one.project))

    def earliest(self, promised: Job, here: list[Job]) -> float:
        """When there is room for `promised` at the latest, when all `here` need all their time."""

        def end(one: Job) -> float:
            assert one.grant and one.started is not None
            return max(one.started + one.grant.timeout + GRACE, self.now + GRACE)

        return next(
            at for at in sorted(map(end, here)) if holds(free_beside([one for one in here if end(one) > at]), promised)
        )


def free_beside(here: list[Job]) -> tuple[float, int, int]:
    grants = [one.grant for one in here if one.grant]
    cpus, memory = (sum(getattr(grant, name) for grant in grants) for name in ("cpus", "memory"))
    return MACHINE.cpus - cpus, MACHINE.memory - memory, len(MACHINE.gpus) - sum(grant.gpus for grant in grants)


def holds(free: tuple[float, int, int], one: Job) -> bool:
    assert one.grant
    return one.grant.cpus <= free[0] + 1e-6 and one.grant.memory <= free[1] and one.grant.gpus <= free[2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([{"cpus": 4.0}, {"gpus": 2}, {"memory": 8000}]), st.booleans())
def test_a_large_job_starts_in_time_however_many_small_ones_come(
    seed: int, large: dict[str, float], early: bool
) -> None:
    chance = random.Random(seed)
    clock = Clock(part=random.Random(seed))
    number = 1
    while 10**6 not in clock.started:
        # Always more small jobs than there is room for, of two users; half of them need what the large one needs.
        while sum(one.id < 10**6 for one in clock.queue) < 8:
            wants = {"cpus": 1.0, "memory": chance.choice([500, 2000]), "gpus": chance.choice([0, 1])}
            small = job(number, chance.choice(["ben", "eva"]), clock.now, timeout=chance.uniform(60, LONGEST), **wants)
            clock.queue.append(small)
            number += 1
        if clock.now == 1000.0:
            clock.queue.append(job(10**6, "ana", clock.now, timeout=LONGEST, **large))
        clock.step(early)
        assert clock.now < 1000.0 + 2 * LOOK + PATIENCE + LONGEST + GRACE, "the large job starves"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_every_job_of_a_crowd_starts_and_nothing_idles_meanwhile(seed: int, per_user: int) -> None:
    chance = random.Random(seed)
    clock = Clock(per_user=per_user, part=random.Random(seed))
    for number in range(1, 40):
        clock.queue.append(
            job(
                number,
                chance.choice(["ana", "ben", "eva"]),
                0.0,
                project=chance.choice("vwxyz"),
                cpus=chance.choice([0.5, 1.0, 4.0]),
                memory=chance.choice([100, 4000, 8000]),
                gpus=chance.choice([0, 0, 1, 2]),
                timeout=chance.uniform(30, 900),
            )
        )
    while clock.queue:
        clock.step(early=True)
        assert clock.now < 40 * (900 + PATIENCE)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_users_who_ask_for_the_same_get_the_same(seed: int) -> None:
    clock, number = Clock(part=random.Random(seed), look=30.0), 1
    used = Counter[str]()
    while clock.now < 20_000:
        for user, cpus, timeout in (("ana", 1.0, 300.0), ("ben", 4.0, 300.0), ("eva", 2.0, 600.0)):
            if sum(one.user == user for one in clock.queue) < 4:
                clock.queue.append(job(number, user, clock.now, cpus=cpus, timeout=timeout))
                number += 1
        clock.step(early=True)
    for run in clock.runs:
        used[run.user] += fair_share.dominant_share(run, MACHINE) * ((run.ended or 0) - run.started)
    assert max(used.values()) < 2.5 * min(used.values())


def test_promised_jobs_are_first_in_the_order_that_is_told() -> None:
    queue = [job(1, "ana", 0.0), job(2, "ben", 0.0), job(3, "eva", 0.0)]
    assert [one.id for one in order(queue, {"eva": 5.0}, [3])] == [3, 1, 2]


@pytest.mark.parametrize("users", [1, 20, 500])
def test_a_choice_among_ten_thousand_jobs_takes_ten_times_that_among_a_thousand(users: int) -> None:
    machine = Capacity(64.0, 1 << 40, ("a", "b"))
    running = [replace(job(20_000 + n, f"r{n}", 0.0), state=State.RUNNING, started=0.0) for n in range(63)]

    def seconds(length: int) -> float:
        """Of the CPU's time for a choice; the best of several, because others use the machine too."""
        queue = [job(n, f"u{n % users}", 0.0, cpus=2.0 + n % 7, gpus=n % 3) for n in range(length)]
        took, since = [], {}
        for turn in range(9):
            began = time.thread_time()
            since = admit(queue, running, (), machine, {}, lambda _: 10, turn * PATIENCE, since, GRACE).since
            took.append(time.thread_time() - began)
        return min(took)

    # A quadratic choice would take a hundred times as long, so seconds; 2 to 8 ms were measured on two cores.
    assert seconds(10_000) < max(40 * seconds(1_000), 0.1)
