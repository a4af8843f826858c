"""The GPUs: those in the config, and how Docker hands them to programs.

This module owns the look at NVIDIA's driver and at Docker's part in it, and the judgement on it. It never changes a
setting, and never uses a GPU.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence

from labd.admin.doctor.asking_docker import facts, if_it_answers
from labd.admin.doctor.subject import Ground
from labd.common.commands import run
from labd.common.errors import UnavailableError
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.engines.docker.confinement import has_cdi
from labd.engines.docker.facts import Facts
from labd.scheduling.gpus import Gpu, listed, resolve, uuids

_SUBJECT = "GPUs"
_TIMEOUT = 30.0
_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-runtime")
_TOOLKIT = (
    "apt-get install nvidia-container-toolkit && nvidia-ctk runtime configure --runtime=docker"
    " && systemctl restart docker"
)


def checks(ground: Ground) -> list[Check]:
    """All about GPUs; without any in the config, only whether programs could get at those that nobody gives out."""
    if not ground.config.machine.gpus:
        return [Check(_SUBJECT, "GPUs that nobody gives out", if_it_answers(lambda: _default(ground)))]
    return [
        Check(_SUBJECT, "the GPUs", lambda: _devices(ground)),
        Check(_SUBJECT, "how Docker hands out GPUs", if_it_answers(lambda: _docker(ground))),
    ]


def _default(ground: Ground) -> Iterator[Finding]:
    yield judge_default(facts(ground.docker))


def _devices(ground: Ground) -> Iterator[Finding]:
    there = listed()
    yield from judge_devices(ground.config.machine.gpus, there)
    answer = run(["nvidia-smi", "--query-gpu=persistence_mode", "--format=csv,noheader"], timeout=_TIMEOUT)
    yield judge_persistence(answer.output if answer.code == 0 else "")


def _docker(ground: Ground) -> Iterator[Finding]:
    found = facts(ground.docker)
    try:
        names: Sequence[str] = uuids(ground.config.machine.gpus, listed())
    except UnavailableError:
        names = ground.config.machine.gpus
    yield judge_toolkit(found, names, [hook for hook in _HOOKS if shutil.which(hook)])
    yield judge_default(found)
    yield judge_cgroups(found, names)


def judge_devices(configured: Sequence[str], there: Sequence[Gpu]) -> Iterator[Finding]:
    """Whether the GPUs in the config are there, each once, and named by what lasts."""
    mend = "nvidia-smi -L (then correct `gpus` below [machine] in the config, and: systemctl restart labd)"
    meant = resolve(configured, there)
    missing = [name for name, gpu in meant.items() if gpu is None]
    if missing:
        yield fail(f"The config gives out GPU {', '.join(missing)}, which nvidia-smi does not list.", mend)
    chosen = [gpu for gpu in meant.values() if gpu]
    if len({gpu.uuid for gpu in chosen}) < len(configured) - len(missing):
        yield warn("The config names a GPU twice; labd gives it out once.", mend)
    divided = {gpu.within for gpu in there if gpu.within}
    if whole := [name for name, gpu in meant.items() if gpu and gpu.uuid in divided]:
        yield fail(f"GPU {', '.join(whole)} is divided (MIG): programs can be given its parts only.", mend)
    if by_number := [name for name, gpu in meant.items() if gpu and name.strip().lower() != gpu.uuid.lower()]:
        better = ", ".join(f'"{gpu.uuid}"' for gpu in dict.fromkeys(chosen))
        yield warn(
            f"The config names GPU {', '.join(by_number)} by number, which may be another one after a restart.",
            f"Write gpus = [{better}] below [machine] in the config.",
        )
    if chosen and not missing and not whole:
        yield ok(f"GPU {', '.join(dict.fromkeys(gpu.uuid for gpu in chosen))}: there.")


def judge_persistence(modes: str) -> Finding:
    """Whether the driver stays up between two programs; `modes` is a line for each GPU, "Enabled" or "Disabled"."""
    if "Disabled" in modes:
        return warn(
            "NVIDIA's driver is shut down when no program uses it: programs with GPUs start seconds late.",
            "systemctl enable --now nvidia-persistenced",
        )
    return ok("NVIDIA's driver stays up between programs.")


def judge_toolkit(found: Facts, names: Sequence[str], hooks: Collection[str]) -> Finding:
    """Whether Docker can hand the GPUs `names` to containers."""
    if names and has_cdi(found, names):
        return ok("Docker hands GPUs to programs by CDI.")
    if hooks:
        return ok("Docker hands GPUs to programs by NVIDIA's container toolkit.")
    return fail("Docker cannot hand GPUs to programs: NVIDIA's container toolkit is missing.", _TOOLKIT)


def judge_default(found: Facts) -> Finding:
    """Whether containers of others than labd get GPUs unasked."""
    if "nvidia" in found.default_runtime:
        return warn(
            f"Docker's default runtime is {found.default_runtime}: whoever starts containers without labd can use all"
            " GPUs. labd's own programs get theirs only.",
            'Take "default-runtime" out of /etc/docker/daemon.json, then: systemctl restart docker',
        )
    return ok("Containers get GPUs only when they ask for them.")


def judge_cgroups(found: Facts, names: Sequence[str]) -> Finding:
    """Whether systemd can take GPUs away from programs that run."""
    if found.cgroup_driver == "systemd" and not has_cdi(found, names):
        return warn(
            "`systemctl daemon-reload`, which updates of packages call, takes the GPUs away from programs that run.",
            "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml --device-name-strategy=uuid (Docker 25 or later), or"
            ' write "exec-opts": ["native.cgroupdriver=cgroupfs"] into /etc/docker/daemon.json; then: systemctl restart'
            " docker",
        )
    return ok("Programs keep their GPUs when systemd reads its units again.")
