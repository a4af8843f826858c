"""What a program finds in its container, what it may do, and how its end is told."""

from __future__ import annotations

import json
import os
import time

import pytest

from conftest import MakeLab
from support.lab import AS_ROOT, Lab, docker, wait_for


def test_a_program_runs_as_the_researcher_without_any_privilege(shared_lab: Lab) -> None:
    shared_lab.run(
        "who",
        "import os, pwd, json\n"
        "status = dict(line.split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)\n"
        "home = os.environ['HOME']\n"
        "open(home + '/x', 'w').write('1')\n"
        "print(json.dumps([os.getuid(), os.getgid(), pwd.getpwuid(os.getuid()).pw_name, home, os.getcwd(),\n"
        "    *(status[key].strip() for key in ('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp')),\n"
        "    os.environ['OMP_NUM_THREADS'], os.environ['MPLBACKEND'], os.path.expanduser('~')]))\n",
    )
    ana = shared_lab.ana
    found = json.loads(ana.text("who", "run.log"))
    none = "0" * 16
    name = ana.name if AS_ROOT else found[2]
    gid = ana.uid if AS_ROOT else os.getgid()
    home = f"/home/{name}"
    assert found == [ana.uid, gid, name, home, "/code", none, none, "1", "2", "1", "Agg", home]


def test_a_program_cannot_write_outside_its_own_places(shared_lab: Lab) -> None:
    shared_lab.run(
        "walls",
        "import os, socket\n"
        "for path in ('/etc/x', '/x', '/usr/x', '/etc/passwd'):\n"
        "    try:\n"
        "        open(path, 'a'); print('wrote', path)\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
        "print(sorted(name for _, name in socket.if_nameindex()))\n"
        "for path in ('/tmp/x', '/output/x', '/code/x', '/input/x', '/dev/shm/x'):\n"
        "    open(path, 'w').write('1')\n"
        "print(os.path.exists('/var/run/docker.sock'))\n",
    )
    lines = shared_lab.ana.text("walls", "run.log").splitlines()
    assert set(lines[:4]) <= {"30", "13"}
    assert lines[4:] == ["['lo']", "False"]


def test_two_programs_at_a_time_do_not_share_a_loopback(shared_lab: Lab) -> None:
    server = (
        "import socket, time\n"
        "s = socket.socket(); s.bind(('127.0.0.1', 5555)); s.listen()\n"
        "print('listening', flush=True); time.sleep(600)\n"
    )
    shared_lab.ana.program("server", server)
    shared_lab.ana.submit("server")
    wait_for("the server listens", lambda: "listening" in shared_lab.ana.text("server", "run.log"))
    status = shared_lab.run(
        "client", "import socket\nprint(socket.socket().connect_ex(('127.0.0.1', 5555)))\nopen('/output/x', 'w')\n"
    )
    assert status["state"] == "succeeded"
    assert shared_lab.ana.text("client", "run.log") == "111\n"
    shared_lab.ana.write(shared_lab.ana.inbox("server") / "CANCEL")
    wait_for("the server is cancelled", lambda: shared_lab.ana.complete("server"))


def test_arguments_and_variables_of_job_toml_reach_the_program(shared_lab: Lab) -> None:
    shared_lab.run(
        "options",
        "import sys, os\nprint(sys.argv[1:], os.environ['SEED'], os.environ['OMP_NUM_THREADS'])\n",
        **{"job.toml": "[job]\ncpus = 2\nargs = ['--epochs', 'a b', '-x']\nenv = { SEED = '7 $HOME' }\n"},
    )
    assert shared_lab.ana.text("options", "run.log") == "['--epochs', 'a b', '-x'] 7 $HOME 2\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("memory = '9999g'", "memory = 9.8 TB"),
        ("cpus = 999", "cpus = 999"),
        ("gpus = 1", "gpus = 1"),
        ("timeout = '99d'", "timeout = 99 days"),
        ("network = true", "asks for the network"),
        ("python = '2.7'", "asks for Python 2.7, which this server does not have"),
        ("pyhton = '3.11'", "no option `job.pyhton`"),
    ],
)
def test_asking_for_what_cannot_be_had_is_rejected_with_the_reason(shared_lab: Lab, line: str, words: str) -> None:
    name = line.split(" ")[0]
    status = shared_lab.run(name, "print(1)\n", **{"job.toml": f"[job]\n{line}\n"})
    assert status["state"] == "rejected"
    assert words in status["cause"]
    assert status["hint"]
    assert (shared_lab.ana.outbox(name) / "receipt.json").exists()


