"""Every file that a researcher's machine can produce, and some that only a hostile one does."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from conftest import MakeLab
from support.lab import AS_ROOT, Lab, wait_for

NAMES = [
    b"with space",
    b"'quoted' \"twice\"",
    b"new\nline",
    b"-leading-dash",
    b"--delete",
    "ünïcödé 数据".encode(),
    b"not-utf8-\xff\xfe",
    b"x" * 255,
    b"back\\slash",
    b"\\#012",
    b"tab\there",
    b"$HOME;`id`",
    b"*?[a]",
    b" ",
    b"...",
    b"\x01\x7f",
]

COPY = """
import os, shutil
for name in os.listdir(b"/input"):
    source = os.path.join(b"/input", name)
    if os.path.isfile(source) and not os.path.islink(source):
        shutil.copy(source, os.path.join(b"/output", name))
"""


def test_every_file_name_goes_in_and_comes_out(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    for number, name in enumerate(NAMES):
        ana.write(os.fsencode(ana.inbox("names") / "input") + b"/" + name, str(number))
    status = shared_lab.run("names", COPY)
    assert status["state"] == "succeeded", ana.text("names", "run.log")
    output = os.fsencode(ana.outbox("names") / "output")
    assert sorted(os.listdir(output)) == sorted(NAMES)
    for number, name in enumerate(NAMES):
        assert Path(os.fsdecode(output + b"/" + name)).read_text() == str(number)
    listed = {entry["path"] for entry in ana.receipt("names")["outputs"]}
    assert listed == {os.fsdecode(name) for name in NAMES}
    ana.write(os.fsencode(ana.inbox("names") / "input") + b"/new\nline", "changed")
    shared_lab.run("names", COPY)
    assert Path(os.fsdecode(output + b"/new\nline")).read_text() == "changed"


def test_empty_folders_and_inner_links_arrive_and_outer_links_are_left_out_with_a_note(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    root = ana.inbox("links")
    ana.write(root / "input" / "real", "1")
    ana.do("mkdir", "-p", root / "input" / "empty" / "deeper")
    ana.do("ln", "-s", "real", root / "input" / "inner")
    ana.do("ln", "-s", "../code/app.py", root / "input" / "across")
    ana.do("ln", "-s", "/etc/shadow", root / "input" / "absolute")
    ana.do("ln", "-s", "../../../../etc/shadow", root / "input" / "outer")
    ana.do("mkfifo", root / "input" / "pipe")
    status = shared_lab.run(
        "links",
        "import os\nprint(sorted(os.listdir('/input')), os.listdir('/input/empty'), open('/input/inner').read())\n",
    )
    assert ana.text("links", "run.log") == "['across', 'empty', 'inner', 'real'] ['deeper'] 1\n"
    notes = " ".join(status["notes"])
    assert "input/pipe was left out: it is not a file or folder" in notes
    assert "input/absolute was left out: it is a link that leads out of the project" in notes
    assert "input/outer was left out" in notes


def test_a_large_sparse_file_stays_sparse(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    ana.write(ana.inbox("sparse") / "input" / "big", "")
    os.truncate(ana.inbox("sparse") / "input" / "big", 3 * 1024**3)
    status = shared_lab.run(
        "sparse", "import os\ns = os.stat('/input/big')\nprint(s.st_size, s.st_blocks * 512 < 10**7)\n"
    )
    assert status["state"] == "succeeded"
    assert ana.text("sparse", "run.log") == f"{3 * 1024**3} True\n"


def test_twenty_thousand_small_files_go_in_and_come_out(shared_lab: Lab) -> None:
    ana = shared_lab.ana
    root = ana.inbox("many") / "input"
    for number in range(20_000):
        path = root / str(number // 1000) / str(number)
        if number % 1000 == 0:
            ana.write(path, str(number))
        else:
            path.write_text(str(number))
    ana.program("many", "import shutil\nshutil.copytree('/input', '/output/copy')\n")
    ana.submit("many")
    job = wait_for("the job", lambda: [job["job"] for job in shared_lab.jobs() if job["project"] == "many"])[0]
    shared_lab.wait_complete("many", job)
    copied = list((ana.outbox("many") / "output" / "copy").rglob("*"))
    assert sum(path.is_file() for path in copied) == 20_000
    receipt = ana.receipt("many")
    assert len(receipt["outputs"]) == 20_000
    by_path = {entry["path"]: entry["sha256"] for entry in receipt["outputs"]}
    assert by_path["copy/19/19999"] == hashlib.sha256(b"19999").hexdigest()


def test_odd_output_is_delivered_and_harms_nobody(shared_lab: Lab) -> None:
    status = shared_lab.run(
        "odd",
        "import os, socket\n"
        "os.mkfifo('/output/pipe'); socket.socket(socket.AF_UNIX).bind('/output/socket')\n"
        "os.symlink('/etc/shadow', '/output/link')\n"
        "os.makedirs('/output/closed'); open('/output/closed/x', 'w').write('1')\n"
        "open('/output/secret', 'w').write('1'); os.chmod('/output/secret', 0); os.chmod('/output/closed', 0o500)\n"
        "path = '/output/deep'\n"
        "for _ in range(1500):\n"
        "    os.mkdir(path) if len(path) < 1000 else None\n"
        "    path += '/d'\n",
    )
    assert status["state"] == "succeeded"
    output = shared_lab.ana.outbox("odd") / "output"
    assert os.readlink(output / "link") == "/etc/shadow"
    assert (output / "closed" / "x").read_text() == "1"
    assert not (output / "pipe").exists()
    assert not (output / "socket").exists()


@pytest.mark.skipif(not AS_ROOT, reason="one user has nobody to hide files from")
def test_a_folder_swapped_for_a_link_during_the_snapshot_leaks_nothing(make_lab: MakeLab) -> None:
    lab = make_lab()
    secret = lab.folder / "secret"
    (secret / "sub").mkdir(parents=True)
    (secret / "sub" / "data").write_text("ROOT ONLY")
    secret.chmod(0o700)
    lab.start()
    ana = lab.ana
    for number in range(300):
        ana.write(ana.inbox("swap") / "input" / f"{number:03}", "x")
    ana.write(ana.inbox("swap") / "input" / "sub" / "data", "mine")
    os.chown(ana.inbox("swap") / "input", ana.uid, ana.uid)
    ana.program(
        "swap",
        "import os\nfor r, d, f in os.walk('/input'):\n    for n in f:\n        print(open(r + '/' + n).read())\n",
    )
    loop = (
        f"cd '{ana.inbox('swap')}/input' || exit 1\n"
        f"while :; do mv sub real; ln -s '{secret}/sub' sub; rm sub; mv real sub; done"
    )
    swapper = subprocess.Popen(
        ["setpriv", f"--reuid={ana.uid}", f"--regid={ana.uid}", "--clear-groups", "sh", "-c", loop],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(20):
            ana.submit("swap")
            wait_for("SUBMIT heard", lambda: not (ana.inbox("swap") / "SUBMIT").exists())
    finally:
        swapper.kill()
        swapper.wait()
    ana.do("sh", "-c", f"cd '{ana.inbox('swap')}/input'; [ -d real ] && {{ rm -f sub; mv real sub; }}", check=False)
    lab.ana.write(ana.inbox("swap") / "input" / "last", "x")
    ana.submit("swap")
    wait_for("the last job", lambda: ana.complete("swap") in [job["job"] for job in lab.jobs()[-1:]])
    # Nothing changes any more while it is searched.
    assert lab.stop() == 0
    everything = subprocess.run(
        ["grep", "-r", "ROOT ONLY", str(lab.state), str(ana.home)], capture_output=True, check=False
    )
    assert everything.returncode == 1, everything


@pytest.mark.skipif(not AS_ROOT, reason="one user has nobody to hide files from")
def test_links_in_the_outbox_and_the_inbox_lead_root_nowhere(make_lab: MakeLab) -> None:
    lab = make_lab()
    target = lab.folder / "target"
    target.mkdir(mode=0o700)
    (target / "keep").write_text("safe")
    lab.start()
    ana = lab.ana
    ana.do("ln", "-s", target, ana.outbox("evil"))
    ana.program("evil", "print('ran')\n")
    ana.submit("evil")
    wait_for("its own job ends all the same", lambda: ana.complete("evil"))
    assert os.readlink(ana.home / "outbox" / "evil.aside") == str(target)
    ana.do("ln", "-s", target, ana.inbox("linked"))
    ana.program("good", "open('/output/x', 'w').write('1')\n")
    ana.submit("good")
    wait_for("others go on", lambda: ana.complete("good"))
    assert sorted(path.name for path in target.iterdir()) == ["keep"]
    assert (target / "keep").read_text() == "safe"


@pytest.mark.skipif(not AS_ROOT, reason="one user has nobody to hide files from")
def test_researchers_do_not_see_each_other(make_lab: MakeLab) -> None:
    lab = make_lab(users=("ana-silva", "ben-okoro"))
    lab.start()
    ana, ben = lab.users["ana-silva"], lab.users["ben-okoro"]
    ana.program("private", "print('my secret')\nopen('/output/x', 'w').write('secret')\n")
    ana.submit("private")
    lab.wait_complete("private", 1, ana)
    for path in ("", "jobs", "jobs/1/snapshot", "manifests"):
        assert ben.do("ls", lab.state / path, check=False).returncode != 0, path
    assert ben.do("cat", lab.state / "labd.db", check=False).returncode != 0
    ask = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        "s.sendall(sys.argv[2].encode() + b'\\n')\nprint(s.makefile().read())"
    )
    ana.program(
        "running",
        "import time\nopen('/output/x', 'w').write('secret')\nprint('secret', flush=True)\ntime.sleep(600)\n",
    )
    ana.submit("running")
    wait_for("it runs", lambda: "secret" in ana.text("running", "run.log"))
    job = lab.state / "jobs" / "2"
    for path in ("delivery/output/x", "delivery/run.log", "scratch/code/upper/x", "snapshot/code/app.py", "home/x"):
        assert "Permission denied" in ben.do("cat", job / path, check=False).stderr, path
    ana.write(ana.inbox("running") / "CANCEL")
    for verb in ("logs", "status", "cancel", "rerun"):
        seen = ben.do("/usr/bin/python3", "-c", ask, lab.socket, f'{{"verb":"{verb}","job":"1"}}').stdout
        assert "There is no job 1" in seen
        assert "secret" not in seen
    own = ana.do("/usr/bin/python3", "-c", ask, lab.socket, '{"verb":"logs","job":"1"}').stdout
    assert "my secret" in own
