"""From `make install` on a bare server to the results on a researcher's PC, over the network, by the usual clients."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from support.box.installed_lab import CHECKOUT, InstalledLab, Person

pytestmark = pytest.mark.xdist_group("box")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nile"
SLOW = "import time\nopen('/output/part.txt', 'w').write('so far')\nprint('begun', flush=True)\ntime.sleep(600)\n"


# The administrator's part


def test_make_install_says_what_it_puts_where_and_what_comes_next(installed: InstalledLab) -> None:
    said = installed.first.stdout
    for path in ("/etc/labd/config.toml", "/etc/systemd/system/labd.service", "/etc/ssh/sshd_config.d/labd.conf"):
        assert f"make     {path}\n" in said
    assert "labd adduser" in said
    assert "labd doctor" in said
    assert said.splitlines()[-1].endswith(" 0 failed."), said
    assert not re.search(r"(?i)^(error|warning|fail)|traceback", said, re.MULTILINE)


def test_to_install_again_changes_nothing_and_disturbs_nobody(installed: InstalledLab) -> None:
    assert installed.before_second == installed.after_second
    assert installed.after_second["ActiveState"] == "active"
    assert not re.search(r"^(make|update|enable|reload|remove) ", installed.second.stdout, re.MULTILINE)


def test_an_installation_that_cannot_serve_ends_with_what_is_wrong_and_its_remedy(installed: InstalledLab) -> None:
    server, place = installed.server, "/run/elsewhere"
    config = server.text("/etc/labd/config.toml")
    server.run("cat >> /etc/labd/config.toml", stdin=f'[paths]\nstate = "{place}"\n')
    try:
        done = server.run(f"cd {CHECKOUT} && make install 2>&1", check=False)
    finally:
        server.run("cat > /etc/labd/config.toml", stdin=config)
        server.run(f"rm -rf {place}")
    assert done.returncode != 0
    verdict = done.stdout[done.stdout.index("(labd doctor)") :].splitlines()[1:]
    assert any(line.startswith(f"fail  Disk: {place} cannot hold labd's state: it is on tmpfs") for line in verdict)
    assert any("Name a folder on a local disk" in line for line in verdict)
    levels = [line.split()[0] for line in verdict if line.startswith(("fail ", "warn "))]
    assert levels == sorted(levels)
    assert any(line.startswith("labd: labd is installed, but") for line in verdict[-2:])


def test_the_service_has_few_rights(installed: InstalledLab) -> None:
    exposure = re.search(r"Overall exposure level for labd.service: ([\d.]+)", installed.security)
    assert exposure and float(exposure[1]) <= 3.5


def test_doctor_finds_nothing_wrong_on_a_fresh_server(installed: InstalledLab, ana: Person) -> None:
    done = installed.server.run("labd doctor", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_account_has_a_closed_home_and_no_power_over_the_machine(installed: InstalledLab, ana: Person) -> None:
    server = installed.server
    assert server.run("id -nG ana-silva").stdout.split() == ["ana-silva", "labd"]
    assert server.run("getent shadow ana-silva").stdout.split(":")[1] in ("*", "!", "!*")
    assert server.run("stat -c '%a %U:%G' /home/ana-silva").stdout == "700 ana-silva:ana-silva\n"
    assert server.run("ls /home/ana-silva").stdout.split() == ["README", "inbox", "outbox"]
    assert server.run("docker ps", user="ana-silva", check=False).returncode != 0


def test_the_welcome_is_all_that_a_researcher_needs_to_connect(ana: Person) -> None:
    # The fixture has put its lines into .ssh/config and compared the fingerprints.
    assert "ana-silva" in ana.ssh().stdout
    assert "inbox/" in ana.ssh("help").stdout


# The researcher's part


def test_the_three_commands_of_the_welcome_bring_the_results_home(ana: Person) -> None:
    ana.pc.put_folder(EXAMPLE, "project")
    push, pull = re.findall(r"^ +(rsync -a .*?)(?:   .*)?$", ana.welcome, re.MULTILINE)
    told = ana.finish("project", push)
    assert (told["state"], told["trigger"]) == ("succeeded", "known")
    assert "project" in ana.ssh().stdout
    assert "succeeded" in ana.ssh("status project").stdout
    ana.run(pull)
    assert "The flow of the Nile at Aswan changed after 1898." in ana.pc.text("project/output/summary.txt")


def test_the_commands_for_windows_do_the_same(ana: Person) -> None:
    ana.run("rm -rf project")
    ana.pc.put_folder(EXAMPLE, "project")
    # A byte more, so that it is a new job whatever was sent to that name before.
    ana.run("echo >> project/input/nile.csv")
    push, pull = re.findall(r"^ +(scp -r .*)$", ana.welcome, re.MULTILINE)
    assert ana.finish("project", push)["state"] == "succeeded"
    ana.run(pull)
    assert "changed after 1898" in ana.pc.text("project/output/summary.txt")


WAYS = {
    "rsync": ("rsync -a way/ lab:inbox/{name}/", "rsync -a lab:outbox/{name}/output/ got/"),
    "scp": ("scp -rp way lab:inbox/{name}", "scp -r lab:outbox/{name}/output got"),
    "scp-O": ("scp -O -r way lab:inbox/{name}", "scp -O -r lab:outbox/{name}/output got"),
    "sftp": (
        "printf 'cd inbox\\nput -r way {name}\\n' | sftp -b - lab",
        "printf 'get -r outbox/{name}/output got\\n' | sftp -b - lab",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_goes_in_and_what_comes_out_is_the_same_bytes_by_every_client(ana: Person, way: str) -> None:
    content = "".join(f"{number} {way}\n" for number in range(20_000))
    ana.run("rm -rf way got")
    ana.project("way", "import shutil\nshutil.copy('/input/data', '/output/copy')\n", input__data=content)
    push, pull = (command.format(name=f"way-{way}") for command in WAYS[way])
    assert ana.finish(f"way-{way}", push)["state"] == "succeeded"
    ana.run(pull)
    assert ana.pc.text("got/copy") == content
    receipt = json.loads(ana.outbox(f"way-{way}", "receipt.json"))
    hashes = {file["path"]: file["sha256"] for file in receipt["inputs"]}
    assert hashes["input/data"] == hashlib.sha256(content.encode()).hexdigest()


def test_a_program_is_watched_while_it_runs_and_stopped_by_ssh(ana: Person) -> None:
    ana.project("long", SLOW)
    ana.run("rsync -a long/ lab:inbox/long/")
    ana.wait_text("long", "begun", "run.log")
    assert "running for" in ana.ssh("status long").stdout
    assert ana.ssh("logs long").stdout == "begun\n"
    assert "long" in ana.ssh("queue").stdout
    assert "is being stopped" in ana.ssh("cancel long").stdout
    assert ana.wait_complete("long")["state"] == "cancelled"
    ana.run("rsync -a lab:outbox/long/ long-results/")
    assert ana.pc.text("long-results/output/part.txt") == "so far"
    number = re.search(r"job (\d+)", ana.ssh("rerun long").stdout)
    assert number
    ana.wait_text("long", "begun", "run.log")
    ana.ssh(f"cancel {number[1]}")
    ana.wait_complete("long", int(number[1]) - 1)


def test_submit_starts_what_nothing_else_proves_complete(ana: Person) -> None:
    ana.project("told", "print('ran')\n")
    ana.run("rsync -a told/code lab:inbox/told/ && rsync -a --dry-run told/ lab:inbox/told/")
    ana.project("told", "print('ran again')\n")
    ana.run("scp -O told/code/app.py lab:inbox/told/code/")
    ana.ssh("submit told")
    ana.wait_text("told", "ran again", "run.log")


def test_check_says_before_the_start_what_is_wrong(ana: Person) -> None:
    ana.pc.put("wrong/code/App.py", "print(1)\n")
    ana.run("rsync -a wrong/ lab:inbox/wrong/")
    done = ana.ssh("check wrong", check=False)
    assert done.returncode != 0
    assert "app.py" in done.stdout + done.stderr


def test_an_upload_that_its_sender_removes_is_told_of_no_more(ana: Person) -> None:
    ana.pc.put("mistake/code/notes.txt", "no program\n")
    ana.run("rsync -a mistake/ lab:inbox/mistake/")
    ana.wait_text("mistake", "not started")
    assert "mistake: not started" in ana.run("ssh lab").stdout
    commands = "rm inbox/mistake/code/notes.txt\nrmdir inbox/mistake/code\nrmdir inbox/mistake\n"
    ana.run("sftp -b - lab", stdin=commands)
    ana.wait_text("mistake", "mistake: its upload is not in the inbox any more; send it again to run it")
    assert "mistake" not in ana.run("ssh lab").stdout


def test_what_is_not_allowed_is_refused_in_words_and_noted(installed: InstalledLab, ana: Person) -> None:
    logged = len(installed.events())
    for command in ("bash -i", "cat /etc/passwd", "'rsync --server --daemon .'", "'status; id'"):
        done = ana.ssh(command, check=False)
        assert done.returncode != 0
        assert done.stdout == ""
        assert done.stderr.startswith("labd: "), done.stderr
    refused = [line for line in installed.events(logged) if line.startswith("command refused")]
    assert len(refused) == 4
    assert all("user=ana-silva" in line for line in refused)
