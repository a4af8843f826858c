"""Docker, as labd needs it.

This module owns the questions to the engine and to the command that builds, and the judgement on the answers. It never
starts or changes a container.
"""

from __future__ import annotations

import grp
import pwd
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from labd.admin.doctor.asking_docker import facts
from labd.admin.doctor.subject import Ground
from labd.common.commands import run
from labd.common.errors import UnavailableError
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.engines.docker.builder import find_cli
from labd.engines.docker.facts import Facts

_SUBJECT = "Docker"
_LEAST = (20, 10)
_DAEMON_FILE = Path("/etc/docker/daemon.json")
_TIMEOUT = 20.0


def checks(ground: Ground) -> list[Check]:
    """All about Docker."""
    return [
        Check(_SUBJECT, "Docker's engine", lambda: _engine(ground)),
        Check(_SUBJECT, "the docker command", lambda: _command(ground)),
        Check(_SUBJECT, "the group docker", lambda: _group(ground)),
    ]


def _engine(ground: Ground) -> Iterator[Finding]:
    found = facts(ground.docker)
    yield judge_version(found)
    yield judge_storage(found)
    yield judge_limits(found)
    yield judge_users(found)
    yield judge_seccomp(found)
    yield judge_live_restore(found, _DAEMON_FILE.exists())


def judge_version(found: Facts) -> Finding:
    """Whether it is recent enough."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", found.version)[:2])
    if numbers < _LEAST:
        least = ".".join(map(str, _LEAST))
        return fail(f"Docker {found.version} is too old; labd needs {least} or later.", "apt-get install docker.io")
    return ok(f"Docker {found.version} answers.")


def judge_storage(found: Facts) -> Finding:
    """Whether images and containers share what is the same."""
    if found.storage in ("overlay2", "overlayfs"):
        return ok(f"Storage driver {found.storage}.")
    return warn(
        f"Docker's storage driver is {found.storage}, which is slow or copies each image for each program.",
        f'Write "storage-driver": "overlay2" into {_DAEMON_FILE}, then: systemctl restart docker'
        " (images must be made again)",
    )


def judge_limits(found: Facts) -> Finding:
    """Whether a program can be kept within what it was granted."""
    missing = [name for name, works in found.limits.items() if not works]
    how = f"cgroup v{found.cgroup_version} by {found.cgroup_driver}"
    if missing:
        return fail(
            f"Docker cannot limit a program's {' and '.join(missing)} here ({how}).",
            'Add "cgroup_enable=memory swapaccount=1" to GRUB_CMDLINE_LINUX in /etc/default/grub, then: update-grub'
            " && reboot",
        )
    return ok(f"Memory, CPU time and processes can be limited ({how}).")


def judge_users(found: Facts) -> Finding:
    """Whether a user in a container is the same user outside: what programs write must be the researcher's."""
    for option, name in (("name=userns", "userns-remap"), ("name=rootless", "rootless mode")):
        if option in found.security:
            return fail(
                f"Docker runs with {name}: programs could not read uploads or write results.",
                f"Turn {name} off in {_DAEMON_FILE}, then: systemctl restart docker",
            )
    return ok("Users in containers are the machine's own.")


def judge_seccomp(found: Facts) -> Finding:
    """Whether programs can be kept from system calls that are none of their business."""
    if "name=seccomp" in found.security:
        return ok("Docker limits the system calls of programs (seccomp).")
    return fail(
        "Docker cannot limit the system calls of programs: a hole in the kernel is open to all of them.",
        "Run a kernel with CONFIG_SECCOMP_FILTER, and a Docker that was built with seccomp.",
    )


def judge_live_restore(found: Facts, has_file: bool) -> Finding:
    """Whether programs outlive a restart of Docker."""
    if found.live_restore:
        return ok("Programs run on when Docker is restarted (live-restore).")
    line = '"live-restore": true'
    write = f"add {line} to {_DAEMON_FILE}" if has_file else f"echo '{{{line}}}' > {_DAEMON_FILE}"
    return warn(
        "live-restore is off: all running jobs die when Docker is restarted, say by an update.",
        f"{write}, then: systemctl reload docker" if has_file else f"{write} && systemctl reload docker",
    )


def _command(ground: Ground) -> Iterator[Finding]:
    try:
        wanted = facts(ground.docker).id
    except UnavailableError:
        wanted = ""
    cli = find_cli(ground.config.build.cli)
    answer = run([cli, "info", "--format", "{{.ID}}"], timeout=_TIMEOUT)
    yield judge_command(cli, wanted, answer.code, answer.output)


def judge_command(cli: str, engine_id: str, code: int, output: str) -> Finding:
    """Whether the command that builds images talks to the engine that runs them.

    `engine_id` is that engine's, "" when it does not answer; `output` is what the command says of its own.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if not engine_id:
        return ok(f"{cli} could build, if Docker answered.")
    if code == 0 and engine_id in lines:
        return ok(f"{cli} can build (BuildKit).")
    said = "it talks to another Docker" if code == 0 else (lines[-1] if lines else f"exit code {code}")
    return fail(
        f"{cli} builds images, but not for the Docker that runs programs: {said[:200]}",
        "unset DOCKER_HOST DOCKER_CONTEXT; docker context use default",
    )


def _group(ground: Ground) -> Iterator[Finding]:
    try:
        group = grp.getgrnam("docker")
    except KeyError:
        yield ok("There is no group docker.")
        return
    members = {*group.gr_mem, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == group.gr_gid)}
    yield judge_group(members, [account.name for account in ground.researchers])


def judge_group(members: Collection[str], researchers: Collection[str]) -> Finding:
    """Whether a researcher is as good as root."""
    risky = sorted(set(members) & set(researchers))
    if risky:
        return fail(
            f"{', '.join(risky)} {'is' if len(risky) == 1 else 'are'} in the group docker, and so can become root.",
            " && ".join(f"gpasswd -d {name} docker" for name in risky),
        )
    return ok("No researcher is in the group docker.")
