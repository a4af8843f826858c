"""Leftovers: what belongs to no job any more and takes room.

This module owns the comparison of what is there (containers, volumes, mounts, job folders, images) with the jobs that
the daemon knows. It never removes anything; it names the command that does.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labd.admin.doctor.asking_docker import if_it_answers
from labd.admin.doctor.builds import TAG
from labd.admin.doctor.subject import Ground
from labd.client.connection import ask
from labd.common.errors import UnavailableError
from labd.common.finding import Check, Finding, ok, warn
from labd.common.mounts import mounts
from labd.common.units import count
from labd.engines.docker.client import connected

_SUBJECT = "Leftovers"
_TIMEOUT = 10.0
_JOBS = 10_000  # the latest; a folder of an earlier job is housekeeping's
_FRESH = 600.0  # seconds in which something may still be in the making
_SHOWN = 20


@dataclass(frozen=True)
class Jobs:
    """The jobs that a running daemon knows."""

    active: frozenset[int]
    known: frozenset[int]  # the latest, with or without an outcome


def checks(ground: Ground) -> list[Check]:
    """All about leftovers."""
    return [
        Check(_SUBJECT, "containers and volumes without a job", if_it_answers(lambda: _containers(ground))),
        Check(_SUBJECT, "mounts without a program", if_it_answers(lambda: _mounts(ground))),
        Check(_SUBJECT, "folders without a job", lambda: _folders(ground)),
        Check(_SUBJECT, "images without a name", if_it_answers(lambda: _images(ground))),
    ]


def _jobs(ground: Ground) -> Jobs | None:
    """None when no daemon answers: then nobody knows, and what is there may be of jobs that wait for its start."""
    socket = str(ground.config.paths.socket)
    try:
        active = [job["job"] for answer in ask(socket, "status", _TIMEOUT) for job in answer["active"]]
        known = [job["job"] for job in ask(socket, "jobs", _TIMEOUT, limit=_JOBS)]
    except UnavailableError:
        return None
    return Jobs(frozenset(active), frozenset(known))


# In Docker


def _containers(ground: Ground) -> Iterator[Finding]:
    before = _jobs(ground)
    with connected(ground.docker) as docker:
        listed = docker.containers(all=True, filters={"label": [f"labd.instance={ground.config.instance}"]})
        volumes = docker.volumes(filters={"dangling": True})["Volumes"] or ()
    # Asked twice, because jobs come and go while Docker answers.
    after = _jobs(ground)
    active = before.active | after.active if before and after else None
    found = {entry["Names"][0].lstrip("/"): int(entry["Labels"].get("labd.job", 0)) for entry in listed}
    yield judge_containers(found, active)
    yield judge_volumes(volume_names(volumes, ground.config.paths.state))


def judge_containers(found: Mapping[str, int], active: Collection[int] | None) -> Finding:
    """Whether each container, name → job, has an active job; None: no daemon says which are active."""
    if active is None:
        if found:
            what = f"{count(len(found), 'container')} of labd's are here, but no daemon that knows them"
            return warn(f"{what}; it takes them up, or removes them, when it starts.", "systemctl start labd")
        return ok("There are no containers of labd's.")
    lost = sorted(name for name, job in found.items() if job not in active)
    if lost:
        return warn(f"{count(len(lost), 'container')} of labd's have no job.", f"docker rm -f -v {_few(lost)}")
    return ok("Each container of labd's has its job.")


def volume_names(volumes: Iterable[Mapping[str, Any]], state: Path) -> list[str]:
    """Those of Docker's `volumes` that are views of uploads in the lab whose state is in `state`."""
    return [volume["Name"] for volume in volumes if is_view((volume.get("Options") or {}).get("o", ""), state)]


def is_view(options: str, state: Path) -> bool:
    """Whether the overlayfs `options` are those of a program's view of an upload."""
    return f"upperdir={state}/jobs/" in options.replace("\\", "")


