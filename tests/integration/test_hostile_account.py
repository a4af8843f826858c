"""A researcher who does whatever they can against the lab: the other one's jobs go on, in the same daemon.

One daemon for the whole table. After each attack a job of ben's succeeds soon, the daemon is the one that was started,
it and its helpers hold little memory, and its log tells of no defect.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import temporary_folder
from support.lab import AS_ROOT, Lab, children_of, wait_for

pytestmark = pytest.mark.skipif(not AS_ROOT, reason="needs two accounts")

SOON = 20.0  # seconds in which the other one's job has to succeed
MOST_MEMORY = 300 << 20
QUICK = "print('hello')\n"
STAY = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"

Attack = Callable[["AccountTestbed"], Iterator[None]]
ATTACKS: dict[str, Attack] = {}
"""What ana does until `yield`, while ben's job runs; what comes after it ends the attack."""


class AccountTestbed:
    """The lab, and what ana can do in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.ana, self.ben = lab, lab.users["ana-silva"], lab.users["ben-okoro"]
        assert lab.process
        self.daemon, self.most_memory, self.slowest = lab.process.pid, 0, 0.0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._weigh)
        self._watch.start()

    def _weigh(self) -> None:
        while not self._over.wait(0.25):
            self.most_memory = max(self.most_memory, sum(map(_held, _tree(self.daemon))))

    def close(self) -> None:
        self._over.set()
        self._watch.join()

    def shell(self, script: str) -> None:
        """Run a shell script as ana in her home."""
        self.ana.do("bash", "-c", f"cd {self.ana.home} && {script}")

    @contextlib.contextmanager
    def keeps_on(self, source: str, *arguments: object) -> Iterator[None]:
        """A Python program that ana has running meanwhile, in her home; it says a line when it has begun."""
        become = ["setpriv", f"--reuid={self.ana.uid}", f"--regid={self.ana.uid}", "--clear-groups", "--"]
        # Not the tests' own Python: it may lie in a folder that others cannot enter.
        command = [*become, "/usr/bin/python3", "-c", source, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=self.ana.home) as process:
            try:
                assert process.stdout
                assert process.stdout.readline()
                yield
            finally:
                process.kill()

    def ask(self, *requests: dict[str, Any]) -> list[list[dict[str, Any]]]:
        """The answers that ana gets, one request after the other."""
        sent = json.dumps([self.lab.socket.as_posix(), *map(json.dumps, requests)])
        become = ["setpriv", f"--reuid={self.ana.uid}", f"--regid={self.ana.uid}", "--clear-groups", "--"]
        done = subprocess.run(
            [*become, "/usr/bin/python3", "-c", ASK], input=sent, capture_output=True, text=True, check=True
        )
        return [[json.loads(line) for line in answer.splitlines()] for answer in json.loads(done.stdout)]

    def start(self, name: str, source: str, **files: str) -> None:
        """Have ana upload and submit a program."""
        self.ana.program(name, source, **files)
        self.ana.submit(name)

    def mine(self) -> list[dict[str, Any]]:
        """Ana's jobs that have not ended."""
        return [job for job in self.lab.ask("status")[0]["active"] if job["user"] == "ana-silva"]

    def others_go_on(self) -> None:
        """A job of ben's succeeds soon."""
        name = f"quick-{time.monotonic_ns()}"
        began = time.monotonic()
        self.ben.program(name, QUICK)
        self.ben.submit(name)
        wait_for(f"{name} of ben's; the log says:\n{self.lab._tail()}", lambda: self.ben.complete(name), 60.0)
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        assert self.ben.status(name)["state"] == "succeeded"
        assert took < SOON

    def tidy(self) -> None:
        """End what ana has under way, and give her an empty home."""
        for job in self.mine():
            with contextlib.suppress(Exception):
                self.lab.ask("cancel", job=job["job"])
        # Removed with the lab: on a slow disk that takes longer than all else.
        self.ana.home.rename(self.ana.home.with_name(f"before-{time.monotonic_ns()}"))
        for folder in (self.ana.home, self.ana.home / "inbox", self.ana.home / "outbox"):
            folder.mkdir(exist_ok=True)  # labd may have been quicker
            os.chown(folder, self.ana.uid, self.ana.uid)
        wait_for("the end of ana's jobs", lambda: not self.mine(), 120.0)