def test_out_of_memory_is_known_from_the_kernel_and_told_with_limit_and_peak(shared_lab: Lab) -> None:
    status = shared_lab.run(
        "memory",
        "open('/output/before', 'w').write('1')\ndata = [bytes(10**6) for _ in range(10**6)]\n",
        **{"job.toml": "[job]\nmemory = '64m'\n"},
    )
    assert status["state"] == "out-of-memory"
    assert status["exit_code"] == 137
    assert "64 MB" in status["cause"]
    assert 50 * 1024**2 < status["peak_memory"] <= 64 * 1024**2
    assert (shared_lab.ana.outbox("memory") / "output" / "before").exists()


def test_a_memory_kill_that_the_program_survives_does_not_change_its_success(shared_lab: Lab) -> None:
    status = shared_lab.run(
        "survivor",
        "import subprocess, sys\n"
        "child = subprocess.run([sys.executable, '-c', 'x = [bytes(10**6) for _ in range(10**6)]'])\n"
        "open('/output/x', 'w').write(str(child.returncode))\n",
        **{"job.toml": "[job]\nmemory = '64m'\n"},
    )
    assert status["state"] == "succeeded"
    assert (shared_lab.ana.outbox("survivor") / "output" / "x").read_text() == "-9"


@pytest.mark.parametrize("obedient", [True, False])
def test_a_program_is_stopped_when_its_time_is_over(make_lab: MakeLab, obedient: bool) -> None:
    lab = make_lab(settings="[job]\ngrace = '1s'\n")
    lab.start()
    trap = "" if obedient else "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    began = time.monotonic()
    status = lab.run(
        "late",
        f"{trap}import time\nprint('begun', flush=True)\ntime.sleep(600)\n",
        **{"job.toml": "[job]\ntimeout = '2s'\n"},
    )
    assert status["state"] == "timed-out"
    assert "2 seconds" in status["cause"]
    assert "timeout" in status["hint"]
    assert 2.0 <= status["ended"] - status["started"] < 10.0
    assert time.monotonic() - began < 60
    assert lab.ana.text("late", "run.log") == "begun\n"


def test_output_that_outgrows_its_limit_ends_the_job(make_lab: MakeLab) -> None:
    lab = make_lab()
    text = lab.config_file.read_text().replace("interval = '300ms'", "interval = '300ms'\nmax_bytes = '5m'")
    lab.config_file.write_text(text)
    lab.start()
    status = lab.run(
        "big",
        "import time\nwith open('/output/big', 'wb') as file:\n    while True:\n"
        "        file.write(bytes(1000000)); file.flush(); time.sleep(0.1)\n",
    )
    assert status["state"] == "output-too-large"
    assert "limit is 5 MB" in status["cause"]
    assert (lab.ana.outbox("big") / "output" / "big").stat().st_size > 5_000_000


