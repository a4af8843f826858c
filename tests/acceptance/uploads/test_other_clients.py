"""Uploads by clients that are neither rsync nor OpenSSH's: fresh, again, cut, repaired, and over several connections.

Few of these clients say that they are done, and none says it as rsync does. So labd may take a part of an upload for
all of it, but it must have waited, and say of the job that nothing proved the end of its upload. And what is whole must
never wait for ever, whoever repaired it.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.box.installed_lab import UNPROVEN, InstalledLab, Person
from support.clients.other_clients import CLIENTS, Client, Wires
from support.clients.sending import quiet
from support.lab import wait_for

pytestmark = pytest.mark.xdist_group("box-uploads")

AT_ONCE = 12
HAS_FUSE = Path("/dev/fuse").exists()
_NEEDS_FUSE = pytest.mark.skipif(not HAS_FUSE, reason="no FUSE here")
NAMES = [pytest.param(name, marks=_NEEDS_FUSE if name == "sshfs" else ()) for name in CLIENTS]
WORDS = "The end of its upload was not proven"
# A PC that is gone is noticed after a minute in a lab; the tests do not wait that long.
_SSHD = "Match User lea-costa\nClientAliveInterval 1\nClientAliveCountMax 2\nMatch all\n"
_RANDOM_CUTS = 6  # for each client


def _repairs(client: Client) -> dict[str, str]:
    """How an upload that was cut in input/big can be repaired by new sessions: the way, and what is sent."""
    others = f"part=input/more; {client.part} && part=code && {client.part}"
    ways = {"file": f"{client.big} && {others}", "all": client.all}
    return {**ways, "rest": f"{client.rest} && {others}"} if client.rest else ways


REPAIRS = [
    pytest.param(name, way, marks=_NEEDS_FUSE if name == "sshfs" else ())
    for name, client in CLIENTS.items()
    for way in (*_repairs(client), *(["itself"] if client.repairs else []))
]


@dataclass
class Step:
    """Something that is sent."""

    line: str
    how: str = "none"
    moment: int = 0
    seconds: float = 0.0
    awaits_job: bool = False  # the job of what was sent before comes first
    change: str = ""  # on the PC, before


@dataclass
class Case:
    """What became of one project."""

    steps: list[Step]
    base: str = "base"
    failure: BaseException | None = None
    codes: list[int] = field(default_factory=list)  # of the clients
    cuts: list[bool] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)  # what was in input/ on the PC after each step
    jobs: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)  # what was in the jobs' /input
    notes: list[str] = field(default_factory=list)  # STATUS and receipt.json of the latest job
    status: str = ""

    @property
    def is_reported_whole(self) -> bool:
        return self.codes[-1] == 0

    def description(self) -> str:
        """All that is known, for a test that fails."""
        steps = "\n".join(f"{step.how} at {step.moment}: {step.line}" for step in self.steps)
        jobs = [(job["job"], job["trigger"]) for job in self.jobs]
        return f"{steps}\ncodes {self.codes}, cut {self.cuts}, jobs {jobs}\n{self.status}"


def _cases(dice: random.Random) -> Iterator[tuple[str, Case]]:
    for name, client in CLIENTS.items():
        again = Step(client.all, change="echo >>$x/input/big; echo 7 >>$x/input/more/1", awaits_job=True)
        yield f"fresh-{name}", Case([Step(client.all), again])
        yield f"parts-{name}", Case([Step(f"part=input; {client.part}; part=code; {client.part}")])
        both = f"(part=input; {client.part}) & sleep 0.5; (part=code; {client.part}) && wait $!"
        yield f"beside-{name}", Case([Step(both)])
        for way, line in _repairs(client).items():
            how = dice.choice(("kill", "vanish", "reset" if not client.repairs else "kill"))
            cut = Step(client.all, how, dice.randrange(60_000, 220_000), dice.uniform(0, 0.1))
            yield f"cut-{way}-{name}", Case([cut, Step(line)])
        if client.repairs:
            yield f"cut-itself-{name}", Case([Step(client.all, "reset", dice.randrange(60_000, 220_000))])
        yield f"half-{name}", Case([Step(client.all, "kill", dice.randrange(60_000, 220_000)), Step(client.big)])
        for number in range(_RANDOM_CUTS):
            how, base = ("kill", "reset", "vanish")[number % 3], ("base", "crowd")[number % 2]
            moment = dice.randrange(2_000, 340_000 if base == "base" else 90_000)
            yield f"any-{number}-{name}", Case([Step(client.all, how, moment, dice.uniform(0, 0.2))], base)


@pytest.fixture(scope="module")
def seed() -> int:
    return random.randrange(10**9)


@pytest.fixture(scope="module")
def lea(installed: InstalledLab) -> Person:
    """A researcher whose PC has all clients."""
    installed.server.put("/etc/ssh/sshd_config.d/05-test.conf", _SSHD)
    installed.server.run("sshd -t && systemctl reload ssh")
    return installed.person("lea-costa", "pc-with-clients")


@pytest.fixture(scope="module")
def cases(lea: Person, seed: int) -> Iterator[dict[str, Case]]:
    """What became of all cases, by kind and client. Two idle connections are open meanwhile."""
    wires = Wires(lea)
    found = dict(_cases(random.Random(seed)))
    if not HAS_FUSE:
        found = {project: case for project, case in found.items() if "sshfs" not in project}
    wires.make("idle")
    with _connected(lea, "ls inbox"), _connected(lea, "put -r uploads/idle inbox/idle"):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda project: _go(wires, project, found[project]), _by_length(found)))
        jobs = quiet(lea, UNPROVEN + 6)
        assert not [job for job in jobs if job["project"] == "idle"]
    for job in jobs:
        if job["project"] in found:
            found[job["project"]].jobs.append(job)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda project: _look(lea, project, found[project]), found))
    yield found
    lea.lab.server.run(f"rm -r {lea.home}/inbox/*-*")


def _by_length(cases: dict[str, Case]) -> list[str]:
    return sorted(cases, key=lambda project: -len(cases[project].steps))


def _go(wires: Wires, project: str, case: Case) -> None:
    try:
        wires.make(project, case.base)
        for step in case.steps:
            if step.awaits_job:
                wires.person.wait_complete(project)
            if step.change:
                wires.person.run(f"cd uploads; x={project}; {step.change}")
            sent = wires.send(project, step.line, step.how, step.moment, step.seconds)
            case.cuts.append(sent.was_cut)
            case.codes.append(sent.code)
            case.sums.append(wires.sums(project))
    except BaseException as failure:
        case.failure = failure


def _look(lea: Person, project: str, case: Case) -> None:
    if case.jobs:
        lea.wait_complete(project, case.jobs[-1]["job"] - 1)
    case.status = lea.outbox(project)
    case.notes = [case.status, lea.outbox(project, "receipt.json")]
    for job in case.jobs:
        case.logs.append(lea.lab.server.text(f"/var/lib/labd/jobs/{job['job']}/delivery/run.log"))
    if case.jobs:
        case.logs[-1] = lea.outbox(project, "run.log")


@contextlib.contextmanager
def _connected(person: Person, command: str) -> Iterator[None]:
    """A connection of sftp that does something and then stays open."""
    line = f"{{ echo '-{command}'; while [ ! -e over ]; do sleep 0.2; done; }} | sftp -q -b - lab"
    null = subprocess.DEVNULL
    with subprocess.Popen(person.pc.command(line), stdin=null, stdout=null, stderr=null) as session:
        try:
            yield
        finally:
            person.run(": >over")
    assert session.returncode == 0


def is_one_job_with_all(case: Case) -> None:
    assert case.codes[-1] == 0, case.description()
    assert len(case.jobs) == 1, case.description()
    assert case.logs[-1] == case.sums[-1], case.description()


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_is_one_job_and_a_changed_one_is_one_more(case_of: Callable[[str], Case], name: str) -> None:
    case = case_of(f"fresh-{name}")
    assert case.codes == [0, 0], case.description()
    assert len(case.jobs) == 2, case.description()
    assert case.logs[-1] == case.sums[-1] != case.sums[0], case.description()


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_whose_client_says_that_it_is_done_is_proven(case_of: Callable[[str], Case], name: str) -> None:
    case = case_of(f"fresh-{name}")
    triggers = [job["trigger"] for job in case.jobs]
    if CLIENTS[name].says_done:
        assert triggers == ["inferred", "inferred"], case.description()
    assert [WORDS in note for note in case.notes] == [triggers[-1] == "unproven"] * 2, case.description()


@pytest.mark.parametrize("kind", ["parts", "beside"])
@pytest.mark.parametrize("name", NAMES)
def test_an_upload_over_two_connections_is_one_job(case_of: Callable[[str], Case], name: str, kind: str) -> None:
    is_one_job_with_all(case_of(f"{kind}-{name}"))


@pytest.mark.parametrize(("name", "way"), REPAIRS)
def test_an_upload_that_was_cut_and_repaired_is_one_job(case_of: Callable[[str], Case], name: str, way: str) -> None:
    is_one_job_with_all(case_of(f"cut-{way}-{name}"))


def _is_honest(case: Case) -> bool:
    """Whether each job that has not all says that the end of its upload was not proven."""
    partial = [job for job, log in zip(case.jobs, case.logs, strict=True) if log != case.sums[-1]]
    is_told = all(WORDS in note for note in case.notes) or len(partial) == 0 or case.logs[-1] == case.sums[-1]
    return is_told and all(job["trigger"] == "unproven" for job in partial)


@pytest.mark.parametrize("kind", ["half", "any"])
@pytest.mark.parametrize("name", NAMES)
def test_no_job_on_a_part_of_an_upload_passes_for_one_on_all_of_it(
    cases: dict[str, Case], name: str, kind: str, seed: int
) -> None:
    mine = {project: case for project, case in cases.items() if project.startswith(kind) and project.endswith(name)}
    dishonest = [
        f"{project}: {case.description()}\n{case.logs}" for project, case in mine.items() if not _is_honest(case)
    ]
    assert dishonest == [], f"seed {seed}\n" + "\n\n".join(dishonest)


def test_no_upload_that_its_client_calls_whole_waits_for_ever(cases: dict[str, Case], seed: int) -> None:
    waiting = {
        project: case.description()
        for project, case in cases.items()
        if case.codes and case.is_reported_whole and not project.startswith("half") and case.sums[-1] not in case.logs
    }
    assert waiting == {}, f"seed {seed}\n" + "\n\n".join(waiting.values())


# What is said of an upload that was cut and is no job.
_WHY = ("upload interrupted (", "waiting for an unfinished transfer (", "a transfer was cut in ", "not started. ")


def test_a_cut_upload_that_starts_nothing_says_why(cases: dict[str, Case], seed: int) -> None:
    random_cuts = {project: case for project, case in cases.items() if project.startswith("any") and case.codes}
    cut = {project: case for project, case in random_cuts.items() if case.cuts[-1]}
    assert len(cut) > len(random_cuts) / 3, seed
    # Of one that was cut before anything arrived nothing can be said.
    held = {project: case for project, case in cut.items() if not case.jobs and case.status}
    silent = [case.told() for case in held.values() if not any(words in case.status for words in _WHY)]
    assert silent == [], f"seed {seed}\n" + "\n\n".join(silent)


def test_status_says_when_an_upload_without_a_proven_end_starts(lea: Person) -> None:
    wires = Wires(lea)
    wires.make("asked")
    assert wires.send("asked", CLIENTS["lftp"].all).code == 0
    lea.wait_text("asked", "unless more arrives; `ssh lab submit asked` starts it now")
    assert lea.jobs("asked") == []
    lea.ssh("submit asked")
    assert lea.wait_complete("asked")["trigger"] == "submit"
    assert WORDS not in lea.outbox("asked") + lea.outbox("asked", "receipt.json")


def test_a_file_that_curl_sends_as_scp_does_is_one_job(lea: Person) -> None:
    wires = Wires(lea)
    wires.make("scp-by-curl")
    assert wires.send("scp-by-curl", CLIENTS["curl"].all).code == 0
    lea.wait_complete("scp-by-curl")
    lea.run("cd uploads; echo 8 >>scp-by-curl/input/more/2")
    options = "-u $user: --key ~/.ssh/id_ed25519 --pubkey ~/.ssh/id_ed25519.pub"
    line = f"curl -sSk {options} -T $x/input/more/2 scp://127.0.0.1:$port/~/inbox/$x/input/more/2"
    assert wires.send("scp-by-curl", line).code == 0
    wait_for("the second job", lambda: len(lea.jobs("scp-by-curl")) == 2, 60.0)
    lea.wait_complete("scp-by-curl", lea.jobs("scp-by-curl")[0]["job"])
    assert lea.outbox("scp-by-curl", "run.log") == wires.sums("scp-by-curl")
