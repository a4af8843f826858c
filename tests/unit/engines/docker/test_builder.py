"""What the builder's client tells, and what it leaves out: with a client that says what a real one said (Docker 20.10).

When a real one comes back to a step depends on which of two programs is quicker, so it cannot be had in each run.
"""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from labd.diagnosis.builds.verdicts import build_failed
from labd.engines.build_settings import BuildSettings
from labd.engines.docker.builder import Builder
from labd.engines.docker.client import DockerAwayError
from labd.environments.environment import Recipe
from labd.model.config import Build
from labd.model.engine import BuildFailed

STEP = "[environment 1/1] RUN sh .template/install.sh"
ERROR = f"ERROR: executor failed running [{STEP}]: exit code: 1"
CLIENT = """#!/bin/sh
[ "$1" = build ] || exit 0
echo >> {folder}/calls
cat "{folder}/said-$(wc -l < {folder}/calls)"
exit 1
"""


class Client:
    """A docker command that says what it is told, a text for each build, and fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = folder / "docker"
        command.write_text(CLIENT.format(folder=folder))
        command.chmod(0o755)
        build = Build(cli=str(command))
        self.builder = Builder(build, BuildSettings(build), folder)

    def build(self, *said: str, script: str = 'echo "==> Installing"\n') -> tuple[BuildFailed, list[str]]:
        """How a build fails whose client says one of the texts each time, and what was reported."""
        for number, text in enumerate(said, 1):
            (self.folder / f"said-{number}").write_text(text)
        reported: list[str] = []
        dockerfile = self.folder / "Dockerfile"
        dockerfile.write_text("FROM x AS environment\nRUN sh .template/install.sh\n")
        recipe = Recipe("labd/env:x", dockerfile, "environment", {".template/install.sh": script.encode()}, {}, {})
        with pytest.raises(BuildFailed) as caught:
            self.builder.build(recipe, reported.append, threading.Event())
        assert len((self.folder / "calls").read_text().splitlines()) == len(said)
        return caught.value, reported


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def printed(*lines: str) -> str:
    """Plain progress of a step that prints `lines` and fails."""
    return "".join(f"{line}\n" for line in [f"#8 {STEP}", "#8 sha256:d25cf6bb", *lines, f"#8 {ERROR}"])


WHOLE = printed("#8 0.310 ==> Installing", "#8 0.420 error: No solution found", "#8 1.932 the last words")


def test_a_failure_that_was_heard_whole_is_not_built_again(client: Client) -> None:
    failed, reported = client.build(WHOLE)
    assert failed.log_tail == "error: No solution found\nthe last words\n"
    assert reported == ["Installing", "error: No solution found", "the last words"]


def test_a_step_that_the_client_comes_back_to_goes_on_where_it_was(client: Client) -> None:
    another = ["#8 ...", "", "#7 [internal] load build context", "#7 DONE 0.0s", "", f"#8 {STEP}"]
    said = printed("#8 0.310 ==> Installing", "#8 0.420 error: No solution found", *another, "#8 1.932 the last words")
    failed, reported = client.build(said)
    assert failed.log_tail == "error: No solution found\nthe last words\n"
    assert reported == ["Installing", "error: No solution found", "the last words"]


@pytest.mark.parametrize(
    "cut",
    [
        printed(),
        printed("#8 1.932 the last words"),
        printed("#8 72.10 the last words of a long step"),
        ERROR.partition(" ")[2],
    ],
)
def test_a_failure_whose_beginning_was_not_heard_is_built_once_more(client: Client, cut: str) -> None:
    failed, reported = client.build(cut, WHOLE)
    assert failed.log_tail == "error: No solution found\nthe last words\n"
    assert reported[-3:] == ["Installing", "error: No solution found", "the last words"]


def test_what_stays_unheard_is_not_built_for_ever(client: Client) -> None:
    failed, _ = client.build(printed(), printed(), printed())
    assert failed.exit_code == 1


@pytest.mark.parametrize(
    "said",
    [
        printed("#8 1.932 some words").replace("exit code: 1", "exit code: 75"),
        "#3 [internal] load metadata for x\n#3 ERROR: failed to resolve source metadata for x\n",
    ],
)
def test_what_has_a_cause_of_its_own_is_not_built_again(client: Client, said: str) -> None:
    client.build(said)


def test_what_a_template_without_headings_said_is_taken_as_it_was_heard(client: Client) -> None:
    failed, _ = client.build(printed("#8 1.932 no compiler"), script="make\n")
    assert failed.log_tail.endswith("no compiler\n")


RUNNING = f"#8 {STEP}\n#8 0.310 ==> Installing\n"


@pytest.mark.parametrize(
    "said",
    [
        f"{RUNNING}unexpected EOF\n",
        f"{RUNNING}failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF\n",
        f"{RUNNING}#8 ERROR: executor failed running [x]: context canceled\nunexpected EOF\n",
        "failed to dial gRPC: cannot connect to the Docker daemon. Is 'docker daemon' running on this host?\n",
        "error during connect: Post http://docker/build: EOF\n",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
    ],
)
def test_a_docker_that_went_away_is_no_failure_of_the_build(client: Client, said: str) -> None:
    with pytest.raises(DockerAwayError) as caught:
        client.build(said)
    assert caught.value.was_there


CANCELLED = f"{RUNNING}#8 ERROR: executor failed running [x]: context canceled\n"


def test_a_step_that_was_cancelled_with_another_build_is_built_once_more_at_once(client: Client) -> None:
    failed, reported = client.build(CANCELLED, WHOLE)
    assert failed.log_tail == "error: No solution found\nthe last words\n"
    assert "Building once more: the step before was cancelled together with another build" in reported


def test_a_step_that_is_cancelled_each_time_is_no_failure_of_the_build(client: Client) -> None:
    with pytest.raises(DockerAwayError) as caught:
        client.build(CANCELLED, CANCELLED, CANCELLED)
    assert caught.value.was_there
    assert len((client.folder / "calls").read_text().splitlines()) == 3


@pytest.mark.parametrize("words", ["unexpected EOF", "Cannot connect to the Docker daemon", "exit code: 75"])
def test_what_a_step_prints_is_not_taken_for_the_builders_words(client: Client, words: str) -> None:
    failed, _ = client.build(printed("#8 0.310 ==> Installing", f"#8 0.420 {words}"))
    assert failed.exit_code == 1
    assert words in failed.log_tail


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk of its own needs root")
def test_a_full_disk_is_told_as_the_servers_fault(client: Client, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
    try:
        client.builder = Builder(Build(cli=str(client.folder / "docker")), BuildSettings(Build()), disk)
        (client.folder / "calls").touch()
        failed, _ = client.build(script='echo "==> Installing"\n' + "#" * 100_000)
    finally:
        subprocess.run(["umount", disk], check=True)
    told = build_failed(failed.log_tail, int(failed.exit_code), {})
    assert "disk is full" in told.cause
    assert "RERUN" in told.hint
