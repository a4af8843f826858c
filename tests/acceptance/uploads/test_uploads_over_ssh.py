"""Uploads by the usual clients, through sshd and the gateway: which of them start a job, exactly one, and which none.

Most cases are a few lines of shell on the researcher's PC. All of them go at the same time, each with a project of its
own; the tests then look at what became of them. `$x` is the name of the project and of its folder on the PC.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.box.installed_lab import InstalledLab, Person
from support.clients.sending import Sender, quiet

pytestmark = pytest.mark.xdist_group("box-uploads")

AT_ONCE = 10

ONE_JOB = {
    "rsync": "rsync -a $x/ lab:inbox/$x/",
    "rsync-in-place": "rsync -a --inplace $x/ lab:inbox/$x/",
    "rsync-with-delayed-updates": "rsync -a --delay-updates $x/ lab:inbox/$x/",
    "rsync-with-partial": "rsync -a --partial $x/ lab:inbox/$x/",
    "rsync-with-secluded-arguments": "rsync -a -s $x/ lab:inbox/$x/",
    "rsync-with-an-old-protocol": "rsync -a --protocol=29 $x/ lab:inbox/$x/",
    "rsync-of-the-folder-itself": "rsync -a $x lab:inbox/",
    "rsync-of-project": "mkdir $x.d; mv $x $x.d/project; rsync -a $x.d/project lab:inbox/$x/; mv $x.d/project $x",
    "rsync-into-project": "rsync -a $x/ lab:inbox/$x/project/",
    "rsync-of-many-files": "small_files 20000; rsync -a $x/ lab:inbox/$x/",
    "rsync-killed-and-repeated": "! cut client kill $slow_rsync; until rsync -a $x/ lab:inbox/$x/; do :; done",
    "rsync-with-partial-killed-and-repeated": (
        "! cut ssh kill $slow_rsync --partial; sleep 3; rsync -a --partial $x/ lab:inbox/$x/"
    ),
    "rsync-in-place-killed-and-repeated": (
        "! cut both kill $slow_rsync --inplace; sleep 3; rsync -a --inplace $x/ lab:inbox/$x/"
    ),
    "rsync-of-parts-at-the-same-time": (
        "rsync -a --bwlimit=300 $x/input lab:inbox/$x/ & until rsync lab:inbox/$x/ >/dev/null 2>&1; do sleep 0.1; done;"
        "rsync -a $x/code lab:inbox/$x/; wait $!"
    ),
    "rsync-that-stalls": "cut both freeze=5 $slow_rsync",
    "scp-that-stalls": "cut both freeze=5 $slow_scp",
    "sftp-that-stalls": "cut both freeze=5 $slow_sftp",
    "scp": "scp -r $x lab:inbox/",
    "scp-with-times": "scp -rp $x lab:inbox/",
    "scp-with-the-old-protocol": "scp -O -r $x lab:inbox/",
    "scp-of-parts": "batch 'mkdir inbox/'$x; scp -r $x/code $x/input lab:inbox/$x/",
    "scp-killed-and-repeated": "! cut client kill $slow_scp; sleep 3; scp -r $x lab:inbox/",
    "sftp": "batch 'cd inbox' 'put -r '$x",
    "sftp-of-parts": 'batch "mkdir inbox/$x" "put -r $x/code inbox/$x/" "put -r $x/input inbox/$x/"',
    "sftp-killed-and-repeated": "! cut client kill $slow_sftp; sleep 3; $slow_sftp",
    # As WinSCP does it, in one session and in two.
    "sftp-to-a-temporary-name": (
        'batch "mkdir inbox/$x" "mkdir inbox/$x/input" "put -r $x/input/more inbox/$x/input/" "put -r $x/code inbox/$x"'
        ' "put $x/input/big inbox/$x/input/big.filepart" "rename inbox/$x/input/big.filepart inbox/$x/input/big"'
    ),
    "sftp-to-a-name-given-later": (
        'batch "mkdir inbox/$x" "mkdir inbox/$x/input" "put -r $x/input/more inbox/$x/input/" "put -r $x/code inbox/$x"'
        ' "put $x/input/big inbox/$x/input/big.filepart"; sleep 5;'
        ' batch "rename inbox/$x/input/big.filepart inbox/$x/input/big"'
    ),
    "sftp-in-two-sessions-at-the-same-time": (
        'batch "mkdir inbox/$x"; echo "put -r $x/input inbox/$x/" >$x.batch; $slow_sftp & '
        'until batch "ls inbox/$x/input" 2>/dev/null; do sleep 0.1; done; batch "put -r $x/code inbox/$x/"; wait $!'
    ),
}

# The same size, another time of the same second. rsync by itself would not send that.
_SAME_SECOND = (
    "second=$(stat -c %Y $x/input/more/1); echo 7 >$x/input/more/1; touch -d @$second.000001 $x/input/more/1;"
)

# After a job: what makes a second one.
ANOTHER_JOB = {
    "rsync-of-one-byte-more": "echo >>$x/input/big; rsync -a $x/ lab:inbox/$x/",
    "rsync-of-one-file-less": "rm $x/input/more/1; rsync -a --delete $x/ lab:inbox/$x/",
    "rsync-of-one-byte-changed-in-the-same-second": f"{_SAME_SECOND} rsync -a --ignore-times $x/ lab:inbox/$x/",
    "scp-of-one-byte-changed-in-the-same-second": f"{_SAME_SECOND} scp -rp $x lab:inbox/",
    "scp-over-it": "echo >>$x/input/big; scp -r $x lab:inbox/",
    "scp-with-the-old-protocol-over-it": "echo >>$x/input/big; scp -O -r $x lab:inbox/",
    "sftp-over-it": "echo >>$x/input/big; batch 'cd inbox' 'put -r '$x",
}

# After a job: what makes none, and what STATUS says then.
NO_OTHER_JOB = {
    "the-same-by-rsync": ("rsync -a $x/ lab:inbox/$x/", "succeeded"),
    "the-same-by-rsync-with-checksums": ("touch $x/input/big; rsync -a --checksum $x/ lab:inbox/$x/", "succeeded"),
    "the-same-by-scp": ("scp -r $x lab:inbox/", "succeeded"),
    "the-same-by-sftp": ("batch 'cd inbox' 'put -r '$x", "succeeded"),
    "touch": ("touch $x/code/app.py $x/input/more/1; rsync -a $x/ lab:inbox/$x/", "succeeded"),
    "chmod": ("chmod 755 $x/code/app.py; chmod 600 $x/input/more/*; rsync -a $x/ lab:inbox/$x/", "succeeded"),
    "chmod-by-sftp": ('batch "chmod 600 inbox/$x/input/big" "chmod 755 inbox/$x/code/app.py"', "succeeded"),
    "dry-run": ("echo >>$x/input/big; rsync -a --dry-run $x/ lab:inbox/$x/", "succeeded"),
    "listing": (
        'rsync -r lab:inbox/$x/ >/dev/null; rsync lab:inbox/ >/dev/null; batch "ls -l inbox/$x" "cd inbox/$x" "ls -l"',
        "succeeded",
    ),
    "pulling": (
        "rsync -a lab:inbox/$x/ $x.pulled/; scp -r lab:inbox/$x $x.copied; scp -O -r lab:inbox/$x $x.old;"
        'batch "get -r inbox/$x $x.got"; rsync -a lab:outbox/$x/ $x.results/; diff -r $x $x.got; diff -r $x $x.old',
        "succeeded",
    ),
    "rsync-killed-over-it": (
        "head -c 2000000 /dev/urandom >$x/input/big; ! cut client kill $slow_rsync",
        "New upload: upload interrupted (rsync code",
    ),
    "scp-killed-over-it": (
        "head -c 2000000 /dev/urandom >$x/input/big; ! cut client kill $slow_scp",
        "New upload: upload interrupted (the connection broke in input/big)",
    ),
    "sftp-killed-over-it": (
        "head -c 2000000 /dev/urandom >$x/input/big; ! cut ssh kill $slow_sftp",
        "New upload: upload interrupted (the connection broke in input/big)",
    ),
}

# What never makes one, and what STATUS says; None where nothing has arrived of which it could be said.
_INTERRUPTED = "upload interrupted (the connection broke in input/big)"
_BY_RSYNC = "upload interrupted (rsync code"
NOTHING: dict[str, tuple[str, str | None]] = {
    **{f"rsync-with-{who}-killed": (f"! cut {who} kill $slow_rsync", _BY_RSYNC) for who in ("client", "ssh", "both")},
    "rsync-terminated": ("! cut client term $slow_rsync", _BY_RSYNC),
    "rsync-in-place-killed": ("! cut client kill $slow_rsync --inplace", _BY_RSYNC),
    "rsync-with-partial-killed": ("! cut client kill $slow_rsync --partial", _BY_RSYNC),
    "rsync-with-delayed-updates-killed": ("! cut client kill $slow_rsync --delay-updates", _BY_RSYNC),
    "rsync-killed-between-files": ("small_files 10000 300; ! cut client kill $slow_rsync", _BY_RSYNC),
    "rsync-of-a-file-that-cannot-be-read": (
        "chmod 000 $x/input/big; ! rsync -a $x/ lab:inbox/$x/",
        "upload interrupted (rsync code 23) after 6 files, ",
    ),
    "rsync-of-a-part-after-it-was-killed": (
        "! cut client kill $slow_rsync; rsync -a $x/code/ lab:inbox/$x/code/;"
        "rsync -a $x/input/more lab:inbox/$x/input/",
        _BY_RSYNC,
    ),
    "rsync-as-a-dry-run": ("rsync -a --dry-run $x/ lab:inbox/$x/; rsync -a -n $x lab:inbox/", None),
    **{f"scp-with-{who}-killed": (f"! cut {who} kill $slow_scp", _INTERRUPTED) for who in ("client", "ssh", "both")},
    "scp-killed-between-files": ("small_files 10000 300; ! cut client kill $slow_scp", "upload interrupted (the conn"),
    **{
        f"old-scp-with-{who}-killed": (f"! cut {who} kill $slow_scp_O", "upload interrupted (")
        for who in ("client", "ssh", "both")
    },
    **{f"sftp-with-{who}-killed": (f"! cut {who} kill $slow_sftp", _INTERRUPTED) for who in ("client", "ssh", "both")},
    "a-temporary-name-left": (
        'batch "put -r $x inbox/$x" "rename inbox/$x/input/big inbox/$x/input/big.filepart"',
        "waiting for an unfinished transfer (input/big.filepart)",
    ),
    "no-program": ("rm -r $x/code; rsync -a $x/ lab:inbox/$x/", "not started. "),
    "no-program-by-scp": ("mv $x/code/app.py $x/code/main.py; scp -r $x lab:inbox/", "not started. "),
}


@dataclass
class Case:
    """What became of one project."""

    failure: BaseException | None = None
    sums: list[str] = field(default_factory=list)  # what was in input/ at the end of each of its uploads
    jobs: list[dict[str, Any]] = field(default_factory=list)
    status: str = ""
    log: str = ""


@pytest.fixture(scope="module")
def sender(ana: Person) -> Sender:
    return Sender(ana)


@pytest.fixture(scope="module")
def cases(sender: Sender) -> dict[str, Case]:
    """What became of all cases, by kind and name."""
    ana = sender.person
    steps: dict[str, list[str]] = {f"one-{name}": [script] for name, script in ONE_JOB.items()}
    steps |= {f"two-{name}": ["rsync -a $x/ lab:inbox/$x/", script] for name, script in ANOTHER_JOB.items()}
    steps |= {f"same-{name}": ["rsync -a $x/ lab:inbox/$x/", script] for name, (script, _) in NO_OTHER_JOB.items()}
    steps |= {f"none-{name}": [script] for name, (script, _) in NOTHING.items()}

    def go(project: str) -> Case:
        case = Case()
        try:
            sender.make(project)
            for script in steps[project]:
                if case.sums:
                    ana.wait_complete(project)
                case.sums.append(sender.send(project, script))
        except BaseException as failure:
            case.failure = failure
        return case

    # The slow ones first.
    order = sorted(steps, key=lambda project: not re.search("slow|small_files|sleep", "".join(steps[project])))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(order, pool.map(go, order), strict=True))
    for job in quiet(ana):
        if job["project"] in found:
            found[job["project"]].jobs.append(job)
    for project, case in found.items():
        if case.jobs:
            ana.wait_complete(project, case.jobs[-1]["job"] - 1)
        case.status, case.log = ana.outbox(project), ana.outbox(project, "run.log")
    return found


@pytest.mark.parametrize("name", ONE_JOB)
def test_a_complete_upload_is_one_job_with_all_of_it(case_of: Callable[[str], Case], name: str) -> None:
    case = case_of(f"one-{name}")
    assert len(case.jobs) == 1, case.status
    assert case.log == case.sums[0], case.status
    assert case.jobs[0]["trigger"] == ("known" if name.startswith("rsync") else "inferred")


@pytest.mark.parametrize("name", ANOTHER_JOB)
def test_a_change_is_one_more_job_that_has_the_change(case_of: Callable[[str], Case], name: str) -> None:
    case = case_of(f"two-{name}")
    assert len(case.jobs) == 2, case.status
    assert case.log == case.sums[1] != case.sums[0]


@pytest.mark.parametrize("name", NO_OTHER_JOB)
def test_what_changes_nothing_or_is_cut_is_no_second_job(case_of: Callable[[str], Case], name: str) -> None:
    case = case_of(f"same-{name}")
    assert len(case.jobs) == 1, case.status
    assert NO_OTHER_JOB[name][1] in case.status
    assert ("New upload" in case.status) is name.endswith("killed-over-it"), case.status


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_not_complete_starts_nothing_and_status_says_why(case_of: Callable[[str], Case], name: str) -> None:
    case = case_of(f"none-{name}")
    assert case.jobs == [], case.status
    words = NOTHING[name][1]
    if words is None:
        assert case.status == ""
    else:
        assert words in case.status
    if words and words.startswith("upload interrupted"):
        assert " again to continue, or start it as it is: `ssh lab submit " in case.status


COUNT = """import hashlib, os
files, size, names = 0, 0, hashlib.sha256()
for folder, folders, found in os.walk("."):
    folders.sort()
    for name in sorted(found):
        path = os.path.join(folder, name)
        files += 1
        size += os.path.getsize(path)
        names.update(path.encode())
