"""The SSH gateway with real clients: what arrives, what is noted of it, and what does not get out."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.intake.proof import traffic
from labd.intake.transfers import parse
from labd.privsep.session_records import read_sessions
from support.gateway import ADDRESS, DEADLINE, GatewayTestbed, tree
from support.lab import wait_for

NASTY = [
    b"a b",
    b'it\'s "so"',
    b"-rf",
    b"line\nend",
    b"latin\xe9",
    b"caf\xc3\xa9",
    b"*?[x]",
    b"$(id);`id`&|<>",
    b"back\\slash",
    b"~",
    b"#x",
]


@pytest.fixture
def testbed() -> Iterator[GatewayTestbed]:
    made = GatewayTestbed()
    yield made
    made.close()


@pytest.fixture
def project(testbed: GatewayTestbed) -> Path:
    """A folder `galaxies` to send, with names that hurt."""
    folder = testbed.folder / "galaxies"
    (folder / "code").mkdir(parents=True)
    (folder / "input" / "empty").mkdir(parents=True)
    (folder / "code" / "app.py").write_text("print(1)\n")
    (folder / "input" / "data.bin").write_bytes(os.urandom(300_000))
    (folder / "input" / "link").symlink_to("data.bin")
    for number, name in enumerate(NASTY):
        with open(os.path.join(os.fsencode(folder), b"input", name), "wb") as file:
            file.write(b"%d" % number)
    return folder


def big(project: Path) -> None:
    """Make it large enough to be cut."""
    with open(project / "input" / "large.bin", "wb") as file:
        file.truncate(200_000_000)


def size(folder: Path) -> int:
    """Bytes in the files below `folder`, which may vanish meanwhile."""
    found = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                found += os.lstat(os.path.join(path, name)).st_size
    return found


# Sending


@pytest.mark.parametrize(
    "options",
    [
        *(
            "",
            "--protocol=29",
            "--protocol=30",
            "-s",
            "--old-args",
            "--inplace",
            "--delay-updates",
            "--partial",
            "-z -c",
        ),
        *(
            "--partial-dir=.part",
            "--delete --delete-excluded",
            "-s --inplace",
            "-H -v --stats",
            "--fuzzy -y --bwlimit=9000",
        ),
    ],
)
def test_rsync_sends_a_whole_project_and_it_is_known(testbed: GatewayTestbed, project: Path, options: str) -> None:
    done = testbed.rsync("-a", *options.split(), f"{project}/", "lab:inbox/galaxies/project/")
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(testbed.home / "inbox/galaxies/project") == tree(project)
    assert testbed.scopes() == [("galaxies", "")]
    places = testbed.last()["galaxies"].pop("places")
    assert set(places) == {"project/code", "project/input"}
    assert testbed.last()["galaxies"] == {"result": "complete", "why": "", "files": 14, "places": places}
    (note,) = testbed.notes("transfer")
    assert (note["address"], note["projects"]) == (ADDRESS, ["galaxies"])


@pytest.mark.parametrize("target", ["inbox", "inbox/", "~/inbox/", "./inbox", "HOME/inbox/"])
def test_the_inbox_itself_is_a_target(testbed: GatewayTestbed, project: Path, target: str) -> None:
    done = testbed.rsync("-a", project, f"lab:{target.replace('HOME', str(testbed.home))}")
    assert (done.returncode, done.stderr) == (0, "")
    assert testbed.scopes() == [("galaxies", "")]
    assert tree(testbed.home / "inbox/galaxies") == tree(project)


@pytest.mark.parametrize("option", ["-r", "-rs"])
@pytest.mark.parametrize("name", ["a b", "it's", "-dash", "ümlaut"])
def test_a_target_can_have_any_name(testbed: GatewayTestbed, project: Path, option: str, name: str) -> None:
    done = testbed.rsync(option, f"{project}/code", f"lab:inbox/{name}/")
    assert (done.returncode, done.stderr) == (0, "")
    assert (testbed.home / "inbox" / name / "code" / "app.py").exists()
    assert testbed.last()[name]["result"] == "complete"


def test_a_part_of_a_project_is_noted_as_a_part(testbed: GatewayTestbed, project: Path) -> None:
    assert testbed.rsync("-a", f"{project}/input/", "lab:inbox/galaxies/project/input/").returncode == 0
    assert testbed.scopes() == [("galaxies", "input")]


def test_rsync_that_finds_nothing_to_do_says_so(testbed: GatewayTestbed, project: Path) -> None:
    testbed.rsync("-a", f"{project}/", "lab:inbox/galaxies/")
    testbed.rsync("-a", f"{project}/", "lab:inbox/galaxies/")
    assert testbed.last()["galaxies"]["result"] == "unchanged"
    (project / "code" / "app.py").chmod(0o755)
    testbed.rsync("-a", f"{project}/", "lab:inbox/galaxies/")
    assert testbed.last()["galaxies"]["result"] == "unchanged"
    (project / "input" / "data.bin").unlink()
    testbed.rsync("-a", "--delete", f"{project}/", "lab:inbox/galaxies/")
    assert testbed.last()["galaxies"]["result"] == "complete"


def test_a_dry_run_leaves_nothing(testbed: GatewayTestbed, project: Path) -> None:
    assert testbed.rsync("-an", f"{project}/", "lab:inbox/galaxies/project/").returncode == 0
    assert tree(testbed.home) == {b"inbox": None, b"outbox": None}


@pytest.mark.parametrize("options", ["", "-p", "-O", "-O -p"])
def test_scp_sends_a_whole_project(testbed: GatewayTestbed, project: Path, options: str) -> None:
    (project / "input" / "link").unlink()
    # The old protocol is made of lines, and its client changes such a name.
    (project / "input" / "line\nend").unlink()
    for _ in ("fresh", "over what is there"):
        assert testbed.scp("-r", *options.split(), project, "lab:inbox/").returncode == 0
        assert tree(testbed.home / "inbox/galaxies") == tree(project)
        assert testbed.scopes() == [("galaxies", "")]
        # The old protocol has no end that could be seen.
        assert testbed.last()["galaxies"]["result"] == ("clean" if "-O" in options else "complete")


def test_old_scp_makes_the_folder_above(testbed: GatewayTestbed, project: Path) -> None:
    assert testbed.scp("-O", "-r", f"{project}/code", "lab:inbox/galaxies/code").returncode == 0
    assert tree(testbed.home / "inbox") == {
        b"galaxies": None,
        b"galaxies/code": None,
        b"galaxies/code/app.py": b"print(1)\n",
    }


def test_sftp_is_clean_at_best(testbed: GatewayTestbed, project: Path) -> None:
    testbed.sftp(f"put -r {project} inbox/", "rename inbox/galaxies/code/app.py inbox/galaxies/code/main.py")
    assert testbed.last()["galaxies"]["result"] == "clean"
    assert (testbed.home / "inbox/galaxies/code/main.py").read_text() == "print(1)\n"


def test_a_session_that_ends_with_its_connection_is_not_proven(testbed: GatewayTestbed, project: Path) -> None:
    (project / "input" / "link").unlink()
    (project / "input" / "line\nend").unlink()
    testbed.disconnect()
    testbed.sftp(f"put -r {project} inbox/")
    assert testbed.last()["galaxies"]["result"] == "unproven"
    assert testbed.scp("-O", "-r", project, "lab:inbox/").returncode == 0
    assert testbed.last()["galaxies"]["result"] == "unproven"
    assert testbed.scp("-r", project, "lab:inbox/").returncode == 0
    assert testbed.last()["galaxies"]["result"] == "complete"


def test_a_session_notes_of_what_it_sent_the_files_that_another_one_broke(
    testbed: GatewayTestbed, project: Path
) -> None:
    (project / "input" / "link").unlink()
    (project / "input" / "line\nend").unlink()
    folder = testbed.home / ".labd" / "sessions"
    testbed.sftp(f"put -r {project} inbox/")
    assert "closed" not in testbed.last()["galaxies"]
    lines = [{"kind": "sftp", "began": 1.0}, {"project": "galaxies", "scope": ""}]
    end = {"result": "cut", "why": "", "files": 0, "broken": {"input/data.bin": 1.5, "input/other": 0}}
    lines.append({"ended": 2.0, "code": 0, "files": 0, "projects": {"galaxies": end}})
    (folder / "1").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "0").write_text('{"projects": 1}\n{"projects": {"galaxies": {"broken": 3}}}\n"x"\n')
    (folder / "1").chmod(0o644)
    testbed.sftp(f"put {project}/input/data.bin inbox/galaxies/input/data.bin")
    assert [*testbed.last()["galaxies"]["closed"]] == ["input/data.bin"]
    transfers = parse(read_sessions(str(folder)))
    held = traffic("galaxies", transfers, 3.0)
    assert held.missing == ("input/other",)


@pytest.mark.parametrize("place", ["lab:inbox/galaxies/input/", "lab:inbox/galaxies/input/data.bin"])
def test_rsync_of_the_file_that_another_session_broke_repairs_it(
    testbed: GatewayTestbed, project: Path, place: str
) -> None:
    testbed.sftp(f"put {project}/code/app.py inbox/app.py")
    lines = [{"kind": "sftp", "began": 1.0}, {"project": "galaxies", "scope": ""}]
    end = {"result": "cut", "why": "", "files": 0, "broken": {"input/data.bin": 1.5}}
    lines.append({"ended": 2.0, "code": 0, "files": 0, "projects": {"galaxies": end}})
    record = testbed.records / "1"
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    record.chmod(0o644)
    assert traffic("galaxies", parse(read_sessions(str(testbed.records))), 3.0).missing == ("input/data.bin",)
    assert testbed.rsync("-a", project / "input/data.bin", place).returncode == 0
    known = traffic("galaxies", parse(read_sessions(str(testbed.records))), 3.0)
    assert (known.held, known.proof) == ("", "unproven")


def test_a_session_that_only_reads_leaves_no_record(testbed: GatewayTestbed) -> None:
    testbed.give("outbox/galaxies/run.log", "done\n")
    done = testbed.sftp(
        "ls -l inbox", f"get outbox/galaxies/run.log {testbed.folder}/got", "rm outbox/galaxies/run.log"
    )
    assert done.returncode == 0
    assert (testbed.folder / "got").read_text() == "done\n"
    assert not (testbed.home / "outbox/galaxies/run.log").exists()
    assert os.listdir(testbed.records) == []
    assert testbed.notes("transfer") == []


# Fetching


@pytest.mark.parametrize("option", ["-a", "-as", "-a --old-args", "-a --protocol=29"])
def test_rsync_fetches_results(testbed: GatewayTestbed, project: Path, option: str) -> None:
    testbed.rsync("-a", project, "lab:inbox/")
    got = testbed.folder / "got"
    done = testbed.rsync(*option.split(), "lab:inbox/galaxies/", got)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(got) == tree(project)


@pytest.mark.parametrize(
    "fetch", [["rsync", "-r", "-e"], ["rsync", "-rs", "-e"], ["scp", "-qr", "-S"], ["scp", "-qrO", "-S"]]
)
def test_wildcards_stand_for_what_is_there(testbed: GatewayTestbed, fetch: list[str]) -> None:
    for name in ("one", "two", "a b", "[1]"):
        testbed.give(f"outbox/{name}/output/{name}.txt", name)
    got = testbed.folder / "got"
    got.mkdir()
    done = testbed.client(*fetch, str(testbed.stub), "lab:outbox/*/output/*.txt", got)
    assert done.returncode == 0
    assert sorted(os.listdir(got)) == ["[1].txt", "a b.txt", "one.txt", "two.txt"]


def test_a_name_with_a_wildcard_in_it_is_itself(testbed: GatewayTestbed) -> None:
    for name in ("*", "x"):
        testbed.give(f"outbox/{name}/y", name)
    got = testbed.folder / "got"
    assert testbed.rsync("-r", r"lab:outbox/\*/", got).returncode == 0
    assert (got / "y").read_text() == "*"
    assert sorted(os.listdir(got)) == ["y"]


def test_a_pattern_that_matches_nothing_is_said_by_the_program(testbed: GatewayTestbed) -> None:
    done = testbed.rsync("-r", "lab:outbox/*.txt", testbed.folder / "got")
    assert done.returncode == 23
    assert "No such file" in done.stderr


# Cuts


@pytest.mark.parametrize(
    "client",
    [
        ["rsync", "-a", "--bwlimit=20000", "-e"],
        ["rsync", "-a", "--inplace", "--bwlimit=20000", "-e"],
        ["scp", "-q", "-l", "160000", "-r", "-S"],
        ["scp", "-q", "-l", "160000", "-O", "-r", "-S"],
    ],
)
@pytest.mark.parametrize("arrived", [1, 400_000, 5_000_000])
def test_a_client_that_is_killed_is_a_cut(
    testbed: GatewayTestbed, project: Path, client: list[str], arrived: int
) -> None:
    big(project)
    started = testbed.start(*client, testbed.stub, project, "lab:inbox/")
    wait_for("so many bytes to arrive", lambda: size(testbed.home / "inbox") >= arrived, DEADLINE)
    started.kill()
    started.wait()
    wait_for("the end to be noted", testbed.has_ended, DEADLINE)
    # Before its first file is whole, rsync does not say which project it is about.
    for end in testbed.last().values():
        assert end["result"] == "cut"
        assert end["why"]
    assert testbed.sessions()[-1][-1]["code"] != 0 or testbed.last()


def test_a_gateway_that_is_killed_takes_its_program_along_and_the_lock_tells(
    testbed: GatewayTestbed, project: Path
) -> None:
    big(project)
    client = testbed.start("rsync", "-a", "--bwlimit=60000", "-e", str(testbed.stub), str(project), "lab:inbox/")
    wait_for("something to arrive", lambda: (testbed.home / "inbox/galaxies/code").exists(), DEADLINE)
    assert testbed.is_locked()
    (gateway,) = [pid for pid in _processes(testbed) if b"labd.gateway" in _command(pid)]
    os.kill(gateway, signal.SIGKILL)
    wait_for("all to be gone", lambda: not _processes(testbed), DEADLINE)
    client.wait(DEADLINE)
    # A process that is listed no more has a few files to close yet.
    wait_for("the lock to be given back", lambda: not testbed.is_locked(), DEADLINE)
    assert "ended" not in testbed.sessions()[0][-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_gateway_that_is_asked_to_end_writes_the_end_first(
    testbed: GatewayTestbed, project: Path, number: int
) -> None:
    big(project)
    client = testbed.start("rsync", "-a", "--bwlimit=60000", "-e", str(testbed.stub), str(project), "lab:inbox/")
    # Its first note of the project shows that it watches the program; until then, to end it is to kill it.
    wait_for("the project to be noted", lambda: testbed.sessions() and len(testbed.sessions()[-1]) > 1, DEADLINE)
    (gateway,) = [pid for pid in _processes(testbed) if b"labd.gateway" in _command(pid)]
    os.kill(gateway, number)
    client.wait(DEADLINE)
    wait_for("the end to be noted", lambda: not _processes(testbed), DEADLINE)
    assert testbed.last()["galaxies"] == {
        "result": "cut",
        "why": "rsync code 20",
        "files": testbed.last()["galaxies"]["files"],
    }


def _processes(testbed: GatewayTestbed) -> list[int]:
    """Processes of this gateway, known by their environment or their working directory."""
    home = str(testbed.home)
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if f"HOME={home}\0".encode() in environment:
            found.append(pid)
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_the_exit_code_is_the_programs_whatever_becomes_of_the_record(testbed: GatewayTestbed, project: Path) -> None:
    (testbed.home / ".labd").write_text("no folder")
    testbed.socket.unlink()
    done = testbed.rsync("-a", project, "lab:inbox/")
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(testbed.home / "inbox/galaxies") == tree(project)


# What does not get out


def test_a_link_leads_nowhere_outside(testbed: GatewayTestbed) -> None:
    secret = testbed.give("secret/key", "secret")
    os.symlink("/etc", testbed.home / "inbox/etc")
    open_to_all = {Path("/etc/passwd").read_bytes(), Path("/etc/nsswitch.conf").read_bytes()}  # OpenSSH's needs them
    os.symlink(secret.parent, testbed.home / "inbox/out")
    got = testbed.folder / "got"
    got.mkdir()
    for path in ("inbox/etc/hostname", "inbox/out/key", "inbox/*/*", "inbox/etc/", "inbox/out/"):
        testbed.rsync("-rL", f"lab:{path}", got)
        testbed.rsync("-rLs", f"lab:{path}", got)
        testbed.scp("-r", f"lab:{path}", got)
        testbed.scp("-O", "-r", f"lab:{path}", got)
    assert {content for content in tree(got).values() if content} <= open_to_all


def test_nothing_is_written_through_a_link(testbed: GatewayTestbed, project: Path) -> None:
    testbed.give("secret/key", "secret")
    os.symlink(testbed.home / "secret", testbed.home / "inbox/out")
    before = tree(testbed.home / "secret")
    for target in ("inbox/out/", "inbox/out/x/", "inbox/out/x/y/"):
        assert testbed.rsync("-r", f"{project}/", f"lab:{target}").returncode
        assert testbed.rsync("-rK", "--delete", f"{project}/", f"lab:{target}").returncode
        assert testbed.rsync("-rs", "--inplace", f"{project}/", f"lab:{target}").returncode
        assert testbed.scp("-r", project, f"lab:{target}").returncode
        assert testbed.scp("-O", "-r", project, f"lab:{target}").returncode
    assert tree(testbed.home / "secret") == before


@pytest.mark.parametrize(
    "command", ["get /etc/hostname {got}", "get inbox/../secret/key {got}", "get secret/key {got}"]
)
def test_sftp_reads_nothing_outside(testbed: GatewayTestbed, command: str) -> None:
    testbed.give("secret/key", "secret")
    got = testbed.folder / "got"
    testbed.sftp(command.format(got=got))
    assert not got.exists() or got.read_bytes() == b""


@pytest.mark.parametrize(
    "command",
    [
        *("put {app} .ssh/authorized_keys", "mkdir .ssh", "put {app} .labd/sessions/x", "put {app} x", "rm README"),
        *("rmdir outbox", "put {app} outbox/x", "rename README inbox/README", "ln README inbox/README", "rm .labd/x"),
        *(
            "put {app} inbox/out/x",
            "mkdir inbox/out/y",
            "rm inbox/out/key",
            "rename inbox/here there",
            "put {app} /tmp/x",
        ),
    ],
)
def test_sftp_writes_nothing_outside(testbed: GatewayTestbed, project: Path, command: str) -> None:
    testbed.give("secret/key", "secret")
    testbed.give("README", "read me")
    testbed.give("inbox/here", "here")
    testbed.give(".labd/x", "x")
    os.symlink(testbed.home / "secret", testbed.home / "inbox/out")
    before = tree(testbed.home)
    testbed.sftp(command.format(app=project / "code/app.py"))
    after = tree(testbed.home)
    assert {path: content for path, content in after.items() if b"sessions" not in path} == before
    assert not Path("/tmp/x").exists()


@pytest.mark.parametrize(
    "command",
    [
        *("rsync --server --sender -r . /etc/passwd", "rsync --server -r . .ssh/", "rsync --server --daemon ."),
        *("bash", "ls -la", "sh -c id", "rsync --server --log-file=x -r . inbox/", "scp -t .ssh/authorized_keys"),
    ],
)
def test_what_is_not_allowed_is_refused_in_words_and_told(testbed: GatewayTestbed, command: str) -> None:
    done = testbed.ask(command)
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr.startswith("labd: ")
    assert len(done.stderr.splitlines()) == 2
    (note,) = testbed.notes("refused")
    assert note["address"] == ADDRESS
    assert note["text"].startswith(command)


def test_secluded_arguments_are_held_to_the_same_rules(testbed: GatewayTestbed) -> None:
    for words in (
        b"rsync\0.\0/etc/\0\0",
        b"rsync\0--config=x\0.\0inbox/\0\0",
        b"rsync\0--sender\0.\0inbox/../.ssh\0\0",
    ):
        assert testbed.ask("rsync --server -se.LsfxC", stdin=None, input=words.decode()).returncode == 77
    assert testbed.ask("rsync --server -se.LsfxC", stdin=None, input="rsync\0.\0inbox").returncode == 77
    assert tree(testbed.home) == {b"inbox": None, b"outbox": None}


def test_what_is_said_of_rm_removes_that_project_and_no_other(testbed: GatewayTestbed) -> None:
    for name in ("old", "older", "old-2"):
        testbed.give(f"inbox/{name}/code/app.py", "print(1)\n")
    done = testbed.ask("rm -rf inbox/old")
    (command,) = re.findall("`(rsync [^`]+)`", done.stderr)
    empty = testbed.folder / "empty"
    empty.mkdir()
    words = [f"{empty}/" if word == "empty/" else word for word in shlex.split(command)[1:]]
    assert (sent := testbed.rsync(*words)).returncode == 0, sent.stderr
    assert sorted(os.listdir(testbed.home / "inbox")) == ["old-2", "older"]
    assert (testbed.home / "inbox/older/code/app.py").exists()


def test_ssh_copy_id_hears_who_adds_keys(testbed: GatewayTestbed, tmp_path: Path) -> None:
    # The script itself, with a client that passes its commands on to the gateway.
    script = shutil.which("ssh-copy-id")
    if script is None:
        pytest.skip("there is no ssh-copy-id here")
    for name in ("bin", ".ssh"):
        (tmp_path / name).mkdir()
    (tmp_path / ".ssh" / "key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA ana\n")
    (tmp_path / ".ssh" / "key").write_text("the client reads it, and there is none")
    client = tmp_path / "bin" / "ssh"
    client.write_text(f'#!/bin/sh\nfor last; do :; done\nexec {testbed.stub} lab "$last"\n')
    client.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{client.parent}:{os.environ['PATH']}"}
    for options in ((), ("-f",)):
        done = subprocess.run(
            [script, *options, "-i", tmp_path / ".ssh" / "key", "lab"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode != 0
        assert "administrator" in done.stdout + done.stderr


# Questions


def job(number: int, state: str = "running", cause: str = "") -> dict[str, object]:
    sentence = f"{state} for 2 minutes"
    return {
        "job": number,
        "project": "galaxies",
        "user": "ana-silva",
        "state": state,
        "sentence": sentence,
        "cause": cause,
    }


def overview(jobs: int = 2) -> dict[str, object]:
    line = {"state": "queued", "since": time.time(), "cpus": 2.0, "memory": 4 << 30, "gpus": 0, "mine": False}
    return {
        "user": "ana-silva",
        "active": [job(number) for number in range(jobs)],
        "recent": [job(99, "failed", "It needs \x1b[2Jwords" * 9)],
        "uploads": [{"project": "nile", "text": "receiving: 3 files"}],
        "queue": [{**line, "place": place, "job": None, "project": None, "user": None} for place in range(1, jobs)],
        "running": jobs,
        "queued": jobs,
        "machine": {
            "cpus": 8.0,
            "cpus_used": 2.0,
            "memory": 1 << 36,
            "memory_used": 1 << 33,
            "gpus": 1,
            "gpus_used": 0,
            "load": 1.5,
        },
    }


@pytest.mark.parametrize("jobs", [0, 2, 40])
@pytest.mark.parametrize("command", ["", "top"])
def test_the_screen_fits_a_small_terminal(testbed: GatewayTestbed, jobs: int, command: str) -> None:
    testbed.give("inbox/nile/data", "x" * 100_000)
    testbed.answers["overview"] = [overview(jobs)]
    done = testbed.ask(command)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 23
    assert all(len(line) <= 80 for line in lines)
    for part in ("ana-silva", "CPUs 2 of 8", "inbox ", "Your jobs", "nile: receiving", "rsync -a", "help"):
        assert part in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("typed", ["cd inbox\nls\n", 'echo "WinSCP: this is end-of-file:0"\n'])
def test_commands_that_come_on_standard_input_are_told_that_there_is_no_shell(
    testbed: GatewayTestbed, typed: str
) -> None:
    testbed.answers["overview"] = [overview()]
    done = testbed.ask("", stdin=None, input=typed)
    assert "Your jobs" in done.stdout
    assert "not run: there is no shell here" in done.stderr and "SFTP" in done.stderr
    assert testbed.ask("", stdin=None, input="").stderr == ""


def test_help_fits_a_small_terminal_and_calls_the_server_lab(testbed: GatewayTestbed) -> None:
    done = testbed.ask("help")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) <= 23
    assert all(len(line) <= 80 for line in lines)
    assert " lab:inbox/" in done.stdout


def test_questions_reach_the_daemon_and_take_no_socket(testbed: GatewayTestbed) -> None:
    testbed.answers["submit"] = [{"text": "galaxies is job 12.", "job": 12}]
    assert testbed.ask("submit galaxies").stdout == "galaxies is job 12.\n"
    assert testbed.ask("status --json").stdout == "{}\n"
    asked = len(testbed.asked)
    for command in ("status --socket=/x", "logs", "logs ../x", "cancel", "queue x", "check /etc", "jobs -n", "help me"):
        done = testbed.ask(command)
        assert (done.returncode, done.stdout) == (2, "")
    assert len(testbed.asked) == asked


def test_a_daemon_that_is_down_is_said_in_one_sentence(testbed: GatewayTestbed) -> None:
    testbed.socket.unlink()
    for command in ("", "queue", "status", "top", "logs -f galaxies"):
        done = testbed.ask(command)
        assert (done.returncode, done.stdout) == (69, "")
        assert "not running" in done.stderr
        assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_is_live_and_leaves_the_terminal_as_it_was(testbed: GatewayTestbed, key: bytes) -> None:
    testbed.answers["overview"] = [overview()]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [testbed.stub, "lab", "top"], stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=_own_terminal
    )
    os.close(theirs)
    seen = b""

    def count() -> int:
        nonlocal seen
        if select.select([ours], [], [], 0)[0]:
            seen += os.read(ours, 65536)
        return seen.count(b"\x1b[H")

    wait_for("it to be drawn twice", lambda: count() >= 2, DEADLINE)
    os.write(ours, key)
    assert process.wait(DEADLINE) == 0
    count()
    os.close(ours)
    assert seen.startswith(b"\x1b[?1049h\x1b[?25l")
    assert seen.endswith(b"\x1b[?25h\x1b[?1049l")
    assert b"\x1b[2J" not in seen


def _own_terminal() -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_logs_that_are_followed_end_with_the_client(testbed: GatewayTestbed) -> None:
    over = threading.Event()

    def lines() -> Iterator[dict[str, str]]:
        yield {"text": "first\n"}
        over.wait(DEADLINE)

    testbed.answers["logs"] = lines()
    process = subprocess.Popen([testbed.stub, "lab", "logs -f galaxies"], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"first\n"
    process.stdout.close()
    assert process.wait(DEADLINE) == 0
    over.set()
