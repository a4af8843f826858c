"""The daemon's socket: what anybody on the machine can send to it, and what it costs the others."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeLab, temporary_folder
from labd.common.errors import Exit
from labd.model.requests import REQUESTS
from support.lab import AS_ROOT, Lab, Researcher, children_of, cpu_seconds, wait_for

pytestmark = pytest.mark.xdist_group("socket")  # one lab for all of them

needs_root = pytest.mark.skipif(not AS_ROOT, reason="other accounts need root")

STRANGER = 6999
QUIET = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
# Run by another account: connects as often as told, then says so and waits.
MANY = """
import socket, sys
path, times, keep = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "keep"
kept = []
for _ in range(times):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    if keep:
        kept.append(connection)
    else:
        connection.close()
print("ready", flush=True)
sys.stdin.read()
"""
ASK = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(sys.stdin.buffer.read())
connection.shutdown(socket.SHUT_WR)
sys.stdout.write(connection.makefile().read())
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab with two researchers; in the project `quiet` a program runs and says nothing more."""
    made = Lab(temporary_folder(), ("ana-silva", "ben-okoro"), "[user]\nrunning = 4\n[machine]\ncpus = 4.0\n")
    try:
        made.start()
        made.ana.program("quiet", QUIET)
        made.ana.submit("quiet")
        wait_for("the quiet program", lambda: made.ana.text("quiet", "run.log") == "begun\n")
        yield made
    finally:
        made.close()