ASK = """
import json, socket, sys
path, *requests = json.load(sys.stdin)
answers = []
for request in requests:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(request.encode() + b"\\n")
        answers.append(connection.makefile().read())
json.dump(answers, sys.stdout)
"""


def _held(process: int) -> int:
    """Bytes of memory that are a process's own share."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has just ended
    return 0


def _tree(process: int) -> list[int]:
    try:
        return [process, *(other for child in children_of(process) for other in _tree(child))]
    except OSError:
        return []


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


# Names


@attack
def names_of_all_kinds(testbed: AccountTestbed) -> Iterator[None]:
    inbox = bytes(testbed.ana.home / "inbox")
    names = [b"a\nb", b"a\tb", b"\x1b[31mred\x1b[0m", "\u202egnp".encode(), b"x" * 255, b"-rf", b"%s%n", b"'\"`$(id)`"]
    names += [b"\xff\xfe", b".STATUS.labd", b"...", b" ", b"{}", b"COMPLETE", b"STATUS", b"history", b"output"]
    names += [b"SUBMIT", b"CANCEL", b"project", b"code", b"aux.toml", b"0", b"1" * 64, b"\\x", "ﬁ".encode(), b"~", b"#"]
    for name in names:
        testbed.ana.write(inbox + b"/" + name + b"/code/app.py", QUICK)
        with contextlib.suppress(OSError):
            testbed.ana.write(inbox + b"/" + name + b"/SUBMIT")
    for name in (b"in\nside", b"\xff", b"-x", b"y" * 255):
        testbed.ana.write(inbox + b"/odd-inside/code/" + name, b"")
        testbed.ana.write(inbox + b"/odd-inside/input/" + name + b"/" + name, b"")
    testbed.start("odd-inside", QUICK)
    wait_for("odd-inside", lambda: testbed.ana.status("odd-inside").get("state") == "succeeded")
    yield
    for name in ("COMPLETE", "STATUS", "history", "output", "project", "0", "1" * 64):
        wait_for(name, lambda name=name: testbed.ana.status(name).get("state") == "succeeded")  # type: ignore[misc]


@attack
def thousands_of_folders_with_good_names(testbed: AccountTestbed) -> Iterator[None]:
    testbed.shell("cd inbox && mkdir $(seq -f p%g 1200)")
    yield


@attack
def thousands_of_files_with_long_names(testbed: AccountTestbed) -> Iterator[None]:
    testbed.shell("cd inbox && python3 -c \"for n in range(10000): open(b'\\xff' * 200 + b'%d' % n, 'w').close()\"")
    yield


@attack
def programs_among_thousands_of_names(testbed: AccountTestbed) -> Iterator[None]:
    script = (
        "import os\nfor p in range(15):\n    os.makedirs(f'inbox/p{p}/code')\n    for n in range(1000):\n"
        "        open(b'inbox/p%d/code/%s%d' % (p, b'\\xff' * 240, n), 'w').close()\n"
    )
    testbed.ana.write(testbed.ana.home / "x.py", script)
    testbed.shell("python3 x.py")
    yield


@attack
def empty_folders_without_end(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ana.program("empty", QUICK)
    testbed.shell(
        "mkdir -p inbox/empty/input && cd inbox/empty/input && mkdir $(seq 40) && "
        "for d in $(seq 40); do mkdir $(seq -f $d/%g 100); done"
    )
    testbed.ana.submit("empty")
    yield


# Control files


@attack
def control_files_that_are_no_files(testbed: AccountTestbed) -> Iterator[None]:
    for number, make in enumerate(("mkdir -p {}/a/b/c", "ln -s /etc/shadow {}", "mkfifo {}", "ln -s {} {}")):
        for control in ("SUBMIT", "RERUN", "CANCEL"):
            project = f"odd-{number}-{control.lower()}"
            testbed.ana.program(project, QUICK)
            testbed.shell(make.format(*[f"inbox/{project}/{control}"] * 2))
    testbed.shell("for p in inbox/*; do chmod 0 $p/SUBMIT $p/RERUN $p/CANCEL; chmod 500 $p; done 2>/dev/null; true")
    yield
    assert Path("/etc/shadow").exists()


@attack
def all_control_files_again_and_again(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ana.program("all", QUICK)
    loop = (
        "import os\nprint('on', flush=True)\nwhile True:\n    for name in ('RERUN', 'SUBMIT', 'CANCEL'):\n"
        "        open(f'inbox/all/{name}', 'w').close()\n"
    )
    with testbed.keeps_on(loop):
        yield


@attack
def a_control_folder_that_never_ends(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ana.program("full", QUICK)
    testbed.shell("mkdir inbox/full/RERUN; cd inbox/full/RERUN && mkdir -p $(seq 300)/{1..20}; true")
    yield


# The inbox


@attack
def an_inbox_that_is_replaced_all_the_time(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ana.program("p", QUICK)
    loop = (
        "import os, time\nprint('on', flush=True)\nn = 0\nwhile True:\n    n += 1\n    os.rename('inbox', f'old')\n"
        "    os.symlink('/', 'inbox') if n % 2 else os.mkdir('inbox')\n    time.sleep(0.01)\n"
        "    os.unlink('inbox') if n % 2 else os.rmdir('inbox')\n    os.rename('old', 'inbox')\n"
    )
    with testbed.keeps_on(loop):
        yield


@attack
def an_inbox_that_is_the_others(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ben.program("theirs", STAY)
    testbed.shell(f"rmdir inbox && ln -s {testbed.ben.home}/inbox inbox")
    testbed.ask({"verb": "submit", "project": "theirs"}, {"verb": "note", "event": "began", "projects": ["theirs"]})
    yield
    assert not testbed.ana.status("theirs")
    testbed.ben.do("rm", "-rf", str(testbed.ben.inbox("theirs")))


@attack
def a_home_of_links(testbed: AccountTestbed) -> Iterator[None]:
    testbed.shell("rm -rf inbox outbox .labd; ln -s / inbox; ln -s /etc outbox; ln -s / .labd")
    yield
    testbed.shell("rm inbox outbox .labd; ln -s /proc/self inbox; ln -s /dev/full outbox; ln -s .labd .labd")
    testbed.others_go_on()


@attack
def a_project_that_is_swapped_for_a_link(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ana.program("swap", QUICK)
    testbed.ana.write(testbed.ana.inbox("swap") / "input" / "x", b"1" * 1_000_000)
    loop = (
        "import os\nprint('on', flush=True)\nwhile True:\n    os.rename('inbox/swap/input', 'aside')\n"
        "    os.symlink('/root', 'inbox/swap/input')\n    open('inbox/swap/SUBMIT', 'w').close()\n"
        "    os.unlink('inbox/swap/input')\n    os.rename('aside', 'inbox/swap/input')\n"
    )
    with testbed.keeps_on(loop):
        yield


@attack
def times_sizes_and_links_of_all_kinds(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ana.program("times", "import os, pathlib\nfor path in pathlib.Path('/input').iterdir():\n    print(path)\n")
    testbed.shell(
        "mkdir -p inbox/times/input && cd inbox/times/input; touch -d 1970-01-01T00:00:01 a; touch -d 2106-02-08 b; "
        "touch -d @-9999999999 c; touch -d @99999999999 d; touch -d @9223372036854775807 e; touch base; "
        "for n in $(seq 3000); do ln base l$n; done; ln -s /etc/shadow s; ln -s ../../../../etc t; ln -s u u; "
        "mkfifo f; chmod 0 c; chmod 7777 b; mkdir 0 && chmod 7777 0; setfacl -m u:1:rwx b; setfattr -n user.x -v y b; "
        "chmod 400 c; touch ../SUBMIT; mkdir -p ../../holes/code ../../holes/input; "
        "cp ../code/app.py ../../holes/code; truncate -s 15T ../../holes/input/sparse; touch ../../holes/SUBMIT"
    )
    yield
    wait_for("its end", lambda: testbed.ana.status("times").get("state") == "succeeded")
    wait_for("the other to be told", lambda: "the limit of this server" in testbed.ana.text("holes"))


# ~/.labd


@attack
def notes_of_transfers_that_are_garbage(testbed: AccountTestbed) -> Iterator[None]:
    sessions = testbed.ana.home / ".labd" / "sessions"
    big = '{"project": "p", "scope": ""}\n' * 30_000
    for number in range(400):
        testbed.ana.write(
            sessions / f"{number}-1", f'{{"kind": "rsync", "began": 1e308}}\n{big if number > 390 else ""}'
        )
    names = ["p" * 4000, "\\n", "..", "/etc", "a/b", ""]
    for number, name in enumerate(names):
        ends = {"result": "complete", "files": 10**30, "why": "\x1b" * 100}
        lines = [{"kind": "x" * 1000, "began": -1e300}, {"project": name, "scope": "/"}]
        lines.append({"ended": 1e300, "code": 0, "projects": {name: ends, "ok": ends}})
        testbed.ana.write(sessions / f"9-{number}", "".join(json.dumps(line) + "\n" for line in lines))
    testbed.ana.write(sessions / "9-deep", '{"kind":' * 1000 + "\n")
    testbed.ana.write(sessions / "9-nan", '{"kind": "scp", "began": NaN}\n{"ended": Infinity, "projects": {"ok": 1}}\n')
    testbed.start("ok", QUICK)
    loop = (
        "import fcntl, os\nfiles = [open('.labd/sessions/' + n) for n in os.listdir('.labd/sessions')]\n"
        "[fcntl.flock(f, fcntl.LOCK_EX) for f in files]\nprint('on', flush=True)\nimport time\ntime.sleep(600)\n"
    )
    with testbed.keeps_on(loop):
        testbed.ask({"verb": "note", "event": "transfer", "projects": ["ok", ".."] * 50})
        yield


# Programs


PROGRAMS = {
    "a line without end": "import sys\nfor _ in range(1000):\n    sys.stdout.write('x' * 100_000)\n",
    "binary": r"""
