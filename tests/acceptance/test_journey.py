"""The whole journey on every kind of server that labd is for: from a bare machine to results on the researcher's PC.

A kind is a release of Debian and where its Docker keeps images. What can happen on the way is tested in depth on one of
them, in the other files; this file shows that the ways which depend on the kind work on each.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.box.installed_lab import InstalledLab, Person
from support.clients.sending import CUTTING, PROGRAM, quiet

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nile"
CONTAINERD_STORE = json.dumps({"features": {"containerd-snapshotter": True}})

_NUMBERS = itertools.count(1)

KINDS = [
    pytest.param(("installed", False), id="debian-12", marks=pytest.mark.xdist_group("box")),
    pytest.param(("installed_13", False), id="debian-13", marks=pytest.mark.xdist_group("box-13")),
    pytest.param(("installed_13", True), id="debian-13-containerd-store", marks=pytest.mark.xdist_group("box-13")),
]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[InstalledLab]:
    """A server of each kind, with labd."""
    name, in_containerd = request.param
    lab: InstalledLab = request.getfixturevalue(name)
    if not in_containerd:
        yield lab
        return
    lab.server.put("/etc/docker/daemon.json", CONTAINERD_STORE)
    lab.server.run("systemctl restart docker")
    try:
        # The other store has none of the images that were there: the base image is made again.
        lab.server.run("labd setup", timeout=600)
        yield lab
    finally:
        lab.server.run("rm /etc/docker/daemon.json && systemctl restart docker")


@pytest.fixture(scope="module")
def kim(server: InstalledLab) -> Person:
    return server.person("kim-lee")


@pytest.fixture
def project(kim: Person) -> str:
    """Name of a new project, whose program sums up its input."""
    name = f"journey-{next(_NUMBERS)}"
    kim.project(name, PROGRAM, input__data="some numbers\n")
    return name


def test_the_server_is_of_its_kind(request: pytest.FixtureRequest, server: InstalledLab) -> None:
    version = server.server.run(". /etc/os-release && echo $VERSION_ID").stdout.strip()
    driver = server.server.run("docker info --format '{{.DriverStatus}}'").stdout
    assert f"debian-{version}" in request.node.name
    assert ("io.containerd.snapshotter" in driver) == ("containerd" in request.node.name)


def test_a_bare_server_becomes_a_lab_by_one_command(server: InstalledLab) -> None:
    said = server.first.stdout
    assert re.search(r"Installing .*openssh-server .*docker\.io ", said), said
    assert said.splitlines()[-1].endswith(" 0 failed."), said
    assert "labd is installed, but" not in said


def test_to_install_again_changes_nothing(server: InstalledLab) -> None:
    assert server.before_second == server.after_second
    assert not re.search(r"^(make|update|enable|reload|remove) ", server.second.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("push", "pull"),
    [
        ("rsync -a {x}/ lab:inbox/{x}/", "rsync -a lab:outbox/{x}/ got/"),
        ("scp -r {x} lab:inbox/", "scp -r lab:outbox/{x} got"),
        ("scp -O -r {x} lab:inbox/", "scp -O -r lab:outbox/{x} got"),
    ],
    ids=["rsync", "scp", "scp-as-it-was"],
)
def test_a_push_is_a_job_and_its_results_come_home(kim: Person, project: str, push: str, pull: str) -> None:
    assert kim.finish(project, push.format(x=project))["state"] == "succeeded"
    kim.run(f"rm -rf got && {pull.format(x=project)}")
    assert kim.pc.text("got/run.log") == kim.run(f"cd {project}/input && sha256sum data").stdout.replace("  ", " ")
    assert kim.pc.text("got/COMPLETE")


def test_a_program_with_libraries_leaves_its_results(kim: Person, project: str) -> None:
    kim.run(f"rm -r {project}")
    kim.pc.put_folder(EXAMPLE, project)
    assert kim.finish(project, f"rsync -a {project}/ lab:inbox/{project}/")["state"] == "succeeded"
    kim.run(f"rsync -a lab:outbox/{project}/output/ nile-results/")
    assert "changed after 1898" in kim.pc.text("nile-results/summary.txt")


def test_a_program_that_takes_too_much_memory_is_told_so(kim: Person, project: str) -> None:
    kim.pc.put(f"{project}/code/app.py", "list(map(bytes, [10**6] * 10**6))\n")
    kim.pc.put(f"{project}/job.toml", "[job]\nmemory = '64m'\n")
    told = kim.finish(project, f"rsync -a {project}/ lab:inbox/{project}/")
    assert (told["state"], told["peak_memory"]) == ("out-of-memory", 64 * 1024**2)
    assert "memory" in kim.outbox(project)


@pytest.mark.parametrize("how", ["", "--exact"])
def test_a_job_runs_again_on_the_word(kim: Person, project: str, how: str) -> None:
    first = kim.finish(project, f"rsync -a {project}/ lab:inbox/{project}/")
    again = kim.finish(project, f"ssh lab rerun {how} {project}")
    assert again["state"] == "succeeded"
    assert again["job"] > first["job"]


def test_an_upload_that_was_cut_starts_nothing_until_it_is_made_good(kim: Person, project: str) -> None:
    kim.pc.put("cutting.py", CUTTING.read_text())
    kim.pc.put(f"{project}/input/big", bytes(3_000_000))
    slow = f"rsync -a --bwlimit=500 --partial {project}/ lab:inbox/{project}/"
    assert kim.run(f"python3 cutting.py 200000 client kill {slow}", check=False).returncode != 0
    kim.wait_text(project, "interrupted")
    quiet(kim)
    assert kim.jobs(project) == []
    assert kim.finish(project, f"rsync -a {project}/ lab:inbox/{project}/")["state"] == "succeeded"
    assert len(kim.jobs(project)) == 1


def test_the_doctor_finds_nothing_broken_afterwards(server: InstalledLab, kim: Person) -> None:
    done = server.server.run("labd doctor --brief", check=False)
    assert done.returncode == 0, done.stdout
    assert server.server.run("docker ps --all --quiet --filter name=^labd-[0-9]").stdout == ""
