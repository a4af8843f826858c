from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

SPEAK = """
import sys, threading
from labd.common import log
log._JOURNAL = sys.argv[1]
log.configure()
log.get().info("job failed", job=42, user="ana-silva", state="failed", cause="one\\ntwo")
try:
    1 / 0
except ZeroDivisionError:
    log.get().exception("a defect", job=43)
with log.about(44, "ana-silva"):
    log.get().warning("waiting", reason="Docker is away")
    for work in (log.carried, log.about_nothing):
        thread = threading.Thread(target=work(log.get().info), args=("beside",))
        thread.start()
        thread.join()
log.get().info("after")
"""


def received(journal: socket.socket, number: int) -> list[dict[str, str]]:
    return [fields(journal.recv(65536)) for _ in range(number)]


def fields(datagram: bytes) -> dict[str, str]:
    """Read one message as systemd's "Native Journal Protocol" says: KEY=value, or KEY, length and value."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        if b"=" in line:
            key, _, value = line.partition(b"=")
            datagram = rest
        else:
            size = int.from_bytes(rest[:8], "little")
            key, value, datagram = line, rest[8 : 8 + size], rest[8 + size + 1 :]
        found[key.decode()] = value.decode()
    return found


def test_under_journald_a_line_is_one_message_with_fields_to_search_by(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(10)
        subprocess.run([sys.executable, "-c", SPEAK, path], env={**os.environ, "JOURNAL_STREAM": "1:2"}, check=True)
        told, defect, *_ = received(journal, 6)
    assert told["LABD_JOB"] == "42"
    assert told["LABD_USER"] == "ana-silva"
    assert told["LABD_STATE"] == "failed"
    assert told["PRIORITY"] == "6"
    assert told["SYSLOG_IDENTIFIER"] == "labd"
    assert told["LABD_CAUSE"] == "one\ntwo"
    assert told["MESSAGE"].startswith("job failed job=42 user=ana-silva")
    assert defect["PRIORITY"] == "3"
    assert "ZeroDivisionError" in defect["MESSAGE"]


def test_what_is_done_for_a_job_says_so_in_each_line_and_what_comes_after_does_not(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(10)
        subprocess.run([sys.executable, "-c", SPEAK, path], env={**os.environ, "JOURNAL_STREAM": "1:2"}, check=True)
        _, defect, waiting, carried, other, after = received(journal, 6)
    assert waiting["MESSAGE"] == "waiting job=44 user=ana-silva reason=Docker is away"
    assert (waiting["LABD_JOB"], waiting["LABD_USER"], waiting["PRIORITY"]) == ("44", "ana-silva", "4")
    assert carried["MESSAGE"] == "beside job=44 user=ana-silva"
    assert (other["MESSAGE"], after["MESSAGE"]) == ("beside", "after")
    assert "LABD_JOB" not in after
    assert "LABD_USER" not in defect


def test_on_a_terminal_a_line_is_readable() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "JOURNAL_STREAM"}
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, ""], env=environment, capture_output=True, text=True, check=True
    )
    assert "job failed" in done.stderr
    assert "job=42" in done.stderr