import os
for _ in range(100):
    os.write(1, bytes(range(256)) * 400)
    os.write(1, b"\x1b[2J\xff\n")
""",
    "no stdout": "import os, time\nos.close(1); os.close(2); os.close(0)\ntime.sleep(1)\n",
    "deaf": """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
time.sleep(600)
""",
    "kills": "import os\nos.kill(1, 9)\nos.kill(-1, 9)\n",
    "odd output": r"""
import os, socket
os.chdir("/output")
os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("socket")
for name, target in {"shadow": "/etc/shadow", "itself": "itself", "root": "/", "up": "../../.."}.items():
    os.symlink(target, name)
for name in (b"\xff\n", b"-rf", b"COMPLETE", b"run.log", b"closed"):
    open(name, "w").close()
os.mkdir("STATUS")
os.chmod("closed", 0)
os.utime("closed", (-(10**9), 10**11))
open("holes", "w").truncate(10**13)
""",
    "empty folders": "import os\nfor n in range(5000):\n    os.makedirs(f'/output/{n % 50}/{n}')\n",
    "removes": """
import shutil
for folder in ("/code", "/input", "/output", "/home", "/tmp"):
    shutil.rmtree(folder, ignore_errors=True)
""",
    "full home": "import os\nfor n in range(10000):\n    open(os.path.expanduser(f'~/{n}'), 'w').close()\n",
    "moves": """