def test_the_log_grows_live_and_keeps_head_and_tail(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.config_file.write_text(
        lab.config_file.read_text().replace("interval = '300ms'", "interval = '300ms'\nlog = '100k'")
    )
    lab.start()
    lab.ana.program(
        "chatty",
        "import time\nprint('first line', flush=True)\ntime.sleep(2)\n"
        "for number in range(20000):\n    print('line', number)\nprint('last line')\n",
    )
    lab.ana.submit("chatty")
    wait_for("the first line", lambda: "first line" in lab.ana.text("chatty", "run.log"))
    assert lab.ana.complete("chatty") == 0
    lab.wait_complete("chatty")
    log = lab.ana.text("chatty", "run.log")
    assert log.startswith("first line\nline 0\n")
    assert log.endswith("line 19999\nlast line\n")
    assert "of the output was cut here]" in log
    assert len(log) < 110 * 1024


def test_a_flood_of_output_leaves_its_beginning_and_its_end(make_lab: MakeLab) -> None:
    lab = make_lab()
    text = lab.config_file.read_text().replace("interval = '300ms'", "interval = '300ms'\nlog = '100k'")
    lab.config_file.write_text(text)
    lab.start()
    status = lab.run(
        "flood",
        "import sys, time\nprint('first line', flush=True)\ntime.sleep(2)\n"
        "for number in range(400000):\n    print('line', number)\n"
        "sys.stdout.flush()\ntime.sleep(3)\nraise ValueError('the very end')\n",
    )
    log = lab.ana.text("flood", "run.log")
    assert log.startswith("first line\nline 0\n")
    # Docker reads standard output and standard error side by side; so the program gives it time between the two.
    assert "line 399999\n" in log
    assert "ValueError: the very end\n" in log
    assert status["state"] == "failed"
    assert len(log) < 110 * 1024


def test_the_output_is_mirrored_while_the_program_runs_and_exact_at_the_end(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    ana.program(
        "live",
        "import os, time\n"
        "os.makedirs('/output/a/empty'); open('/output/a/x', 'w').write('1'); open('/output/gone', 'w').write('1')\n"
        "os.symlink('x', '/output/a/link')\n"
        "while not os.path.exists('/output/a/stop') and time.time() < "
        + str(time.time() + 100)
        + ": time.sleep(0.1)\n",
    )
    ana.submit("live")
    wait_for("the first mirror", lambda: (ana.outbox("live") / "output" / "gone").exists())
    assert ana.complete("live") == 0
    job = shared_lab.jobs()[-1]["job"]
    output = shared_lab.state / "jobs" / str(job) / "delivery" / "output"
    (output / "gone").unlink()
    (output / "a" / "x").write_text("two")
    (output / "a" / "stop").write_text("")
    shared_lab.wait_complete("live", job)
    mirrored = ana.outbox("live") / "output"
    assert sorted(path.relative_to(mirrored).as_posix() for path in mirrored.rglob("*")) == [
        *("a", "a/empty", "a/link", "a/stop", "a/x"),
    ]
    assert (mirrored / "a" / "x").read_text() == "two"
    assert os.readlink(mirrored / "a" / "link") == "x"
    owners = {path.lstat().st_uid for path in ana.outbox("live").rglob("*")}
    assert owners == {ana.uid}


def test_results_beside_output_come_back_as_strays(shared_lab: Lab) -> None:
    status = shared_lab.run(
        "stray",
        "import os\nopen('results.csv', 'w').write('1')\n"
        "os.makedirs('/input/new'); open('/input/new/x', 'w').write('2')\n"
        "os.remove('/code/helper.py'); open('/output/fine', 'w').write('3')\n",
        **{"code/helper.py": "x = 1\n"},
    )
    assert status["state"] == "succeeded"
    stray = shared_lab.ana.outbox("stray") / "stray"
    assert (stray / "code" / "results.csv").read_text() == "1"
    assert (stray / "input" / "new" / "x").read_text() == "2"
    assert "2 files outside /output: code/results.csv, input/new/x" in status["notes"][0]
    assert (shared_lab.ana.inbox("stray") / "code" / "helper.py").exists()


def test_the_receipt_says_what_ran_on_what(shared_lab: Lab) -> None:
    import hashlib

    # A program that is gone before labd has seen its process leaves no counters: this one stays for a moment.
    source = "import time\nopen('/output/x', 'w').write('42')\ntime.sleep(0.5)\n"
    shared_lab.run("receipt", source, **{"input/data.csv": "1,2\n"})
    receipt = shared_lab.ana.receipt("receipt")
    assert receipt["outcome"] == "succeeded"
    assert receipt["exit_code"] == 0
    assert {entry["path"]: entry["sha256"] for entry in receipt["outputs"]} == {"x": hashlib.sha256(b"42").hexdigest()}
    inputs = {entry["path"]: entry["sha256"] for entry in receipt["inputs"]}
    assert inputs["input/data.csv"] == hashlib.sha256(b"1,2\n").hexdigest()
    assert set(inputs) == {"code/app.py", "input/data.csv"}
    assert receipt["environment"]["image"].startswith("sha256:")
    assert receipt["timeline"][0]["state"] == "received"
    assert receipt["cpu_seconds"] > 0
    assert receipt["started"] < receipt["ended"]


def test_earlier_jobs_go_to_history_as_many_as_are_kept(make_lab: MakeLab) -> None:
    lab = make_lab(settings="[retention]\nhistory = 2\n")
    lab.start()
    for number in range(1, 5):
        lab.run("h", f"print({number})\nopen('/output/{number}', 'w').write('x')\n")
    history = lab.ana.outbox("h") / "history"
    assert sorted(path.name for path in history.iterdir()) == ["2", "3"]
    for number in (2, 3):
        assert (history / str(number) / "run.log").read_text() == f"{number}\n"
        assert (history / str(number) / "output" / str(number)).exists()
        assert json.loads((history / str(number) / "status.json").read_text())["job"] == number
    assert sorted(path.name for path in (lab.ana.outbox("h") / "output").iterdir()) == ["4"]


def test_nothing_of_a_job_stays_in_docker_or_in_its_folder(lab: Lab) -> None:
    lab.run("clean", "open('/output/x', 'w').write('1'); open('/code/y', 'w').write('1')\n")
    wait_for("the container is removed", lambda: lab.containers() == [])
    folder = lab.state / "jobs" / "1"
    wait_for(
        "the run's folders are removed", lambda: not (folder / "scratch").exists() and not (folder / "home").exists()
    )
    wait_for("the output is in the outbox only", lambda: not (folder / "delivery" / "output").exists())
    volumes = docker("volume", "ls", "-q", "--filter", "dangling=true").split()
    assert not [name for name in volumes if str(folder) in docker("volume", "inspect", name)]