print(files, size, names.hexdigest())
"""


def test_two_hundred_thousand_small_files_are_one_job_with_all_of_them(sender: Sender) -> None:
    ana, patience = sender.person, 600.0
    sender.make("crowd")
    ana.pc.put("uploads/crowd/code/app.py", f"import os\nos.chdir('/input')\n{COUNT}")
    ana.run(sender.command("crowd", "small_files 200000 50"), timeout=patience)
    going = sender.background("crowd", "rsync -a $x/ lab:inbox/$x/")
    ana.wait_text("crowd", "receiving: ")
    assert going.wait() == 0
    assert ana.wait_complete("crowd", deadline=patience)["state"] == "succeeded"
    sent = ana.run(f"cd uploads/crowd/input && python3 -c {shlex.quote(COUNT)}").stdout
    assert sent.startswith("200005 4900010 ")
    assert ana.outbox("crowd", "run.log") == sent
    assert len(ana.jobs("crowd")) == 1
    # The tests after this one need not look at all of it again and again, nor wait for its end on the PC.
    ana.run("rm -r uploads/crowd >/dev/null 2>&1 &")
    ana.lab.server.run(f"rm -r {ana.home}/inbox/crowd")


def look_until(lab: InstalledLab, what: str, condition: str) -> None:
    """Wait on the server until a line of shell succeeds; asking from here would take a process each time."""
    done = lab.server.run(f"for try in $(seq 600); do {condition} && exit 0; sleep 0.05; done; exit 1", check=False)
    assert done.returncode == 0, what


def is_arriving(lab: InstalledLab, person: Person, project: str) -> None:
    """Wait until a part of input/big is on the server, under whatever name."""
    look = f"find {person.home}/inbox/{project} -name '*big*' -size +100k 2>/dev/null | grep -q ."
    look_until(lab, f"input/big of {project} is on its way", look)


CLIENTS = {"rsync": "$slow_rsync", "scp": "$slow_scp", "scp-O": "$slow_scp_O", "sftp": "$slow_sftp"}
RECEIVING = {
    "rsync": "so far\n",
    "scp": "so far; it starts when your transfer program disconnects, or with SUBMIT\n",
    "scp-O": "so far\n",
    "sftp": "so far; it starts when your transfer program disconnects, or with SUBMIT\n",
}


def test_the_first_of_two_sessions_to_end_starts_nothing(installed: InstalledLab, sender: Sender) -> None:
    ana = sender.person
    sender.make("overlap")
    with sender.background("overlap", "rsync -a --bwlimit=300 $x/input lab:inbox/$x/") as first:
        is_arriving(installed, ana, "overlap")
        sums = sender.send("overlap", "rsync -a $x/code lab:inbox/$x/")
        ana.wait_text("overlap", "receiving: ")
        assert first.wait() == 0
    ana.wait_complete("overlap")
    assert [job["project"] for job in quiet(ana)].count("overlap") == 1
    assert ana.outbox("overlap", "run.log") == sums


def test_submit_starts_a_job_while_the_transfer_program_stays_connected(sender: Sender) -> None:
    ana = sender.person
    sender.make("connected")
    orders = (
        'echo "put -r $x inbox/$x"; sleep 4; echo "put $x.submit inbox/$x/SUBMIT"; '
        "while [ ! -e $x.over ]; do sleep 0.1; done"
    )
    session = sender.background("connected", f": >$x.submit; {{ {orders}; }} | sftp -q -b - lab")
    try:
        ana.wait_text("connected", RECEIVING["sftp"])
        assert ana.wait_complete("connected")["trigger"] == "submit"
        assert session.poll() is None
    finally:
        ana.run("touch uploads/connected.over")
    assert session.wait() == 0
    assert len([job for job in quiet(ana) if job["project"] == "connected"]) == 1


def test_a_gateway_that_is_killed_starts_nothing_and_its_transfer_ends(installed: InstalledLab, sender: Sender) -> None:
    ana = sender.person
    going = {}
    for client, script in CLIENTS.items():
        sender.make(f"killed-{client}")
        going[client] = sender.background(f"killed-{client}", script)
    for client, transfer in going.items():
        is_arriving(installed, ana, f"killed-{client}")
        # The records of transfers are called TIME-PROCESS.
        record = installed.server.run(f"grep -l '\"killed-{client}\"' {ana.home}/.labd/sessions/*").stdout.strip()
        gateway = int(record.rpartition("-")[2])
        assert "gateway" in installed.server.text(f"/proc/{gateway}/cmdline")
        installed.server.run(f"kill -9 {gateway}")
        assert transfer.wait() != 0
    for client in CLIENTS:
        ana.wait_text(f"killed-{client}", "; send it again to continue, or start it as it is: ")
    jobs = quiet(ana)
    assert not [job for job in jobs if job["project"].startswith("killed-")]
    for client in CLIENTS:
        sender.send(f"killed-{client}", "rsync -a --delete $x/ lab:inbox/$x/")
        ana.wait_complete(f"killed-{client}")


def test_a_full_disk_starts_nothing_and_status_says_so(installed: InstalledLab, sender: Sender) -> None:
    ana = sender.person
    folders = {client: f"{ana.home}/inbox/full-{client}" for client in CLIENTS}
    owner = installed.server.run("id -u ana-silva").stdout.strip()
    try:
        for client, folder in folders.items():
            installed.server.run(
                f"install -d -o {owner} -g {owner} {folder} && "
                f"mount -t tmpfs -o size=1m,mode=755,uid={owner},gid={owner} tmpfs {folder}"
            )
            sender.make(f"full-{client}")
        # The service has mounts of its own, made when it starts.
        installed.server.run("systemctl restart labd")
        going = [sender.background(f"full-{client}", script) for client, script in CLIENTS.items()]
        assert 0 not in [transfer.wait() for transfer in going]
        for client in CLIENTS:
            # The old scp tells its client only.
            ana.wait_text(f"full-{client}", "scp code 1" if client == "scp-O" else "the disk is full")
            assert "upload interrupted (" in ana.outbox(f"full-{client}")
        assert not [job for job in quiet(ana) if job["project"].startswith("full-")]
    finally:
        for folder in folders.values():
            installed.server.run(f"umount {folder}; rmdir {folder}", check=False)
        installed.server.run("systemctl restart labd")


@pytest.fixture
def impatient_sshd(installed: InstalledLab) -> Iterator[None]:
    """An sshd that takes a client of Ben's for dead after some seconds."""
    path = "/etc/ssh/sshd_config.d/05-impatient.conf"
    installed.server.put(path, "Match User ben-okoro\nClientAliveInterval 1\nClientAliveCountMax 2\nMatch all\n")
    installed.server.run("systemctl reload ssh")
    yield
    installed.server.run(f"rm {path} && systemctl reload ssh")


