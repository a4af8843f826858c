"""Base images that the confined service may not make, and the command with which the administrator gets them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.lab import Lab, docker

CONFINED = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"]
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has a capability to give up")


@pytest.fixture
def base() -> Iterator[str]:
    """The name of an image that is in no registry; what it is made into is removed."""
    name = f"localhost/labd-test/{uuid.uuid4().hex[:8]}:none"
    yield name
    subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


def labd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "labd", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def settings(base: str) -> str:
    versions = f'"3.11" = "python:3.11-slim-bookworm"\n"3.9" = "{base}"'
    return f'[languages.python]\ndefault = "3.11"\n[languages.python.versions]\n{versions}\n'


@needs_root
def test_a_service_that_may_not_make_a_base_image_names_the_command_that_does(
    make_lab: Callable[..., Lab], base: str
) -> None:
    lab = make_lab(settings=settings(base))
    lab.command = [*CONFINED, *lab.command]
    lab.start()
    status = lab.run("stars", "print(1)", **{"job.toml": '[job]\npython = "3.9"\n'})
    assert status["state"] == "build-failed"
    expected = "Python 3.9 is offered by this server, but its base image is not there yet."
    assert status["cause"] == expected, lab.ana.text("stars", "build.log")
    assert "labd images get python 3.9" in status["hint"]
    assert "RERUN" in status["hint"]
    assert "unshare" not in lab.ana.text("stars") + lab.ana.text("stars", "build.log")


@needs_root
def test_the_administrator_gets_a_base_image_once(make_lab: Callable[..., Lab], base: str) -> None:
    lab = make_lab(settings=settings(base))
    done = labd("images", "get", "python", "3.9", "--config", lab.config_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert base in done.stdout
    assert "installing" in done.stdout, "how far it is"
    assert "Python 3.9" in docker("run", "--rm", "--network=none", base, "python3", "--version")
    again = labd("images", "get", "python", "3.9", "--config", lab.config_file)
    assert (again.returncode, again.stdout.split()[0]) == (0, "found")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("python", "2.7"), "does not offer Python 2.7. There is: 3.11, 3.9."),
        (("cobol",), "does not offer `cobol`. There is: python,"),
        ((), "Which language?"),
    ],
)
def test_what_is_not_offered_is_refused_with_what_there_is(
    make_lab: Callable[..., Lab], asked: tuple[str, ...], told: str
) -> None:
    lab = make_lab(settings=settings("localhost/none:none"))
    done = labd("images", "get", *asked, "--config", lab.config_file)
    assert done.returncode == 66
    assert told in " ".join(done.stderr.replace("labd:", "").split())


def test_without_a_version_the_default_is_meant(make_lab: Callable[..., Lab], prepared: None) -> None:
    lab = make_lab(settings=settings("localhost/none:none"))
    done = labd("images", "get", "python", "--config", lab.config_file)
    assert (done.returncode, done.stdout) == (0, "found    the base image python:3.11-slim-bookworm\n")
