"""labd as an administrator installs it on the server in a box, and the people who use it from their PCs."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from support.box.box import Box
from support.box.machine import Done, Machine
from support.lab import wait_for

CHECKOUT = "/root/labd"
JOB_SECONDS = 60.0

# The tests make many connections at once; sshd's own limit for those who have not logged in yet is 10.
_SSHD = "MaxStartups 200:30:400\nMaxSessions 50\n"
UNPROVEN = 20  # seconds; longer than a client takes from one connection to its next, also where twelve share a core
_INBOX = f'[inbox]\nsettle = "2s"\nunproven = "{UNPROVEN}s"\nrescan = "10s"\n'
_CONFIG = _INBOX + '[user]\nrunning = 4\n[job]\nmemory = "512m"\n'


class Person:
    """A researcher: an account on the server, and a PC from which the server is called `lab`."""

    def __init__(self, lab: InstalledLab, name: str, pc: Machine, welcome: str) -> None:
        """`welcome` is what `labd adduser` printed for the researcher."""
        self.lab, self.name, self.pc, self.welcome = lab, name, pc, welcome
        self.home = f"/home/{name}"

    def run(self, command: str, *, check: bool = True, stdin: str | None = None, timeout: float = 120.0) -> Done:
        """A line of shell on the PC."""
        return self.pc.run(command, check=check, stdin=stdin, timeout=timeout)

    def ssh(self, verb: str = "", *, check: bool = True) -> Done:
        """`ssh lab VERB`."""
        return self.run(f"ssh lab {verb}", check=check)

    def project(self, folder: str, source: str, **files: str) -> None:
        """Make a project on the PC: code/app.py and `files` by their path in it (`__` for `/`)."""
        self.pc.put(f"{folder}/code/app.py", source)
        for path, content in files.items():
            self.pc.put(f"{folder}/{path.replace('__', '/')}", content)

    def outbox(self, project: str, file: str = "STATUS") -> str:
        """A file of the outbox as it is on the server now; empty when there is none."""
        return self.lab.server.text(f"{self.home}/outbox/{project}/{file}")

    def status(self, project: str) -> dict[str, Any]:
        return dict(json.loads(self.outbox(project, "status.json") or "{}"))

    def jobs(self, project: str = "") -> list[dict[str, Any]]:
        """This researcher's jobs, oldest first."""
        mine = [job for job in self.lab.jobs() if job["user"] == self.name]
        return [job for job in mine if project in ("", job["project"])]

    def wait_job(self, project: str, after: int = 0) -> int:
        """Wait for a job of `project` later than job `after`: its number."""

        def numbers() -> list[int]:
            return [job["job"] for job in self.jobs(project) if job["job"] > after]

        return wait_for(f"a job of {project}; STATUS says: {self.outbox(project)}", numbers, JOB_SECONDS)[-1]

    def wait_complete(self, project: str, after: int = 0, deadline: float = JOB_SECONDS) -> dict[str, Any]:
        """status.json once a job of `project` later than job `after` is complete, `deadline` seconds at most."""
        path = shlex.quote(f"{self.home}/outbox/{project}/COMPLETE")
        # The server does the looking, so that it can be done often.
        look = (
            f"for try in $(seq {int(deadline * 10)}); do read job rest 2>/dev/null <{path} && "
            f'[ "$job" -gt {after} ] && exit 0; sleep 0.1; done; exit 1'
        )
        done = self.lab.server.run(look, check=False, timeout=deadline * 2)
        assert done.returncode == 0, f"{project} is not complete; STATUS says: {self.outbox(project)}"
        return self.status(project)

    def wait_text(self, project: str, text: str, file: str = "STATUS") -> None:
        """Wait until `text` is in a file of the outbox."""
        path = shlex.quote(f"{self.home}/outbox/{project}/{file}")
        look = (
            f"for try in $(seq {int(JOB_SECONDS * 10)}); do grep -qsF -- {shlex.quote(text)} {path} && exit 0; "
            "sleep 0.1; done; exit 1"
        )
        done = self.lab.server.run(look, check=False)
        assert done.returncode == 0, f"no {text!r} in {file} of {project}:\n{self.outbox(project, file)}"

    def finish(self, project: str, command: str) -> dict[str, Any]:
        """Run a command on the PC that must lead to a new job of `project`, and wait for its end: status.json."""
        before = max((job["job"] for job in self.jobs(project)), default=0)
        self.run(command)
        return self.wait_complete(project, before)


