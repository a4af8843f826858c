"""GPUs: what the driver lists, what the config means by it, and how Docker is asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labd.admin.doctor import gpus as doctor_gpus
from labd.admin.doctor.subject import Ground
from labd.common.errors import UnavailableError
from labd.engines.docker import confinement
from labd.engines.docker.facts import Facts, parse
from labd.model.config import Config, Machine
from labd.scheduling import gpus, machine
from labd.scheduling.gpus import Gpu

LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-33a9-7bbf-c2b4-51bf6d1d1d1d)
  MIG 3g.20gb     Device  0: (UUID: MIG-57de94a5-be60-5a8f-aaaa-000000000001)
  MIG 1g.5gb      Device  1: (UUID: MIG-GPU-5d5ba0d6-33a9/9/0)
GPU 1: Tesla V100 (PCIe) (UUID: GPU-BBBB)
"""
WHOLE = Gpu("GPU-5d5ba0d6-33a9-7bbf-c2b4-51bf6d1d1d1d", "0", "NVIDIA A100-SXM4-40GB")
PART = Gpu("MIG-57de94a5-be60-5a8f-aaaa-000000000001", "0:0", "MIG 3g.20gb", WHOLE.uuid)
OLD_PART = Gpu("MIG-GPU-5d5ba0d6-33a9/9/0", "0:1", "MIG 1g.5gb", WHOLE.uuid)
V100 = Gpu("GPU-BBBB", "1", "Tesla V100 (PCIe)")
THERE = (WHOLE, PART, OLD_PART, V100)

INFO = {
    "Runtimes": {"runc": {}, "nvidia": {}},
    "DefaultRuntime": "nvidia",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "CgroupDriver": "systemd",
}
ENGINE = parse(INFO)
BY_CDI = replace(ENGINE, cdi_devices=("nvidia.com/gpu=GPU-BBBB", "nvidia.com/gpu=GPU-CCCC"))


def test_the_drivers_list_is_read_with_parts_and_with_brackets_in_names() -> None:
    assert gpus.parse(LISTED) == THERE
    assert gpus.parse("No devices were found\n") == ()


@pytest.mark.parametrize(
    ("names", "uuids"),
    [
        (("1", "0"), (V100.uuid, WHOLE.uuid)),
        (("gpu-bbbb",), (V100.uuid,)),
        (("1", "GPU-BBBB", "1"), (V100.uuid,)),
        (("0:0", OLD_PART.uuid), (PART.uuid, OLD_PART.uuid)),
        (("7", "", "all", "1"), (V100.uuid,)),
    ],
)
def test_a_gpu_is_given_out_by_its_uuid_and_once_by_whatever_names_it_has(
    names: Sequence[str], uuids: Sequence[str]
) -> None:
    assert gpus.uuids(names, THERE) == uuids


def test_what_the_service_was_told_at_its_start_counts_where_it_cannot_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    noted = tmp_path / "gpus"
    with pytest.raises(UnavailableError):
        gpus.listed(noted)
    noted.write_text(LISTED)
    assert gpus.listed(noted) == THERE


