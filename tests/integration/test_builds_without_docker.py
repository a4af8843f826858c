"""Docker stops, hangs or goes away in the middle of a build: jobs wait for it, and go on when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.engine.docker_relay import DockerRelay
from support.lab import Lab, wait_for
from support.package_index import PackageIndex

HELLO = "open('/output/x', 'w').write('1')"
WAITING = "waiting: the server's Docker does not answer"


@pytest.fixture
def relay() -> Iterator[DockerRelay]:
    relay = DockerRelay()
    yield relay
    relay.close()


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    index = PackageIndex()
    index.add("alpha", "1.0")
    yield index
    index.close()


def waiting_for_docker(make_lab: Callable[..., Lab], relay: DockerRelay, hangs: bool) -> Lab:
    """A lab whose Docker went away, or hangs, before the project `stars` was pushed, and whose STATUS says so."""
    lab = make_lab()
    lab.start({"DOCKER_HOST": relay.host})
    relay.stop()
    if hangs:
        relay.start(hangs=True)
    lab.ana.program("stars", HELLO)
    lab.ana.submit("stars")
    wait_for("STATUS to say that it waits", lambda: WAITING in lab.ana.text("stars"))
    return lab


@pytest.mark.parametrize("hangs", [False, True], ids=["stopped", "hanging"])
def test_a_job_that_is_pushed_while_docker_is_away_waits_for_it(
    make_lab: Callable[..., Lab], relay: DockerRelay, hangs: bool
) -> None:
    lab = waiting_for_docker(make_lab, relay, hangs)
    assert lab.ask("status")
    if hangs:
        relay.stop()
    relay.start()
    assert lab.wait_complete("stars")["state"] == "succeeded"


@pytest.mark.parametrize("hangs", [False, True], ids=["stopped", "hanging"])
def test_a_job_that_waits_for_docker_can_be_cancelled(
    make_lab: Callable[..., Lab], relay: DockerRelay, hangs: bool
) -> None:
    lab = waiting_for_docker(make_lab, relay, hangs)
    lab.ana.write(lab.ana.inbox("stars") / "CANCEL")
    began = time.monotonic()
    wait_for("the job to end", lambda: lab.ana.status("stars").get("state") == "cancelled")
    assert time.monotonic() - began < 60


def test_a_build_in_which_docker_goes_away_is_done_again(
    make_lab: Callable[..., Lab], relay: DockerRelay, index: PackageIndex, prepared: None
) -> None:
    lab = make_lab(settings=f"[build]\nnetwork = 'host'\nindex = '{index.url}'\n")
    lab.start({"DOCKER_HOST": relay.host})
    release = index.hold("alpha")
    lab.ana.program("stars", f"import alpha\n{HELLO}", **{"code__requirements.txt": "alpha\n"})
    lab.ana.submit("stars")
    assert index.held.wait(120)
    relay.stop()
    wait_for("STATUS to say that it waits", lambda: WAITING in lab.ana.text("stars"))
    release.set()
    relay.start()
    assert lab.wait_complete("stars")["state"] == "succeeded", lab.ana.text("stars")


def test_a_daemon_that_starts_while_docker_is_away_goes_on_with_what_waits(
    make_lab: Callable[..., Lab], relay: DockerRelay
) -> None:
    lab = make_lab()
    relay.stop()
    lab.start({"DOCKER_HOST": relay.host})
    lab.ana.program("stars", HELLO)
    lab.ana.submit("stars")
    wait_for("STATUS to say that it waits", lambda: WAITING in lab.ana.text("stars"))
    lab.kill()
    lab.start({"DOCKER_HOST": relay.host})
    wait_for("STATUS to say that it waits", lambda: WAITING in lab.ana.text("stars"))
    relay.start()
    assert lab.wait_complete("stars")["state"] == "succeeded"


def test_build_log_keeps_no_more_than_run_log(make_lab: Callable[..., Lab], prepared: None) -> None:
    lab = make_lab()
    noise = "==> Noise"
    template = lab.folder / "own" / "loud"
    template.mkdir(parents=True)
    (template / "template.toml").write_text(
        'title = "Loud"\nprogram = "app.loud"\ncommand = ["true"]\ndefault = "1"\n'
        'versions = { "1" = "python:3.11-slim-bookworm" }\n'
    )
    loop = "for i in $(seq 4000); do echo this line says nothing and has the number $i; done"
    (template / "Dockerfile").write_text(
        f"ARG BASE\nFROM ${{BASE}} AS environment\nRUN echo '{noise}'; {loop}; exit 3\n"
    )
    text = lab.config_file.read_text()
    lab.config_file.write_text(
        text.replace("[output]\n", "[output]\nlog = '64k'\n").replace(
            "[paths]\n", f"[paths]\nown_templates = '{lab.folder / 'own'}'\n"
        )
    )
    lab.start()
    lab.ana.write(lab.ana.inbox("loud") / "code" / "app.loud")
    lab.ana.submit("loud")
    assert lab.wait_complete("loud")["state"] == "build-failed"
    log: Path = lab.ana.outbox("loud") / "build.log"
    assert log.stat().st_size < 70_000
    assert "of the output was cut here" in log.read_text()
    assert "the number 4000" in log.read_text()
