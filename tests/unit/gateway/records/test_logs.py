"""What the logs of rsync, scp and sftp mean. The lines are those of real sessions (rsync 3.5, OpenSSH 9.2)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labd.gateway.records.log import End, decoded
from labd.gateway.records.rsync_log import RsyncLog
from labd.gateway.records.scp_log import ScpLog
from labd.gateway.records.sftp_log import SftpLog
from labd.intake.transfers import TransferResult

HOME = "/home/ana-silva"

SCP = """\
session opened for local user ana-silva from [192.0.2.7]
received client version 3
stat name "inbox/"
realpath "inbox/galaxies"
mkdir name "/home/ana-silva/inbox/galaxies" mode 0755
mkdir name "/home/ana-silva/inbox/galaxies/code" mode 0755
open "/home/ana-silva/inbox/galaxies/code/app.py" flags WRITE,CREATE mode 0644
set "/home/ana-silva/inbox/galaxies/code/app.py" size 9
close "/home/ana-silva/inbox/galaxies/code/app.py" bytes read 0 written 9
set "/home/ana-silva/inbox/galaxies/code" mode 0755
mkdir name "/home/ana-silva/inbox/galaxies/input" mode 0755
open "/home/ana-silva/inbox/galaxies/input/a b"q'\\303\\251.txt" flags WRITE,CREATE mode 0600
set "/home/ana-silva/inbox/galaxies/input/a b"q'\\303\\251.txt" size 300000
close "/home/ana-silva/inbox/galaxies/input/a b"q'\\303\\251.txt" bytes read 0 written 300000
set "/home/ana-silva/inbox/galaxies/input" mode 0755
set "/home/ana-silva/inbox/galaxies" mode 0755
session closed for local user ana-silva from [192.0.2.7]""".splitlines()


ARRIVED = "scp: debug1: fd 0 clearing O_NONBLOCK"


def nowhere(path: str) -> None:
    return None


def file(size: int, blocks: int = 8, written: float = 1.0) -> os.stat_result:
    values = {"st_size": size, "st_blocks": blocks, "st_mtime": written}
    return cast("os.stat_result", SimpleNamespace(**values))


def ended(code: int = 0, *, is_orderly: bool = True) -> End:
    return End(code, is_orderly, nowhere)


def read(log: Any, lines: Iterable[str]) -> Any:
    for line in lines:
        log.read(line)
    return log


def sftp(lines: Iterable[str], code: int = 0) -> dict[str, Any]:
    return read(SftpLog([HOME]), lines).results(ended(code))


def rsync(lines: Iterable[str], code: int = 0, destination: str = "") -> dict[str, Any]:
    stamped = [f"2026/11/23 22:11:12 [18928] {line}" for line in lines]
    return read(RsyncLog(destination), stamped).results(ended(code))


def test_a_whole_scp_is_complete() -> None:
    assert sftp(SCP) == {"galaxies": {"result": "complete", "why": "", "files": 2, "places": ["code", "input"]}}


@pytest.mark.parametrize("lines", range(4, len(SCP) - 2))
def test_scp_cut_after_any_line_is_not_complete(lines: int) -> None:
    for end in ([], ["read: Connection reset by peer"], [SCP[-1]]):
        assert all(ended["result"] != "complete" for ended in sftp([*SCP[:lines], *end]).values())


def over_a_tree(lines: Iterable[str]) -> list[str]:
    """The lines of an scp for which all folders are there."""
    found = []
    for line in lines:
        found.append(line)
        if line.startswith("mkdir"):
            found += ["sent status Failure", line.replace("mkdir", "stat").partition(" mode")[0]]
    return found


def test_scp_over_a_tree_that_is_there_is_complete_too() -> None:
    assert sftp(over_a_tree(SCP))["galaxies"]["result"] == "complete"


@pytest.mark.parametrize("lines", range(10, len(SCP) - 2))
def test_scp_cut_between_two_files_is_a_cut_by_the_folders_that_it_left_open(lines: int) -> None:
    assert sftp(SCP[:lines])["galaxies"]["result"] == "cut"
    assert sftp(over_a_tree(SCP[:lines]))["galaxies"]["result"] == "cut"


def test_scp_that_leaves_folders_alone_that_are_there_is_clean() -> None:
    lines = [line for line in SCP if not (line.startswith("set") and "mode" in line)]
    assert sftp(over_a_tree(lines))["galaxies"]["result"] == "clean"
    # All but one that is new.
    folder = 'set "/home/ana-silva/inbox/galaxies/input" mode 0755'
    assert sftp([*over_a_tree(lines[:-6]), *lines[-6:-1], folder])["galaxies"]["result"] == "clean"
    assert sftp([*over_a_tree(lines[:-6]), *lines[-6:-1]])["galaxies"]["result"] == "cut"


def test_scp_into_the_project_folder_of_a_project_is_about_all_of_it() -> None:
    log = read(SftpLog([HOME]), [line.replace("inbox/galaxies", "inbox/galaxies/project") for line in SCP])
    assert log.news == [("galaxies", "")]
    assert log.results(ended(0))["galaxies"]["result"] == "complete"


def test_scp_of_a_part_proves_nothing_about_the_whole() -> None:
    log = read(SftpLog([HOME]), SCP[:3] + SCP[5:10] + SCP[-1:])
    assert log.news == [("galaxies", "code")]
    assert log.results(ended(0))["galaxies"]["result"] == "clean"


def test_a_folder_that_could_not_be_made_is_a_cut() -> None:
    stat = 'stat name "/home/ana-silva/inbox/galaxies/input"'
    lines = [*SCP[:11], "sent status Failure", stat, "sent status No such file", SCP[-2]]
    found = sftp(lines)["galaxies"]
    assert (found["result"], found["why"], found["files"]) == ("cut", "could not make input", 1)


def test_a_forced_close_is_a_cut() -> None:
    lines = [
        *SCP[:12],
        'forced close "/home/ana-silva/inbox/galaxies/input/a b"q\'\\303\\251.txt" bytes read 0 written 7',
    ]
    assert sftp(lines)["galaxies"]["why"] == "the connection broke in input/a b\"q'é.txt"


def test_less_than_was_announced_is_a_cut() -> None:
    lines = [line.replace("written 300000", "written 299999") for line in SCP]
    assert sftp(lines)["galaxies"]["result"] == "cut"


def test_a_client_that_goes_on_in_a_file_writes_less_than_its_size(tmp_path: Path) -> None:
    name = "/home/ana-silva/inbox/galaxies/input/big"
    lines = [f'open "{name}" flags WRITE,CREATE mode 0666', f'set "{name}" size 300000']
    lines.append(f'close "{name}" bytes read 0 written 200000')
    (tmp_path / "whole").write_bytes(b"x" * 300_000)
    with open(tmp_path / "hole", "wb") as hole:
        hole.write(b"x" * 50_000)
        hole.truncate(300_000)
    for there, result in (("whole", "clean"), ("hole", "cut"), ("missing", "cut")):
        log = read(SftpLog([HOME]), lines)
        known = {"galaxies/input/big": os.stat(tmp_path / there)} if there != "missing" else {}
        assert log.results(End(0, True, known.get))["galaxies"]["result"] == result
        assert [*log.whole["galaxies"]] == (["input/big"] if result == "clean" else [])


def test_a_full_disk_is_a_cut_that_says_so() -> None:
    failed = 'process_write: write "/home/ana-silva/inbox/galaxies/inp": No space left on device'
    lines = [*SCP[:12], failed, "sent status Failure", *SCP[12:]]
    assert sftp(lines)["galaxies"]["why"].startswith("the disk is full at input/a b")
    # The first block is written in part, of which the server says no more than that it failed.
    assert sftp([*SCP[:12], "sent status Failure", *lines[12:]]) == sftp(lines)


def test_a_file_that_could_not_be_opened_is_a_cut_until_it_is_sent_again() -> None:
    lines = [*SCP[:7], "sent status Permission denied", *SCP[9:]]
    assert sftp(lines)["galaxies"]["result"] == "cut"
    assert sftp([*lines[:-1], *SCP[6:9], *SCP[-2:]])["galaxies"]["result"] != "cut"


def test_other_clients_are_clean_and_never_complete() -> None:
    truncating = [line.replace("WRITE,CREATE", "WRITE,CREATE,TRUNCATE") for line in SCP if '" size ' not in line]
    assert sftp(truncating)["galaxies"]["result"] == "clean"


def test_a_file_under_a_temporary_name_counts_for_its_project() -> None:
    lines = [
        'open "/home/ana-silva/inbox/galaxies/input/a.csv.filepart" flags WRITE,CREATE,TRUNCATE mode 0644',
        'close "/home/ana-silva/inbox/galaxies/input/a.csv.filepart" bytes read 0 written 5',
        'rename old "/home/ana-silva/inbox/galaxies/input/a.csv.filepart" new "inbox/galaxies/input/a.csv"',
        'open "/home/ana-silva/inbox/galaxies/code/app.py" flags WRITE,CREATE,TRUNCATE mode 0644',
        'close "/home/ana-silva/inbox/galaxies/code/app.py" bytes read 0 written 5',
    ]
    log = read(SftpLog([HOME]), lines)
    assert log.news == [("galaxies", "input"), ("galaxies", "")]
    assert log.results(ended(0)) == {
        "galaxies": {"result": "clean", "why": "", "files": 2, "places": ["input", "code"]}
    }


def test_reading_and_touching_leaves_no_trace() -> None:
    lines = [
        'open "/home/ana-silva/outbox/galaxies/run.log" flags READ mode 0666',
        'close "/home/ana-silva/outbox/galaxies/run.log" bytes read 9 written 0',
        'opendir "/home/ana-silva/inbox"',
        'set "/home/ana-silva/inbox/galaxies" mode 0755',
        'remove name "/home/ana-silva/outbox/galaxies/run.log"',
        'open "/etc/passwd" flags WRITE mode 0666',
        "sent status Permission denied",
    ]
    log = read(SftpLog([HOME]), lines)
    assert (log.news, log.results(ended(0))) == ([], {})


@given(
    st.lists(
        st.sampled_from(SCP) | st.text('"\\ 0afoprs', max_size=30) | st.sampled_from(SCP).map(lambda line: line[:40])
    )
)
@settings(derandomize=True, deadline=None, database=None)
def test_no_line_breaks_a_reader(lines: list[str]) -> None:
    for log in (SftpLog([HOME]), ScpLog(""), RsyncLog("")):
        ends = read(log, lines).results(ended(0)).values()
        assert {end["result"] for end in ends} <= {known.value for known in TransferResult}


def test_rsync_that_changed_something_and_ended_well_is_complete() -> None:
    lines = [
        "receiving file list",
        "cd+++++++++ galaxies/",
        ">f+++++++++ galaxies/code/app.py",
        "hf+++++++++ galaxies/b",
    ]
    assert rsync(lines) == {"galaxies": {"result": "complete", "why": "", "files": 2, "places": ["code", "b"]}}


@pytest.mark.parametrize(
    "line", [".d..t...... input/", ".f...p..... input/data.bin", "sent 26 bytes  received 258 bytes"]
)
def test_rsync_that_changed_attributes_only_changed_nothing(line: str) -> None:
    assert rsync([line], destination="galaxies/project/")["galaxies"]["result"] == "unchanged"


def test_a_deleted_file_is_a_change() -> None:
    assert rsync(["*deleting   input/nl\\#012name"], destination="galaxies")["galaxies"]["result"] == "complete"


def test_rsync_with_any_other_code_is_a_cut() -> None:
    lines = [">f+++++++++ galaxies/code/app.py"]
    assert rsync(lines, 20)["galaxies"] == {"result": "cut", "why": "rsync code 20", "files": 1}
    full = 'rsync: [receiver] write failed on "/home/ana-silva/inbox/galaxies/b": No space left on device (28)'
    assert rsync([*lines, full], 11)["galaxies"]["why"] == "rsync code 11, the disk is full"


@pytest.mark.parametrize(
    ("destination", "size", "name", "path"),
    [
        ("galaxies/input/", -1, "big", "input/big"),
        ("galaxies/input", -1, "more/\\#303\\#244", "input/more/ä"),
        ("galaxies/input", -1, "a\\\\b\\303\\#303\\#244", "input/a\\\\b\\303ä"),
        ("galaxies/input/big", 9, "big", "input/big"),
        ("", -1, "galaxies/input/big", "input/big"),
        ("galaxies/project", -1, "input/big", "input/big"),
    ],
)
def test_rsync_names_what_arrived_when_it_ended_well(destination: str, size: int, name: str, path: str) -> None:
    def stat(asked: str) -> os.stat_result | None:
        return file(size) if size >= 0 and asked == destination else None

    for code in (0, 20):
        log = RsyncLog(destination)
        log.take(f"2026/11/23 22:11:12 [18928] >f+++++++++ {name}\n".encode())
        log.results(End(code, True, stat))
        assert [*log.whole.get("galaxies", {})] == ([] if code else [path])


def test_projects_are_known_from_the_destination_or_from_the_log() -> None:
    assert RsyncLog("galaxies/project/input/").news == [("galaxies", "input")]
    assert RsyncLog("galaxies/code").news == [("galaxies", "code")]
    assert read(RsyncLog(""), ["2026/11/23 22:11:12 [1] cd+++++++++ my\\#040lab/"]).news == [("my lab", "")]


def test_an_old_scp_is_clean_at_best() -> None:
    lines = ["Sink: D0755 0 galaxies", "Sink: D0755 0 code", "Sink: C0644 9 app.py", ARRIVED, "Sink: E", "Sink: E"]
    whole = {"result": "clean", "why": "", "files": 1, "places": ["code"]}
    assert read(ScpLog(""), lines).results(ended(0)) == {"galaxies": whole}
    assert read(ScpLog(""), lines).results(ended(0, is_orderly=False))["galaxies"]["result"] == "unproven"
    assert read(ScpLog(""), lines[:-1]).results(ended(0))["galaxies"]["result"] == "cut"
    assert read(ScpLog("galaxies/"), lines[1:5]).results(ended(1))["galaxies"]["why"] == "scp code 1"


def test_an_old_scp_that_is_cut_in_a_file_names_it() -> None:
    lines = ["Sink: D0755 0 galaxies", "Sink: D0755 0 input", "Sink: C0644 4 a", ARRIVED, "Sink: C0644 9 big"]
    log = read(ScpLog(""), lines)
    found = log.results(ended(1))["galaxies"]
    assert (found["result"], found["why"]) == ("cut", "the connection broke in input/big")
    assert (found["broken"], found["half"], [*log.whole["galaxies"]]) == ({"input/big": 0.0}, True, ["input/a"])


def test_a_client_that_does_not_wait_for_the_answer_of_an_old_scp_has_sent_its_file() -> None:
    lines = ["Sink: C0644 9 app.py", ARRIVED]
    for size, result in ((9, "clean"), (5, "cut")):
        end = End(1, True, {"galaxies/code/app.py": file(size)}.get)
        assert read(ScpLog("galaxies/code/app.py"), lines).results(end)["galaxies"]["result"] == result


@pytest.mark.parametrize(("text", "name"), [(r"\303\251", "é"), (r"a\\b", "a\\b"), (r"\351", "\udce9"), (r"\9", r"\9")])
def test_escaped_names_are_decoded(text: str, name: str) -> None:
    assert decoded(text) == name


def test_many_files_beside_many_folders_are_read_in_time() -> None:
    root = f"{HOME}/inbox/galaxies"
    lines = [f'mkdir name "{root}" mode 0755']
    for number in range(100_000):
        lines += [
            f'open "{root}/{number}" flags WRITE,CREATE mode 0644',
            f'close "{root}/{number}" bytes read 0 written 0',
        ]
    for number in range(20_000):
        lines += [f'mkdir name "{root}/d{number}" mode 0755', f'set "{root}/d{number}" mode 0755']
    began = time.process_time()
    read(SftpLog([HOME]), lines)
    assert time.process_time() - began < 20.0


def test_many_files_that_a_full_disk_does_not_take_are_read_in_time() -> None:
    lines = []
    for number in range(20_000):
        name = f"{HOME}/inbox/galaxies/{number}"
        lines += [
            f'open "{name}" flags WRITE,CREATE mode 0644',
            f'process_write: write "{name}": No space left on device',
            f'close "{name}" bytes read 0 written 0',
        ]
    began = time.process_time()
    log = read(SftpLog([HOME]), lines)
    assert time.process_time() - began < 20.0
    assert log.results(ended(0))["galaxies"]["result"] == "cut"


@pytest.mark.parametrize(
    "path",
    [
        "/home/ana-silva/inbox/galaxies/code/../input/big",
        "/home/ana-silva/outbox/../inbox/galaxies/input/big",
        "/home/ana-silva/inbox/../inbox/galaxies/input/big",
        "inbox/./galaxies//input/big",
        "//home/ana-silva//inbox/galaxies/input/big",
    ],
)
def test_a_path_is_understood_however_it_is_typed(path: str) -> None:
    found = sftp(
        [f'open "{path}" flags WRITE,CREATE,TRUNCATE mode 0644', f'forced close "{path}" bytes read 0 written 9']
    )
    assert found["galaxies"]["result"] == "cut"
    assert found["galaxies"]["broken"].keys() == {"input/big"}


def shortened(*lines: str) -> list[str]:
    """As sftp-server cuts its lines."""
    return [line[:1020] for line in lines]


@pytest.mark.parametrize("length", [90, 105, 108, 109, 110, 111, 112, 113, 114, 115, 116, 120, 200])
@pytest.mark.parametrize("way", ["", "forced "])
def test_a_name_that_the_log_has_no_room_for_is_followed_all_the_same(length: int, way: str) -> None:
    name = "\\321\\217" * length
    path = f"/home/ana-silva/inbox/galaxies/input/{name}"
    lines = shortened(
        'open "/home/ana-silva/inbox/galaxies/input/a" flags WRITE,CREATE,TRUNCATE mode 0644',
        'close "/home/ana-silva/inbox/galaxies/input/a" bytes read 0 written 9',
        f'open "{path}" flags WRITE,CREATE,TRUNCATE mode 0644',
        f'{way}close "{path}" bytes read 0 written 123456',
    )
    found = sftp(lines)["galaxies"]
    assert found["result"] == ("cut" if way else "clean")
    if way:
        assert found["why"].startswith("the connection broke in input/я")
        (broken,) = found["broken"]
        again = read(SftpLog([HOME]), [*lines[:3], lines[3].removeprefix(way)])
        assert broken in again.whole["galaxies"]


def test_an_scp_into_folders_that_the_log_has_no_room_for_is_not_held() -> None:
    deep = "/home/ana-silva/inbox/galaxies/input/" + "\\321\\217" * 150
    lines = shortened(*SCP[:10], f'mkdir name "{deep}" mode 0755', f'set "{deep}" mode 0755', *SCP[10:])
    assert sftp(lines)["galaxies"]["result"] == "complete"
    # Newer ones finish only the folders that they made.
    assert sftp(line for line in lines if line != SCP[-2])["galaxies"]["result"] != "complete"


def test_a_folder_that_is_renamed_takes_what_broke_in_it_along() -> None:
    inbox = "/home/ana-silva/inbox"
    lines = [
        f'open "{inbox}/new/input/big" flags WRITE,CREATE,TRUNCATE mode 0644',
        'process_write: write "/home/ana-silva/inbox/new/input/big": No space left on device',
        "sent status Failure",
        f'close "{inbox}/new/input/big" bytes read 0 written 9',
        f'rename old "{inbox}/new" new "{inbox}/galaxies"',
    ]
    found = sftp(lines)["galaxies"]
    assert (found["result"], [*found["broken"]]) == ("cut", ["input/big"])


def test_a_project_that_only_gets_another_name_is_not_proven() -> None:
    rename = 'rename old "/home/ana-silva/inbox/upload" new "/home/ana-silva/inbox/galaxies"'
    assert sftp([rename])["galaxies"]["result"] == "unproven"
    assert sftp([rename, "sent status Failure"])["galaxies"]["result"] == "clean"
    sent = [
        'open "/home/ana-silva/inbox/upload/code/app.py" flags WRITE,CREATE,TRUNCATE mode 0644',
        'close "/home/ana-silva/inbox/upload/code/app.py" bytes read 0 written 9',
    ]
    assert sftp([*sent, rename])["galaxies"]["result"] == "clean"
    moved = f'rename old "{HOME}/inbox/galaxies/code/a" new "{HOME}/inbox/galaxies/code/b"'
    assert sftp([moved])["galaxies"]["result"] == "clean"


@pytest.mark.parametrize(
    "name", ['x" flags READ', 'x" bytes read 0', 'x" size 5', 'x" mode 0644', 'x": y', '"', 'x" new "y']
)
def test_a_name_that_looks_like_more_of_the_line_is_a_name(name: str) -> None:
    path = f"{HOME}/inbox/galaxies/input/{name}"
    lines = [
        f'open "{path}" flags WRITE,CREATE mode 0644',
        f'set "{path}" size 9',
        f'close "{path}" bytes read 0 written 9',
    ]
    log = read(SftpLog([HOME]), lines)
    assert [*log.whole["galaxies"]] == [f"input/{name}"]
    assert log.results(ended())["galaxies"]["result"] == "clean"
    found = sftp([*lines[:2], f'forced close "{path}" bytes read 0 written 3'])["galaxies"]
    assert [*found["broken"]] == [f"input/{name}"]
