"""`labd adduser` and its kin on a machine with its own passwd database: real useradd, real keys, real homes."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.common.errors import Exit
from labd.model.account_settings import AccountLimits, PushTarget, account_file
from support.private_machine import Machine, needs_root

pytestmark = needs_root

NAME, HOME, FILE, KEYS = "ana-silva", "/home/ana-silva", "/etc/labd/accounts/ana-silva.toml", "/etc/labd/keys/ana-silva"
DATABASE = "cat /etc/passwd /etc/group; cut -d: -f1-2 /etc/shadow; find /home /etc/labd -printf '%y %m %u %p\\n' | sort"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A researcher's public key."""
    file = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ana@laptop", "-f", str(file)], check=True)
    return file.with_suffix(".pub")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine that is set up."""
    made = Machine()
    try:
        assert made.labd("setup", "--no-images").returncode == 0
        yield made
    finally:
        made.close()


def add(machine: Machine, key: Path, *options: str) -> str:
    done = machine.labd("adduser", NAME, "--key", key, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(machine: Machine, *arguments: str | Path, typed: str = "") -> str:
    before = machine.must("sh", "-c", DATABASE)
    done = machine.labd(*arguments, typed=typed)
    assert done.returncode not in (Exit.OK, Exit.INTERNAL), done.stdout
    assert len(done.stderr.splitlines()) == 2
    assert machine.must("sh", "-c", DATABASE) == before
    return done.stderr


def there(machine: Machine, path: str) -> bool:
    return machine.run("test", "-e", path).returncode == 0


# adduser


def test_an_account_has_all_that_a_researcher_needs_and_no_power(machine: Machine, key: Path) -> None:
    add(machine, key, "--comment", "Ana Silva, Genetics", "--limits", "running=4,memory=32g")
    name, _, uid, gid, comment, home, shell = machine.must("getent", "passwd", NAME).strip().split(":")
    assert (name, comment, home, shell) == (NAME, "Ana Silva, Genetics", HOME, "/bin/sh")
    assert machine.must("id", "-Gn", NAME).split() == [NAME, "labd"]
    assert machine.must("getent", "shadow", NAME).split(":")[1] == "*"
    found = machine.must("find", HOME, "-printf", "%m %U:%G %P\n").splitlines()
    assert sorted(found) == sorted(
        [f"700 {uid}:{gid} ", f"644 {uid}:{gid} README", f"755 {uid}:{gid} inbox", f"755 {uid}:{gid} outbox"]
    )
    assert machine.must("stat", "-c", "%a %U", FILE, KEYS) == "644 root\n644 root\n"


def test_the_account_file_says_what_was_asked_for(machine: Machine, key: Path, tmp_path: Path) -> None:
    add(machine, key, "--comment", "Ana", "--limits", "running=4,timeout=2d", "--push", "ana@[::1]:1:res")
    copy = tmp_path / f"{NAME}.toml"
    copy.write_text(machine.read(FILE))
    account = account_file(copy)
    assert account.comment == "Ana"
    assert account.limits == AccountLimits(running=4, timeout=172800.0)  # type: ignore[arg-type]
    assert account.push == PushTarget("ana", "::1", "res", 1)


def test_a_key_opens_the_gateway_and_nothing_else(machine: Machine, key: Path) -> None:
    add(machine, key)
    assert re.fullmatch(
        rf'restrict,pty,command="\S+/bin/python -I -X utf8 -m labd\.gateway" {re.escape(key.read_text().strip())}\n',
        machine.read(KEYS),
    )


def test_with_a_shell_of_its_own_an_account_has_a_bare_key_and_another_group(machine: Machine, key: Path) -> None:
    add(machine, key, "--shell")
    assert machine.read(KEYS) == key.read_text()
    assert machine.must("id", "-Gn", NAME).split() == [NAME, "labd-shell"]
    assert machine.must("getent", "passwd", NAME).strip().endswith(":/bin/bash")


def test_a_key_can_come_as_text_or_through_a_pipe(machine: Machine, key: Path) -> None:
    assert machine.labd("adduser", NAME, "--key", key.read_text()).returncode == 0
    assert machine.labd("adduser", "ben-okoro", "--key", "-", typed=key.read_text()).returncode == 0
    assert machine.read(KEYS) == machine.read("/etc/labd/keys/ben-okoro")


def test_what_is_printed_is_all_that_a_researcher_needs(machine: Machine, key: Path) -> None:
    machine.must("mkdir", "-p", "/etc/ssh")
    machine.must("ssh-keygen", "-A")
    told = add(machine, key)
    shown = machine.must("ssh-keygen", "-l", "-f", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    for part in ("Host lab\n", f"User {NAME}", shown, "rsync -a project/ lab:inbox/project/", "scp -r project lab:"):
        assert part in told


def test_a_dry_run_makes_nothing(machine: Machine, key: Path) -> None:
    before = machine.must("sh", "-c", DATABASE)
    assert "Nothing was changed" in add(machine, key, "--dry-run", "--push", "ana@pc:22:results", "--comment", "Ana")
    assert machine.must("sh", "-c", DATABASE) == before


@pytest.mark.parametrize(
    "name", ["ana", "Ana-Silva", "ana_silva", "-ana-silva", "root", "a-" + "b" * 31, "ana-silva/x"]
)
def test_a_name_that_cannot_be_is_refused(machine: Machine, key: Path, name: str) -> None:
    refused(machine, "adduser", "--key", key, "--", name)


def test_the_rule_for_names_is_the_administrators(machine: Machine, key: Path) -> None:
    machine.write("/etc/labd/config.toml", '[user]\nname_pattern = "s[0-9]{6}"\n')
    assert "rule" in refused(machine, "adduser", NAME, "--key", key)
    assert machine.labd("adduser", "s123456", "--key", key).returncode == 0


def test_an_account_that_is_there_is_not_made_again(machine: Machine, key: Path) -> None:
    add(machine, key)
    assert f"labd key add {NAME}" in refused(machine, "adduser", NAME, "--key", key)


def test_a_user_of_the_machine_does_not_become_a_researcher(machine: Machine, key: Path) -> None:
    machine.must("useradd", NAME)
    assert "no researcher" in refused(machine, "adduser", NAME, "--key", key)


def test_without_a_key_nothing_is_made(machine: Machine) -> None:
    assert "--make-key" in refused(machine, "adduser", NAME)


def test_a_private_key_makes_no_account(machine: Machine, key: Path) -> None:
    assert "PRIVATE" in refused(machine, "adduser", NAME, "--key", key.with_suffix(""))


def test_before_setup_no_account_is_made(machine: Machine, key: Path) -> None:
    machine.must("groupdel", "labd")
    assert "labd setup" in refused(machine, "adduser", NAME, "--key", key)


@pytest.mark.parametrize("part", ["accounts", "keys"])
def test_a_failure_undoes_everything(machine: Machine, key: Path, part: str) -> None:
    """The folder is on a file system that takes no more files."""
    machine.must("mount", "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", f"/etc/labd/{part}")
    before = machine.must("sh", "-c", DATABASE)
    done = machine.labd("adduser", NAME, "--key", key, "--push", "ana@[::1]:1:results")
    assert done.returncode != Exit.OK
    assert machine.must("sh", "-c", DATABASE) == before


def test_a_home_that_cannot_be_made_leaves_no_account(machine: Machine, key: Path) -> None:
    machine.must("mount", "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", "/home")
    refused(machine, "adduser", NAME, "--key", key)


@pytest.mark.usefixtures("signals_heeded")
def test_ctrl_c_in_the_middle_undoes_everything(machine: Machine, key: Path) -> None:
    before = machine.must("sh", "-c", DATABASE)
    # It goes on only when the test has sent the signal.
    machine.must("mkfifo", "/usr/local/begun", "/usr/local/go")
    useradd = machine.must("which", "useradd").strip()
    machine.write(
        "/usr/local/bin/useradd", f'#!/bin/sh\necho >/usr/local/begun\nread go </usr/local/go\nexec {useradd} "$@"\n'
    )
    machine.must("chmod", "755", "/usr/local/bin/useradd")
    command = machine.enter("env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", *machine.LABD, "adduser", NAME)
    with subprocess.Popen([*command, "--key", str(key)], stdout=subprocess.PIPE, text=True) as process:
        machine.must("cat", "/usr/local/begun")
        process.send_signal(signal.SIGINT)
        machine.must("sh", "-c", "echo >/usr/local/go")
        assert process.wait(60) == Exit.CANCELLED
    assert machine.must("sh", "-c", DATABASE) == before


def test_a_researchers_push_key_is_their_own_and_told(machine: Machine, key: Path) -> None:
    told = add(machine, key, "--push", "ana@[::1]:1:results")
    assert machine.must("stat", "-c", "%a %U", f"{HOME}/.ssh", f"{HOME}/.ssh/labd_push") == f"700 {NAME}\n600 {NAME}\n"
    assert machine.read(f"{HOME}/.ssh/labd_push.pub").strip() in told
    assert "does not answer" in told


# A person at a terminal


def on_a_terminal(machine: Machine, *arguments: str, answers: dict[str, str]) -> str:
    """All that `labd ARGUMENTS` writes; each of `answers` is typed when what it answers was asked."""
    ours, theirs = pty.openpty()
    command = machine.enter(*machine.LABD, *arguments)
    # A session whose terminal this is: ssh-keygen asks at /dev/tty.
    process = subprocess.Popen(["setsid", "--ctty", "--wait", *command], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    killer = threading.Timer(60, process.kill)
    killer.start()
    seen, asked, left = "", "", dict(answers)
    while True:
        try:
            seen += (chunk := os.read(ours, 65536).decode())
            asked += chunk
        except OSError:
            break
        for question in [question for question in left if question in asked]:
            asked = asked.partition(question)[2]
            os.write(ours, left.pop(question).encode() + b"\n")
    killer.cancel()
    os.close(ours)
    assert process.wait(30) == 0, seen
    assert not left
    return seen.replace("\r\n", "\n")


def test_what_is_missing_is_asked_for(machine: Machine, key: Path) -> None:
    answers = {"Name of the account": NAME, "Who is it": "Ana Silva", "Key: ": key.read_text().strip()}
    told = on_a_terminal(machine, "adduser", answers=answers)
    assert f"{NAME} has an account now" in told
    assert machine.read(FILE) == 'comment = "Ana Silva"\n'
    assert key.read_text().strip() in machine.read(KEYS)


def test_a_key_is_made_with_a_passphrase_that_labd_never_sees(machine: Machine) -> None:
    answers = {"Enter passphrase": "correct horse", "Enter same passphrase": "correct horse"}
    told = on_a_terminal(machine, "adduser", NAME, "--make-key", "--comment", "Ana", answers=answers)
    assert "correct horse" not in told
    assert "IdentityFile ~/.ssh/ana-silva-key" in told
    assert machine.must("stat", "-c", "%a", f"/root/{NAME}-key") == "600\n"
    public = machine.must("ssh-keygen", "-y", "-P", "correct horse", "-f", f"/root/{NAME}-key").split()[1]
    assert public in machine.read(KEYS)
    assert machine.run("ssh-keygen", "-y", "-P", "", "-f", f"/root/{NAME}-key").returncode != 0


# key, disable, enable, users


def test_keys_are_added_listed_and_removed(machine: Machine, key: Path) -> None:
    add(machine, key)
    machine.must("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", "second", "-f", "/usr/local/second")
    assert machine.labd("key", "add", NAME, "/usr/local/second.pub", key).returncode == 0
    rows = [line.split("\t") for line in machine.labd("key", "list", NAME).stdout.splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", "ED25519", "ana@laptop"), ("2", "ECDSA", "second")]
    assert machine.read(KEYS).count("labd.gateway") == 2
    assert machine.labd("key", "remove", NAME, rows[0][2]).returncode == 0
    assert "ana@laptop" not in machine.read(KEYS)
    assert "nobody can log in" in machine.labd("key", "remove", NAME, "1").stdout
    assert machine.read(KEYS) == ""
    assert "no key 1" in refused(machine, "key", "remove", NAME, "1")


def test_a_disabled_account_can_be_opened_again_as_it_was(machine: Machine, key: Path) -> None:
    add(machine, key, "--comment", "Ana")
    before = machine.must("sh", "-c", f"cat {FILE} {KEYS}; getent shadow {NAME}")
    assert machine.labd("disable", NAME).returncode == 0
    assert not there(machine, KEYS)
    assert "disabled = true" in machine.read(FILE)
    assert machine.must("getent", "shadow", NAME).strip().split(":")[7] == "1"
    assert machine.labd("users").stdout.strip().endswith("disabled")
    assert machine.labd("key", "list", NAME).stdout.count("ED25519") == 1
    assert machine.labd("enable", NAME).returncode == 0
    assert machine.must("sh", "-c", f"cat {FILE} {KEYS}; getent shadow {NAME}") == before


def test_without_a_daemon_users_are_listed_with_what_is_known(machine: Machine, key: Path) -> None:
    add(machine, key, "--comment", "Ana Silva")
    machine.write("/etc/labd/accounts/ben-okoro.toml", "runing = 3\n")
    rows = [line.split("\t") for line in machine.labd("users").stdout.splitlines()]
    assert rows[0] == [NAME, "Ana Silva", "-", "-", "-", "-", "ready"]
    assert rows[1][0] == "ben-okoro" and "no option `runing`" in rows[1][-1]


@pytest.mark.parametrize("command", ["disable", "enable", "deluser", "key list"])
def test_an_account_that_is_not_there_is_told(machine: Machine, command: str) -> None:
    assert "labd users" in refused(machine, *command.split(), "nobody-here")
    machine.write("/etc/labd/setup.toml", "")
    assert "labd users" in refused(machine, *command.split(), "../setup")


# deluser


def test_nobody_is_removed_unasked(machine: Machine, key: Path) -> None:
    add(machine, key)
    assert "--yes" in refused(machine, "deluser", NAME)


def test_a_removed_account_leaves_its_home_and_can_come_back_to_it(machine: Machine, key: Path) -> None:
    add(machine, key)
    machine.must("setpriv", f"--reuid={NAME}", f"--regid={NAME}", "--clear-groups", "touch", f"{HOME}/inbox/data")
    owner = machine.must("stat", "-c", "%u", f"{HOME}/inbox/data")
    assert machine.labd("deluser", NAME, "--yes").returncode == 0
    assert machine.run("getent", "passwd", NAME).stdout == ""
    assert not there(machine, FILE) and not there(machine, KEYS) and not there(machine, f"{KEYS}.disabled")
    assert machine.labd("adduser", "ben-okoro", "--key", key).returncode == 0
    assert machine.must("id", "-u", "ben-okoro") != owner
    add(machine, key)
    assert machine.must("id", "-u", NAME) == owner
    assert machine.must("stat", "-c", "%U:%G %a", HOME).strip() == f"{NAME}:{NAME} 700"
    assert machine.must("stat", "-c", "%U", f"{HOME}/inbox/data").strip() == NAME


def test_a_home_of_somebody_else_is_not_taken_over(machine: Machine, key: Path) -> None:
    machine.must("useradd", "ben-okoro")
    machine.must("install", "-d", "-o", "ben-okoro", HOME)
    assert "belongs to ben-okoro" in refused(machine, "adduser", NAME, "--key", key)


def test_a_home_that_was_left_opens_to_nobody_who_gets_its_uid(machine: Machine, key: Path) -> None:
    add(machine, key)
    uid = machine.must("id", "-u", NAME).strip()
    assert machine.labd("deluser", NAME, "--yes").returncode == 0
    machine.must("useradd", "--uid", uid, "ben-okoro")
    become = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    assert machine.run(*become, "ls", HOME).returncode != 0
    assert "belongs to ben-okoro" in refused(machine, "adduser", NAME, "--key", key)


def test_a_home_is_archived_and_removed_with_its_owners_rights(machine: Machine, key: Path) -> None:
    add(machine, key)
    machine.write("/etc/secret", "root's")
    machine.must("chmod", "600", "/etc/secret")
    script = f"cd {HOME}; echo data >inbox/data; ln -s /etc/secret inbox/link; ln -s /etc inbox/folder; mkdir -p a/b/c"
    machine.must("setpriv", f"--reuid={NAME}", f"--regid={NAME}", "--clear-groups", "sh", "-c", script)
    done = machine.labd("deluser", NAME, "--yes", "--archive", "/opt/ana.tar.gz", "--remove-home")
    assert done.returncode == 0, done.stderr
    assert not there(machine, HOME)
    assert machine.read("/etc/secret") == "root's"
    listed = machine.must("tar", "--list", "--gzip", "--file", "/opt/ana.tar.gz").splitlines()
    assert f"{NAME}/inbox/data" in listed and f"{NAME}/a/b/c/" in listed
    assert machine.must("stat", "-c", "%a %U", "/opt/ana.tar.gz") == "600 root\n"


def test_an_archive_overwrites_nothing_and_then_nothing_is_removed(machine: Machine, key: Path) -> None:
    add(machine, key)
    machine.write("/opt/ana.tar.gz", "precious")
    done = machine.labd("deluser", NAME, "--yes", "--archive", "/opt/ana.tar.gz", "--remove-home")
    assert done.returncode == Exit.BAD_INPUT
    assert machine.read("/opt/ana.tar.gz") == "precious"
    assert there(machine, f"{HOME}/inbox") and there(machine, FILE)


def test_somebody_whose_programs_run_is_not_removed(machine: Machine, key: Path) -> None:
    add(machine, key)
    command = machine.enter("setpriv", f"--reuid={NAME}", f"--regid={NAME}", "--clear-groups", "sleep", "600")
    with subprocess.Popen(command) as sleeper:
        try:
            done = machine.labd("deluser", NAME, "--yes")
            assert done.returncode == Exit.BAD_INPUT
            assert "sleep" in done.stderr
            assert machine.must("getent", "passwd", NAME)
        finally:
            sleeper.kill()


def test_only_root_makes_accounts(machine: Machine) -> None:
    done = machine.run("setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "labd", "adduser", NAME)
    assert done.returncode == Exit.NO_PERMISSION
