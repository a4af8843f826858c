"""What is closed to researchers, with a shell or without: jobs of others, what labd keeps, the machine's secrets.

`test_two_researchers` tries what the usual clients can; here are the ways that take some intent.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.box.installed_lab import InstalledLab, Person, configure_ssh
from support.box.machine import Done
from support.lab import wait_for

pytestmark = pytest.mark.xdist_group("box")

SECRET = "the-comet-returns-in-2061"
PASSWORD = "pass-of-the-index-7719"
NOBODYS_JOB = 987654
RUN = secrets.token_hex(4)  # makes this run's programs new to a lab
SHOWS = f"run = '{RUN}'\nprint('{SECRET}', flush=True)\n"
SHOWS += f"open('/output/result.txt', 'w').write('{SECRET}')\n"
# Also listens, for programs that would like to talk to it.
STAYS = (
    "import socket, time\n"
    "door = socket.create_server(('0.0.0.0', 8000))\n"
    f"{SHOWS}open('/tmp/{SECRET}', 'w').write('{SECRET}')\ntime.sleep(600)\n"
)


class Plan:
    """What ben-okoro has, and nobody else is to know: a project that ran, and one that runs."""

    def __init__(self, ben: Person) -> None:
        ben.pc.put("comet-plan/input/secret.txt", SECRET)
        ben.project("comet-plan", SHOWS)
        ben.project("comet-watch", STAYS)
        ben.run("rsync -a comet-watch/ lab:inbox/comet-watch/")
        ben.finish("comet-plan", "rsync -a comet-plan/ lab:inbox/comet-plan/")
        ben.wait_text("comet-watch", SECRET, "run.log")
        self.done, self.running = ben.jobs("comet-plan")[-1]["job"], ben.jobs("comet-watch")[-1]["job"]
        self.words = (SECRET, "ben-okoro", "comet")
        """None of these may reach anybody else."""

    def is_untouched(self, ben: Person) -> bool:
        """Whether all is as it was made."""
        states = [(job["job"], job["state"]) for job in ben.jobs() if job["job"] >= self.running]
        assert states == [(self.running, "running"), (self.done, "succeeded")]
        there = ben.lab.server.run(f"cat {ben.home}/inbox/comet-plan/input/secret.txt").stdout
        return there == SECRET and ben.outbox("comet-plan", "output/result.txt") == SECRET


@pytest.fixture(scope="module")
def plan(ben: Person) -> Iterator[Plan]:
    made = Plan(ben)
    yield made
    ben.ssh(f"cancel {made.running}")
    ben.wait_complete("comet-watch", made.running - 1)


def try_all(person: Person, commands: Sequence[str]) -> list[Done]:
    """Run all of the commands on a PC, some at a time."""
    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda command: person.run(command, check=False), commands))


# Questions


@pytest.mark.parametrize("verb", ["status", "logs", "logs -f", "cancel", "rerun"])
def test_a_job_of_somebody_else_is_answered_as_one_that_is_not_there(
    ana: Person, ben: Person, plan: Plan, verb: str
) -> None:
    wanted = [str(plan.done), str(plan.running), "comet-plan", "comet-watch", "inbox/comet-plan"]
    unknown = [*try_all(ana, [f"ssh lab {verb} {NOBODYS_JOB}", f"ssh lab {verb} no-such-project"])]
    for name, done in zip(wanted, try_all(ana, [f"ssh lab {verb} {name}" for name in wanted]), strict=True):
        model, there = (unknown[0], str(NOBODYS_JOB)) if name.isdecimal() else (unknown[1], "no-such-project")
        assert done.returncode == model.returncode != 0
        assert (done.stdout, done.stderr) == ("", model.stderr.replace(there, name.removeprefix("inbox/")))
    assert plan.is_untouched(ben)


FORGED = """
import json, socket, sys
for line in sys.stdin:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect("/run/labd/labd.sock")
        connection.sendall(line.encode())
        connection.shutdown(socket.SHUT_WR)
        print(json.dumps(connection.makefile().read()))