def python(uid: int, code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A Python program that runs as `uid`."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    # Not the tests' own Python: it may lie in a folder that others cannot enter.
    command = [*become, "/usr/bin/python3", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ask_as(lab: Lab, uid: int, request: bytes) -> list[dict[str, Any]]:
    """The lines of the answer to `request` from a process of `uid`."""
    with python(uid, ASK, lab.socket) as process:
        said, _ = process.communicate(request, timeout=30)
    return [json.loads(line) for line in said.splitlines()]


@contextlib.contextmanager
def connections(lab: Lab, uid: int, number: int) -> Iterator[None]:
    """So many connections of `uid` that ask nothing."""
    with python(uid, MANY, lab.socket, number, "keep") as process:
        try:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def connect(lab: Lab) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(lab.socket))
    return connection


def answers(lab: Lab, sent: bytes) -> list[dict[str, Any]]:
    """The lines of the answer to the bytes `sent`."""
    with connect(lab) as connection:
        connection.sendall(sent)
        with connection.makefile() as lines:
            return [json.loads(line) for line in lines]


def threads(lab: Lab) -> int:
    assert lab.process
    return len(os.listdir(f"/proc/{lab.process.pid}/task"))


def labd(lab: Lab, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "labd", verb, "--socket", str(lab.socket), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# Who has gone, who is slow, who is too many


def test_who_followed_a_quiet_program_and_has_gone_leaves_nothing_behind(lab: Lab) -> None:
    before = threads(lab)
    followers = [connect(lab) for _ in range(50)]
    for follower in followers:
        follower.sendall(b'{"verb": "logs", "job": "quiet", "follow": true}\n')
        assert json.loads(follower.recv(4096)) == {"text": "begun\n"}
    assert threads(lab) >= 50
    for follower in followers:
        follower.close()
    wait_for("the threads of those who have gone", lambda: threads(lab) <= before, 5.0)


def test_a_follower_who_sends_nothing_more_goes_on_following(lab: Lab) -> None:
    with connect(lab) as follower:
        follower.sendall(b'{"verb": "logs", "job": "quiet", "follow": true}\n')
        follower.shutdown(socket.SHUT_WR)
        assert json.loads(follower.recv(4096)) == {"text": "begun\n"}
        follower.settimeout(1.0)
        with pytest.raises(TimeoutError):
            follower.recv(4096)


def test_a_request_that_never_becomes_whole_is_ended_though_bytes_keep_coming(lab: Lab) -> None:
    began = time.monotonic()
    with connect(lab) as slow, connect(lab) as silent:
        slow.settimeout(1.0)
        answer = b""
        while not answer:
            assert time.monotonic() < began + 20
            slow.sendall(b"[")
            with contextlib.suppress(TimeoutError):
                answer = slow.recv(4096)
        for said in (answer, silent.recv(4096)):
            assert json.loads(said)["error"] == "The request did not arrive within 10 seconds."
    assert time.monotonic() - began < 15


@needs_root
def test_one_account_can_ask_sixteen_things_at_a_time_and_takes_nothing_from_others(lab: Lab) -> None:
    ana, ben = lab.users["ana-silva"].uid, lab.users["ben-okoro"].uid
    with connections(lab, ana, 16):
        [refused] = ask_as(lab, ana, b'{"verb": "status"}\n')
        assert refused["error"].startswith("You have 16 questions open at labd")
        assert refused["exit"] == Exit.UNAVAILABLE
        assert "error" not in ask_as(lab, ben, b'{"verb": "status"}\n')[0]
        assert "error" not in lab.ask("status")[0]
    wait_for("room for ana", lambda: "error" not in ask_as(lab, ana, b'{"verb": "status"}\n')[0], 5.0)


@needs_root
def test_the_command_line_passes_on_why_somebody_was_turned_away(lab: Lab) -> None:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labd.__main__ import main; sys.exit(main())"
    package = lab.folder / "package"
    subprocess.run(["cp", "-r", Path(__file__).parents[2] / "daemon", package], check=True)
    with connections(lab, lab.ana.uid, 16):
        for uid, words in ((STRANGER, "You have no account at this lab."), (lab.ana.uid, "You have 16 questions open")):
            done = Researcher.do(
                _somebody(uid), "/usr/bin/python3", "-c", code, package, "status", "--socket", lab.socket, check=False
            )
            assert words in done.stderr
            assert "Traceback" not in done.stderr


def _somebody(uid: int) -> Researcher:
    made = Researcher("ana-silva", Path("/"))
    made.uid = uid
    return made


@needs_root
def test_twenty_thousand_connections_of_a_stranger_keep_nobody_waiting(lab: Lab) -> None:
    before, slowest, asked = threads(lab), 0.0, 0
    with python(STRANGER, MANY, lab.socket, 20_000, "close") as flood:
        assert flood.stdout
        os.set_blocking(flood.stdout.fileno(), False)
        while not flood.stdout.read():
            began = time.monotonic()
            assert "error" not in lab.ask("status")[0]
            slowest, asked = max(slowest, time.monotonic() - began), asked + 1
            assert threads(lab) <= before + 10
            time.sleep(0.1)
        flood.kill()
    print(f"slowest of {asked} answers: {slowest:.3f} s")
    assert asked > 3
    assert slowest < 2.0


@needs_root
def test_connections_that_a_stranger_keeps_open_are_closed(lab: Lab) -> None:
    assert lab.process
    descriptors = Path(f"/proc/{lab.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    with connections(lab, STRANGER, 1000):
        wait_for("their descriptors", lambda: len(list(descriptors.iterdir())) <= before + 2, 10.0)


@needs_root
def test_without_a_descriptor_left_the_daemon_waits_and_does_not_spin(lab: Lab) -> None:
    assert lab.process
    pid = lab.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    try:
        waiting = [connect(lab) for _ in range(30)]
        wait_for("the log", lambda: "nobody can ask at the moment" in lab.log.read_text(), 10.0)
        used = cpu_seconds(pid)[0]
        time.sleep(2.0)  # to have used the processor all the time, had it tried without end
        assert cpu_seconds(pid)[0] - used < 1.0
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for connection in waiting:
        connection.close()
    assert "error" not in lab.ask("status")[0]


def sockets(lab: Lab) -> int:
    """How many the daemon has open."""
    assert lab.process
    folder, found = f"/proc/{lab.process.pid}/fd", 0
    for descriptor in os.listdir(folder):
        with contextlib.suppress(OSError):
            found += os.readlink(f"{folder}/{descriptor}").startswith("socket:")
    return found


@needs_root
def test_a_submit_of_somebody_who_has_gone_is_not_waited_for(lab: Lab) -> None:
    assert lab.process
    workers = children_of(lab.process.pid)
    before = sockets(lab)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        with python(lab.ana.uid, ASK, lab.socket) as process:
            assert process.stdin
            process.stdin.write(b'{"verb": "submit", "project": "quiet"}\n')
            process.stdin.close()
            wait_for("the request", lambda: sockets(lab) > before, 20.0)
            process.kill()
        # The look that was asked for hangs, and what answers does not wait for it.
        wait_for("the connection to be closed", lambda: sockets(lab) <= before, 20.0)
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)


# What is asked

WRONG: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"status", "not JSON"),
    "an empty line": (b"", "not JSON"),
    "not UTF-8": (b'{"verb": "status", "job": "\xdcbung"}', "not JSON"),
    "deep": (b"[" * 60_000, "not JSON"),
    "deep, as a job": (b'{"verb": "status", "job": ' + b"[" * 500 + b"]" * 500 + b"}", "`job`"),
    "a list": (b"[1]", "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "nothing in it": (b"{}", "`verb`"),
    "a verb that is a list": (b'{"verb": ["status"]}', "`verb`"),
    "a verb that there is not": (b'{"verb": "reboot"}', "`reboot`"),
    "no job": (b'{"verb": "logs"}', "`job`"),
    "a job that is null": (b'{"verb": "cancel", "job": null}', "`job`"),
    "a job that is an object": (b'{"verb": "status", "job": {}}', "`job`"),
    "a job that is a list": (b'{"verb": "rerun", "job": []}', "`job`"),
    "a job that is true": (b'{"verb": "status", "job": true}', "`job`"),
    "a job that is broken": (b'{"verb": "status", "job": 1.5}', "`job`"),
    "a job of no letters": (b'{"verb": "status", "job": ""}', "neither the number of a job"),
    "a job below nothing": (b'{"verb": "status", "job": -1}', "neither the number of a job"),
    "a job beyond SQLite": (b'{"verb": "status", "job": 99999999999999999999}', "There is no job 99999999999999999999"),
    "the same as text": (b'{"verb": "cancel", "job": "99999999999999999999"}', "There is no job 9999999999"),
    "digits of another script": ('{"verb": "status", "job": "４２"}'.encode(), "neither the number of a job"),
    "a job with NUL": (b'{"verb": "status", "job": "a\\u0000b"}', "neither the number of a job"),
    "half a character": (b'{"verb": "status", "job": "\\ud800"}', "neither the number of a job"),
    "a very long job": (b'{"verb": "logs", "job": "' + b"9" * 60_000 + b'"}', "neither the number of a job"),
    "a limit below nothing": (b'{"verb": "jobs", "limit": -1}', "`limit` of the request `jobs` has to be a whole"),
    "a limit without end": (b'{"verb": "jobs", "limit": 1000000000}', "a whole number from 1 to 10,000"),
    "a limit in letters": (b'{"verb": "jobs", "limit": "x"}', "`limit`"),
    "a limit that is no number": (b'{"verb": "jobs", "limit": NaN}', "`limit`"),
    "follow in words": (b'{"verb": "logs", "job": "quiet", "follow": "yes"}', "`follow`"),
    "exact in numbers": (b'{"verb": "rerun", "job": "quiet", "exact": 1}', "`exact`"),
    "the folder above": (b'{"verb": "submit", "project": ".."}', "`..` cannot be the name of a project"),
    "a path": (b'{"verb": "submit", "project": "../../etc"}', "cannot be the name of a project"),
    "the folder above, as a job": (b'{"verb": "rerun", "job": ".."}', "`..` is neither"),
    "a project that is a number": (b'{"verb": "submit", "project": 7}', "`project`"),
    "an event that is a list": (b'{"verb": "note", "event": []}', "`event`"),
    "an event of another kind": (b'{"verb": "note", "event": "fire"}', "`event`"),
    "projects in one word": (b'{"verb": "note", "event": "began", "projects": "abc"}', "`projects`"),
    "projects in projects": (b'{"verb": "note", "event": "began", "projects": [["a"]]}', "`projects`"),
    "a text that is an object": (b'{"verb": "note", "event": "began", "text": {}}', "`text`"),
    "without an end": (b"x" * 65_536, "has fewer than 65536 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_told_what_is_wrong_with_it(lab: Lab, name: str) -> None:
    sent, words = WRONG[name]
    logged = lab.log.read_text()
    [answer] = answers(lab, sent + b"\n")
    assert words in answer["error"]
    assert len(answer["error"]) < 250 and answer["error"].isprintable()
    assert answer["exit"] in (Exit.USAGE, Exit.NOT_FOUND)
    assert "Traceback" not in lab.log.read_text().removeprefix(logged)
    assert "error" not in lab.ask("status")[0]


@pytest.mark.parametrize("verb", sorted(REQUESTS))
def test_every_verb_has_an_answer(lab: Lab, verb: str) -> None:
    arguments: dict[str, Any] = {"job": "no-such", "project": "no-such", "event": "began"}
    arguments = {
        argument.name: arguments[argument.name] for argument in REQUESTS[verb].arguments() if argument.is_needed
    }
    for answer in lab.ask(verb, **arguments):
        assert answer.get("exit", 0) in (0, Exit.NOT_FOUND, Exit.NO_PERMISSION)


def test_of_several_requests_on_one_connection_the_first_is_answered(lab: Lab) -> None:
    assert len(answers(lab, b'{"verb": "status"}\n' * 3)) == 1


def test_a_request_without_a_line_end_is_one_when_nothing_more_comes(lab: Lab) -> None:
    with connect(lab) as connection:
        connection.sendall(b'{"verb": "jobs"}')
        connection.shutdown(socket.SHUT_WR)
        assert json.loads(connection.makefile().readline())["project"] == "quiet"


@needs_root
def test_names_that_are_no_projects_never_become_paths(lab: Lab) -> None:
    before = sorted(os.walk(lab.ana.home))
    for request in (
        {"verb": "submit", "project": ".."},
        {"verb": "submit", "project": "quiet/../.."},
        {"verb": "note", "event": "transfer", "projects": ["..", "../x", ".", "", "a/b", "\0", "\ud800", "x" * 300]},
    ):
        ask_as(lab, lab.ana.uid, json.dumps(request).encode() + b"\n")
    # A look at the inbox that was asked for later is over: so are those that were asked for before.
    ask_as(lab, lab.ana.uid, b'{"verb": "submit", "project": "nothing-there"}\n')
    assert sorted(os.walk(lab.ana.home)) == before
    assert "error" not in lab.ask("status")[0]


def test_a_defect_of_labd_is_told_as_its_own_and_logged_with_its_traceback(lab: Lab) -> None:
    lab.ana.program("broken", "print('done')\n")
    lab.ana.submit("broken")
    number = wait_for("the job", lambda: [job["job"] for job in lab.jobs() if job["project"] == "broken"])[0]
    lab.wait_complete("broken", number)
    log = lab.state / "jobs" / str(number) / "delivery" / "run.log"
    log.unlink()
    log.mkdir()
    logged = lab.log.read_text()
    done = labd(lab, "logs", "broken")
    assert done.returncode == Exit.INTERNAL
    assert done.stderr == "labd: labd met an error of its own.\n      Tell the administrator: journalctl -u labd\n"
    assert "IsADirectoryError" in lab.log.read_text().removeprefix(logged)
    log.rmdir()


@pytest.mark.parametrize("job", ["\udcff", "a\nb", "\x1b[2J", "9" * 100, "-", "../x"])
def test_the_command_line_tells_of_a_strange_name_in_two_lines(lab: Lab, job: str) -> None:
    done = labd(lab, "status", "--", job)
    assert done.returncode == Exit.USAGE
    assert len(done.stderr.splitlines()) == 2
    assert "neither the number of a job nor the name of a project" in done.stderr


# Projects whose name is a number


def test_a_project_can_have_a_number_for_a_name(lab: Lab) -> None:
    lab.ana.program("2024", "print('of 2024')\n")
    lab.ana.submit("2024")
    number = wait_for("the job", lambda: [job["job"] for job in lab.jobs() if job["project"] == "2024"])[0]
    lab.wait_complete("2024", number)
    for name in ("2024", "2024/", "outbox/2024", "inbox/2024/"):
        done = labd(lab, "logs", name)
        assert (done.stdout, done.stderr) == ("of 2024\n", "")
        assert f"{number}, 2024 of ana-silva" in labd(lab, "status", name).stdout
    assert "2024 has ended already" not in labd(lab, "cancel", "2024/").stderr
    assert f"Job {number} has ended already" in labd(lab, "cancel", "2024/").stderr


def test_a_number_that_is_a_job_and_a_project_means_the_job_and_says_so(lab: Lab) -> None:
    first = next(job for job in lab.jobs() if job["job"] == 1)
    lab.ana.program("1", "print('of the project 1')\n")
    lab.ana.submit("1")
    number = wait_for("the job", lambda: [job["job"] for job in lab.jobs() if job["project"] == "1"])[0]
    lab.wait_complete("1", number)
    done = labd(lab, "status", "1")
    assert f"1, {first['project']} of" in done.stdout
    assert "1 is also the name of a project: `1/` means that." in done.stderr
    assert labd(lab, "logs", "1/").stdout == "of the project 1\n"
    assert "`1/` means that" in labd(lab, "logs", "1").stderr


@needs_root
def test_the_number_of_somebody_else_s_job_is_free_for_a_project_of_one_s_own(lab: Lab) -> None:
    [answer] = ask_as(lab, lab.users["ben-okoro"].uid, b'{"verb": "status", "job": "1"}\n')
    assert answer["error"] == "There is no job 1."
    [answer] = ask_as(lab, lab.users["ben-okoro"].uid, b'{"verb": "status", "job": "1/"}\n')
    assert answer["error"] == "There is no project `1` that had a job."


@needs_root
def test_with_a_database_that_takes_nothing_people_still_get_answers(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    with contextlib.closing(sqlite3.connect(lab.state / "labd.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        # That somebody asked is noted at most once a minute, and here cannot be.
        [answer] = ask_as(lab, lab.ana.uid, b'{"verb": "status"}\n')
        database.execute("ROLLBACK")
    assert answer["active"] == []
    assert "it was not noted who asked" in lab.log.read_text()


# Uploads that are no jobs (yet)

HELD = "waiting for an unfinished transfer (input/data.filepart)"


@pytest.fixture(scope="module")
def sent(lab: Lab) -> Lab:
    """The lab, with an upload that is held, one that is refused, and one that is held after a job."""
    lab.ana.write(lab.ana.inbox("held") / "input" / "data.filepart")
    lab.ana.program("held", "print(1)\n")
    lab.ana.write(lab.ana.inbox("wrong") / "data.csv", "1\n")
    lab.run("again", "print('of before')\n")
    lab.ana.write(lab.ana.inbox("again") / "input" / "data.filepart")
    for name, words in (("held", HELD), ("wrong", "not started"), ("again", HELD)):
        wait_for(f"{name} to be told", lambda name=name, words=words: words in lab.ana.text(name))  # type: ignore[misc]
    return lab


def test_an_upload_that_is_held_is_told_with_why_since_when_and_the_ways_out(sent: Lab) -> None:
    facts = dict(line.split("\t") for line in labd(sent, "status", "held").stdout.splitlines())
    assert facts["Project"].startswith("held of ")
    assert facts["State"].startswith(f"not started: {HELD}")
    assert "send it again" in facts["What to do"] and "`labd submit held`" in facts["What to do"]
    since = time.mktime(time.strptime(facts["Since"], "%Y-%m-%d %H:%M:%S"))
    assert abs(since - os.stat(sent.ana.inbox("held") / "input" / "data.filepart").st_ctime) < 60
    told = json.loads(labd(sent, "status", "held", "--json").stdout)
    assert (told["job"], told["state"], told["project"]) == (None, None, "held")
    assert (told["upload"]["state"], told["upload"]["arriving"]) == ("waiting", True)
    assert told["upload"]["folder"] == str(sent.ana.inbox("held"))


def test_an_upload_that_is_refused_is_told_with_its_cause(sent: Lab) -> None:
    told = json.loads(labd(sent, "status", "wrong", "--json").stdout)
    assert told["upload"]["state"] == "refused" and told["job"] is None
    assert told["cause"] and told["cause"] in told["sentence"]
    assert told["hint"] in labd(sent, "status", "wrong").stdout


def test_an_upload_is_told_beside_the_job_before_it(sent: Lab) -> None:
    said = labd(sent, "status", "again").stdout
    assert said.startswith(f"New upload\tnot started: {HELD}")
    assert "State\tsucceeded" in said
    done = labd(sent, "logs", "again")
    assert done.stdout == "of before\n"
    assert f"again has a newer upload, which is no job yet: {HELD}" in done.stderr
    done = labd(sent, "cancel", "again")
    assert "has ended already" in done.stderr and "newer upload" in done.stderr


@pytest.mark.parametrize("verb", ["logs", "cancel", "rerun"])
@pytest.mark.parametrize("name", ["held", "wrong"])
def test_where_a_job_is_needed_the_upload_says_why_there_is_none(sent: Lab, verb: str, name: str) -> None:
    done = labd(sent, verb, name)
    assert (done.returncode, done.stdout) == (Exit.NOT_FOUND, "")
    message, hint = done.stderr.splitlines()
    assert message.startswith(f"labd: {name} has no job yet: ")
    assert ("remove the folder" in hint) is (verb == "cancel")


def test_uploads_are_among_all_that_is_told(sent: Lab) -> None:
    said = [line.split("\t") for line in labd(sent, "status").stdout.splitlines()]
    assert {line[1] for line in said if line[0] == "-"} >= {"held", "wrong", "again"}


@needs_root
def test_a_check_says_first_what_has_not_arrived(sent: Lab) -> None:
    def check(name: str) -> list[str]:
        command = [sys.executable, "-m", "labd", "check", str(sent.ana.inbox(name))]
        environment = {**os.environ, "LABD_SOCKET": str(sent.socket)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return (done.stdout + done.stderr).splitlines()

    first, second, *_ = check("held")
    assert first.startswith(f"held: not all of it has arrived, as far as labd knows: {HELD}")
    assert second.startswith("What is there so far could be run: ")
    assert "not all of it has arrived" not in "".join(check("wrong"))
    assert check("quiet")[0].startswith("quiet: ready.")


@needs_root
def test_others_hear_nothing_of_an_upload(sent: Lab) -> None:
    [answer] = ask_as(sent, sent.users["ben-okoro"].uid, b'{"verb": "status", "job": "held"}\n')
    assert answer["error"] == "There is no project `held` that had a job."
    [answer] = ask_as(sent, sent.users["ben-okoro"].uid, b'{"verb": "overview"}\n')
    assert answer["uploads"] == []


def test_an_upload_that_was_removed_says_so(sent: Lab) -> None:
    sent.ana.write(sent.ana.inbox("gone") / "data.csv", "1\n")
    wait_for("gone to be told", lambda: "not started" in sent.ana.text("gone"))
    sent.ana.do("rm", "-r", sent.ana.inbox("gone"))
    wait_for("it to be missed", lambda: "not in the inbox any more" in labd(sent, "status", "gone").stdout)
    assert "gone" not in labd(sent, "status").stdout
