"""The service over its life: restarted, killed, upgraded and taken away while researchers work."""

from __future__ import annotations

import itertools
import re

import pytest

from support.box.installed_lab import CHECKOUT, InstalledLab, Person
from support.lab import wait_for

pytestmark = pytest.mark.xdist_group("box")

# Says when, ten times a second, for as long as its second argument says.
TICKS = "import time\nfor _ in range({count}):\n    print(time.time(), flush=True)\n    time.sleep(0.1)\n"


def main_pid(installed: InstalledLab) -> str:
    return installed.server.run("systemctl show -p MainPID --value labd").stdout.strip()


def begin(ana: Person, project: str, seconds: int) -> int:
    """Start a program that ticks for `seconds`; its job."""
    ana.project(project, TICKS.format(count=seconds * 10))
    ana.run(f"rsync -a {project}/ lab:inbox/{project}/")
    ana.wait_text(project, ".", "run.log")
    return ana.wait_job(project)


def undisturbed(ana: Person, project: str, job: int, seconds: int) -> None:
    """Check that the program ran once, to its end, and without a pause."""
    assert ana.wait_complete(project, job - 1)["state"] == "succeeded"
    assert [known["job"] for known in ana.jobs(project)] == [job]
    times = [float(line) for line in ana.outbox(project, "run.log").split()]
    assert len(times) == seconds * 10
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 2.0


@pytest.mark.parametrize(
    "how", ["systemctl restart labd", "kill -9 {pid}", "systemctl stop labd; systemctl start labd"]
)
def test_a_program_does_not_notice_what_happens_to_the_service(installed: InstalledLab, ana: Person, how: str) -> None:
    project = "ticks-" + re.sub(r"\W+", "-", how)
    job = begin(ana, project, 4)
    before = main_pid(installed)
    installed.server.run(how.format(pid=before))
    wait_for("another daemon", lambda: main_pid(installed) not in ("0", before))
    undisturbed(ana, project, job, 4)


def test_what_arrives_while_the_service_is_down_becomes_one_job(installed: InstalledLab, ana: Person) -> None:
    ana.project("down", "print('ran')\n")
    installed.server.run("systemctl stop labd")
    try:
        ana.run("rsync -a down/ lab:inbox/down/")
        said = ana.ssh("status", check=False)
        assert said.returncode != 0
        assert len(said.stderr.splitlines()) == 2, said.stderr
    finally:
        installed.server.run("systemctl start labd")
    assert ana.wait_complete("down")["trigger"] == "known"
    installed.server.run("systemctl restart labd")
    assert "ran" in ana.ssh("logs down").stdout
    assert len(ana.jobs("down")) == 1


def test_a_transfer_that_changes_nothing_and_ends_while_the_service_is_down_is_not_told_of_for_ever(
    installed: InstalledLab, ana: Person
) -> None:
    ana.project("same", "print('ran')\n")
    ana.finish("same", "rsync -a same/ lab:inbox/same/")
    status = f"{ana.home}/outbox/same/STATUS"
    installed.server.run(f"systemctl stop labd && echo 'New upload: receiving: 1 file so far' >>{status}")
    try:
        ana.run("rsync -a same/ lab:inbox/same/")
    finally:
        installed.server.run("systemctl start labd")
    wait_for("what is true", lambda: "receiving" not in ana.outbox("same"))
    assert len(ana.jobs("same")) == 1


def test_a_kill_at_the_memory_limit_that_nobody_saw_is_in_the_journal(installed: InstalledLab, ana: Person) -> None:
    source = "import time\nprint('begun', flush=True)\ntime.sleep(3)\nlist(map(bytes, [10**6] * 10**6))\n"
    ana.project("greedy", source)
    ana.pc.put("greedy/job.toml", "[job]\nmemory = '64m'\n")
    ana.run("rsync -a greedy/ lab:inbox/greedy/")
    ana.wait_text("greedy", "begun", "run.log")
    container = f"labd-{ana.wait_job('greedy')}"
    installed.server.run("systemctl stop labd")
    try:
        installed.server.run(f"docker wait {container}")
    finally:
        installed.server.run("systemctl start labd")
    status = ana.wait_complete("greedy")
    assert (status["state"], status["peak_memory"]) == ("out-of-memory", 64 * 1024**2)