class InstalledLab:
    """The server with labd on it."""

    def __init__(self, box: Box, settings: str = "", *, twice: bool = True) -> None:
        """Install the checkout on a server by `make install`; `twice`: as who is not sure whether it worked.

        `settings` is more TOML for its config.
        """
        self.box, self.server = box, box.server
        box.copy_checkout(CHECKOUT)
        self.server.put("/etc/ssh/sshd_config.d/10-test.conf", _SSHD)
        self.first = self.server.run(f"cd {CHECKOUT} && make install 2>&1", timeout=1200)
        if twice:
            self.before_second = self.traces()
            self.second = self.server.run(f"cd {CHECKOUT} && make install 2>&1")
            self.after_second = self.traces()
        self.security = self.server.run("systemd-analyze security --no-pager labd.service").stdout
        self.server.run("cat > /etc/labd/config.toml", stdin=_CONFIG + settings)
        self.server.run("labd check-config && systemctl restart labd")
        self.people: dict[str, Person] = {}

    def traces(self) -> dict[str, str]:
        """What an installation has put on the server, and when it was last changed; and the daemon's process."""
        places = "/opt/labd /etc/labd /etc/ssh/sshd_config.d /etc/systemd/system /usr/local /var/lib/labd"
        found = self.server.run(
            f"find {places} -path /var/lib/labd/\\* -prune -o -name __pycache__ -prune -o ! -type d "
            "-printf '%p\\t%i %T@\\n'; getent group labd labd-shell | sed 's/:/\\t/';"
            "systemctl show -p MainPID -p ActiveState labd | tr = '\\t'"
        ).stdout
        return dict(line.split("\t", 1) for line in found.splitlines())

    def person(self, name: str, recipe: str = "pc") -> Person:
        """The researcher `name`, who gets an account and a PC when first asked for."""
        if name not in self.people:
            pc = self.box.pc(name.partition("-")[0], recipe)
            key = pc.text(".ssh/id_ed25519.pub").strip()
            said = self.server.run(f"labd adduser {name} --comment 'A Researcher' --key {shlex.quote(key)}").stdout
            self.people[name] = Person(self, name, pc, said)
            configure_ssh(pc, said)
        return self.people[name]

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that there ever were, oldest first."""
        lines = self.server.run("labd jobs --json --limit 10000").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def events(self, after: int = 0) -> list[str]:
        """What labd's unit logged, without the first `after` lines."""
        return self.box.journal()[after:]

    def check_events(self) -> None:
        """Whatever the tests did to labd, it met no defect of its own."""
        assert [line for line in self.events() if "Traceback" in line or "a defect of labd" in line] == []


def configure_ssh(pc: Machine, welcome: str) -> None:
    """Do what the welcome says: its lines into .ssh/config, and trust the server if its fingerprint is one of those."""
    block = re.search(r"^(?P<indent> +)Host lab\n(?:(?P=indent).*\n)+", welcome, re.MULTILINE)
    assert block, welcome
    pc.put(".ssh/config", block[0], mode=0o600)
    # As somebody does who compares before saying yes; ssh's question cannot be answered without a terminal.
    keys = pc.run("ssh-keyscan lab 2>/dev/null").stdout
    fingerprints = set(re.findall(r"SHA256:\S+", pc.run("ssh-keygen -lf -", stdin=keys).stdout))
    assert fingerprints
    assert fingerprints <= set(re.findall(r"SHA256:\S+", welcome)), welcome
    pc.run("cat > .ssh/known_hosts", stdin=keys)
