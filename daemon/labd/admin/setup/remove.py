"""`labd setup --remove`: takes away what setup put, and nothing else.

This module owns what goes and what stays: files that the administrator changed, folders that are not empty and groups
that have members stay and are named. It never touches accounts, homes, jobs or images.
"""

from __future__ import annotations

import grp
import os
from pathlib import Path

from labd.admin.setup import manifest as setup_manifest
from labd.admin.setup import sshd, systemd
from labd.admin.setup.files import Placing
from labd.common import installation
from labd.common.commands import must


def remove(placing: Placing) -> None:
    """Take away what the manifest lists, and say how the rest can go."""
    manifest, teller = placing.manifest, placing.teller
    if not (manifest.files or manifest.folders or manifest.groups or manifest.links):
        teller.note("There is nothing that `labd setup` put here.")
        return
    jobs = systemd.jobs_with_gpus()
    if systemd.is_here():
        teller.change("stop", "labd.service; programs of researchers go on", systemd.stop_and_disable)
    for path, target in list(manifest.links.items()):
        if os.path.islink(path) and os.readlink(path) == target:
            teller.change("remove", path, Path(path).unlink)
        del manifest.links[path]
    for path in reversed(list(manifest.files)):
        _file(placing, Path(path))
    if systemd.is_here() and not jobs:
        teller.change("reload", "systemd's units", systemd.read_units)
    for name in list(manifest.groups):
        _group(placing, name)
    _manifest(placing)
    for path in reversed(list(manifest.folders)):
        _folder(placing, Path(path))
    _rest(jobs)


def _file(placing: Placing, path: Path) -> None:
    try:
        ours = placing.manifest.is_unchanged(path)
    except FileNotFoundError:
        ours = False
    if ours:
        placing.teller.change("remove", str(path), path.unlink)
        if path == installation.SSHD:
            sshd.reload(placing)
    elif path.exists():
        placing.teller.note(f"{path} stays: it was changed by you, or was there before.")
    del placing.manifest.files[str(path)]


def _group(placing: Placing, name: str) -> None:
    try:
        members = grp.getgrnam(name).gr_mem
    except KeyError:
        members = None
    if members:
        placing.teller.note(f"The group {name} stays: {', '.join(members)} is in it.")
    elif members is not None:
        placing.teller.change("remove", f"the group {name}", lambda: must(["groupdel", name]))
    placing.manifest.groups.remove(name)


def _folder(placing: Placing, path: Path) -> None:
    if not path.is_dir():
        return
    if placing.teller.dry_run:
        placing.teller.change("remove", f"{path}/, if it is empty then", path.rmdir)
    elif any(path.iterdir()):
        placing.teller.note(f"{path}/ stays: it is not empty.")
    else:
        placing.teller.change("remove", f"{path}/", path.rmdir)


def _manifest(placing: Placing) -> None:
    if setup_manifest.FILE.exists():
        placing.teller.change("remove", str(setup_manifest.FILE), setup_manifest.FILE.unlink)


def _rest(jobs: list[int]) -> None:
    print(
        "\nAccounts, homes, jobs and images are as they were. To remove them, too:\n"
        "  for each account, best before `labd setup --remove`:  labd deluser NAME --remove-home\n"
        f"  settings and what labd keeps of jobs:  rm -r {installation.ETC} {installation.STATE}\n"
        "  environments:  docker image ls 'labd/*'  and  docker image rm\n"
        f"  the program:  rm -r {installation.CURRENT.parent}"
    )
    if jobs:
        print(
            f"systemd still knows the unit. When jobs {', '.join(map(str, jobs))} have ended: systemctl daemon-reload"
        )