def driver(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in the place of nvidia-smi."""
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_machine_gives_out_uuids_and_leaves_out_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, f"cat <<'END'\n{LISTED}END", monkeypatch)
    assert machine.capacity(Machine(gpus=("1", "9"))).gpus == (V100.uuid,)
    assert machine.capacity(Machine()).gpus == ()


def test_a_driver_that_does_not_answer_takes_no_gpu_from_those_that_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", monkeypatch)
    assert machine.capacity(Machine(gpus=("1", "GPU-BBBB"))).gpus == ("1", "GPU-BBBB")


# What Docker is told


def test_programs_without_a_gpu_are_told_so_by_runtime_and_environment() -> None:
    settings = confinement.settings(ENGINE)
    assert settings["runtime"] == "runc"
    assert "device_requests" not in settings
    assert confinement.environment(ENGINE) == {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": ""}


def test_gpus_are_asked_for_by_uuid_and_by_cdi_only_where_docker_knows_all_of_them() -> None:
    hook = confinement.settings(ENGINE, ["GPU-BBBB"])
    assert hook["device_requests"][0]["device_ids"] == ["GPU-BBBB"]
    assert (hook["device_requests"][0]["driver"], hook["runtime"]) == ("nvidia", "runc")
    assert confinement.environment(ENGINE, ["a", "b"])["NVIDIA_VISIBLE_DEVICES"] == "a,b"
    cdi = confinement.settings(BY_CDI, ["GPU-BBBB"])["device_requests"]
    assert cdi == [{"driver": "cdi", "device_ids": ["nvidia.com/gpu=GPU-BBBB"]}]
    assert confinement.environment(BY_CDI, ["GPU-BBBB"])["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert confinement.settings(BY_CDI, ["GPU-BBBB", "GPU-DDDD"])["device_requests"][0]["driver"] == "nvidia"


def test_docker_without_runc_or_seccomp_keeps_its_own_ways() -> None:
    settings = confinement.settings(replace(ENGINE, runtimes=("crun",), security=()))
    assert "runtime" not in settings
    assert settings["security_opt"] == ["no-new-privileges"]
    assert any(option.startswith("seccomp={") for option in confinement.settings(ENGINE)["security_opt"])


YAML = """cdiVersion: 0.5.0
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: GPU-BBBB
- name: "0"
kind: nvidia.com/gpu
"""
JSON = '{"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "MIG-1"}, {"name":"all"}]}'


def test_cdi_devices_are_those_that_docker_names_or_has_specifications_of(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text(YAML)
    (tmp_path / "mig.json").write_text(JSON)
    (tmp_path / "folder").mkdir()
    found = parse({"CDISpecDirs": [str(tmp_path), "/nonexistent"]}).cdi_devices
    assert sorted(found) == ["nvidia.com/gpu=GPU-BBBB", "nvidia.com/gpu=MIG-1"]
    named = parse({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=GPU-X"}, {"Source": "other"}]})
    assert named.cdi_devices == ("nvidia.com/gpu=GPU-X",)
    assert parse({"CDISpecDirs": None, "DiscoveredDevices": None}).cdi_devices == ()


# The doctor


def levels(configured: Sequence[str]) -> list[tuple[str, str]]:
    return [(found.level.value, found.what) for found in doctor_gpus.judge_devices(configured, THERE)]


def test_the_doctor_tells_gpus_that_are_missing_doubled_divided_or_named_by_number() -> None:
    assert [level for level, _ in levels([V100.uuid, PART.uuid])] == ["ok"]
    by_number = levels(["1"])
    assert [level for level, _ in by_number] == ["warn", "ok"]
    assert "may be another one" in by_number[0][1]
    missing = levels(["GPU-BBBB", "2"])
    assert missing[0] == ("fail", "The config gives out GPU 2, which nvidia-smi does not list.")
    assert "twice" in levels(["GPU-BBBB", "1"])[0][1]
    assert ("fail", f"GPU {WHOLE.uuid} is divided (MIG): programs can be given its parts only.") in levels([WHOLE.uuid])


@pytest.mark.parametrize(
    ("found", "hooks", "level"),
    [(ENGINE, [], "fail"), (ENGINE, ["hook"], "ok"), (BY_CDI, [], "ok")],
)
def test_docker_must_be_able_to_hand_out_gpus(found: Facts, hooks: Sequence[str], level: str) -> None:
    assert doctor_gpus.judge_toolkit(found, ["GPU-BBBB"], hooks).level == level


def test_the_doctor_tells_of_a_default_runtime_that_gives_gpus_away_and_of_systemd_taking_them() -> None:
    assert doctor_gpus.judge_default(ENGINE).level == "warn"
    assert doctor_gpus.judge_default(replace(ENGINE, default_runtime="runc")).level == "ok"
    assert "daemon-reload" in doctor_gpus.judge_cgroups(ENGINE, ["GPU-BBBB"]).what
    assert doctor_gpus.judge_cgroups(BY_CDI, ["GPU-BBBB"]).level == "ok"
    assert doctor_gpus.judge_cgroups(replace(ENGINE, cgroup_driver="cgroupfs"), ["GPU-BBBB"]).level == "ok"
    assert doctor_gpus.judge_persistence("Enabled\nDisabled\n").level == "warn"
    assert doctor_gpus.judge_persistence("Enabled\n").level == "ok"


def test_the_doctor_asks_the_driver_and_says_when_it_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(Config(machine=Machine(gpus=("1",))), tmp_path / "config.toml", docker="unix:///nonexistent")
    devices, _ = doctor_gpus.checks(ground)
    driver(tmp_path, f"test $1 = -L && cat <<'END' || echo Disabled\n{LISTED}END", monkeypatch)
    assert [found.level.value for found in devices.findings()] == ["warn", "ok", "warn"]
    driver(tmp_path, "exit 9", monkeypatch)
    assert [found.what for found in devices.findings()] == ["NVIDIA's driver does not tell which GPUs there are."]


def test_without_gpus_in_the_config_only_their_leaking_is_looked_at() -> None:
    (check,) = doctor_gpus.checks(Ground(Config(), Path("config.toml")))
    assert check.subject == "GPUs"
