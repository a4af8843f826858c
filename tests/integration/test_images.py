"""Environment images on a real Docker: made once, from what was asked for, with no secret in them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labd.common.errors import UnavailableError
from labd.diagnosis.builds.verdicts import build_failed
from labd.engines.docker.base_images import BaseImageError
from labd.environments.environment import reference
from labd.model.config import Build, Versions
from labd.model.engine import AwayError, BuildFailed
from support.environment_images import ImageTestbed
from support.package_index import PackageIndex

PASSWORD = "s3cr3t-" + uuid.uuid4().hex
DEADLINE = 240.0  # seconds; a loaded Docker may take many for one answer


MakeTestbed = Callable[..., ImageTestbed]


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    index = PackageIndex()
    for name in ("alpha", "beta", "gamma", "delta"):
        index.add(name, "1.0")
    yield index
    index.close()


@pytest.fixture
def make_testbed(prepared: None) -> Iterator[MakeTestbed]:
    with contextlib.ExitStack() as stack:

        def make(build: Build, **changes: Any) -> ImageTestbed:
            testbed = ImageTestbed(build, **changes)
            stack.callback(testbed.close)
            return testbed

        yield make


@pytest.fixture
def testbed(make_testbed: MakeTestbed, index: PackageIndex) -> ImageTestbed:
    return make_testbed(Build(network="host", index=index.url))


def wait_for(what: str, event: threading.Event) -> None:
    assert event.wait(DEADLINE), f"waited {DEADLINE:g} s for: {what}"


class Asking(threading.Thread):
    """A job that asks for an environment, in a thread of its own."""

    def __init__(self, testbed: ImageTestbed, *requirements: str, project: str = "project") -> None:
        super().__init__()
        self.cancelled, self.waits = threading.Event(), threading.Event()
        self.image, self.error = "", BuildFailed("not over yet")
        self._ask = lambda: testbed.images.ensure(
            testbed.describe(*requirements), f"{testbed.user}/{project}", self._hear, self.cancelled
        )
        self.start()

    def run(self) -> None:
        end = time.monotonic() + DEADLINE
        while not self.image:
            try:
                self.image = self._ask()
            except BuildFailed as error:
                self.error = error
                return
            except AwayError:
                # A loaded Docker can be late with an answer; a job waits for it and asks again.
                if self.cancelled.wait(0.5) or time.monotonic() > end:
                    raise

    def _hear(self, line: str) -> None:
        if line == "Waiting for the same environment, being built for another job":
            self.waits.set()


# What is in an environment


def test_a_project_without_requirements_gets_plain_python(testbed: ImageTestbed) -> None:
    image, _ = testbed.ensure()
    assert testbed.run(image, "import sys; print(sys.version_info[:2])") == "(3, 11)\n"


def test_the_libraries_are_there_for_any_user_on_a_read_only_root(testbed: ImageTestbed) -> None:
    image, said = testbed.ensure("alpha", "beta==1.0")
    assert testbed.run(image, "import alpha, beta; print(alpha.__version__)") == "1.0\n"
    assert {"Installing the libraries of requirements.txt", " + alpha==1.0"} <= set(said)
    assert not [line for line in said if line.startswith("#")], "the builder's own marks are not for readers"


def test_only_the_environment_is_new_in_an_image(testbed: ImageTestbed) -> None:
    image, _ = testbed.ensure("alpha")
    added: set[str] = set()
    base = testbed.docker.inspect_image(testbed.describe().base)["RootFS"]["Layers"]
    with tempfile.TemporaryFile() as file:
        for chunk in testbed.docker.get_image(image):
            file.write(chunk)
        file.seek(0)
        with tarfile.open(fileobj=file) as saved:
            manifest = json.loads(saved.extractfile("manifest.json").read())
            for layer in manifest[0]["Layers"][len(base) :]:
                with tarfile.open(fileobj=saved.extractfile(layer)) as files:
                    added.update(name for name in files.getnames() if not name.startswith("opt/env/"))
    assert added <= {"opt", "opt/env", "etc", "tmp"}, "folders whose time of change is new, and no file"


def test_what_an_image_was_made_of_can_be_told(testbed: ImageTestbed) -> None:
    image, _ = testbed.ensure("alpha", "beta")
    told = testbed.images.provenance(image)
    assert told["packages"] == ["python==3.11.2", "alpha==1.0", "beta==1.0"]
    assert told["base"] == "python:3.11-slim-bookworm"
    assert told["base_id"] == testbed.docker.inspect_image(told["base"])["Id"]


def test_packages_that_run_code_to_be_installed_never_see_what_others_downloaded(
    testbed: ImageTestbed, index: PackageIndex
) -> None:
    index.add_source("source", "1.0")
    image, said = testbed.ensure("source", "alpha")
    assert testbed.run(image, "import alpha, source; print(source.saw_the_downloads_of_others)") == "False\n"
    assert any("source only" in line for line in said)


# Built once


def test_an_environment_that_is_there_is_not_built_again(testbed: ImageTestbed, index: PackageIndex) -> None:
    testbed.ensure("alpha", "beta")
    testbed.images.settle(DEADLINE)
    asked = list(index.asked)
    again, said = testbed.ensure("Beta", "", "alpha  # the same")
    assert said == []
    assert index.asked == asked
    assert testbed.images.ready(testbed.describe("beta", "alpha")) == again


def test_the_same_requirements_from_another_index_are_another_environment(
    testbed: ImageTestbed, make_testbed: MakeTestbed, index: PackageIndex
) -> None:
    testbed.ensure("alpha")
    other = PackageIndex()
    try:
        other.add("alpha", "2.0")
        elsewhere = make_testbed(Build(network="host", index=other.url))
        image, _ = elsewhere.ensure("alpha")
        assert elsewhere.images.provenance(image)["packages"] == ["python==3.11.2", "alpha==2.0"]
    finally:
        other.close()


def test_another_project_gets_a_name_of_its_own_for_the_same_image(testbed: ImageTestbed) -> None:
    testbed.ensure("alpha", project="One")
    testbed.images.settle(DEADLINE)
    image = testbed.images.ready(testbed.describe("alpha"), f"{testbed.user}/Two..2_")
    names = testbed.docker.inspect_image(image)["RepoTags"]
    assert {f"labd/{testbed.user}/one:latest", f"labd/{testbed.user}/two-2:latest"} < set(names)


def test_jobs_that_come_together_share_one_build(testbed: ImageTestbed, index: PackageIndex) -> None:
    release = index.hold("alpha")
    first = Asking(testbed, "alpha")
    wait_for("the first build", index.held)
    second = Asking(testbed, "ALPHA", project="other")
    wait_for("the second job to wait", second.waits)
    release.set()
    first.join(DEADLINE)
    second.join(DEADLINE)
    assert first.image
    assert testbed.docker.inspect_image(second.image)["RootFS"] == testbed.docker.inspect_image(first.image)["RootFS"]
    assert index.asked == ["alpha"]


def test_who_waits_builds_when_the_builder_is_cancelled(testbed: ImageTestbed, index: PackageIndex) -> None:
    release = index.hold("alpha")
    first = Asking(testbed, "alpha")
    wait_for("the first build", index.held)
    second = Asking(testbed, "alpha")
    wait_for("the second job to wait", second.waits)
    first.cancelled.set()
    first.join(DEADLINE)
    release.set()
    second.join(DEADLINE)
    assert first.error.cancelled
    assert second.image, repr(second.error)


def test_who_waits_can_be_cancelled_alone(testbed: ImageTestbed, index: PackageIndex) -> None:
    release = index.hold("alpha")
    first = Asking(testbed, "alpha")
    wait_for("the first build", index.held)
    second = Asking(testbed, "alpha")
    wait_for("the second job to wait", second.waits)
    second.cancelled.set()
    second.join(DEADLINE)
    assert second.error.cancelled
    release.set()
    first.join(DEADLINE)
    assert first.image, repr(first.error)


def test_who_waits_shares_a_failure(testbed: ImageTestbed, index: PackageIndex) -> None:
    release = index.hold("nowhere")
    first = Asking(testbed, "nowhere")
    wait_for("the first build", index.held)
    second = Asking(testbed, "nowhere")
    wait_for("the second job to wait", second.waits)
    release.set()
    first.join(DEADLINE)
    second.join(DEADLINE)
    assert "nowhere was not found" in second.error.log_tail
    assert second.error.log_tail == first.error.log_tail


def test_builds_that_meet_in_a_step_that_fails_both_tell_why(testbed: ImageTestbed) -> None:
    package = f"no-such-package-{uuid.uuid4().hex}"

    def last_words(library: str) -> str:
        dependencies = {"apt.txt": package.encode(), "requirements.txt": library.encode()}
        environment = testbed.images.describe("python", "3.11", dependencies)
        with pytest.raises(BuildFailed) as caught:
            testbed.images.ensure(environment, f"{testbed.user}/{library}", print, threading.Event())
        return caught.value.log_tail

    with ThreadPoolExecutor() as jobs:
        for said in jobs.map(last_words, ("alpha", "beta")):
            assert f"Debian has no package `{package}`" in said


def test_one_library_more_is_added_and_the_others_keep_their_versions(
    testbed: ImageTestbed, index: PackageIndex
) -> None:
    testbed.ensure("alpha", "beta")
    testbed.images.settle(DEADLINE)
    index.add("alpha", "2.0")
    image, said = testbed.ensure("alpha", "beta", "gamma")
    assert "Adding to the environment that the project had before" in said
    assert testbed.images.provenance(image)["packages"] == ["python==3.11.2", "alpha==1.0", "beta==1.0", "gamma==1.0"]
    assert testbed.images.settle(DEADLINE)
    image = str(testbed.images.ready(testbed.describe("alpha", "beta", "gamma")))
    assert testbed.run(image, "import gamma; print(__import__('os').path.exists(gamma.__cached__))") == "True\n"


# Builds that fail, hang or are not wanted any more


def test_when_another_python_satisfies_the_whole_file_the_line_for_it_is_told(
    testbed: ImageTestbed, index: PackageIndex
) -> None:
    index.add("oldish", "1.0", tag="cp38-cp38-manylinux_2_17_x86_64")
    with pytest.raises(BuildFailed) as caught:
        testbed.ensure("alpha", "oldish==1.0")
    told = build_failed(caught.value.log_tail, caught.value.exit_code, {})
    assert told.cause == "`oldish==1.0` does not exist for this version of Python.", caught.value.log_tail
    line = 'Write `python = "3.8"` in job.toml: all of code/requirements.txt can be installed with it.'
    assert told.hint == line, caught.value.log_tail


def test_when_no_python_that_is_offered_satisfies_the_whole_file_none_is_proposed(
    testbed: ImageTestbed, index: PackageIndex
) -> None:
    index.add("newish", "2.0", python=">=3.99")
    with pytest.raises(BuildFailed) as caught:
        testbed.ensure("newish==2.0")
    told = build_failed(caught.value.log_tail, caught.value.exit_code, {})
    assert "none that is offered here will do" in told.hint, caught.value.log_tail


def test_a_failed_build_carries_the_words_of_the_resolver_and_nothing_else(testbed: ImageTestbed) -> None:
    with pytest.raises(BuildFailed) as caught:
        testbed.ensure("alpha==9.9")
    assert "there is no version of alpha==9.9" in caught.value.log_tail
    assert len(caught.value.log_tail.splitlines()) < 5
    assert not caught.value.cancelled
    assert not caught.value.timed_out


def test_a_cancelled_build_stops_at_once(testbed: ImageTestbed, index: PackageIndex) -> None:
    index.hold("alpha")
    job = Asking(testbed, "alpha")
    wait_for("the build", index.held)
    job.cancelled.set()
    job.join(DEADLINE)
    assert job.error.cancelled
    wait_for("the installer to go", index.abandoned)
    assert testbed.images.ready(testbed.describe("alpha")) is None


def test_a_build_that_takes_too_long_is_ended(make_testbed: MakeTestbed, index: PackageIndex) -> None:
    testbed = make_testbed(Build(network="host", index=index.url, timeout=3.0))  # type: ignore[arg-type]
    index.hold("alpha")
    with pytest.raises(BuildFailed) as caught:
        testbed.ensure("alpha")
    assert caught.value.timed_out
    wait_for("the installer to go", index.abandoned)


def test_a_docker_command_that_cannot_build_is_named(make_testbed: MakeTestbed) -> None:
    with tempfile.NamedTemporaryFile("w", suffix="-docker", delete=False) as file:
        file.write('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28.2.2, build e6534b4" || exit 1\n')
    os.chmod(file.name, 0o755)
    try:
        testbed = make_testbed(Build(cli=file.name))
        with pytest.raises(UnavailableError, match="buildx component is missing") as caught:
            testbed.ensure("alpha", "beta", "nowhere")
    finally:
        os.unlink(file.name)
    assert file.name in caught.value.message
    assert "`cli` below [build]" in caught.value.hint


# Secrets


@pytest.fixture
def secretive(make_testbed: MakeTestbed) -> Iterator[ImageTestbed]:
    """A lab whose package index wants a password, which stands in a pip.conf."""
    index = PackageIndex(credentials=f"labd:{PASSWORD}")
    index.add("alpha", "1.0")
    with tempfile.NamedTemporaryFile("w", suffix="-pip.conf") as file:
        file.write(f"[global]\nindex_url = {index.url}\ntrusted-host = {index.address}\n")
        file.flush()
        proxy = f"http://somebody:{PASSWORD}@{index.address}"
        yield make_testbed(Build(network="host", pip_conf=Path(file.name), proxy=proxy))
    index.close()


def test_no_secret_is_in_an_image_its_history_or_its_log(secretive: ImageTestbed) -> None:
    _, said = secretive.ensure("alpha")
    assert secretive.images.settle(DEADLINE)
    image = str(secretive.images.ready(secretive.describe("alpha")))
    assert secretive.run(image, "import alpha; print(alpha.__version__)") == "1.0\n"
    assert PASSWORD not in "\n".join(said)
    assert PASSWORD not in str(secretive.docker.history(image)) + str(secretive.docker.inspect_image(image))
    assert PASSWORD.encode() not in b"".join(secretive.docker.get_image(image))
    assert list((secretive.folder / "build").iterdir()) == []


def test_a_password_is_no_part_of_an_environment_and_the_index_is(make_testbed: MakeTestbed) -> None:
    urls = ("http://ana:one@index.example/simple", "http://ben:two@index.example/simple", "http://other.example/simple")
    tags = [make_testbed(Build(index=url)).describe("alpha").tag for url in urls]
    assert tags[0] == tags[1] != tags[2]


# Behind the first run


def test_bytecode_is_made_behind_the_first_run_and_the_names_move_on(testbed: ImageTestbed) -> None:
    program = "import alpha, os; print(os.path.exists(alpha.__cached__))"
    first, _ = testbed.ensure("alpha")
    assert testbed.run(first, program) == "False\n"
    assert testbed.images.settle(DEADLINE)
    later = testbed.images.ready(testbed.describe("alpha"))
    assert later is not None
    assert later != first
    assert testbed.run(later, program) == "True\n"
    assert testbed.docker.inspect_image(f"{reference(testbed.user + '/project')}:latest")["Id"] == later
    before, after = (testbed.docker.inspect_image(image)["Config"] for image in (first, later))
    assert {**after, "Labels": 0, "Hostname": 0, "Image": 0} == {**before, "Labels": 0, "Hostname": 0, "Image": 0}


@pytest.mark.parametrize("is_exact", [False, True])
def test_what_a_stop_cut_off_behind_the_first_run_is_done_at_the_next_use(
    testbed: ImageTestbed, is_exact: bool
) -> None:
    first, _ = testbed.ensure("alpha")
    testbed.images.close()
    assert testbed.docker.inspect_image(testbed.describe("alpha").tag)["Id"] == first
    assert testbed.docker.containers(all=True, filters={"name": f"{testbed.config.instance}-finish"}) == []
    images = testbed.open()
    assert (images.kept(first) if is_exact else images.ready(testbed.describe("alpha"))) == first
    assert images.settle(DEADLINE)
    assert images.ready(testbed.describe("alpha")) != first
    assert images.kept(first) == first


def test_what_a_killed_labd_left_behind_is_removed_at_the_start(testbed: ImageTestbed) -> None:
    left = testbed.folder / "build" / "build-x" / "settings"
    left.parent.mkdir()
    left.write_text(PASSWORD)
    testbed.images.close()
    testbed.open()
    assert not left.exists()


# Keeping house


def test_only_environments_that_nobody_uses_are_removed(testbed: ImageTestbed) -> None:
    unused, held, recent = (testbed.describe(name) for name in ("alpha", "beta", "gamma"))
    for name in ("alpha", "beta", "gamma"):
        testbed.ensure(name, project=name)
    assert testbed.images.settle(DEADLINE)
    now = time.time() + testbed.config.retention.images + 10
    testbed.store.use_environment(recent.tag, "python", "3.11", now)
    container = testbed.docker.create_container(held.tag, ["true"])["Id"]
    testbed.images.prune(now)
    assert testbed.images.ready(unused) is None
    assert testbed.images.ready(held) is not None
    assert testbed.images.ready(recent) is not None
    names = [name for image in testbed.docker.images() for name in image["RepoTags"]]
    assert f"labd/{testbed.user}/alpha:latest" not in names
    testbed.docker.remove_container(container)


def test_an_image_removed_by_force_below_its_container_does_not_stop_the_others_from_being_removed(
    testbed: ImageTestbed,
) -> None:
    testbed.ensure("beta")
    testbed.ensure("alpha")
    assert testbed.images.settle(DEADLINE)
    container = testbed.docker.create_container(testbed.describe("beta").tag, ["true"])["Id"]
    try:
        testbed.docker.remove_image(testbed.docker.inspect_container(container)["Image"], force=True)
        testbed.images.prune(time.time() + testbed.config.retention.images + 10)
        assert testbed.images.ready(testbed.describe("alpha")) is None
    finally:
        testbed.docker.remove_container(container)


def test_a_removed_environment_gives_its_room_back(testbed: ImageTestbed, index: PackageIndex) -> None:
    # Docker keeps equal layers once, and another test may just build one with the library that all of them use.
    index.add("lonely", "1.0")
    testbed.ensure("lonely")
    assert testbed.images.settle(DEADLINE)
    layer = testbed.docker.inspect_image(testbed.describe("lonely").tag)["GraphDriver"]["Data"]["LowerDir"].split(
        "/diff"
    )[0]
    assert Path(layer).exists()
    testbed.images.prune(time.time() + testbed.config.retention.images + 10)
    assert not Path(layer).exists()


def test_the_list_has_size_and_last_use_of_what_is_there(testbed: ImageTestbed) -> None:
    testbed.ensure("alpha")
    testbed.store.use_environment("labd/env:python-gone", "python", "3.11", time.time())
    (entry,) = testbed.images.list()
    assert entry["tag"] == testbed.describe("alpha").tag
    assert entry["size"] > 50 * 1024**2
    assert time.time() - entry["used"] < DEADLINE


def test_docker_is_not_even_loaded_before_it_is_needed() -> None:
    program = (
        "import sys, pathlib; from labd.daemon import loop; from labd.model.config import Config\n"
        "config = Config()\n"
        "loop.DockerEngine(config, loop.BuildSettings(config.build), pathlib.Path(sys.argv[1]) / 'build')\n"
        "print(sorted({'docker', 'requests', 'sh'} & set(sys.modules)))"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Base images


def on_unknown_base(make_testbed: MakeTestbed, build: Build, version: str = "3.11") -> tuple[ImageTestbed, str]:
    """A lab whose base image is in no registry, and the name of that image."""
    testbed = make_testbed(build)
    name = f"{testbed.user}-base:none"
    testbed.config = replace(testbed.config, languages={"python": Versions(version, {version: name})})
    testbed.open()
    return testbed, name


def test_a_base_image_that_cannot_be_pulled_is_made_from_debians_packages(
    make_testbed: MakeTestbed,
) -> None:
    testbed, name = on_unknown_base(make_testbed, Build())
    image, said = testbed.ensure()
    assert testbed.run(image, "import sys, ssl; print(sys.version_info[:2])") == "(3, 11)\n"
    assert any("cannot be pulled" in line and "Debian bookworm" in line for line in said)
    assert testbed.docker.inspect_image(name)["Config"]["Labels"] == {"labd.made-from": "debian:bookworm"}
    assert list((testbed.folder / "build").iterdir()) == []


def test_a_base_image_that_cannot_be_had_is_explained(make_testbed: MakeTestbed) -> None:
    testbed, name = on_unknown_base(make_testbed, Build(debian=False))
    with pytest.raises(BaseImageError, match="cannot be pulled") as caught:
        testbed.ensure("alpha")
    assert name in caught.value.message
    assert "the config forbids it" in caught.value.hint


def test_making_a_base_image_can_be_cancelled_and_leaves_nothing(make_testbed: MakeTestbed) -> None:
    testbed, name = on_unknown_base(make_testbed, Build())
    cancelled = threading.Event()
    said: list[str] = []

    def report(line: str) -> None:
        said.append(line)
        if "installing essential packages" in line:
            cancelled.set()

    with pytest.raises(BuildFailed) as caught:
        testbed.images.ensure(testbed.describe(), f"{testbed.user}/x", report, cancelled)
    assert caught.value.cancelled
    assert cancelled.is_set(), said
    assert testbed.docker.images(name) == []
    assert list((testbed.folder / "build").iterdir()) == []
    assert str(testbed.folder) not in Path("/proc/self/mountinfo").read_text()
