"""Accounts that come, sleep, wake and go while their owners are at work, on a server with systemd and a real sshd."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from support.box.installed_lab import InstalledLab, Person, configure_ssh
from support.lab import wait_for

pytestmark = pytest.mark.xdist_group("box")

NAME = "guest-worker"
HOME = f"/home/{NAME}"
TRACES = (f"/etc/labd/accounts/{NAME}.toml", f"/etc/labd/keys/{NAME}", f"/etc/labd/keys/{NAME}.disabled")
# Ends when it is told to from outside.
WAITS = (
    "import os, time\nprint('begun', flush=True)\n"
    "while not os.path.exists('/tmp/go'):\n    time.sleep(0.05)\nopen('/output/end.txt', 'w').write('whole')\n"
)


def let_end(installed: InstalledLab, job: int) -> None:
    """Have the program of WAITS go on to its end."""
    installed.server.run(f"docker exec labd-{job} touch /tmp/go")


def add(installed: InstalledLab) -> Person:
    pc = installed.box.pc("guest")
    key = shlex.quote(pc.text(".ssh/id_ed25519.pub").strip())
    welcome = installed.server.run(f"labd adduser {NAME} --comment '' --key {key}").stdout
    configure_ssh(pc, welcome)
    return Person(installed, NAME, pc, welcome)


def remove(installed: InstalledLab) -> None:
    """Take away whatever there is of the account."""
    installed.server.run(f"labd deluser {NAME} --remove-home --yes; rm -rf {HOME} /root/guest.tar.gz", check=False)


@pytest.fixture
def guest(installed: InstalledLab) -> Iterator[Person]:
    """A researcher of this test's own, with no job that is active at its end."""
    made = add(installed)
    yield made
    for job in made.jobs():
        installed.server.run(f"labd cancel {job['job']}", check=False)
    wait_for("the jobs' ends", lambda: NAME not in installed.server.run("labd queue").stdout, 30.0)
    remove(installed)


def begin(guest: Person) -> int:
    """A job of WAITS that runs: its number."""
    before = max((job["job"] for job in guest.jobs()), default=0)
    guest.project("waits", WAITS + f"# {before}\n")
    guest.run("rsync -a waits/ lab:inbox/waits/")
    job = guest.wait_job("waits", before)
    guest.wait_text("waits", "begun", "run.log")
    return job


