"""What the soak measures: the daemon's size over time, what labd left lying about, and what became of each upload.

This module owns the questions to the server, two small programs that run on it, and the judgement on the answers.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from people import Upload

from support.box.machine import Machine

_SIZES = r"""
import json, os, re, subprocess
def said(*command): return subprocess.run(command, capture_output=True, text=True).stdout.split()
def status(pid, key):
    try: return int(re.search(rf"^{key}:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M)[1])
    except (OSError, TypeError): return 0
def tree(pid):
    try: children = [child for task in os.listdir(f"/proc/{pid}/task")
                     for child in open(f"/proc/{pid}/task/{task}/children").read().split()]
    except OSError: children = []
    return status(pid, "VmRSS") + sum(map(tree, children))
pid = said("systemctl", "show", "-p", "MainPID", "--value", "labd")[0]
try: files = len(os.listdir(f"/proc/{pid}/fd"))
except OSError: files = 0
print(json.dumps({
    "memory of the daemon (kB)": status(pid, "VmRSS"), "memory of its processes (kB)": tree(pid),
    "threads": status(pid, "Threads"), "open files": files,
    "containers": len(said("docker", "ps", "-aq")), "volumes": len(said("docker", "volume", "ls", "-q")),
    "job folders": len(os.listdir("/var/lib/labd/jobs")),
}))
"""
_OUTBOXES = r"""
import glob, json, os
found = {}
for folder in glob.glob("/home/*/outbox/*"):
    def text(name):
        try: return open(f"{folder}/{name}", errors="replace").read()[-4000:]
        except OSError: return ""
    _, _, user, _, project = folder.split("/")
    if not any("\udc80" <= letter <= "\udcff" for letter in project):
        found[f"{user}/{project}"] = [text("STATUS"), text("COMPLETE"), text("run.log")]
print(json.dumps(found))
"""
_ACTIVE = ("received", "queued", "building", "running", "delivering")
_NOT_WHOLE = ("lines may be missing in run.log", "run.log is not whole")
ROOM = {
    "memory of the daemon (kB)": 15_000,
    "memory of its processes (kB)": 60_000,
    "threads": 3,
    "open files": 12,
    "containers": 4,
    "volumes": 0,
}
"""By how much a figure may be higher at rest at the end than it was at rest at the beginning."""


def sizes(server: Machine) -> dict[str, int]:
    """The figures now; 0 where there is no daemon."""
    return dict(json.loads(server.run("python3 -", stdin=_SIZES).stdout))


def under_way(server: Machine) -> int | None:
    """How many jobs have not come to their end; None when the daemon does not say."""
    asked = server.run("labd jobs --json --limit 10000", check=False, timeout=90.0)
    if asked.returncode != 0:
        return None
    return sum(json.loads(line)["state"] in _ACTIVE for line in asked.stdout.splitlines())


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """What was left at the end that was not there before."""
    return [
        f"{name}: {before[name]:,} at rest before, {after[name]:,} after"
        for name, room in ROOM.items()
        if after[name] > before[name] + room
    ]


def over_time(samples: Sequence[dict[str, int]], before: dict[str, int], after: dict[str, int]) -> list[list[str]]:
    """A table: each figure at rest before, in the first and the last third of the soak, and at rest after."""
    third = max(1, len(samples) // 3)
    rows = [["", "before", "first third", "last third", "after"]]
    for name in before:
        parts = [[sample[name] for sample in part if sample[name]] for part in (samples[:third], samples[-third:])]
        told = [f"{statistics.median(part):,.0f} (at most {max(part):,})" if part else "-" for part in parts]
        rows.append([name, f"{before[name]:,}", *told, f"{after[name]:,}"])
    return rows


@dataclass
class Outcomes:
    """What became of everything that was sent."""

    table: list[list[str]]
    faults: list[str]


def outcomes(
    server: Machine, uploads: Sequence[Upload], excused: set[str], was_full: Callable[[float, float], bool]
) -> Outcomes:
    """Whether each upload has exactly one outcome. Those in `excused` may have ended in any way.

    `was_full` says whether the disk was full about a time: then lines may be missing in run.log, and STATUS says so.
    """
    outboxes = json.loads(server.run("python3 -", stdin=_OUTBOXES).stdout)
    jobs = defaultdict(list)
    for line in server.run("labd jobs --json --limit 10000").stdout.splitlines():
        job = json.loads(line)
        jobs[job["user"], job["project"]].append(job)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    faults = []
    for upload in uploads:
        status, complete, log = outboxes.get(f"{upload.user}/{upload.project}", ("", "", ""))
        mine = sorted(jobs[upload.user, upload.project], key=lambda job: job["job"])
        end, wrong = _judge(upload, mine, status, complete, log, upload.project in excused)
        wrong = wrong or _false_note(mine, status, was_full)
        counted[upload.kind][end] += 1
        if wrong:
            faults.append(f"{upload.user}/{upload.project} ({upload.kind}): {wrong}; STATUS: {status[:150]!r}")
    table = [["kind", "uploads", "ends"]]
    for kind, ends in sorted(counted.items()):
        table.append([kind, str(ends.total()), ", ".join(f"{end} {number}" for end, number in ends.most_common())])
    return Outcomes(table, faults)


def _false_note(jobs: Sequence[dict[str, Any]], status: str, was_full: Callable[[float, float], bool]) -> str:
    """What is wrong with a STATUS that says that lines may be missing in run.log."""
    ran = [job for job in jobs[-1:] if job["started"]]
    if any(note in status for note in _NOT_WHOLE) and not any(was_full(job["started"], job["since"]) for job in ran):
        return "its disk was not full while it ran"
    return ""


def _judge(
    upload: Upload, jobs: list[dict[str, Any]], status: str, complete: str, log: str, is_excused: bool
) -> tuple[str, str]:
    """How it ended in a word or two, and what is wrong with that."""
    if not jobs:
        is_refused = "not started" in status or "interrupted" in status
        if upload.is_whole and upload.kind.startswith("hostile") and is_refused:
            return "refused", ""
        return "nothing", "no outcome" if upload.is_whole else ""
    end = jobs[-1]["state"]
    if not upload.jobs <= len(jobs) <= upload.jobs + upload.unsure:
        return end, f"{len(jobs)} jobs where {upload.jobs} were due"
    if complete.split(" ")[0] != str(jobs[-1]["job"]):
        return end, f"job {jobs[-1]['job']} is {end}, and COMPLETE says {complete!r}"
    if end == "succeeded" and upload.token and upload.token not in log:
        if is_told := any(note in status for note in _NOT_WHOLE):
            end += ", with lines missing"
        return end, "" if is_told else "run.log is not that of the last upload"
    if end not in (*upload.ends, "interrupted") and not is_excused:
        return end, f"ended as {end}"
    return end, ""