"""


def ask_as(lab: InstalledLab, user: str, messages: Sequence[str]) -> list[str]:
    """What the daemon answers a process of `user` to each of the messages."""
    lab.server.put("/opt/forged.py", FORGED)
    become = f"setpriv --reuid={user} --regid=$(id -g {user}) --init-groups"
    said = lab.server.run(f"{become} python3 /opt/forged.py", stdin="".join(f"{message}\n" for message in messages))
    return [str(json.loads(line)) for line in said.stdout.splitlines()]


def test_the_daemon_believes_the_kernel_and_not_the_message(
    installed: InstalledLab, ana: Person, ben: Person, plan: Plan
) -> None:
    uids = {name: int(installed.server.run(f"id -u {name}").stdout) for name in ("ana-silva", "ben-okoro")}
    lies: list[dict[str, Any]] = [{"user": "ben-okoro", "uid": uids["ben-okoro"]}, {"user": None, "uid": 0}]
    asked: list[dict[str, Any]] = []
    for verb in ("status", "logs", "cancel", "rerun"):
        asked += [{"verb": verb, "job": job, **lie} for lie in lies for job in (plan.running, "comet-plan")]
    for verb in ("status", "jobs", "overview", "queue", "settings", "images", "users", "reload"):
        asked += [{"verb": verb, **lie} for lie in lies]
    asked += [{"verb": "submit", "project": "comet-plan", **lie} for lie in lies]
    asked += [{"verb": "note", "event": "refused", "address": "192.0.2.7", "text": "forged", **lie} for lie in lies]
    logged = len(installed.events())
    answers = ask_as(installed, "ana-silva", [json.dumps(request) for request in asked])
    assert len(answers) == len(asked)
    for request, answer in zip(asked, answers, strict=True):
        known = str(request.get("job", request.get("project", "")))
        # Words that are in the request are no news.
        assert not [word for word in plan.words if word in answer.replace(known, "")], (request, answer)
        if "job" in request or request["verb"] in ("submit", "users", "reload"):
            assert json.loads(answer)["exit"] != 0
    assert plan.is_untouched(ben)
    noted = [line for line in installed.events(logged) if "forged" in line]
    assert len(noted) == 2
    assert all("user=ana-silva" in line for line in noted)


def test_who_has_no_account_learns_nothing_and_nonsense_harms_nobody(installed: InstalledLab, plan: Plan) -> None:
    for answer in ask_as(installed, "nobody", ['{"verb": "status"}', '{"verb": "queue"}', '{"verb": "jobs"}']):
        assert json.loads(answer)["error"] == "You have no account at this lab."
    logged = len(installed.events())
    nonsense = ["", "[]", "7", "null", "{}", '{"verb": ["status"]}', '{"verb": "logs"}', "[" * 60_000, "\x00", "{" * 9]
    nonsense += ['{"verb": "status", "job": {"a": 1}}', '{"verb": "jobs", "limit": "many"}', '{"verb": "note"}']
    for answer in ask_as(installed, "ana-silva", nonsense):
        assert "error" in json.loads(answer)
    assert not [line for line in installed.events(logged) if "Traceback" in line]
    assert installed.server.run("labd status").stdout


# Paths

# Where the links that ana-silva puts into her inbox lead.
LINKS = {
    "up": "../../../ben-okoro",
    "state": "/var/lib/labd",
    "etc": "/etc",
    "root": "/proc/1/root",
    "self": "/proc/self/root",
}
PLACES = (
    "/home/ana-silva/../ben-okoro/{area}/comet-plan",
    "//home//ben-okoro/{area}/comet-plan",
    "inbox/links/up/{area}/comet-plan",
    "inbox/links/state/jobs/{job}/delivery",
    "inbox/links/state/jobs/{job}/snapshot",
    "inbox/links/etc/labd",
    "inbox/links/root/home/ben-okoro/{area}/comet-plan",
    "inbox/links/self/home/ben-okoro/{area}/comet-plan",
)


@pytest.fixture(scope="module")
def links(ana: Person) -> None:
    made = " && ".join(f"ln -sfn {target} links/{name}" for name, target in LINKS.items())
    ana.run(
        f"rm -rf links && mkdir links && {made} && echo mine >intruder && rsync -a --delete links/ lab:inbox/links/"
    )
    assert len(ana.lab.server.run(f"find {ana.home}/inbox/links -type l").stdout.splitlines()) == len(LINKS)


FETCHES = ("rsync -aLR --secluded-args lab:{path}/ loot/", "scp -r lab:{path}/ loot", "scp -O -r lab:{path}/ loot")
PUSHES = ("rsync -a --inplace intruder lab:{path}/", "scp intruder lab:{path}/", "scp -O intruder lab:{path}/")
# "Failure" is all that sftp knows to say of what is read-only.
REFUSED = re.compile("not found|denied|No such file|not a regular file|remote readdir .* failed|: Failure$")
SFTP_PUSHES = (
    "put intruder {path}/intruder",
    "rename inbox/links/etc {path}/intruder",
    "ln inbox/links/etc {path}/intruder",
    "symlink inbox {path}/intruder",
    "mkdir {path}/intruder",
    "rm {path}/input/secret.txt",
    "chmod 777 {path}",
)


def sftp(person: Person, commands: Sequence[str]) -> list[str]:
    """What is said to all of the commands, in one session that goes on after an error."""
    done = person.run("sftp -b - lab 2>&1", stdin="".join(f"-{command}\n" for command in commands))
    return [line for line in done.stdout.splitlines() if not line.startswith(("sftp> ", "Retrieving "))]


def test_nothing_comes_out_of_a_place_that_is_not_ones_own(ana: Person, plan: Plan, links: None) -> None:
    paths = [place.format(area="outbox", job=plan.done) for place in PLACES]
    ana.run("rm -rf loot && mkdir loot")
    for done in try_all(ana, [command.format(path=path) for path in paths for command in FETCHES]):
        assert done.returncode != 0, done
    said = sftp(ana, [f"{command} {path}" for path in paths for command in ("get -r", "ls -l", "get")])
    assert not [line for line in said if not REFUSED.search(line)]
    assert ana.run("find . -type f -newer intruder ! -path './.*'").stdout == ""


def test_nothing_gets_into_a_place_that_is_not_ones_own(ana: Person, ben: Person, plan: Plan, links: None) -> None:
    paths = [place.format(area="inbox", job=plan.done) for place in PLACES]
    for done in try_all(ana, [command.format(path=path) for path in paths for command in PUSHES]):
        assert done.returncode != 0, done
    commands = [command.format(path=path) for path in paths for command in SFTP_PUSHES]
    said = sftp(ana, commands)
    assert len(said) == len(commands)
    assert not [line for line in said if not REFUSED.search(line)]
    places = "/home/ben-okoro /etc /var/lib/labd /tmp /run"
    assert ana.lab.server.run(f"find {places} -name 'intruder*'").stdout == ""
    assert plan.is_untouched(ben)


def test_a_file_of_somebody_else_cannot_be_linked_copied_or_renamed(ana: Person, ben: Person, plan: Plan) -> None:
    theirs = [f"{ben.home}/inbox/comet-plan/input/secret.txt", "../ben-okoro/outbox/comet-plan/output/result.txt"]
    commands = [
        f"echo '{command} {path} inbox/taken' | sftp -b - lab" for path in theirs for command in ("ln", "cp", "rename")
    ]
    for done in try_all(ana, commands):
        assert done.returncode != 0, done
    assert ana.lab.server.run(f"find {ana.home}/inbox -name taken").stdout == ""
    assert plan.is_untouched(ben)


# Programs

LOOKS_AROUND = f"""# {RUN}
import json, os, socket
found = {{"words": [], "uids": [], "networks": [name for _, name in socket.if_nameindex()], "doors": []}}
for number in filter(str.isdecimal, os.listdir("/proc")):
    found["uids"].append(os.stat("/proc/" + number).st_uid)
    for file in ("cmdline", "environ", "mountinfo", "root"):
        try:
            found["words"] += [file] if b"ben-okoro" in open(f"/proc/{{number}}/{{file}}", "rb").read() else []
        except OSError:
            pass
