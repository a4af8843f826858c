"""B8 to B10: what the SSH gateway costs, on a server in a box with a real sshd, from a PC that is another container.

B8 compares a connection through the gateway with one to an account that has a shell, where sshd starts `rsync --server`
and `sftp-server` itself. B9 is the time from the end of an rsync push to the first line of its program, against the
start of a bare `docker run` of the same image. B10 is labd's part in the CPU time of a push of many small files.
"""

from __future__ import annotations

import json
import shlex
import statistics

from measured_lab import Report, Row

from support.box.box import Box
from support.box.installed_lab import InstalledLab, Person, configure_ssh

ROUNDS = 40
STARTS = 10
FILES = 100_000
TARGET_CONNECTION, TARGET_START, TARGET_CPU = 30.0, 1.0, 0.05

_MASTER = "Host *\n    ControlMaster auto\n    ControlPath ~/.ssh/%C\n    ControlPersist 10m\n"
_CLOCK = "import time\nprint(time.time(), flush=True)\n"
_FILL = """
import os
for number in range({files}):
    folder = f"many/input/{{number // 1000}}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{{folder}}/{{number}}", "w") as file:
        file.write(str(number))
"""
# The last sample of a process is what it used, less a twentieth of a second.
_SAMPLE = """
import json, os, time
used, end = {}, False
tick = os.sysconf("SC_CLK_TCK")
daemon = open("/var/lib/labd/lock")
def kind(pid):
    command = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\\0", b" ")
    if command.startswith(b"rsync "): return "rsync"
    if b"gateway" in command and b"-c" not in command: return "gateway"
    if b"labd daemon" in command or b"labd.privsep.worker" in command: return "daemon"
while not os.path.exists("/run/bench-over"):
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            name = kind(pid)
            if name:
                fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
                now = (int(fields[11]) + int(fields[12])) / tick
                first, _ = used.get(f"{name} {pid}", (now if name == "daemon" else 0.0, 0.0))
                used[f"{name} {pid}"] = (first, now)
        except OSError:
            pass
    time.sleep(0.05)
total = {"rsync": 0.0, "gateway": 0.0, "daemon": 0.0}
for key, (first, last) in used.items():
    total[key.split()[0]] += last - first
print(json.dumps(total))
"""


def run(report: Report) -> list[Row]:
    """Measure; three rows of name, value, target and detail."""
    report("B8 to B10: starting a server in a box, with labd in it")
    box = Box("debian-12")
    try:
        lab = InstalledLab(box)
        ana = lab.person("ana-silva")
        return [*_connections(report, lab, ana), _first_line(report, lab, ana), _many_files(report, lab, ana)]
    finally:
        box.close()


def _connections(report: Report, lab: InstalledLab, ana: Person) -> list[Row]:
    report(f"B8: {ROUNDS} connections of each kind, in turns")
    pc = lab.box.pc("direct")
    key = pc.text(".ssh/id_ed25519.pub").strip()
    welcome = lab.server.run(f"labd adduser direct-shell --shell --comment '' --key {shlex.quote(key)}").stdout
    configure_ssh(pc, welcome)
    direct = Person(lab, "direct-shell", pc, welcome)
    for person in (ana, direct):
        person.run("mkdir -p small/input && echo 1 >small/input/one && rsync -a small/ lab:inbox/small/")
        person.pc.put(".ssh/config", _MASTER + person.pc.text(".ssh/config"))
        person.run("ssh -fN lab")
    rows: list[Row] = []
    for name, command in (
        ("rsync push", "rsync -a small/ lab:inbox/small/"),
        ("rsync pull", "rsync -a lab:inbox/small/input/one pulled"),
        ("sftp", "echo 'ls inbox' | sftp -q -b - lab"),
    ):
        ours, bare = [], []
        for _ in range(4):
            bare += _times(direct, command, ROUNDS // 4)
            ours += _times(ana, command, ROUNDS // 4)
        more = (statistics.median(ours) - statistics.median(bare)) * 1e3
        detail = f"{statistics.median(ours) * 1e3:.0f} ms against {statistics.median(bare) * 1e3:.0f} ms (medians)"
        rows.append((f"B8 {name}, ms more", more, TARGET_CONNECTION, detail))
    for person in (ana, direct):
        person.run("ssh -O exit lab", check=False)
    return rows


def _times(person: Person, command: str, rounds: int) -> list[float]:
    measured = f"a=$(date +%s%N); {{ {command}; }} >/dev/null || exit; b=$(date +%s%N); echo $((b - a))"
    loop = f"for i in $(seq {rounds}); do {measured}; done"
    return [int(line) / 1e9 for line in person.run(loop).stdout.split()]


def _first_line(report: Report, lab: InstalledLab, ana: Person) -> Row:
    report(f"B9: {STARTS} pushes, and {STARTS} times `docker run`")
    ana.project("clock", _CLOCK)
    ana.finish("clock", "rsync -a clock/ lab:inbox/clock/")
    tag = json.loads(lab.server.run("labd images --json").stdout.splitlines()[0])["tag"]
    ours, bare = [], []
    for number in range(STARTS):
        before = max(job["job"] for job in ana.jobs("clock"))
        ana.project("clock", _CLOCK + "\n" * (number + 1))
        pushed = int(ana.run("rsync -a clock/ lab:inbox/clock/; date +%s%N").stdout) / 1e9
        ana.wait_complete("clock", before)
        ours.append(float(ana.outbox("clock", "run.log")) - pushed)
        program = shlex.quote(_CLOCK)
        begun, first = lab.server.run(f"date +%s%N; docker run --rm {tag} python -c {program}").stdout.split()
        bare.append(float(first) - int(begun) / 1e9)
    ratio = statistics.median(ours) / statistics.median(bare)
    detail = f"{statistics.median(ours) * 1e3:.0f} ms against {statistics.median(bare) * 1e3:.0f} ms (medians)"
    return ("B9 push to first line", ratio, TARGET_START, detail)


def _many_files(report: Report, lab: InstalledLab, ana: Person) -> Row:
    report(f"B10: a push of {FILES:,} small files")
    ana.run(f"python3 -c {shlex.quote(_FILL.format(files=FILES))}", timeout=600)
    ana.project("many", "")
    ana.run("rm many/code/app.py")
    lab.server.put("/root/sample.py", _SAMPLE)
    lab.server.run(
        "rm -f /run/bench-over; systemd-run -q --unit bench-sample sh -c 'python3 /root/sample.py >/root/used'"
    )
    ana.run("rsync -a many/ lab:inbox/many/", timeout=600)
    ana.wait_text("many", "not started")
    lab.server.run("touch /run/bench-over; while systemctl -q is-active bench-sample; do sleep 0.1; done")
    used = json.loads(lab.server.text("/root/used"))
    share = (used["gateway"] + used["daemon"]) / used["rsync"]
    detail = f"gateway {used['gateway']:.2f} s, daemon {used['daemon']:.2f} s, rsync {used['rsync']:.2f} s of CPU time"
    return ("B10 share of CPU, 100,000 files", share, TARGET_CPU, detail)