import os, time
open("/output/a", "w").write("x" * 10_000_000)
end = time.time() + 3
while time.time() < end:
    os.rename("/output/a", "/output/b")
    os.symlink("/etc/shadow", "/output/a")
    os.unlink("/output/a")
    os.mkfifo("/output/a")
    os.unlink("/output/a")
    os.rename("/output/b", "/output/a")
""",
    "mounts": """
import ctypes
libc = ctypes.CDLL(None)
done = [libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x40000000)]
done += [libc.mount(b"/etc", b"/output", None, 4096, None), libc.mount(b"x", b"/output", b"tmpfs", 0, None)]
done += [libc.chroot(b"/output"), libc.mknod(b"/output/sda", 0o060666, 0x800)]
raise SystemExit(any(result == 0 for result in done))
""",
    "stays behind": """
import os, time
if os.fork() == 0:
    os.setsid()
    while True:
        open("/output/late", "a").write("x")
        time.sleep(0.01)
""",
}
ENDLESS = {
    "forks": """
import os, time
try:
    while True:
        os.fork()
except OSError:
    time.sleep(600)
""",
    "threads": """
import threading, time
try:
    while True:
        threading.Thread(target=time.sleep, args=(600,)).start()
except RuntimeError:
    time.sleep(600)
""",
    "opens": """
import os, resource, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
for _ in range(20):
    if not os.fork():
        break
try:
    while True:
        os.dup(0)
except OSError:
    time.sleep(600)
