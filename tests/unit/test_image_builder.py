"""What the builder's client tells, and what it leaves out: with a client that says what a real one said (Docker 20.10).

When a real one comes back to a step depends on which of two programs is quicker, so it cannot be had in each run.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from labd.build_settings import BuildSettings
from labd.config import Build
from labd.environments import Recipe
from labd.image_builder import Builder, BuildFailed

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