def judge_volumes(unused: Sequence[str]) -> Finding:
    """Whether volumes of this lab are there that no container uses."""
    if unused:
        what = f"{count(len(unused), 'volume')} of labd's belong to no container"
        return warn(f"{what}.", f"docker volume rm {_few(unused)}")
    return ok("No volume of labd's is left behind.")


def _images(ground: Ground) -> Iterator[Finding]:
    before = time.time() - _FRESH
    with connected(ground.docker) as docker:
        found = docker.images(filters={"dangling": True, "label": "labd.environment"})
        tests = docker.images(name=TAG)
        used = {entry["ImageID"] for entry in docker.containers(all=True)}
    old = [image for image in found if image["Id"] not in used and image["Created"] < before]
    # What a doctor that was killed left; one that runs now removes its own.
    old += [image for image in tests if image["Created"] < before]
    yield judge_images([(image["RepoTags"] or [image["Id"].partition(":")[2][:12]])[0] for image in old])


def judge_images(old: Sequence[str]) -> Finding:
    """Whether environments without a name, or of tests, take room; they are named by tag or id."""
    if old:
        return warn(
            f"{count(len(old), 'image')} of labd's can be had by no project any more.", f"docker rmi {_few(old)}"
        )
    return ok("No image of labd's is left behind.")


# On disk


def _mounts(ground: Ground) -> Iterator[Finding]:
    state = ground.config.paths.state
    points = [mount.point for mount in mounts() if mount.kind == "overlay" and is_view(mount.details, state)]
    with connected(ground.docker) as docker:
        running = docker.containers(filters={"label": [f"labd.instance={ground.config.instance}"]})
        used = {mount.get("Name", "") for entry in running for mount in entry["Mounts"]}
    yield judge_mounts([point for point in points if not any(name and name in point for name in used)])


def judge_mounts(unused: Sequence[str]) -> Finding:
    """Whether views of uploads are mounted that no running program has."""
    if unused:
        what = f"{count(len(unused), 'view')} of uploads {'is' if len(unused) == 1 else 'are'} mounted for no program"
        return warn(f"{what}.", f"umount {_few(unused)}")
    return ok("No view of an upload is mounted without its program.")


def _folders(ground: Ground) -> Iterator[Finding]:
    folder = ground.config.paths.state / "jobs"
    if not folder.is_dir():
        yield ok("There are no folders of jobs yet.")
        return
    # First the folders: a job is in the store before it has one.
    numbers = [int(name) for name in os.listdir(folder) if re.fullmatch(r"\d+", name)]
    before = time.time() - _FRESH
    old = [number for number in numbers if (folder / str(number)).lstat().st_mtime < before]
    jobs = _jobs(ground)
    yield judge_folders(folder, old, jobs.known if jobs else None)


def judge_folders(folder: Path, numbers: Collection[int], known: Collection[int] | None) -> Finding:
    """Whether each folder, by number, has its job; `known` are the latest jobs, None: no daemon tells."""
    if known is None:
        return ok(f"{count(len(numbers), 'folder')} of jobs; which are needed, the daemon knows when it runs.")
    first, last = min(known, default=0), max(known, default=0)
    newer = sorted(number for number in numbers if number > last)
    if newer:
        what = f"{count(len(newer), 'folder')} in {folder} are of later jobs than the database knows"
        look = f"ls -l {_few([str(folder / str(number)) for number in newer])}"
        return warn(f"{what}; it may be from a backup, and they may be all that there is of these jobs.", look)
    lost = sorted(number for number in numbers if number not in known and number >= first)
    if lost:
        what = f"{count(len(lost), 'folder')} in {folder} belong to no job."
        return warn(what, "rm -r " + _few([str(folder / str(number)) for number in lost]))
    return ok("Each folder of a job has its job.")


def _few(names: Sequence[str]) -> str:
    """The first of them: a command line has room for so many."""
    return " ".join(names[:_SHOWN])
