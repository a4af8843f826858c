"""`labd doctor` on this machine: with its Docker, its disk, its rsync, and with what is broken on purpose."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import temporary_folder
from labd.admin.doctor import accounts, builds, disk, gateway, leftovers, machine, service
from labd.admin.doctor import docker as doctor_docker
from labd.admin.doctor.subject import CheckContext, daemon_process, find
from labd.common.finding import Check, Finding, fail, warn
from labd.engines.docker.client import connected
from labd.model.config import Build, Config, Paths, load
from support.lab import AS_ROOT, Lab, docker, wait_for
from support.package_index import PackageIndex

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
NOWHERE = "unix:///nonexistent/docker.sock"
as_root = pytest.mark.skipif(not AS_ROOT, reason="only root can do this")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = temporary_folder()
    made.chmod(0o755)
    yield made
    subprocess.run(["rm", "-rf", "--one-file-system", "--", made], check=True)


@pytest.fixture
def context(folder: Path) -> CheckContext:
    """A lab that was set up, without a daemon."""
    state = folder / "state"
    (state / "jobs").mkdir(parents=True)
    (folder / "etc" / "accounts").mkdir(parents=True)
    paths = Paths(state=state, socket=folder / "socket", accounts=folder / "etc" / "accounts", templates=TEMPLATES)
    return CheckContext(Config(paths=paths), folder / "etc" / "config.toml")


def found(checks: list[Check], about: str = "") -> list[Finding]:
    """What the checks find, all of them or the one about something."""
    return [finding for check in checks if about in check.about for finding in check.findings()]


def levels(findings: list[Finding]) -> set[str]:
    return {finding.level.value for finding in findings}


def doctor(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command itself, as a process."""
    program = (
        "import sys; from types import SimpleNamespace as O; from labd.admin.doctor import checks as doctor;"
        "sys.exit(doctor.run(O(json='--json' in sys.argv, brief=False, config=sys.argv[1])))"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


# Docker


def test_a_docker_that_answers_is_described(context: CheckContext) -> None:
    findings = found(doctor_docker.checks(context), "engine")
    assert any(finding.what.startswith("Docker ") and finding.what.endswith(" answers.") for finding in findings)
    assert "fail" not in levels(findings)


def test_a_docker_that_does_not_answer_is_one_failure_in_plain_words(context: CheckContext) -> None:
    dead = replace(context, docker=NOWHERE)
    with warnings.catch_warnings():
        # The SDK leaves its socket to the garbage collector when nothing answers.
        warnings.simplefilter("ignore", ResourceWarning)
        _expect_no_answer(dead)
        gc.collect()


def _expect_no_answer(dead: CheckContext) -> None:
    failed = [finding for finding in found(doctor_docker.checks(dead)) if finding.level == "fail"]
    assert failed == [fail("Docker does not answer.", "systemctl enable --now docker")]
    for checks in (builds.checks(dead), leftovers.checks(dead)):
        assert warn("Not checked, because Docker does not answer.") in found(checks)
        assert "fail" not in levels(found(checks))
    # What has nothing to do with Docker is found all the same.
    assert any(" are free on " in finding.what for finding in found(disk.checks(dead), "room"))


def test_a_command_that_talks_to_another_docker_than_the_engine_is_a_failure(
    context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    (finding,) = found(doctor_docker.checks(context), "command")
    assert finding.level == "fail"
    assert "DOCKER_HOST" in finding.mend


def test_a_command_without_buildkit_is_a_failure_that_names_the_missing_part(
    context: CheckContext, folder: Path
) -> None:
    cli = folder / "docker"
    cli.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28.2.2, build e6534b4" && exit\nexit 1\n')
    cli.chmod(0o755)
    config = replace(context.config, build=replace(context.config.build, cli=str(cli)))
    (finding,) = found(doctor_docker.checks(replace(context, config=config)), "command")
    assert finding.level == "fail"
    assert "buildx" in finding.what
    assert "cli" in finding.mend


# Builds


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    made = PackageIndex()
    made.add("six", "1.17.0")
    yield made
    made.close()


def with_build(context: CheckContext, build: Build) -> CheckContext:
    return replace(context, config=replace(context.config, build=build))


def test_the_test_build_downloads_anew_each_time_and_leaves_nothing(context: CheckContext, index: PackageIndex) -> None:
    # The installer, which this index does not have, comes from the machine's own.
    assert levels(found(builds.checks(with_build(context, Build(network="host"))), "building")) == {"ok"}
    own = with_build(context, Build(network="host", index=index.url))
    for _ in range(2):
        index.fetched.clear()
        (finding,) = found(builds.checks(own), "building")
        assert finding.level == "ok", finding
        assert "six-1.17.0-py3-none-any.whl" in index.fetched
    with connected() as client:
        assert client.images(name=f"{builds.TAG}:{os.getpid()}-*") == []


def test_an_index_that_refuses_is_a_failure_that_names_the_settings(context: CheckContext, index: PackageIndex) -> None:
    assert levels(found(builds.checks(with_build(context, Build(network="host"))), "building")) == {"ok"}
    refused = f"http://ana:wrong-password@{index.address}/simple"
    index.credentials = "ana:right-password"
    (finding,) = found(builds.checks(with_build(context, Build(network="host", index=refused))), "building")
    assert finding.level == "fail"
    assert "`index`" in finding.mend
    assert "wrong-password" not in finding.what


# Disk, rights, the machine


def test_this_machine_s_disk_has_its_room_told_and_takes_views(context: CheckContext) -> None:
    findings = found(disk.checks(context))
    assert any("free on" in finding.what for finding in findings)
    assert any("views of their uploads" in finding.what and finding.level == "ok" for finding in findings)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no memory file system here")
def test_a_state_in_memory_is_a_failure(context: CheckContext) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        paths = replace(context.config.paths, state=Path(memory))
        lost = replace(context, config=replace(context.config, paths=paths))
        (finding,) = found(disk.checks(lost), "state")
        assert finding.level == "fail"
        assert "tmpfs" in finding.what


@as_root
def test_wrong_rights_are_found_and_their_commands_mend_them(context: CheckContext) -> None:
    keys = context.keys
    keys.mkdir()
    (keys / "ana-silva").write_text("")
    (keys / "ana-silva").chmod(0o666)
    context.config.paths.state.chmod(0o755)
    findings = [finding for finding in found(accounts.checks(context)) if finding.mend.startswith("ch")]
    assert levels(findings) == {"fail", "warn"}
    for finding in findings:
        subprocess.run(["sh", "-c", finding.mend], check=True)
    rights = found([check for check in accounts.checks(context) if check.subject == "Rights"])
    assert levels(rights) == {"ok"}


@as_root
def test_a_researcher_s_folder_that_is_a_link_is_told_and_never_followed(context: CheckContext, folder: Path) -> None:
    home = folder / "home"
    (home / "outbox").mkdir(parents=True)
    (home / "inbox").symlink_to("/etc")
    for path in (home, home / "inbox", home / "outbox"):
        os.chown(path, 5001, 5001, follow_symlinks=False)
    home.chmod(0o700)
    entry = f'uid = 5001\ngid = 5001\nhome = "{home}"\n'
    (context.config.paths.accounts / "ana-silva.toml").write_text(entry)
    known = find(context.config, context.config_file)
    (finding,) = found(accounts.checks(known), "folders")
    assert "inbox of ana-silva is not a folder" in finding.what


def test_this_machine_s_rsync_clock_and_limits_are_looked_at_without_stumbling(context: CheckContext) -> None:
    findings = found([*gateway.checks(context), *machine.checks(context)])
    assert any(finding.what.startswith("rsync ") for finding in findings)
    assert not [finding for finding in findings if "could not be checked" in finding.what]


# With a daemon


def context_of(lab: Lab) -> CheckContext:
    return find(load(lab.config_file), lab.config_file)


@as_root
def test_a_daemon_that_answers_is_told_and_so_is_one_that_does_not(lab: Lab) -> None:
    assert lab.process
    assert daemon_process(lab.socket) == lab.process.pid
    assert levels(found(service.checks(context_of(lab)), "daemon")) == {"ok"}
    lab.stop()
    (finding,) = found(service.checks(context_of(lab)), "daemon")
    assert finding.level == "fail"
    assert "No labd daemon is running" in finding.what


@as_root
def test_a_container_a_volume_and_a_folder_without_a_job_are_found_and_removed_by_the_commands(lab: Lab) -> None:
    lab.run("first", "print('hello')")
    wait_for("the first job's container is removed", lambda: not lab.containers())
    checks = leftovers.checks(context_of(lab))
    assert levels(found(checks, "containers")) | levels(found(checks, "folders")) == {"ok"}

    name, image = f"{lab.instance}-999", lab.ask("images")[0]["tag"]
    volume = f"labd-test-{uuid.uuid4().hex[:12]}"
    stray = lab.state / "jobs" / "999"
    stray.mkdir()
    os.utime(stray, (0, 0))
    # As if job 999 had been withdrawn: a folder with a number that no job had yet is of another database.
    with contextlib.closing(sqlite3.connect(lab.state / "labd.db")) as database, database:
        database.execute("UPDATE sqlite_sequence SET seq = 999 WHERE name = 'jobs'")
    lab.ana.program("second", "print('hello')")
    lab.ana.submit("second")
    lab.wait_complete("second", 1000)
    wait_for("the second job's container is removed", lambda: not lab.containers())
    view = f"o=lowerdir=/usr,upperdir={lab.state}/jobs/999/scratch/code/upper,workdir={lab.state}/jobs/999/w"
    labels = ["--label", f"labd.instance={lab.instance}", "--label", "labd.job=999"]
    try:
        docker("create", "--name", name, *labels, image, "true")
        docker("volume", "create", "--opt", "type=overlay", "--opt", "device=overlay", "--opt", view, volume)
        findings = [finding for finding in found(checks) if finding.level == "warn"]
        mends = {finding.mend for finding in findings}
        assert {f"docker rm -f -v {name}", f"docker volume rm {volume}", f"rm -r {stray}"} <= mends
        for mend in mends & {f"docker rm -f -v {name}", f"docker volume rm {volume}", f"rm -r {stray}"}:
            subprocess.run(mend.split(), check=True, capture_output=True)
        assert levels(found(checks, "containers")) | levels(found(checks, "folders")) == {"ok"}
    finally:
        for command in (["rm", "-f", name], ["volume", "rm", volume]):
            with contextlib.suppress(subprocess.CalledProcessError):
                docker(*command)


# The command


def test_the_whole_command_tells_each_finding_as_json_and_never_a_traceback(context: CheckContext) -> None:
    context.config_file.write_text(f"[paths]\nstate = '{context.config.paths.state}'\nsocket = '/nonexistent/socket'\n")
    result = doctor(str(context.config_file), "--json")
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert {"Docker", "Disk", "Builds", "Service", "Leftovers"} <= {document["subject"] for document in documents}
    assert all(set(document) == {"subject", "level", "what", "mend"} for document in documents)
    assert result.returncode == 1  # no daemon runs at that socket
    assert "Traceback" not in result.stdout + result.stderr
    assert not [document for document in documents if "could not be checked" in document["what"]]


def test_a_config_that_is_wrong_is_a_failure_and_the_rest_is_checked_all_the_same(context: CheckContext) -> None:
    context.config_file.write_text("[paths]\nstat = '/tmp'\n")
    result = doctor(str(context.config_file))
    first = result.stdout.splitlines()[0]
    assert first.startswith("fail\tConfig\t")
    assert "Did you mean `state`?" in first
    assert "\tDisk\t" in result.stdout
    assert result.returncode == 1


@as_root
def test_an_ordinary_user_hears_what_they_cannot_see(context: CheckContext) -> None:
    options = "O(json=False, brief=False, config=None)"
    program = f"from types import SimpleNamespace as O; from labd.admin.doctor import checks; checks.run({options})"
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    result = subprocess.run([*become, sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "Docker's engine can be checked by root only." in result.stdout
    assert "rsync" in result.stdout
    assert "Traceback" not in result.stderr
