"""`make soak MINUTES=30`: people work with a lab in a box that is disturbed, and nothing may be lost or left behind.

Two researchers on PCs of their own, a guest whose account comes and goes, and somebody with an account from elsewhere
send work of every kind, and things that are meant to do harm. Meanwhile labd is killed, Docker restarted, the disk
filled, accounts removed. At the end each upload must have exactly one outcome. The exit code is 0 if it has, and
nothing has leaked. No part of `make test`: it takes as long as it is told to.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import figures
from disturbances import Disturbances
from kinds import HOSTILE, KINDS, REMOTE, Kinds, choose, pause
from people import GaveUpError, Local, Remote, Somebody, all_uploads

from support.box.box import Box
from support.box.installed_lab import InstalledLab
from support.box.machine import Machine

DISK = 10 * 1024**3
LOCAL, LOCAL_UID = "carl", 4001
# Goes on in the table [job].
SETTINGS = f"""cpus = 0.5
[machine]
cpus = 4.0
[[accounts]]
name = "{LOCAL}"
"""
SAMPLE_EVERY = 10.0
BACKLOG = 40
# Housekeeping sees within a minute that nothing comes any more, and gives back what is left.
REST = 75.0
MOST_FAULTS = 60
DRAIN = 300.0


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Disturb a lab in a box while people work with it.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--release", default="debian-12")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--fill-often", action="store_true", help="fill the disk after everything else that is done")
    parser.add_argument("--logs", type=Path, default=Path(".cache/soak"), help="folder for the journal and the jobs")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("only root can make the disk of the server in the box")
    random.seed(options.seed)
    say(f"{options.minutes:g} minutes on {options.release}, seed {options.seed}")
    box = Box(options.release, DISK)
    try:
        box.server.run(f"useradd --uid {LOCAL_UID} --create-home {LOCAL}")
        box.server.run(f"cd /home/{LOCAL} && install -d -o {LOCAL} -g {LOCAL} inbox outbox")
        lab = InstalledLab(box, SETTINGS)
        try:
            return soak(lab, options.minutes * 60, options.fill_often)
        finally:
            keep_logs(lab, options.logs)
    finally:
        box.close()


def soak(lab: InstalledLab, seconds: float, fill_often: bool) -> int:
    """The soak itself, on a lab that is installed."""
    server = lab.server
    names = ("ana-silva", "ana-silva", "ben-okoro", "ben-okoro", "guest-x")
    ana, ana_too, ben, hostile, guest = (Remote(lab.person(name)) for name in names)
    local, local_too = (Local(LOCAL, LOCAL_UID, server) for _ in range(2))
    everybody = (ana, ana_too, ben, hostile, guest, local, local_too)
    warm_up(ana)
    server.run("systemctl restart labd")
    before = at_rest(lab)
    began = int(server.run("date +%s").stdout)
    over, going, samples, errors = threading.Event(), threading.Event(), [before], []
    going.set()
    workers = [
        *(work(over, going, errors, somebody, (*KINDS, *REMOTE)) for somebody in (ana, ana_too, ben)),
        *(work(over, going, errors, somebody, KINDS) for somebody in (guest, local)),
        *(work(over, going, errors, somebody, HOSTILE) for somebody in (hostile, local_too)),
    ]
    disturbances = Disturbances(server, seconds, guest, local, fill_often)
    say("Going on; what is measured comes every minute")
    disturbances.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(SAMPLE_EVERY)
        samples.append(figures.sizes(server))
        # People do not wait for a lab that does not answer, and do not bury one that does.
        going.set() if (figures.under_way(server) or 0) < BACKLOG else going.clear()
        if len(samples) % 6 == 0:
            say(f"{len(all_uploads(everybody))} uploads; {dict(disturbances.done)}; {samples[-1]}")
    over.set()
    disturbances.stop()
    say("No more uploads; waiting for what is under way")
    for worker in workers:
        worker.join()
    faults = [*disturbances.faults, *errors]
    left = drain(server)
    if left != 0:
        faults.append(
            f"{'an unknown number of' if left is None else left} jobs had no end {DRAIN:.0f} s after the last"
        )
    after = at_rest(lab)
    sent = all_uploads(everybody)
    excused = {upload.project for upload in sent if disturbances.was_full(upload.began)}
    ended = figures.outcomes(server, sent, excused, disturbances.was_full)
    faults += ended.faults + figures.grown(before, after) + service_faults(lab, began)
    report(len(sent), disturbances, samples, before, after, ended, faults)
    return 1 if faults else 0


def warm_up(somebody: Somebody) -> None:
    """So that what is there once and for all is there before anything is measured."""
    somebody.make("first", {"code/app.py": "print(1)\n"})
    somebody.insist(somebody.rsync("first"))
    somebody.wait_complete("first")


def work(
    over: threading.Event, going: threading.Event, errors: list[str], somebody: Somebody, kinds: Kinds
) -> threading.Thread:
    """Somebody at work until it is over, while things are going."""

    def run() -> None:
        while not over.wait(pause()):
            if not going.is_set():
                continue
            play = choose(kinds)
            project = f"p{time.monotonic_ns() // 1000 % 10**10}"
            try:
                play(somebody, project)
            except GaveUpError as error:
                errors.append(str(error))
            except Exception:
                errors.append(traceback.format_exc())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def drain(server: Machine) -> int | None:
    """Wait until every job has come to its end, for so long: how many have not, None when labd does not say."""
    end = time.monotonic() + DRAIN
    quiet = 0
    while True:
        left = figures.under_way(server)
        # Again and again: what was sent last may not be a job yet.
        quiet = quiet + 1 if left == 0 else 0
        if quiet == 5 or time.monotonic() > end:
            return left
        time.sleep(3.0)


def at_rest(lab: InstalledLab) -> dict[str, int]:
    """The figures once the daemon has nothing to do and has given back what it keeps for a while."""
    time.sleep(REST)
    return figures.sizes(lab.server)


def service_faults(lab: InstalledLab, began: int) -> list[str]:
    """What the journal tells against labd since `began`, and what the doctor finds now."""
    log = lab.server.run(f"journalctl -q -u labd --since @{began} -o cat").stdout.splitlines()
    faults = []
    for what, signs in (
        ("defects", ("Traceback", "a defect of labd")),
        ("ends of the daemon by itself", ("Main process exited, code=exited", "Watchdog timeout")),
    ):
        if found := [line for line in log if any(sign in line for sign in signs)]:
            faults.append(f"the journal has {len(found)} {what}, as in: {found[0]}")
    doctor = lab.server.run("labd doctor --brief", check=False).stdout
    return faults + [line for line in doctor.splitlines() if line.startswith("fail") or "Leftovers" in line]


def report(
    sent: int,
    disturbances: Disturbances,
    samples: Sequence[dict[str, int]],
    before: dict[str, int],
    after: dict[str, int],
    ended: figures.Outcomes,
    faults: Sequence[str],
) -> None:
    """Print all of it."""
    print(f"\n{sent} uploads. What was done to the lab: {dict(disturbances.done)}\n")
    for table in (ended.table, figures.over_time(samples, before, after)):
        widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
        for row in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print()
    print(f"{len(faults)} faults" + (":" if faults else "."))
    for fault in faults[:MOST_FAULTS]:
        print(f"  {fault}")
    if len(faults) > MOST_FAULTS:
        print(f"  and {len(faults) - MOST_FAULTS} more")


def keep_logs(lab: InstalledLab, folder: Path) -> None:
    """Put what one needs to find out more beside the report."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal").write_text(lab.server.run("journalctl -q", check=False).stdout)
    (folder / "jobs").write_text(lab.server.run("labd jobs --json --limit 10000", check=False).stdout)
    say(f"The journal and the jobs are in {folder}")


def say(line: str) -> None:
    """Progress, apart from the report."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