for folder, folders, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/usr")):
        folders.clear()
        continue
    if folder.endswith(("comet-plan", "comet-watch", "ben-okoro")):
        found["words"].append(folder)
    for name in files:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and {SECRET[:-4]!r} + "2061" in name + open(path, errors="replace").read(100_000):
                found["words"].append(path)
        except OSError:
            pass
for path in ("/run/labd/labd.sock", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"):
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        found["doors"].append(path)
    except OSError:
        pass
for host, port in (("127.0.0.1", 8000), ("172.17.0.1", 22), ("lab", 22)):
    try:
        socket.create_connection((host, port), 1)
        found["doors"].append(host)
    except OSError:
        pass
json.dump(found, open("/output/found.json", "w"))
"""


def test_a_program_sees_no_other_researcher(ana: Person, ben: Person, plan: Plan) -> None:
    ana.project("looks", LOOKS_AROUND)
    assert ana.finish("looks", "rsync -a looks/ lab:inbox/looks/")["state"] == "succeeded"
    found = json.loads(ana.outbox("looks", "output/found.json"))
    uid = int(ana.lab.server.run("id -u ana-silva").stdout)
    assert found == {"words": [], "uids": [uid] * len(found["uids"]), "networks": ["lo"], "doors": []}
    assert plan.is_untouched(ben)


# Builds

INDEX = f"""
import sys, time
sys.path.insert(0, "/root/labd/tests")
from support.package_index import PackageIndex
index = PackageIndex("labd:{PASSWORD}")
index.add("alpha", "1.0")
index.add_source("curious", "1.0", fails=True)
print(index.url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def secret_index(installed: InstalledLab) -> Iterator[None]:
    """The lab gets its packages from an index of its own, which wants a password."""
    server = installed.server
    config = server.text("/etc/labd/config.toml")
    server.put("/root/index.py", INDEX)
    server.run("systemd-run -q --unit test-index sh -c 'exec python3 /root/index.py >/root/index.url'")
    url = wait_for("the index", lambda: server.text("/root/index.url").strip(), 10.0)
    host = '[build]\nnetwork = "host"\n'
    try:
        server.run("cat > /etc/labd/config.toml", stdin=config + host)
        # Its build brings the installer, which that index does not have.
        server.run("labd doctor", check=False)
        server.put("/root/none.conf", "")
        server.run(
            "cat > /etc/labd/config.toml", stdin=f'{config}{host}index = "{url}"\npip_conf = "/root/none.conf"\n'
        )
        server.run("labd check-config && systemctl restart labd")
        yield
    finally:
        server.run("cat > /etc/labd/config.toml", stdin=config)
        server.run("systemctl stop test-index; systemctl restart labd; rm /root/index.* /root/none.conf")


def test_a_password_of_the_index_is_nowhere_where_a_researcher_looks(
    installed: InstalledLab, ana: Person, secret_index: None
) -> None:
    logged = len(installed.events())
    ana.project("built", f"import alpha\nprint(alpha.__version__, '{RUN}')\n")
    ana.pc.put("built/code/requirements.txt", "alpha\n")
    ana.project("curious", f"print('{RUN}')\n")
    ana.pc.put("curious/code/requirements.txt", "curious\n")
    assert ana.finish("built", "rsync -a built/ lab:inbox/built/")["state"] == "succeeded"
    assert ana.finish("curious", "rsync -a curious/ lab:inbox/curious/")["state"] == "build-failed"
    # It printed its surroundings, to show that what is looked for below was there to be seen.
    assert "UV_DEFAULT_INDEX" in ana.outbox("curious", "build.log")
    server = installed.server
    assert PASSWORD not in server.run(f"cat $(find {ana.home} -type f)").stdout
    assert PASSWORD not in "\n".join(installed.events(logged))
    [answer] = ask_as(installed, "ana-silva", ['{"verb": "settings"}'])
    assert PASSWORD not in answer
    image = json.loads(ana.outbox("built", "receipt.json"))["environment"]["environment"]
    described = server.run(f"docker history --no-trunc {image}; docker inspect {image}")
    assert PASSWORD not in described.stdout
    assert server.run(f"docker save {image} | grep -c {PASSWORD}", check=False).stdout == "0\n"
    kept = server.run(f"grep -rl {PASSWORD} /var/lib/labd /tmp /run /var/tmp", check=False).stdout
    assert kept == ""


# People with a shell


@pytest.fixture(scope="module")
def guest(installed: InstalledLab) -> Iterator[Person]:
    """Somebody with a shell account."""
    pc = installed.box.pc("guest")
    key = shlex.quote(pc.text(".ssh/id_ed25519.pub").strip())
    welcome = installed.server.run(f"labd adduser guest-shell --shell --comment '' --key {key}").stdout
    configure_ssh(pc, welcome)
    yield Person(installed, "guest-shell", pc, welcome)
    installed.server.run("labd deluser guest-shell --remove-home --yes")


def test_a_shell_opens_no_home_and_nothing_that_labd_keeps(
    installed: InstalledLab, guest: Person, ben: Person, plan: Plan
) -> None:
    server = installed.server
    program = server.run(f"docker inspect --format '{{{{.State.Pid}}}}' labd-{plan.running}").stdout.strip()
    folder = f"/var/lib/labd/jobs/{plan.running}"
    below = server.run(f"find {folder} /var/lib/labd/jobs/{plan.done} ! -type l").stdout.split()
    secret = f"{ben.home}/inbox/comet-plan/input/secret.txt"
    tried = [f"ls {path} || cat {path}" for path in below if path not in (folder, f"/var/lib/labd/jobs/{plan.done}")]
    tried += [
        f"ls {ben.home}",
        f"cat {secret}",
        f"ln {secret} hard",
        f"ln -s {ben.home} soft && ls soft/",
        "ls /var/lib/labd",
        "ls /var/lib/labd/jobs",
        f"ls {folder}",
        "cat /var/lib/labd/labd.db",
        "ls /var/lib/labd/build",
        "cat /etc/labd/config.toml",
        "cat /etc/shadow",
        "ls /var/lib/docker",
        "docker ps",
        f"cat /proc/{program}/environ",
        f"ls /proc/{program}/root/",
        f"ls /proc/{program}/cwd/",
        f"kill {program}",
        f"nsenter --target {program} --net true",
        f"labd status {plan.running}",
        f"labd logs {plan.running}",
        "labd logs comet-plan",
        f"labd cancel {plan.running}",
        f"labd rerun {plan.done}",
        "labd submit comet-plan",
        "labd users",
        "labd disable ben-okoro",
        "labd key add ben-okoro .ssh/authorized_keys",
        "labd adduser another-one --key .ssh/authorized_keys",
        "labd setup",
        "echo 1 >/etc/labd/accounts/guest-shell.toml",
        "echo 1 >>/etc/labd/keys/ben-okoro",
        "systemctl stop labd",
        "journalctl -u labd -n 1 --quiet | grep .",
    ]
    script = "".join(
        f"({command}) >out 2>&1 && {{ echo; echo {shlex.quote(command)}; cat out; }}\n" for command in tried
    )
    said = guest.run("ssh lab sh", stdin=script + "true\n").stdout
    assert said == ""
    for views in ("labd status", "labd jobs", "labd queue"):
        seen = guest.ssh(views).stdout
        assert not [word for word in plan.words if word in seen]
    assert plan.is_untouched(ben)


def test_a_shell_account_has_no_power_over_its_rights(installed: InstalledLab, guest: Person) -> None:
    assert installed.server.run("id -nG guest-shell").stdout.split() == ["guest-shell", "labd-shell"]
    assert guest.ssh("id -nG").stdout.split() == ["guest-shell", "labd-shell"]
    assert guest.ssh("sudo -n true", check=False).returncode != 0