""",
    "prints": "import os\nwhile True:\n    os.write(1, b'x\\n' * 30_000)\n",
}


@attack
def programs_that_never_end(testbed: AccountTestbed) -> Iterator[None]:
    for name, source in ENDLESS.items():
        testbed.start(name, source)
    wait_for("all to run", lambda: [job["state"] for job in testbed.mine()] == ["running"] * len(ENDLESS))
    wait_for("a long log", lambda: len(testbed.ana.text("prints", "run.log")) > 100_000)
    testbed.ben.program("settles", QUICK)
    wait_for("an upload of ben's that settles", lambda: testbed.ben.complete("settles"), SOON)
    yield
    testbed.ask(*[{"verb": "cancel", "job": job["job"]} for job in testbed.mine()] * 50)
    assert len(os.listdir(f"/proc/{testbed.daemon}/task")) < 60
    wait_for("their end", lambda: not testbed.mine())


@attack
def programs_of_all_kinds(testbed: AccountTestbed) -> Iterator[None]:
    for name, source in PROGRAMS.items():
        testbed.start(name.replace(" ", "-"), source)
    for code in (1, 126, 128, 137, 143, 255):
        testbed.start(f"code-{code}", f"import os\nos._exit({code})\n")
    yield
    wait_for("the deaf one", lambda: testbed.ana.status("deaf"))
    testbed.ask({"verb": "cancel", "job": "deaf"})
    for name in PROGRAMS:
        wait_for(f"the end of {name}", lambda name=name: testbed.ana.complete(name.replace(" ", "-")))  # type: ignore[misc]
    ended = {name: testbed.ana.status(name.replace(" ", "-"))["state"] for name in PROGRAMS}
    assert ended.pop("deaf") == "cancelled"
    assert ended.pop("kills") in ("failed", "succeeded")
    assert ended.pop("removes") in ("failed", "succeeded")
    assert set(ended.values()) == {"succeeded"}, ended
    assert os.readlink(testbed.ana.outbox("odd-output") / "output" / "shadow") == "/etc/shadow"


@attack
def what_comes_back_is_changed_under_the_mirror(testbed: AccountTestbed) -> Iterator[None]:
    testbed.start(
        "live", "import time\nfor n in range(100):\n    print('x' * 1000, flush=True)\n    time.sleep(0.05)\n"
    )
    wait_for("run.log", lambda: testbed.ana.text("live", "run.log"))
    loop = (
        "import os\nprint('on', flush=True)\nwhile True:\n"
        "    for size in (2**43, 0, 10**6):\n        try:\n            os.truncate('outbox/live/run.log', size)\n"
        "            os.chmod('outbox/live/run.log', 0)\n            os.unlink('outbox/live/STATUS')\n"
        "            os.mkdir('outbox/live/STATUS')\n        except OSError:\n            pass\n"
    )
    with testbed.keeps_on(loop):
        yield
        testbed.ask({"verb": "cancel", "job": "live"})


@attack
def a_log_of_terabytes_is_asked_for(testbed: AccountTestbed) -> Iterator[None]:
    testbed.start("live", STAY)
    wait_for("run.log", lambda: testbed.ana.text("live", "run.log"))
    testbed.shell("truncate -s 8T outbox/live/run.log")
    ask = (
        "import socket, sys\nall = []\nfor _ in range(15):\n    c = socket.socket(socket.AF_UNIX)\n"
        '    c.connect(sys.argv[1])\n    c.sendall(b\'{"verb": "logs", "job": "live", "follow": true}\\n\')\n'
        "    all.append(c)\nprint('on', flush=True)\nwhile True:\n    for c in all:\n        c.recv(1 << 20)\n"
    )
    with testbed.keeps_on(ask, testbed.lab.socket):
        yield
    testbed.ask({"verb": "cancel", "job": "live"})


# Requests


FLOOD = """
import json, socket, sys, threading
path, requests = sys.argv[1], [request.encode() + b"\\n" for request in json.loads(sys.argv[2])]
def flood():
    while True:
        for request in requests:
            with socket.socket(socket.AF_UNIX) as connection:
                try:
                    connection.connect(path)
                    connection.sendall(request)
                    while connection.recv(1 << 20):
                        pass
                except OSError:
                    pass
for _ in range(12):
    threading.Thread(target=flood).start()
