"""What Docker's words about containers mean: states, times, and why one could not be started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labd.engines import copies
from labd.engines.docker.cgroups import Cgroup
from labd.engines.docker.start_errors import is_about_views, start_error
from labd.engines.docker.state import condition, process, timestamp
from labd.model.engine import Condition, Phase, Usage

NEVER = "0001-01-01T00:00:00Z"
BEGAN, ENDED = "2025-03-01T13:05:09.5Z", "2025-03-01T13:05:10.123456789Z"
AT, UNTIL = 1740834309.5, 1740834310.123456


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "created", "StartedAt": NEVER, "FinishedAt": NEVER, "ExitCode": 128}, Condition(Phase.ABSENT)),
        ({"Status": "running", "Running": True, "StartedAt": BEGAN}, Condition(Phase.RUNNING, AT)),
        ({"Status": "paused", "Paused": True, "StartedAt": BEGAN}, Condition(Phase.RUNNING, AT)),
        (
            {"Status": "exited", "StartedAt": BEGAN, "FinishedAt": ENDED, "ExitCode": 0},
            Condition(Phase.ENDED, AT, UNTIL, 0),
        ),
        (
            {"Status": "exited", "StartedAt": ENDED, "FinishedAt": BEGAN, "ExitCode": 0},
            Condition(Phase.ENDED, UNTIL, UNTIL, 0),
        ),
        (
            {"Status": "dead", "Dead": True, "StartedAt": BEGAN, "FinishedAt": ENDED, "ExitCode": 137},
            Condition(Phase.ENDED, AT, UNTIL, 137, interrupted=True),
        ),
        (
            {"Status": "removing", "StartedAt": BEGAN, "FinishedAt": ENDED, "ExitCode": 0},
            Condition(Phase.ENDED, AT, UNTIL, 0),
        ),
        (
            {"Status": "exited", "StartedAt": BEGAN, "FinishedAt": ENDED, "ExitCode": 137},
            Condition(Phase.ENDED, AT, UNTIL, 137),
        ),
        ({"Status": "removing", "StartedAt": BEGAN, "FinishedAt": ""}, Condition(Phase.ENDED, AT, None, 255, True)),
        ({"Status": "dead", "StartedAt": NEVER}, Condition(Phase.ABSENT)),
        ({}, Condition(Phase.ABSENT)),
        (None, Condition(Phase.ABSENT)),
    ],
)
def test_every_state_of_docker_is_one_of_ours(state: Any, expected: Condition) -> None:
    assert condition({"State": state}) == expected


@pytest.mark.parametrize("text", [NEVER, "", None, "yesterday", "2025-13-01T00:00:00Z", 5])
def test_a_time_that_is_none_is_none(text: Any) -> None:
    assert timestamp(text) is None


def test_a_time_may_have_a_zone_and_a_container_no_process() -> None:
    assert timestamp("2025-03-01T14:05:09.5+01:00") == AT
    assert process({"State": {"Pid": 0}}) == process({}) == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "error creating overlay mount: write /var/lib/docker/x: no space left on device",
            "disk of the server is full",
        ),
        ("Unknown runtime specified runc", "runtime"),
        ('could not select device driver "nvidia" with capabilities: [[gpu compute]]', "GPU"),
        ("nvidia-container-cli: device error: GPU-1: unknown device: unknown", "GPU"),
        ("CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=GPU-1", "GPU"),
        ("error while mounting volume '/v/_data': failed to mount local volume: mount overlay: busy", "mounted"),
        ("error setting cgroup config for procHooks process: failed to write", "CPUs and memory"),
        ('exec: "python": executable file not found in $PATH: unknown', "command is not in the image"),
        ("invalid mount config for type: bind source path does not exist: /x", "folders is not there"),
        ("No such image: sha256:abc", "image of its environment"),
        ("something that nobody has seen", "its Docker refused"),
    ],
)
def test_a_start_that_failed_is_told_as_the_servers_fault_and_without_dockers_words(said: str, told: str) -> None:
    error = start_error(said)
    assert error.message.startswith("The server could not start the program: ")
    assert told in error.message
    assert said not in error.message
    assert "administrator" in error.hint


def test_only_a_file_system_that_takes_no_overlay_is_a_reason_for_copies() -> None:
    failed = "error while mounting volume 'x': failed to mount local volume: mount overlay:/d, data: lowerdir=/a: "
    assert is_about_views(failed + "invalid argument")
    assert is_about_views(failed + "operation not supported")
    assert not is_about_views(failed + "no such file or directory")
    assert not is_about_views("write /etc/resolv.conf: invalid argument")


def test_what_was_written_to_a_copy_is_found_to_any_depth(tmp_path: Path) -> None:
    frozen, scratch = tmp_path / "frozen", tmp_path / "scratch"
    for folder in (frozen, scratch, scratch / "upper"):
        folder.mkdir()
    (frozen / "app.py").write_text("print()")
    deepest = str(copies.make(frozen, scratch))
    for _ in range(1200):
        deepest += "/d"
        os.mkdir(deepest)
    Path(deepest, "new").touch()
    try:
        copies.keep_changes(scratch)
        assert os.path.exists(f"{deepest.replace('/copy/', '/upper/')}/new")
        assert not (scratch / "upper" / "app.py").exists()
    finally:
        # pytest's own way of removing a folder ends at such a depth.
        subprocess.run(["rm", "-rf", str(scratch)], check=True)


# What a container used

V1 = ["12:pids:/docker/ab", "9:memory:/docker/ab", "4:cpu,cpuacct:/docker/ab", "0::/"]
V2 = ["0::/system.slice/docker-ab.scope"]
CGROUPS = Path("/sys/fs/cgroup")


def test_the_counters_of_a_container_are_found_in_both_versions() -> None:
    assert Cgroup.of_lines(V1) == Cgroup(CGROUPS / "memory/docker/ab", CGROUPS / "cpuacct/docker/ab", False)
    folder = CGROUPS / "system.slice/docker-ab.scope"
    assert Cgroup.of_lines(V2) == Cgroup(folder, folder, True)


@pytest.mark.parametrize("lines", [[], ["0::/"], V1[:1], V1[1:2], ["4:cpu,cpuacct:/docker/ab", "0::/"]])
def test_without_counters_of_its_own_nothing_is_counted_least_of_all_the_whole_machine(lines: list[str]) -> None:
    assert Cgroup.of_lines(lines) is None


def test_counters_that_are_gone_or_of_an_unknown_form_are_none(tmp_path: Path) -> None:
    counters = Cgroup(tmp_path, tmp_path, True)
    assert counters.usage() is None
    for name, text in (("memory.current", "5\n"), ("cpu.stat", "nr_periods 0\n"), ("memory.events", "oom_kill 0\n")):
        (tmp_path / name).write_text(text)
    assert counters.usage() is None
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\n")
    assert counters.usage() == Usage(1.5, 5, 5, 0)
