"""Some two hundred transfers that are killed at random moments: what starts is whole, and nothing whole is lost.

rsync proves its end, and scp leaves folders unfinished when it is cut: with them labd must never be wrong. With sftp
half of an upload is a job where only the client was killed, or where the job says that nothing proved its end.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.box.installed_lab import JOB_SECONDS, InstalledLab, Person
from support.clients.sending import CUTTING, quiet
from support.lab import wait_for

pytestmark = pytest.mark.xdist_group("box-uploads")

TRANSFERS = {"rsync": 90, "scp": 60, "sftp": 60}
# About a second each.
COMMANDS = {
    "rsync": "rsync -a --bwlimit=500 source/ lab:inbox/{name}/",
    "scp": "scp -l 4000 -r source lab:inbox/{name}",
    "sftp": "sftp -l 4000 -b batches/{name} lab",
}
SOURCE = """
mkdir -p cut/source/code cut/source/input/more cut/batches && cd cut
echo 'print(1)' >source/code/app.py
for number in 1 2 3 4 5 6 7 8 9 10 11 12; do head -c 20000 /dev/urandom >source/input/$number; done
for number in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $number >source/input/more/$number; done
head -c 200000 /dev/urandom >source/input/big
while read name; do echo "put -r source inbox/$name" >batches/$name; done
cd source && find * -type f -print0 | xargs -0 sha256sum
"""
BYTES = 450_000
# What is in each of the folders that it is given: the names of files, and their hashes.
_CONTENTS = """
import hashlib, json, os, sys
found = {}
for top in sys.stdin.read().split():
    files = found[top] = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            files[os.path.relpath(path, top)] = hashlib.sha256(open(path, "rb").read()).hexdigest()
print(json.dumps(found))
"""


@dataclass
class Cut:
    """A transfer that was killed, or would have been had it taken longer."""

    kind: str
    who: str = ""  # was to be killed: client, ssh or both
    was_cut: bool = False
    code: int = 0
    is_whole: bool = False  # all files are in the inbox
    jobs: list[bool] = field(default_factory=list)  # for each of its jobs, whether all files are in its snapshot
    triggers: list[str] = field(default_factory=list)  # of the same jobs

    @property
    def is_reported_whole(self) -> bool:
        return not self.was_cut and self.code == 0


@pytest.fixture(scope="module")
def seed() -> int:
    return random.randrange(10**9)


@pytest.fixture(scope="module")
def cuts(installed: InstalledLab, ben: Person, seed: int) -> Iterator[dict[str, Cut]]:
    """All transfers, by the name of their project."""
    dice = random.Random(seed)
    found = {f"cut-{kind}-{number}": Cut(kind) for kind, many in TRANSFERS.items() for number in range(many)}
    source = ben.run(SOURCE, stdin="".join(f"{name}\n" for name in found)).stdout
    whole = {name: digest for digest, _, name in (line.partition("  ") for line in source.splitlines())}
    ben.pc.put("cutting.py", CUTTING.read_text())
    order = list(found)
    dice.shuffle(order)
    lines = []
    for name in order:
        # Up to the connection, in the middle, and behind the last byte.
        moment, seconds = dice.randrange(int(BYTES * 1.2)), dice.choice((0.0, dice.uniform(0.0, 0.2)))
        who = found[name].who = dice.choice(("client", "ssh", "both"))
        lines.append(f"{name} {moment} {seconds:.3f} {who} {COMMANDS[found[name].kind].format(name=name)}\n")
    said = ben.run("cd cut && python3 ../cutting.py", stdin="".join(lines), timeout=300).stdout
    for name, how, code in (line.split() for line in said.splitlines()):
        found[name].was_cut, found[name].code = how == "cut", int(code)
    reported = {name for name, cut in found.items() if cut.is_reported_whole}
    # On a busy machine the last of them may take longer than the quiet that shows that nothing more comes.
    with contextlib.suppress(AssertionError):
        wait_for("a job of each whole upload", lambda: reported <= {job["project"] for job in ben.jobs()}, JOB_SECONDS)
    jobs = [job for job in quiet(ben) if job["project"] in found]
    inbox = {f"{ben.home}/inbox/{name}": name for name in found}
    snapshots = {f"/var/lib/labd/jobs/{job['job']}/snapshot": job for job in jobs}
    try:
        for job in jobs:
            ben.wait_complete(job["project"], job["job"] - 1)
        looked = installed.server.run(f"python3 -c '{_CONTENTS}'", stdin="\n".join([*inbox, *snapshots])).stdout
        for folder, files in json.loads(looked).items():
            if folder in inbox:
                found[inbox[folder]].is_whole = whole.items() <= files.items()
            else:
                cut = found[snapshots[folder]["project"]]
                cut.jobs.append(files == whole)
                cut.triggers.append(snapshots[folder]["trigger"])
        yield found
    finally:
        find = f"find {ben.home}/inbox -mindepth 1 -maxdepth 1 -name 'cut-*' -exec rm -r {{}} +"
        installed.server.run(find)


def test_every_upload_that_its_client_calls_whole_is_one_job_with_all_of_it(cuts: dict[str, Cut], seed: int) -> None:
    whole = {name: cut for name, cut in cuts.items() if cut.is_reported_whole}
    assert len(whole) > len(cuts) / 20, seed
    assert {name: cut for name, cut in whole.items() if cut.jobs != [True]} == {}, seed


@pytest.mark.parametrize("kind", ["rsync", "scp"])
def test_no_upload_that_was_cut_is_a_job(cuts: dict[str, Cut], seed: int, kind: str) -> None:
    incomplete = {name: cut for name, cut in cuts.items() if cut.kind == kind and not cut.is_whole}
    assert len(incomplete) > TRANSFERS[kind] / 3, seed
    assert {name: cut for name, cut in incomplete.items() if cut.jobs} == {}, seed


def test_half_of_an_upload_by_sftp_is_a_job_only_where_nothing_tells_or_the_job_says_so(
    cuts: dict[str, Cut], seed: int
) -> None:
    incomplete = {name: cut for name, cut in cuts.items() if cut.kind == "sftp" and not cut.is_whole}
    assert len(incomplete) > TRANSFERS["sftp"] / 3, seed
    # A client that is killed while its ssh lives on closes its session like one that is done.
    told = {name: cut for name, cut in incomplete.items() if cut.who != "client"}
    assert len(told) > TRANSFERS["sftp"] / 6, seed
    assert {name: cut for name, cut in told.items() if set(cut.triggers) - {"unproven"}} == {}, seed
