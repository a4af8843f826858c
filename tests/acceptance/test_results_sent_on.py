"""Results that travel on to a researcher's own computer, which has an sshd, a fixed address, and is off at times."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator

import pytest

from support.box.images import docker, image
from support.box.installed_lab import InstalledLab, Person, configure_ssh
from support.box.machine import Machine
from support.lab import wait_for

pytestmark = pytest.mark.xdist_group("box")

PORT = 2022
FOLDER = "results of the lab/2026"
SSHD = f"mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -p {PORT} -o PasswordAuthentication=no"


class Workstation:
    """A computer that accepts SSH, for a person `maria` on it."""

    def __init__(self, lab: InstalledLab) -> None:
        box = lab.box
        self.server = lab.server
        name = f"{box.run_name}-desk"
        # An address of its own, also after it was off.
        subnet = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", box.run_name).stdout
        self.address = subnet.replace(".0/24\n", ".200")
        label = f"labd.test-box={box.run_name}"
        docker(
            *("run", "--detach", "--init", "--name", name, "--hostname", "desk", "--label", label),
            *("--network", box.run_name, "--ip", self.address, image("pc-with-sshd"), "sh", "-c", SSHD),
        )
        self.root = Machine(name)
        self.user = Machine(name, "maria", "/home/maria")
        self.root.run("useradd --create-home --shell /bin/bash maria")
        self.user.run("mkdir -m 700 .ssh")
        lab.server.run(f"sed -i '/ desk$/d' /etc/hosts; echo '{self.address} desk' >>/etc/hosts")

    def off(self) -> None:
        docker("stop", "--time", "1", self.root.name)

    def on(self) -> None:
        docker("start", self.root.name)
        wait_for("the desk to answer", lambda: self.server.run(f"ssh-keyscan -p {PORT} desk", check=False).stdout, 20.0)

    def renew_host_keys(self) -> None:
        """As if somebody else answered at that address."""
        self.root.run("rm /etc/ssh/ssh_host_* && ssh-keygen -A && kill -HUP $(cat /run/sshd.pid)")


@pytest.fixture(scope="module")
def workstation(installed: InstalledLab) -> Iterator[Workstation]:
    made = Workstation(installed)
    yield made
    made.root.close()
    docker("rm", "--force", "--volumes", made.root.name)
    installed.server.run("sed -i '/ desk$/d' /etc/hosts")


@pytest.fixture(scope="module")
def maria(installed: InstalledLab, workstation: Workstation) -> Iterator[Person]:
    """A researcher whose results are sent on to the desk."""
    pc = installed.box.pc("guest")
    key = shlex.quote(pc.text(".ssh/id_ed25519.pub").strip())
    target = shlex.quote(f"maria@desk:{PORT}:{FOLDER}")
    said = installed.server.run(f"labd adduser guest-desk --comment '' --key {key} --push {target}").stdout
    configure_ssh(pc, said)
    yield Person(installed, "guest-desk", pc, said)
    installed.server.run("labd deluser guest-desk --remove-home --yes")


def run_job(person: Person, text: str = "") -> str:
    """A job that writes something new to /output/result.txt: what."""
    text = text or secrets.token_hex(8)
    person.project("sent", f"open('/output/result.txt', 'w').write('{text}')\n")
    assert person.finish("sent", "rsync -a sent/ lab:inbox/sent/")["state"] == "succeeded"
    return text


def there(workstation: Workstation) -> str:
    return workstation.user.text(f"{FOLDER}/sent/output/result.txt")


def try_again_now(person: Person) -> None:
    """Have the next attempt be due, instead of waiting a minute for it."""
    due = "import sqlite3; db = sqlite3.connect('/var/lib/labd/labd.db', isolation_level=None); "
    due += "db.execute('UPDATE pushes SET due = 1 WHERE due IS NOT NULL')"
    person.lab.server.run(f"systemctl stop labd && python3 -c {shlex.quote(due)}; systemctl start labd")


def test_the_administrator_is_told_which_line_belongs_where(maria: Person, workstation: Workstation) -> None:
    key = maria.lab.server.text(f"{maria.home}/.ssh/labd_push.pub").strip()
    assert key.startswith("ssh-ed25519 ")
    assert f"On desk, this line belongs into ~maria/.ssh/authorized_keys:\n\n    {key}\n" in maria.welcome
    prints = workstation.root.run("for key in /etc/ssh/ssh_host_*.pub; do ssh-keygen -lf $key; done").stdout
    remembered = maria.welcome[maria.welcome.index("was remembered") :]
    assert set(re.findall(r"SHA256:\S+", remembered)) == set(re.findall(r"SHA256:\S+", prints))
    rights = maria.lab.server.run(f"stat -c '%a %U' {maria.home}/.ssh {maria.home}/.ssh/labd_push").stdout
    assert rights == "700 guest-desk\n600 guest-desk\n"


def test_a_key_that_is_not_accepted_yet_is_said_and_holds_nothing_up(maria: Person, workstation: Workstation) -> None:
    run_job(maria)
    maria.wait_text("sent", "Sending to maria@desk: it does not accept the key of this account. Next try: ")
    assert there(workstation) == ""


def test_results_arrive_with_the_next_try_once_the_line_is_there(maria: Person, workstation: Workstation) -> None:
    key = re.search(r"authorized_keys:\n\n +(.*)\n", maria.welcome)
    assert key
    workstation.user.put(".ssh/authorized_keys", f"{key[1]}\n", mode=0o600)
    text = maria.outbox("sent", "output/result.txt")
    try_again_now(maria)
    maria.wait_text("sent", "Sent to maria@desk")
    assert there(workstation) == text


def test_results_of_a_job_are_on_the_computer_seconds_after_its_end(maria: Person, workstation: Workstation) -> None:
    text = run_job(maria)
    wait_for("the results", lambda: there(workstation) == text, 20.0)
    maria.wait_text("sent", "Sent to maria@desk")
    assert workstation.user.run(f"find '{FOLDER}' -type f").stdout == f"{FOLDER}/sent/output/result.txt\n"
    assert maria.ssh("status sent").stdout


def test_a_computer_that_is_off_delays_no_job_and_gets_its_results_when_it_is_back(
    maria: Person, workstation: Workstation
) -> None:
    workstation.off()
    try:
        run_job(maria)
        maria.wait_text("sent", "Sending to maria@desk: it does not answer; it may be off. Next try: ")
        # While one attempt waits, jobs go on, and only the latest results are sent.
        text = run_job(maria)
        assert maria.status("sent")["state"] == "succeeded"
    finally:
        workstation.on()
    try_again_now(maria)
    maria.wait_text("sent", "Sent to maria@desk")
    assert there(workstation) == text


def test_what_a_killed_service_could_not_tell_any_more_is_told_by_the_next(maria: Person) -> None:
    run_job(maria)
    maria.wait_text("sent", "Sent to maria@desk")
    status = f"{maria.home}/outbox/sent/STATUS"
    maria.lab.server.run(f"systemctl stop labd && sed -i 's/^Sent to .*/Sending/' {status}; systemctl start labd")
    maria.wait_text("sent", "Sent to maria@desk")


def test_a_folder_that_cannot_be_written_is_said(maria: Person, workstation: Workstation) -> None:
    folder = f"'/home/maria/{FOLDER}/sent/output'"
    workstation.root.run(f"chown root {folder}")
    run_job(maria)
    maria.wait_text("sent", "Sending to maria@desk: the folder there is not writable")
    workstation.root.run(f"chown maria {folder}")


def test_who_answers_in_the_computers_place_gets_nothing(maria: Person, workstation: Workstation) -> None:
    before = there(workstation)
    workstation.renew_host_keys()
    text = run_job(maria)
    maria.wait_text("sent", "Sending to maria@desk: its host key is not the one known here")
    assert there(workstation) == before != text


def test_the_journal_says_where_results_went_and_why_not(maria: Person) -> None:
    said = maria.lab.server.run("journalctl -q -o cat -u labd LABD_USER=guest-desk").stdout
    assert re.search(r"^results sent on job=\d+ user=guest-desk to=maria@desk$", said, re.MULTILINE)
    assert re.search(r"^results not sent on job=\d+ user=guest-desk reason=it does not answer; ", said, re.MULTILINE)
    assert "BEGIN OPENSSH" not in said