def test_an_upgrade_disturbs_neither_programs_nor_transfers(installed: InstalledLab, ana: Person) -> None:
    ana.pc.put("slow/code/app.py", "import os\nprint(os.path.getsize('/input/big'))\n")
    ana.pc.put("slow/input/big", bytes(12_000_000))
    job = begin(ana, "upgraded", 12)
    # Some 20 seconds, which an upgrade does not take.
    ana.run("(rsync -a --bwlimit=600 slow/ lab:inbox/slow/; echo $? >push.code) >push.log 2>&1 &")
    old = installed.server.run("readlink /opt/labd/current").stdout
    installed.server.run(f"echo '# a new release' >> {CHECKOUT}/daemon/labd/common/units.py")
    said = installed.server.run(f"cd {CHECKOUT} && make install 2>&1").stdout
    assert "Switching to the new release" in said
    assert installed.server.run("readlink /opt/labd/current").stdout != old
    daemon = installed.server.run(f"cat /proc/{main_pid(installed)}/cmdline").stdout
    assert installed.server.run("readlink -f /opt/labd/current").stdout.strip() in daemon
    undisturbed(ana, "upgraded", job, 12)
    assert ana.wait_complete("slow")["state"] == "succeeded"
    assert ana.pc.text("push.code") == "0\n", ana.pc.text("push.log")
    assert ana.outbox("slow", "run.log") == "12000000\n"
    assert len(ana.jobs("slow")) == 1


def test_the_journal_has_one_line_for_each_event(installed: InstalledLab, ana: Person) -> None:
    logged = len(installed.events())
    ana.project("logbook", "print('hello')\n")
    ana.finish("logbook", "rsync -a logbook/ lab:inbox/logbook/")
    job = ana.wait_job("logbook")
    wait_for("the last line", lambda: "job succeeded" in "".join(installed.events(logged)))
    lines = installed.events(logged)
    events = [line.partition(" job=")[0].partition(" user=")[0] for line in lines]
    assert events == ["transfer", "upload complete", "program started", "job succeeded"]
    assert "address=10.77." in lines[0]
    assert "project=logbook" in lines[1]
    by_job = installed.server.run(f"journalctl -q -o cat LABD_JOB={job}").stdout.splitlines()
    assert by_job == lines[1:]
    assert lines[0] in installed.server.run("journalctl -q -o cat LABD_USER=ana-silva").stdout


def test_set_up_can_be_taken_back_and_everybodys_work_stays(installed: InstalledLab, ana: Person) -> None:
    kept = "find /home /etc/labd/accounts /etc/labd/keys -type f -printf '%p %s %T@\\n' | sort"
    count = len(installed.jobs())
    before = installed.server.run(kept).stdout
    try:
        said = installed.server.run("/opt/labd/current/bin/labd setup --remove").stdout
        for path in (
            "/etc/systemd/system/labd.service",
            "/etc/ssh/sshd_config.d/labd.conf",
            "/usr/local/bin/labd",
            "/usr/local/share/bash-completion/completions/labd",
        ):
            assert installed.server.run(f"test -e {path}", check=False).returncode == 1, path
            assert f"remove   {path}" in said
        assert installed.server.run("systemctl status labd 2>&1", check=False).returncode == 4  # no such unit
        assert installed.server.run("pgrep -f [l]abd.daemon", check=False).stdout == ""
        assert installed.server.run("sshd -T").stdout.count("/etc/labd") == 0
        assert installed.server.run(kept).stdout == before
        assert ana.ssh("status", check=False).returncode == 255  # there is no way in any more
    finally:
        installed.server.run(f"cd {CHECKOUT} && make install 2>&1")
    assert len(installed.jobs()) == count
    assert ana.ssh("status logbook").stdout