def test_who_is_disabled_is_out_at_once_and_their_job_goes_on(
    installed: InstalledLab, guest: Person, ana: Person
) -> None:
    job = begin(guest)
    live = subprocess.Popen(guest.pc.command("ssh lab logs -f waits"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert live.stdout and live.stdout.readline() == b"begun\n"
    installed.server.run(f"labd disable {NAME}")
    live.communicate(timeout=10)
    assert live.returncode == 255
    for command in ("ssh lab status", "rsync -a waits/ lab:inbox/again/", "scp -r waits lab:inbox/", "sftp -b - lab"):
        done = guest.run(command, check=False)
        # rsync has a code of its own where it notices the end of the connection before that of ssh.
        assert done.returncode in ((12, 255) if command.startswith("rsync") else (255,))
        assert "Permission denied" in done.stderr
        assert done.stdout == ""
    assert f"{job}\twaits\t{NAME}" in installed.server.run("labd jobs | tail -n 3").stdout
    let_end(installed, job)
    assert guest.wait_complete("waits", job - 1)["state"] == "succeeded"
    assert guest.outbox("waits", "output/end.txt") == "whole"
    # What nobody sent over SSH starts nothing either.
    become = f"setpriv --reuid={NAME} --regid=$(id -g {NAME}) --init-groups"
    installed.server.run(f"{become} sh -c 'touch {HOME}/inbox/waits/SUBMIT {HOME}/inbox/waits/RERUN'")
    installed.server.run("systemctl restart labd")
    # Once a daemon has run somebody else's upload, it has looked at all of them.
    ana.project("meanwhile", f"print({job})\n")
    ana.finish("meanwhile", "rsync -a meanwhile/ lab:inbox/meanwhile/")
    assert guest.jobs()[-1]["job"] == job
    installed.server.run(f"rm {HOME}/inbox/waits/SUBMIT {HOME}/inbox/waits/RERUN; labd enable {NAME}")
    assert "waits" in guest.ssh("status").stdout
    assert guest.run("rsync -a lab:outbox/waits/output/ got/ && cat got/end.txt").stdout == "whole"


def test_nobody_is_removed_in_the_middle_of_their_work(installed: InstalledLab, guest: Person) -> None:
    job = begin(guest)
    done = installed.server.run(f"labd deluser {NAME} --yes", check=False)
    assert done.returncode != 0
    assert str(job) in done.stderr
    assert "waits" in guest.ssh("status").stdout
    let_end(installed, job)
    assert guest.wait_complete("waits", job - 1)["state"] == "succeeded"


def test_an_account_that_goes_leaves_its_home_and_comes_back_to_it(installed: InstalledLab, guest: Person) -> None:
    job = begin(guest)
    let_end(installed, job)
    guest.wait_complete("waits", job - 1)
    installed.server.run(f"labd deluser {NAME} --yes")
    assert guest.ssh("status", check=False).returncode == 255
    assert gone(installed)
    assert installed.server.run(f"stat -c %U:%a {HOME}").stdout == "root:700\n"
    assert installed.server.text(f"{HOME}/outbox/waits/output/end.txt") == "whole"
    back = add(installed)
    assert back.run("rsync -a lab:outbox/waits/output/ back/ && cat back/end.txt").stdout == "whole"
    # The archive has all of it, and nothing is left behind.
    installed.server.run(f"labd deluser {NAME} --archive /root/guest.tar.gz --remove-home --yes")
    assert gone(installed)
    assert installed.server.run(f"ls -d {HOME}", check=False).returncode != 0
    listed = installed.server.run("tar -tzf /root/guest.tar.gz").stdout
    assert f"{NAME}/outbox/waits/output/end.txt\n" in listed
    archived = installed.server.run(f"tar -xzOf /root/guest.tar.gz {NAME}/outbox/waits/output/end.txt").stdout
    assert archived == "whole"
    assert installed.server.run("stat -c %a /root/guest.tar.gz").stdout == "600\n"
    add(installed)


def gone(installed: InstalledLab) -> bool:
    """Whether the machine knows nothing of the account any more."""
    known = installed.server.run(
        f"getent passwd {NAME}; getent group | grep {NAME}; ls {' '.join(TRACES)}", check=False
    )
    return known.stdout == "" and NAME not in installed.server.run("labd users").stdout


@pytest.mark.parametrize("part", ["keys", "accounts"])
def test_an_account_that_cannot_be_finished_is_not_there_at_all(installed: InstalledLab, part: str) -> None:
    place = TRACES[1 if part == "keys" else 0]
    installed.server.run(f"mkdir {place}")
    key = shlex.quote(installed.box.pc("guest").text(".ssh/id_ed25519.pub").strip())
    try:
        done = installed.server.run(f"labd adduser {NAME} --comment '' --key {key}", check=False)
    finally:
        installed.server.run(f"rmdir {place}")
    assert done.returncode != 0
    assert done.stderr.startswith("labd: ")
    assert len(done.stderr.splitlines()) <= 3, done.stderr
    assert gone(installed)
    assert (
        installed.server.run(f"ls -A /home /etc/labd/keys /etc/labd/accounts | grep {NAME}", check=False).stdout == ""
    )


def test_systemd_knows_how_the_daemon_is(installed: InstalledLab, guest: Person) -> None:
    job = begin(guest)
    shown = ("Type", "StatusText", "WatchdogUSec", "WatchdogTimestampMonotonic", "UnitFileState", "ActiveState")
    options = " ".join(f"-p {name}" for name in shown)

    def state() -> dict[str, str]:
        said = installed.server.run(f"systemctl show labd {options}").stdout
        return dict(line.split("=", 1) for line in said.splitlines())

    wait_for("the status line", lambda: re.match(r"[1-9]\d* running, \d+ queued$", state()["StatusText"]), 20.0)
    known = state()
    assert (known["Type"], known["UnitFileState"], known["ActiveState"]) == ("notify", "enabled", "active")
    assert known["WatchdogUSec"] == "2min"
    assert int(known["WatchdogTimestampMonotonic"]) > 0
    let_end(installed, job)
    guest.wait_complete("waits", job - 1)
    wait_for(
        "a sign of life", lambda: state()["WatchdogTimestampMonotonic"] > known["WatchdogTimestampMonotonic"], 20.0
    )


def test_stopping_the_service_stops_no_container(installed: InstalledLab, guest: Person) -> None:
    job = begin(guest)
    running = f"docker inspect --format '{{{{.State.Pid}}}} {{{{.State.StartedAt}}}}' labd-{job}"
    before = installed.server.run(running).stdout
    installed.server.run("systemctl stop labd")
    try:
        assert installed.server.run(running).stdout == before
        let_end(installed, job)
    finally:
        installed.server.run("systemctl start labd")
    assert guest.wait_complete("waits", job - 1)["state"] == "succeeded"
    assert guest.outbox("waits", "output/end.txt") == "whole"


def test_what_is_refused_is_logged_with_who_and_from_where(installed: InstalledLab, guest: Person) -> None:
    logged = len(installed.events())
    guest.ssh("'cat /etc/shadow'", check=False)
    address = guest.run("hostname -i").stdout.strip()
    [line] = installed.events(logged)
    assert line.startswith(f"command refused user={NAME} address={address} what=cat /etc/shadow: ")
    fields = installed.server.run(f"journalctl -q -u labd -n 1 -o verbose LABD_USER={NAME}").stdout
    assert f"LABD_ADDRESS={address}" in fields
    assert "PRIORITY=4" in fields