def test_a_frozen_client_starts_nothing_and_is_cut_by_sshd(
    installed: InstalledLab, ben: Person, impatient_sshd: None
) -> None:
    sender = Sender(ben)
    going = []
    for client, script in CLIENTS.items():
        sender.make(f"frozen-{client}")
        going.append(sender.background(f"frozen-{client}", f"cut both freeze=15 {script}"))
    for client in CLIENTS:
        ben.wait_text(f"frozen-{client}", RECEIVING[client])
        assert re.search(r": receiving: \d files?, ", ben.outbox(f"frozen-{client}"))
    for client in CLIENTS:
        ben.wait_text(f"frozen-{client}", "upload interrupted (")
    for transfer in going:
        assert transfer.wait() != 0
    assert not [job for job in quiet(ben) if job["project"].startswith("frozen-")]


@pytest.mark.parametrize("when", ["during-the-whole-upload", "in-the-middle"])
def test_an_upload_while_labd_is_down_is_one_job(installed: InstalledLab, sender: Sender, when: str) -> None:
    ana, server = sender.person, installed.server
    projects = {client: f"down-{when}-{client}" for client in CLIENTS}
    for project in projects.values():
        sender.make(project)
    if when == "during-the-whole-upload":
        server.run("systemctl stop labd")
    try:
        going = {client: sender.background(projects[client], script) for client, script in CLIENTS.items()}
        for project in projects.values():
            is_arriving(installed, ana, project)
        if when == "in-the-middle":
            server.run("systemctl restart labd")
        assert [transfer.wait() for transfer in going.values()] == [0] * len(CLIENTS)
    finally:
        server.run("systemctl start labd")
    for project in projects.values():
        assert ana.wait_complete(project)["state"] == "succeeded"
        sums = sender.send(project, ":")
        assert ana.outbox(project, "run.log") == sums
    jobs = quiet(ana)
    assert sorted(job["project"] for job in jobs if job["project"] in projects.values()) == sorted(projects.values())
    triggers = {job["project"]: job["trigger"] for job in jobs}
    assert [triggers[project] for project in projects.values()] == ["known", "inferred", "inferred", "inferred"]


# What is no upload


def test_no_port_is_forwarded_either_way(ana: Person) -> None:
    listen = "python3 -c 'import socket; s = socket.create_connection((\"localhost\", 2201)); print(s.recv(9))'"
    done = ana.run(f"timeout 5 ssh -N -L 2201:localhost:22 lab & sleep 1; timeout 3 {listen}; wait", check=False)
    assert "SSH-2.0" not in done.stdout
    for forward in ("-R 2202:localhost:22", "-R 2202"):
        done = ana.run(f"timeout 10 ssh -o ExitOnForwardFailure=yes -N {forward} lab", check=False)
        assert done.returncode not in (0, 124), "the server listens for the PC"
    assert ana.run("timeout 10 ssh -W localhost:22 lab", check=False).stdout == ""


def test_top_on_a_terminal_shows_the_jobs_and_ends_on_q(ana: Person) -> None:
    terminal = "script -qec 'ssh -tt lab top' /dev/null"
    done = ana.run(f"(sleep 2; printf q) | TERM=xterm timeout 20 {terminal}", check=False)
    assert done.returncode == 0
    assert "ana-silva" in done.stdout
