"""`labd setup` on a machine with its own /etc: what it puts, what it leaves alone, what it takes away again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.common.errors import Exit
from labd.model.config import bundled
from support.private_machine import Machine, needs_root

pytestmark = needs_root
needs_sshd = pytest.mark.skipif(not shutil.which("sshd"), reason="needs OpenSSH's server")

CONFIG, DROP_IN, MAIN = "/etc/labd/config.toml", "/etc/ssh/sshd_config.d/labd.conf", "/etc/ssh/sshd_config"


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        yield made
    finally:
        made.close()


def set_up(machine: Machine, *options: str) -> list[str]:
    done = machine.labd("setup", "--no-images", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def lines(text: list[str], verb: str) -> list[str]:
    return [line[9:] for line in text if line.startswith(verb)]


def snapshot(machine: Machine) -> list[str]:
    """What is where setup could put something: kind, mode, owner, path, target, and the content's checksum."""
    places = "/etc /home /usr/local/bin /usr/local/share/bash-completion /var/lib/labd"
    found = f"find {places} -printf '%y %m %U:%G %p %l\\n'; find {places} -type f -print0 | xargs -0 cksum"
    return sorted(machine.run("sh", "-c", found).stdout.splitlines())


def test_a_dry_run_names_everything_and_changes_nothing(machine: Machine) -> None:
    before = snapshot(machine)
    told = set_up(machine, "--dry-run")
    assert snapshot(machine) == before
    assert lines(told, "make") == [line for line in lines(set_up(machine), "make") if line]


def test_a_second_run_finds_everything_and_changes_nothing(machine: Machine) -> None:
    first = set_up(machine)
    before = snapshot(machine)
    second = set_up(machine)
    assert lines(first, "make") == lines(second, "found")
    assert not lines(second, "make") and not lines(second, "update")
    assert snapshot(machine) == before


def test_settings_are_closed_and_labds_folder_can_be_passed_through(machine: Machine) -> None:
    set_up(machine)
    shown = machine.must("stat", "-c", "%a %U %n", CONFIG, "/var/lib/labd", "/etc/labd/keys", "/etc/labd/accounts")
    modes = dict(reversed(line.split(" root ")) for line in shown.splitlines())
    assert modes == {CONFIG: "600", "/var/lib/labd": "711", "/etc/labd/keys": "755", "/etc/labd/accounts": "755"}
    assert machine.must("/usr/local/bin/labd", "--version").startswith("labd ")


def test_a_changed_config_stays_and_a_new_default_is_put_beside_it(machine: Machine) -> None:
    set_up(machine)
    machine.write(CONFIG, "[user]\nrunning = 3\n")
    assert f"{CONFIG}, changed by you" in lines(set_up(machine), "found")
    assert machine.run("test", "-e", f"{CONFIG}.new").returncode == 1
    # As if an older labd, with another default, had set up this machine.
    machine.must("sed", "-i", r'/config.toml"/,/}/ s/"wanted": "[^"]*"/"wanted": "older"/', "/var/lib/labd/setup.json")
    told = set_up(machine)
    assert any(f"{CONFIG} was changed by you, and stays." in line for line in lines(told, "note"))
    assert machine.read(CONFIG) == "[user]\nrunning = 3\n"
    assert machine.read(f"{CONFIG}.new") == bundled("config.toml").read_text()


def test_an_unchanged_file_of_an_older_labd_is_updated(machine: Machine) -> None:
    set_up(machine)
    machine.write(CONFIG, "# the default of an older labd\n")
    checksum = machine.must("sha256sum", CONFIG).split()[0]
    edit = rf'/config.toml"/,/}}/ s/"written": "[^"]*"/"written": "{checksum}"/'
    machine.must("sed", "-i", edit, "/var/lib/labd/setup.json")
    assert CONFIG in lines(set_up(machine), "update")
    assert machine.read(CONFIG) == bundled("config.toml").read_text()


def test_a_command_of_another_labd_stays(machine: Machine) -> None:
    machine.must("sh", "-c", "mkdir -p /usr/local/bin; rm -f /usr/local/bin/labd; ln -s /bin/true /usr/local/bin/labd")
    assert any("/usr/local/bin/labd leads to /bin/true" in line for line in lines(set_up(machine), "note"))
    assert machine.must("readlink", "/usr/local/bin/labd") == "/bin/true\n"


def test_a_wrong_config_is_told_and_nothing_more_is_done(machine: Machine) -> None:
    set_up(machine)
    machine.write(CONFIG, "[user]\nruning = 3\n")
    done = machine.labd("setup", "--no-images")
    assert done.returncode == Exit.BAD_CONFIG
    assert "Did you mean `running`?" in done.stderr