print("on", flush=True)
"""


@attack
def requests_without_end(testbed: AccountTestbed) -> Iterator[None]:
    testbed.start("asked", QUICK)
    wait_for("asked", lambda: testbed.ana.complete("asked"))
    notes = [f"n{number}" for number in range(100)]
    requests = [
        {"verb": "note", "event": "refused", "text": "\x1b[31m" * 1000, "address": "x" * 1000, "projects": notes},
        {"verb": "jobs", "limit": 10000},
        {"verb": "overview"},
        {"verb": "submit", "project": "asked"},
        {"verb": "images"},
        {"verb": "logs", "job": "asked"},
        {"verb": "settings"},
    ]
    with testbed.keeps_on(FLOOD, testbed.lab.socket, json.dumps([json.dumps(request) for request in requests])):
        yield


@attack
def every_request_about_the_others_jobs(testbed: AccountTestbed) -> Iterator[None]:
    testbed.ben.program("long", STAY)
    testbed.ben.submit("long")
    wait_for("ben's", lambda: testbed.ben.text("long", "run.log") == "begun\n", 30.0)
    [number] = [job["job"] for job in testbed.lab.ask("status")[0]["active"] if job["project"] == "long"]
    verbs = ("status", "logs", "cancel", "rerun")
    answers = testbed.ask(
        *({"verb": verb, "job": job} for verb in verbs for job in (number, str(number), "long", f"#{number}")),
        {"verb": "users"},
        {"verb": "reload"},
        *({"verb": "submit", "project": "long"} for _ in range(2)),
    )
    assert all("error" in answer[-1] for answer in answers), answers
    assert testbed.ben.status("long")["state"] == "running"
    yield
    testbed.lab.ask("cancel", job=number)


@attack
def thousands_of_reruns(testbed: AccountTestbed) -> Iterator[None]:
    testbed.start("again", STAY)
    wait_for("again", lambda: testbed.ana.status("again").get("state") == "running")
    flood = json.dumps([json.dumps({"verb": "rerun", "job": "again"})])
    with testbed.keeps_on(FLOOD, testbed.lab.socket, flood):
        wait_for("as many as labd takes", lambda: len(testbed.mine()) >= 1000, 60.0)
        yield
    assert len(testbed.mine()) < 1020
    [[answer]] = testbed.ask({"verb": "rerun", "job": "again"})
    assert "1,000 jobs that have not ended" in answer["error"]
    testbed.start("more", QUICK)
    wait_for("it to be told", lambda: "1,000 jobs that have not ended" in testbed.ana.text("more"))
    began = time.monotonic()
    jobs = testbed.mine()
    assert time.monotonic() - began < 10.0
    testbed.ask(*({"verb": "cancel", "job": job["job"]} for job in jobs))
    testbed.others_go_on()
    wait_for("it to run", lambda: testbed.ana.complete("more"))


@attack
def jobs_that_are_cancelled_in_every_state(testbed: AccountTestbed) -> Iterator[None]:
    for number in range(12):
        testbed.start(f"c{number}", STAY)
        time.sleep(0.05 * number)
        testbed.shell(f"touch inbox/c{number}/CANCEL inbox/c{number}/RERUN")
    yield


# Accounts


@attack
def accounts_that_cannot_be(testbed: AccountTestbed) -> Iterator[None]:
    accounts = testbed.lab.folder / "accounts"
    accounts.mkdir(exist_ok=True)
    home = testbed.lab.folder / "home" / "eva"
    home.mkdir(exist_ok=True)
    texts = {
        "eva-a": "uid = -1\ngid = 5\nhome = '/x'\n",
        "eva-b": f"uid = {2**40}\ngid = 5\nhome = '/x'\n",
        "eva-c": "uid = 5003\ngid = 4294967295\nhome = '/x'\n",
        "eva-d": "uid = 5004\ngid = 5004\nhome = '/nowhere'\n",
        "eva-e": "uid = 5005\ngid = 5005\nhome = '/etc/passwd'\n",
        "eva-f": "uid = 5006\ngid = 5006\nhome = '/root'\n",
        "eva-g": "uid = 5007\ngid = 5007\nhome = 'relative'\n",
        "eva-h": 'uid = 5008\ngid = 5008\nhome = "/a\\u0000b"\n',
        "eva-i": "[" * 10000,
        "eva-j": f"uid = {testbed.ana.uid}\ngid = {testbed.ana.uid}\nhome = '{home}'\n",
        "eva\nk": f"uid = 5009\ngid = 5009\nhome = '{home}'\n",
        "root": f"uid = 5010\ngid = 5010\nhome = '{home}'\n",
        "..": f"uid = 5011\ngid = 5011\nhome = '{home}'\n",
        "": f"uid = 5012\ngid = 5012\nhome = '{home}'\n",
        "x" * 200: f"uid = 5013\ngid = 5013\nhome = '{'/y' * 3000}'\n",
        "eva-l": "uid = 5014\ngid = 5014\nhome = '/dev/null'\n[limits]\nrunning = -5\n",
    }
    for name, text in texts.items():
        (accounts / f"{name}.toml").write_text(text)
    (accounts / "eva-m.toml").write_bytes(b"\xff\xfe\x00")
    (accounts / "eva-n.toml").mkdir()
    (accounts / "eva-o.toml").symlink_to("/nowhere")
    os.mkfifo(accounts / "eva-p.toml")
    (Path(os.fsdecode(bytes(accounts) + b"/\xff.toml"))).write_text("uid = 5015\ngid = 5015\nhome = '/z'\n")
    testbed.lab.ask("reload")
    yield
    testbed.lab.ask("users")
    subprocess.run(["rm", "-rf", "--", accounts], check=True)
    assert testbed.lab.ask("reload") == [{"accounts": 2}]


@attack
def a_uid_that_changes_while_jobs_run(testbed: AccountTestbed) -> Iterator[None]:
    accounts = testbed.lab.folder / "accounts"
    accounts.mkdir(exist_ok=True)
    home = testbed.lab.folder / "home" / "eva"
    (home / "inbox").mkdir(parents=True, exist_ok=True)
    (home / "outbox").mkdir(exist_ok=True)
    subprocess.run(["chown", "-R", "5003:5003", home], check=True)
    file = accounts / "eva-lang.toml"
    file.write_text(f"uid = 5003\ngid = 5003\nhome = '{home}'\n")
    testbed.lab.ask("reload")
    (home / "inbox" / "p" / "code").mkdir(parents=True)
    (home / "inbox" / "p" / "code" / "app.py").write_text("import time\nprint(1, flush=True)\ntime.sleep(3)\n")
    (home / "inbox" / "p" / "SUBMIT").touch()
    subprocess.run(["chown", "-R", "5003:5003", home], check=True)
    wait_for("eva's", lambda: "running" in [j["state"] for j in testbed.lab.ask("status")[0]["active"]], 30.0)
    file.write_text(f"uid = 5004\ngid = 5004\nhome = '{home}'\n")
    testbed.lab.ask("reload")
    yield
    file.unlink()
    testbed.lab.ask("reload")

    def has_ended() -> bool:
        """Somebody whose outbox is not theirs any more: a second cancel ends what cannot be delivered."""
        active = testbed.lab.ask("status")[0]["active"]
        for job in active:
            testbed.lab.ask("cancel", job=job["job"])
        return not active

    wait_for("its end", has_ended, 60.0)


@pytest.fixture(scope="module")
def testbed() -> Iterator[AccountTestbed]:
    """A started lab with two researchers, of whom ben has run a program."""
    lab = Lab(
        temporary_folder(), ("ana-silva", "ben-okoro"), "[user]\nrunning = 4\n[machine]\ncpus = 8.0\nmemory = '40g'\n"
    )
    made = None
    try:
        lab.start()
        made = AccountTestbed(lab)
        lab.users["ben-okoro"].program("first", QUICK)
        lab.users["ben-okoro"].submit("first")
        wait_for("the environment", lambda: made.ben.complete("first"))
        yield made
        print(f"at most {made.most_memory >> 20} MB; a job of the other took {made.slowest:.1f} s at most")
    finally:
        if made:
            made.close()
        lab.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_one_researcher_does_the_others_jobs_succeed(testbed: AccountTestbed, name: str) -> None:
    log = testbed.lab.log.stat().st_size
    try:
        with contextlib.contextmanager(ATTACKS[name])(testbed):
            testbed.others_go_on()
    finally:
        testbed.tidy()
    assert testbed.lab.process
    assert testbed.lab.process.poll() is None, testbed.lab._tail()
    with open(testbed.lab.log) as file:
        file.seek(log)
        said = file.read()
    assert "defect" not in said, said[-5000:]
    assert "Traceback" not in said, said[-5000:]
    assert testbed.most_memory < MOST_MEMORY
