"""`labd doctor`: what it makes of the facts, with plain values."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from labd.accounts.accounts import Account
from labd.admin.doctor import accounts, builds, disk, docker, leftovers, machine, service, sshd, sshd_settings, subject
from labd.admin.doctor import checks as doctor
from labd.admin.doctor import gateway as doctor_gateway
from labd.admin.doctor.accounts import FileStatus
from labd.admin.doctor.disk import Space
from labd.admin.doctor.machine import Kernel
from labd.admin.doctor.service import Unit
from labd.common.errors import NotAllowedError, UnavailableError
from labd.common.finding import Check, Finding, Level, fail, ok, warn
from labd.common.mounts import Mount, mount_of
from labd.common.mounts import parse as parse_mount
from labd.engines.docker.facts import Facts, parse
from labd.model.account_settings import AccountSettings
from labd.model.config import GIB, Config, Paths, Versions
from labd.model.engine import BuildFailed
from labd.privsep.workers import Identity

ENGINE = Facts(
    id="ABCD",
    version="24.0.7",
    storage="overlay2",
    cgroup_driver="systemd",
    cgroup_version="2",
    live_restore=True,
    root="/var/lib/docker",
    limits={"memory": True, "CPU time": True, "processes": True},
    security=("name=seccomp",),
    runtimes=("runc",),
)
ANA = Account("ana-silva", Identity(5001, 5001), Path("/home/ana-silva"))
WITH_SHELL = replace(ANA, settings=AccountSettings(shell=True))
KEYS = Path("/etc/labd/keys")
GATEWAY = "/opt/labd/current/bin/python -I -X utf8 -m labd.gateway"
EFFECTIVE = """port 22
listenaddress 0.0.0.0:22
clientaliveinterval 15
clientalivecountmax 4
pubkeyauthentication yes
disableforwarding yes
forcecommand /opt/labd/current/bin/python -I -X utf8 -m labd.gateway
trustedusercakeys none
authorizedkeyscommand none
authorizedkeysfile /etc/labd/keys/%u
subsystem sftp /usr/lib/openssh/sftp-server
"""
KEY = "ssh-ed25519 AAAAC3Nz ana@laptop"
FORCED = f'restrict,pty,command="{GATEWAY}" {KEY}'


def levels(findings: Iterator[Finding] | list[Finding]) -> list[str]:
    return [finding.level.value for finding in findings]


# One check never ends the others


def test_whatever_goes_wrong_in_a_check_becomes_its_last_finding() -> None:
    def look() -> Iterator[Finding]:
        yield ok("The first half is well.")
        raise ZeroDivisionError("by accident")

    assert Check("Disk", "the disk", look).findings() == [
        ok("The first half is well."),
        fail("The disk could not be checked (by accident)."),
    ]


def test_an_error_that_a_person_can_mend_keeps_its_words_and_its_hint() -> None:
    def look() -> Iterator[Finding]:
        raise UnavailableError("rsync is not installed.", "Install it: apt-get install rsync")

    assert Check("x", "rsync", look).findings() == [
        fail("rsync is not installed.", "Install it: apt-get install rsync")
    ]


@pytest.mark.parametrize("error", [PermissionError(13, "no"), NotAllowedError("Not for you.")])
def test_what_an_ordinary_user_may_not_see_is_a_warning_that_says_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> Iterator[Finding]:
        raise error

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Check("x", "sshd's settings", look).findings() == [
        warn("Sshd's settings can be checked by root only.", "sudo labd doctor")
    ]


# The report


def test_findings_come_in_the_order_of_the_checks_however_long_each_takes() -> None:
    second = threading.Event()

    def slow() -> list[Finding]:
        assert second.wait(10.0)
        return [ok("slow")]

    def fast() -> list[Finding]:
        second.set()
        return [ok("fast")]

    checks = [Check("A", "a", slow), Check("B", "b", fast)]
    told = [finding.what for _, findings in doctor.examine(checks, doctor.CheckProgress()) for finding in findings]
    assert told == ["slow", "fast"]


def test_progress_gives_what_was_waited_for() -> None:
    future: Future[list[Finding]] = Future()
    future.set_result([ok("done")])
    check = Check("A", "a", list)
    assert doctor.CheckProgress().wait(check, future, [future]) == [ok("done")]


def test_in_a_pipe_each_finding_is_a_line_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    report = doctor.make_report(as_json=False)
    report.tell("Disk", ok("There is room."))
    report.tell("Docker", fail("Docker does not answer.", "systemctl start docker"))
    report.end()
    expected = "ok\tDisk\tThere is room.\nfail\tDocker\tDocker does not answer.\tsystemctl start docker\n"
    assert capsys.readouterr().out == expected
    assert report.levels[Level.FAIL] == 1


def test_as_json_each_finding_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    report = doctor.make_report(as_json=True)
    report.tell("Disk", warn("There is little room.", "docker system prune"))
    report.end()
    assert json.loads(capsys.readouterr().out) == {
        "subject": "Disk",
        "level": "warn",
        "what": "There is little room.",
        "mend": "docker system prune",
    }


def test_a_verdict_tells_only_what_is_wrong_the_worst_first(capsys: pytest.CaptureFixture[str]) -> None:
    report = doctor.make_report(as_json=False, brief=True)
    report.tell("Clock", warn("The clock is not synchronised.", "timedatectl set-ntp true"))
    report.tell("Disk", ok("There is room."))
    report.tell("Docker", fail("Docker does not answer.", "systemctl start docker"))
    report.end()
    assert capsys.readouterr().out.splitlines() == [
        "fail  Docker: Docker does not answer.",
        "        → systemctl start docker",
        "warn  Clock: The clock is not synchronised.",
        "        → timedatectl set-ntp true",
        "1 ok, 1 warning, 1 failed.",
    ]


# Docker


@pytest.mark.parametrize(("version", "level"), [("20.10.24+dfsg1", "ok"), ("28.2.2", "ok"), ("19.03.15", "fail")])
def test_docker_must_be_recent_enough(version: str, level: str) -> None:
    assert docker.judge_version(replace(ENGINE, version=version)).level == level


@pytest.mark.parametrize(("driver", "level"), [("overlay2", "ok"), ("overlayfs", "ok"), ("vfs", "warn")])
def test_docker_should_share_the_layers_of_images(driver: str, level: str) -> None:
    assert docker.judge_storage(replace(ENGINE, storage=driver)).level == level


def test_docker_must_be_able_to_limit_programs_and_keep_their_users() -> None:
    assert docker.judge_limits(ENGINE).level == "ok"
    assert "memory" in docker.judge_limits(replace(ENGINE, limits={"memory": False})).what
    assert docker.judge_users(ENGINE).level == "ok"
    assert docker.judge_users(replace(ENGINE, security=("name=userns",))).level == "fail"


def test_live_restore_off_comes_with_the_line_for_docker_s_file() -> None:
    off = replace(ENGINE, live_restore=False)
    assert docker.judge_live_restore(ENGINE, has_file=True).level == "ok"
    assert docker.judge_live_restore(off, has_file=False).mend == (
        "echo '{\"live-restore\": true}' > /etc/docker/daemon.json && systemctl reload docker"
    )
    assert docker.judge_live_restore(off, has_file=True).mend.startswith('add "live-restore": true')


def test_the_command_that_builds_must_talk_to_the_engine_that_runs() -> None:
    assert docker.judge_command("docker", "ABCD", 0, "WARNING: something\nABCD\n").level == "ok"
    assert docker.judge_command("docker", "ABCD", 0, "EFGH\n").level == "fail"
    assert "Cannot connect" in docker.judge_command("docker", "ABCD", 1, "Cannot connect\n").what
    assert docker.judge_command("docker", "", 1, "").level == "ok"


def test_a_researcher_in_the_group_docker_is_root() -> None:
    found = docker.judge_group({"ana-silva", "admin"}, ["ana-silva", "ben-okoro"])
    assert (found.level, found.mend) == ("fail", "gpasswd -d ana-silva docker")
    assert docker.judge_group({"admin"}, ["ana-silva"]).level == "ok"


def test_docker_s_description_of_itself_is_understood_also_when_parts_are_missing() -> None:
    found = parse({"ServerVersion": "20.10.24", "SecurityOptions": ["name=seccomp,profile=default"], "Runtimes": None})
    assert (found.version, found.security, found.runtimes) == ("20.10.24", ("name=seccomp",), ())


# Disk

EXT4 = Mount(1, "/", "ext4", frozenset({"rw"}), "rw")
ROOM = Space("/", ("labd's state", "Docker"), 500 * GIB, 200 * GIB, 1000, 900)


@pytest.mark.parametrize(
    ("space", "level"),
    [
        (ROOM, "ok"),
        (replace(ROOM, free=9 * GIB), "warn"),
        (replace(ROOM, free=20 * GIB), "warn"),
        (replace(ROOM, size=50_000 * GIB, free=150 * GIB), "ok"),
        (replace(ROOM, free=GIB // 2), "fail"),
        (replace(ROOM, inodes_free=90), "warn"),
        (replace(ROOM, inodes_free=5), "fail"),
        (replace(ROOM, inodes=0, inodes_free=0), "ok"),
    ],
)
def test_room_is_judged_by_bytes_and_by_files(space: Space, level: str) -> None:
    assert disk.judge_space(space).level == level


@pytest.mark.parametrize(
    ("unfit", "no_views", "level"), [("", "", "ok"), ("vfat keeps no owners", "", "fail"), ("", "no overlay", "warn")]
)
def test_the_state_must_be_on_a_disk_that_can_hold_it_and_better_one_that_takes_views(
    unfit: str, no_views: str, level: str
) -> None:
    found = disk.judge_state(Path("/s"), EXT4, unfit, no_views, Path("/c.toml"))
    assert found.level == level
    assert unfit in found.what and no_views in found.what


def test_a_read_only_state_or_home_fails_and_a_home_on_the_network_is_slow() -> None:
    read_only, network = replace(EXT4, options=frozenset({"ro"})), replace(EXT4, kind="nfs4", point="/home")
    assert disk.judge_state(Path("/s"), read_only, "", "", Path("/c.toml")).level == "fail"
    assert levels(disk.judge_homes({Path("/home/a"): read_only, Path("/home/b"): network})) == ["fail", "warn"]
    assert levels(disk.judge_homes({Path("/home/a"): EXT4})) == []


def test_results_are_hard_links_only_within_one_mount_as_the_daemon_sees_it() -> None:
    assert disk.judge_links([], []).level == "ok"
    assert "different mounts" in disk.judge_links(["/home/a"], ["/home/a"]).what
    assert "unit" in disk.judge_links([], ["/home/a"]).what


def test_a_path_is_on_the_deepest_and_latest_mount() -> None:
    root = parse_mount("21 1 254:0 / / rw,relatime - ext4 /dev/vda rw")
    spaced = parse_mount(r"30 21 254:1 / /ho\040me rw,noexec shared:3 master:1 - xfs /dev/vdb rw,attr2")
    over = replace(spaced, number=31, kind="tmpfs")
    assert (spaced.point, spaced.kind, spaced.number) == ("/ho me", "xfs", 30)
    assert "noexec" in spaced.options
    assert mount_of(Path("/ho me/ana"), [root, spaced, over]) == over
    assert mount_of(Path("/ho men"), [root, spaced]) == root


# Transfers and SSH


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("rsync  version 3.5.0  protocol version 32", "ok"),
        ("rsync  version v3.2.7  protocol version 31", "ok"),
        ("rsync  version 3.2.3  protocol version 31", "fail"),
        ("", "fail"),
    ],
)
def test_rsync_must_be_recent_enough(said: str, level: str) -> None:
    assert doctor_gateway.judge_rsync(said).level == level


def test_a_missing_sftp_server_fails_and_a_kernel_without_landlock_is_a_warning() -> None:
    assert doctor_gateway.judge_sftp([]).level == "fail"
    assert levels([doctor_gateway.judge_landlock(-1, True), doctor_gateway.judge_landlock(4, False)]) == ["warn", "ok"]


def test_a_system_without_user_namespaces_is_a_warning_that_names_the_setting() -> None:
    assert doctor_gateway.judge_namespaces(True, {}).level == "ok"
    found = doctor_gateway.judge_namespaces(False, {"kernel.apparmor_restrict_unprivileged_userns": "1"})
    assert found.level == "warn"
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in found.mend
    other = doctor_gateway.judge_namespaces(False, {"kernel.unprivileged_userns_clone": "1"})
    assert "container" in other.mend


def gateway(change: tuple[str, str] = ("", ""), keys: str = FORCED) -> list[str]:
    return list(sshd_settings.judge_gateway(sshd_settings.parse(EFFECTIVE.replace(*change)), keys))


def test_sshd_as_labd_sets_it_up_has_no_fault() -> None:
    settings = sshd_settings.parse(EFFECTIVE)
    assert gateway() == []
    assert list(sshd_settings.judge_keys(settings, ANA, KEYS)) == []
    assert list(sshd_settings.judge_access(settings, "ana-silva", ["labd"])) == []
    assert levels(sshd.combine([("ana-silva", [])])) == ["ok"]


def test_each_way_around_the_gateway_is_found() -> None:
    no_command = (f"forcecommand {GATEWAY}", "forcecommand none")
    assert gateway(no_command) == []  # the keys force it
    assert "gives a shell" in gateway(no_command, keys=f"{FORCED}\n{KEY}\n")[0]
    assert "gives a shell" in gateway(no_command, keys=f'restrict,command="/bin/sh" {KEY}')[0]
    assert "another command" in gateway((GATEWAY, "/bin/other"))[0]
    assert "forward" in gateway(("disableforwarding yes", "disableforwarding no"), keys=KEY)[0]
    ca = ("trustedusercakeys none", "trustedusercakeys /etc/ssh/ca")
    assert gateway(ca) == []
    open_door = sshd_settings.parse(EFFECTIVE.replace(*no_command).replace(*ca))
    assert "beside labd's keys" in next(sshd_settings.judge_gateway(open_door, FORCED))
    assert "subsystem" in gateway(("subsystem sftp", "subsystem other"))[0]
    assert gateway(("port 22", "acceptenv LANG\nacceptenv LC_*")) == []
    assert "LD_PRELOAD" in gateway(("port 22", "acceptenv LANG\nacceptenv LD_*"))[0]
    assert "AcceptEnv" in gateway(("port 22", "acceptenv *"))[0]


def test_keys_come_from_root_s_folder_alone_except_for_accounts_with_a_shell() -> None:
    own = EFFECTIVE.replace("/etc/labd/keys/%u", "/etc/labd/keys/%u .ssh/authorized_keys")
    assert "reads keys from" in next(sshd_settings.judge_keys(sshd_settings.parse(own), ANA, KEYS))
    assert list(sshd_settings.judge_keys(sshd_settings.parse(own), WITH_SHELL, KEYS)) == []
    frozen = EFFECTIVE.replace("clientaliveinterval 15", "clientaliveinterval 0")
    assert "froze" in next(sshd_settings.judge_keys(sshd_settings.parse(frozen), ANA, KEYS))


def test_an_allow_list_that_leaves_a_researcher_out_is_found() -> None:
    settings = sshd_settings.parse("allowgroups staff lab*\nallowusers ben-okoro@10.0.0.0/8\ndenygroups guests\n")
    assert list(sshd_settings.judge_access(settings, "ben-okoro", ["labd"])) == []
    assert len(list(sshd_settings.judge_access(settings, "ana-silva", ["other", "guests"]))) == 3


def test_a_researcher_outside_the_group_that_sshd_goes_by_is_put_into_it() -> None:
    assert list(sshd.judge_members([ANA], {"ana-silva": ["labd"]})) == []
    found = [next(sshd.judge_members([account], {"ana-silva": ["users"]})) for account in (ANA, WITH_SHELL)]
    assert [finding.mend for finding in found] == [
        "usermod -aG labd ana-silva",
        "usermod -aG labd-shell ana-silva",
    ]


def test_researchers_with_the_same_fault_share_a_line() -> None:
    found = list(sshd.combine([(name, ["it is so"]) for name in ("a", "b", "c", "d", "e")]))
    assert [finding.what for finding in found] == ["a, b, c and 2 more: it is so."]


def test_sshd_itself_must_be_valid_running_and_have_labd_s_part() -> None:
    assert "line 3" in sshd.judge_valid(255, "\nsshd_config line 3: Bad option\nterminating").what
    not_started = sshd.judge_valid(255, "Missing privilege separation directory: /run/sshd")
    assert (not_started.level, not_started.mend) == ("fail", "systemctl start ssh")
    assert sshd.judge_valid(0, "").level == "ok"
    assert sshd.judge_running("", "22").level == "fail"
    assert "9.2p1" in sshd.judge_running("SSH-2.0-OpenSSH_9.2p1 Debian-2", "22").what
    ours = [b"one", b"two"]
    assert sshd.judge_drop_in(None, ours, True).level == "fail"
    assert sshd.judge_drop_in(b"two", ours, False).level == "fail"
    assert sshd.judge_drop_in(b"three", ours, True).level == "warn"
    assert sshd.judge_drop_in(b"two", ours, True).level == "ok"


# Rights


def entry(mode: int, uid: int = 0, kind: int = stat.S_IFDIR) -> FileStatus:
    return FileStatus(Path("/etc/labd/x"), kind | mode, uid)


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (entry(0o755), "ok"),
        (entry(0o644, kind=stat.S_IFREG), "ok"),
        (entry(0o775), "fail"),
        (entry(0o646, kind=stat.S_IFREG), "fail"),
        (entry(0o755, uid=5001), "fail"),
        (entry(0o777, kind=stat.S_IFLNK), "ok"),
    ],
)
def test_only_root_may_change_what_labd_goes_by(found: FileStatus, level: str) -> None:
    assert levels(accounts.judge_guarded([found])) == [level]


def test_a_password_that_others_can_read_is_a_warning() -> None:
    assert levels(accounts.judge_secrets([entry(0o644)])) == ["warn"]
    assert levels(accounts.judge_secrets([entry(0o600)])) == ["ok"]
    assert levels(accounts.judge_secrets([])) == ["ok"]


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (None, "warn"),
        (entry(0o711), "ok"),
        (entry(0o755), "warn"),
        (entry(0o700), "fail"),
        (entry(0o733), "fail"),
        (entry(0o711, uid=1), "fail"),
        (entry(0o711, kind=stat.S_IFREG), "fail"),
    ],
)
def test_the_state_is_root_s_and_can_be_passed_through_but_not_listed(found: FileStatus | None, level: str) -> None:
    assert levels(accounts.judge_state(Path("/var/lib/labd"), found)) == [level]


def test_a_researcher_s_folders_are_their_own_and_closed() -> None:
    assert levels(accounts.judge_home(ANA, entry(0o700, uid=5001))) == []
    assert levels(accounts.judge_home(ANA, entry(0o755, uid=5001))) == ["warn"]
    assert levels(accounts.judge_home(ANA, entry(0o700))) == ["fail"]
    assert levels(accounts.judge_home(ANA, None)) == ["fail"]
    inbox = ANA.inbox
    assert levels(accounts.judge_box(ANA, inbox, entry(0o755, uid=5001))) == []
    assert levels(accounts.judge_box(ANA, inbox, entry(0o755))) == ["fail"]
    assert "link" in next(accounts.judge_box(ANA, inbox, entry(0o777, 5001, stat.S_IFLNK))).what
    assert next(accounts.judge_box(ANA, inbox, None)).mend == ("runuser -u ana-silva -- mkdir /home/ana-silva/inbox")


def test_an_account_that_is_wrong_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "nobody.toml").write_text("")
    (tmp_path / "no-such-user.toml").write_text("")
    (tmp_path / "ben-okoro.toml").write_text("shel = true")
    found = subject.find(Config(paths=Paths(accounts=tmp_path)), Path("/c.toml"))
    assert [account.name for account in found.researchers] == ["nobody"]
    assert len(found.wrong_accounts) == 2
    assert any("no-such-user" in error.message for error in found.wrong_accounts)


# The machine


def test_the_clock_should_be_synchronised_by_whatever_keeps_it() -> None:
    assert machine.judge_clock("NTPSynchronized=yes\n", "").level == "ok"
    assert machine.judge_clock("NTPSynchronized=no\n", "Leap status     : Normal\n").level == "ok"
    assert "not synchronised" in machine.judge_clock("NTPSynchronized=no\n", "").what
    assert "cannot be told" in machine.judge_clock("", "").what


@pytest.mark.parametrize(("ahead", "words"), [(30.0, "30 seconds ahead"), (-5.0, "5 seconds behind"), (0.01, "same")])
def test_a_disk_with_another_time_is_told(ahead: float, words: str) -> None:
    assert words in machine.judge_disk_clock(ahead).what


def test_a_machine_without_file_events_is_told_with_what_mends_it() -> None:
    assert machine.judge_file_events("").level == "ok"
    assert "max_user_instances" in machine.judge_file_events("the kernel gives none (inotify limit)").mend
    assert machine.judge_file_events("this release of watchdog does not have it").mend == "make install"


def test_limits_are_measured_by_the_lab_s_size() -> None:
    kernel = Kernel(watches=65536, instances=128, processes=32768, open_files=65536)
    assert levels(machine.judge_limits(kernel, 10, 2048)) == ["ok"]
    assert "max_user_watches" in next(machine.judge_limits(kernel, 500, 2048)).mend
    assert "pid_max" in next(machine.judge_limits(kernel, 10, 64 * 512)).mend
    assert levels(machine.judge_limits(replace(kernel, open_files=256), 10, 2048)) == ["warn"]


# Builds, service, leftovers


def test_a_base_image_that_is_missing_is_told_with_the_command_that_gets_it() -> None:
    offered = Versions("3.11", {"3.9": "python:3.9", "3.11": "python:3.11", "3.13": "python:3.13", "x": "own"})
    found = list(builds.judge_bases("python", offered, {"python:3.11", "own:latest"}))
    assert [(one.level, one.mend) for one in found] == [("warn", "labd images get python 3.9"), ("ok", "")]
    assert "3.9, 3.13" in found[0].what
    assert "3.11, x" in found[1].what
    found = list(builds.judge_bases("python", offered, {"python:3.9", "python:3.13", "own:latest"}))
    assert [(one.level, one.mend) for one in found] == [("warn", "labd images get python 3.11"), ("ok", "")]


def test_a_test_build_that_fails_says_why() -> None:
    log = "error: Failed to fetch: `https://index.invalid/simple/six/`\n  Caused by: error sending request\n"
    found = builds.judge_failure("Python 3.11", BuildFailed(log_tail=log), {})
    assert found.level == "fail"
    assert "index" in found.mend
    assert found.what.endswith("`https://index.invalid/simple/six/`; Caused by: error sending request")
    assert "not ready within" in builds.judge_failure("Python 3.11", BuildFailed(timed_out=True), {}).what


UNIT = Unit(is_there=True, is_ours=True, is_behind=False, enabled="enabled", active="active")


@pytest.mark.parametrize(
    ("unit", "level"),
    [
        (UNIT, "ok"),
        (replace(UNIT, is_there=False), "fail"),
        (replace(UNIT, active="failed"), "fail"),
        (replace(UNIT, enabled="disabled"), "warn"),
        (replace(UNIT, is_ours=False), "warn"),
        (replace(UNIT, is_behind=True), "warn"),
    ],
)
def test_the_service_is_judged_by_what_systemd_says(unit: Unit, level: str) -> None:
    assert service.judge_unit(unit).level == level


def test_a_daemon_older_than_the_installed_version_should_be_restarted() -> None:
    assert service.judge_age(started=100.0, installed=200.0).level == "warn"
    assert service.judge_age(started=300.0, installed=200.0).level == "ok"


def test_the_journal_should_be_there_and_outlive_a_reboot() -> None:
    judge = service.judge_journal
    assert levels(
        [judge(False, False, False, ""), judge(True, True, False, "No journal files"), judge(True, True, True, "")]
    ) == [
        "warn",
        "fail",
        "ok",
    ]
    assert "mkdir" in judge(True, False, True, "").mend


def test_containers_without_a_job_are_told_with_the_command_that_removes_them() -> None:
    there = {"labd-1": 1, "labd-2": 2}
    judge = leftovers.judge_containers
    assert judge(there, {1, 2}).level == "ok"
    assert judge(there, {2}).mend == "docker rm -f -v labd-1"
    assert judge(there, None).level == "warn"
    assert judge({}, None).level == "ok"


def test_only_volumes_of_this_lab_count() -> None:
    def volume(name: str, state: str) -> dict[str, object]:
        return {"Name": name, "Options": {"o": f"lowerdir={state}/jobs/1/s,upperdir={state}/jobs/1/scratch/code/upper"}}

    volumes = [volume("mine", "/var/lib/labd"), volume("other", "/var/lib/labd-2"), {"Name": "x", "Options": None}]
    assert leftovers.volume_names(volumes, Path("/var/lib/labd")) == ["mine"]
    assert leftovers.judge_volumes(["mine"]).mend == "docker volume rm mine"


def test_folders_of_jobs_that_the_daemon_never_heard_of_are_leftovers() -> None:
    judge = leftovers.judge_folders
    assert judge(Path("/s/jobs"), [3, 4, 5], {4, 5}).level == "ok"  # 3 is older than what was asked for
    assert judge(Path("/s/jobs"), [4, 5, 6], {4, 6}).mend == "rm -r /s/jobs/5"
    # After a backup of the database was put in place, nobody is told to remove what came since.
    assert judge(Path("/s/jobs"), [4, 5, 6], {4, 5}).mend == "ls -l /s/jobs/6"
    assert judge(Path("/s/jobs"), [4], set()).mend == "ls -l /s/jobs/4"
    assert judge(Path("/s/jobs"), [4], None).level == "ok"
    assert leftovers.judge_mounts(["/m"]).mend == "umount /m"
    assert leftovers.judge_images(["abc"]).mend == "docker rmi abc"


def test_docker_must_be_able_to_limit_system_calls() -> None:
    assert docker.judge_seccomp(ENGINE).level == "ok"
    assert docker.judge_seccomp(replace(ENGINE, security=("name=apparmor",))).level == "fail"