def test_removal_takes_away_exactly_what_was_put(machine: Machine) -> None:
    before = snapshot(machine)
    set_up(machine)
    set_up(machine, "--remove")
    # groupadd(8) keeps the lists as they were before the last change.
    copies = ("group-", "gshadow-")
    after = [line for line in snapshot(machine) if not line.rstrip().endswith(copies)]
    assert after == [line for line in before if not line.rstrip().endswith(copies)]
    assert machine.run("getent", "group", "labd", "labd-shell").stdout == ""


def test_removal_leaves_what_was_changed_and_says_so(machine: Machine) -> None:
    set_up(machine)
    machine.write(CONFIG, "[user]\nrunning = 3\n")
    machine.write("/etc/labd/templates/own", "a language of our own")
    told = set_up(machine, "--remove")
    notes = "\n".join(lines(told, "note"))
    assert f"{CONFIG} stays" in notes and "/etc/labd/templates/ stays" in notes
    assert machine.read(CONFIG) == "[user]\nrunning = 3\n"
    assert machine.run("test", "-e", "/etc/labd/skel").returncode == 1
    assert "There is nothing" in "\n".join(set_up(machine, "--remove"))


@needs_sshd
class TestWithSshd:
    """What sshd thinks of it."""

    @pytest.fixture(autouse=True)
    def _main(self, machine: Machine) -> None:
        machine.must("mkdir", "-p", str(Path(DROP_IN).parent))
        machine.write(MAIN, "Include /etc/ssh/sshd_config.d/*.conf\nSubsystem sftp /usr/lib/openssh/sftp-server\n")
        machine.must("ssh-keygen", "-A")
        machine.must("mkdir", "-p", "/run/sshd")

    def effective(self, machine: Machine, user: str) -> dict[str, str]:
        machine.must("sshd", "-t")
        told = machine.must("sshd", "-T", "-C", f"user={user},host=pc,addr=192.0.2.7")
        return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)

    def test_members_of_the_group_get_the_gateway_and_others_get_what_they_had(self, machine: Machine) -> None:
        machine.must("useradd", "ben-okoro")
        before = self.effective(machine, "ben-okoro")
        set_up(machine)
        machine.must("useradd", "--groups", "labd", "ana-silva")
        assert self.effective(machine, "ben-okoro") == before
        settings = self.effective(machine, "ana-silva")
        assert settings["forcecommand"].endswith("-m labd.gateway")
        assert settings["authorizedkeysfile"] == "/etc/labd/keys/%u"
        assert settings["passwordauthentication"] == settings["permituserrc"] == settings["permittunnel"] == "no"
        assert settings["disableforwarding"] == settings["permittty"] == "yes"
        assert (settings["clientaliveinterval"], settings["clientalivecountmax"]) == ("15", "4")

    def test_what_sshd_refuses_is_taken_back(self, machine: Machine) -> None:
        machine.must("sed", "-i", "1i NoSuchWord yes", MAIN)
        done = machine.labd("setup", "--no-images")
        assert done.returncode == Exit.BAD_CONFIG
        assert "NoSuchWord" in done.stderr
        assert machine.run("test", "-e", DROP_IN).returncode == 1

    def test_an_older_state_comes_back_when_the_new_one_is_refused(self, machine: Machine) -> None:
        set_up(machine)
        older = machine.read(DROP_IN).replace("ClientAliveCountMax 4", "ClientAliveCountMax 3")
        machine.write(DROP_IN, older)
        checksum = machine.must("sha256sum", DROP_IN).split()[0]
        edit = rf'/labd.conf"/,/}}/ s/"written": "[^"]*"/"written": "{checksum}"/'
        machine.must("sed", "-i", edit, "/var/lib/labd/setup.json")
        machine.must("sed", "-i", "1i NoSuchWord yes", MAIN)
        assert machine.labd("setup", "--no-images").returncode == Exit.BAD_CONFIG
        assert machine.read(DROP_IN) == older

    def test_sftp_is_defined_where_nobody_else_does_and_nowhere_twice(self, machine: Machine) -> None:
        machine.must("sed", "-i", "/Subsystem/d", MAIN)
        set_up(machine)
        assert self.effective(machine, "root")["subsystem"] == "sftp internal-sftp"
        assert DROP_IN in lines(set_up(machine), "found")
        machine.must("sh", "-c", f"echo Subsystem sftp /usr/lib/openssh/sftp-server >> {MAIN}")
        set_up(machine)
        assert self.effective(machine, "root")["subsystem"] == "sftp /usr/lib/openssh/sftp-server"

    def test_a_main_file_that_reads_no_folder_is_told_with_the_line_to_add(self, machine: Machine) -> None:
        machine.must("sed", "-i", "/Include/d", MAIN)
        assert any(MAIN in line for line in lines(set_up(machine), "note"))
