"""The folder of a job: `<state>/jobs/<id>/`, everything of labd's own that belongs to it.

This module owns the layout and the rights in it. The researcher's worker fetch the results from `delivery/`: so their
group, and nobody else, can pass through the folder (0710). What is in it is closed: the snapshot to all (0700), what
belongs to the researcher to everybody else.

    snapshot/   what was uploaded, frozen: code/ input/ job.toml
    newest      the newest ctime in the upload when the snapshot was taken
    inputs.jsonl   manifest of the snapshot: a line [path, size, mtime, inode, SHA-256] for each file
    outputs.jsonl  the same of delivery/output, until that is in the outbox
    scratch/    what the program wrote below /code and /input: {code,input}/{upper,work}; where the disk takes no
                copy-on-write views, {code,input}/copy is what it sees there, and becomes upper at the end
    home/       the program's HOME
    passwd, group
    delivery/   what goes to the outbox: output/ (the program's /output), run.log, build.log, receipt.json
    undelivered there when the job has ended and its results could not be put into the outbox
"""

from __future__ import annotations

import os
from pathlib import Path

from labd.accounts.accounts import Account
from labd.privsep.workers import Workers

UNDELIVERED = "undelivered"


def path(state: Path, job_id: int) -> Path:
    """The folder of job `job_id` in the lab whose state is in `state`."""
    return state / "jobs" / str(job_id)


def make(state: Path, job_id: int, account: Account) -> Path:
    """The same for a job of `account`, created unless it is there."""
    folder = path(state, job_id)
    for part in (folder, folder / "delivery"):
        _make(part, 0o710, 0, account.identity.gid)
    return folder


def prepare_run(folder: Path, account: Account) -> None:
    """Create what a program needs besides its snapshot. Safe to repeat; never empties anything."""
    owner = account.identity
    for part in ("code", "input"):
        _make(folder / "scratch" / part, 0o711)
        _make(folder / "scratch" / part / "upper", 0o700, owner.uid, owner.gid)
        _make(folder / "scratch" / part / "work", 0o755)
    (folder / "scratch").chmod(0o711)
    _make(folder / "home", 0o700, owner.uid, owner.gid)
    _make(folder / "delivery" / "output", 0o700, owner.uid, owner.gid)
    (folder / "passwd").write_text(
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        f"{account.name}:x:{owner.uid}:{owner.gid}::{home(account)}:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    groups = "".join(f"group{gid}:x:{gid}:{account.name}\n" for gid in owner.groups if gid != owner.gid)
    (folder / "group").write_text(f"root:x:0:\n{account.name}:x:{owner.gid}:\n{groups}")
    for name in ("passwd", "group"):
        (folder / name).chmod(0o644)


def home(account: Account) -> str:
    """Where the program's HOME is inside the container."""
    return f"/home/{account.name}"


def written(folder: Path) -> list[Path]:
    """The folders that the program can write, /output first."""
    return [
        folder / "delivery" / "output",
        *(folder / "scratch" / part / "upper" for part in ("code", "input")),
        folder / "home",
    ]


def remove_run(workers: Workers, folder: Path) -> None:
    """Remove what only the running program needed; the snapshot and the logs stay, and results that nobody has."""
    results = () if (folder / UNDELIVERED).exists() else ("delivery/output", "delivery/receipt.json")
    paths = [str(folder / name) for name in ("scratch", "home", *results, "outputs.jsonl")]
    workers.do(None, "remove", timeout=3600.0, paths=paths)


def remove(workers: Workers, folder: Path) -> None:
    """Remove the folder and all that is in it."""
    workers.do(None, "remove", timeout=3600.0, paths=[str(folder)])


def _make(folder: Path, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    if uid is not None and gid is not None and os.getuid() == 0:
        os.chown(folder, uid, gid)
