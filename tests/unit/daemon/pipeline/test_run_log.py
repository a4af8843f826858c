from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from labd.daemon.pipeline.log_follower import LogFollower
from labd.daemon.pipeline.run_log import RunLog, tail
from labd.model.engine import Engine


def make(path: Path, limit: int) -> RunLog:
    return RunLog(path, limit, os.getuid(), os.getgid())


def test_a_small_log_is_kept_as_it_is(tmp_path: Path) -> None:
    log = make(tmp_path / "run.log", 100)
    log.feed(b"one\n")
    log.flush()
    assert (tmp_path / "run.log").read_bytes() == b"one\n"
    inode = (tmp_path / "run.log").stat().st_ino
    log.feed(b"two \xff\x00\n")
    log.flush()
    assert (tmp_path / "run.log").read_bytes() == b"one\ntwo \xff\x00\n"
    assert (tmp_path / "run.log").stat().st_ino == inode, "a link to it grows with it"


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=40), st.data())
def test_a_long_log_keeps_its_head_and_its_tail_however_it_comes(tmp_path_factory, chunks, data) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("log") / "run.log"
    log = make(path, 100)
    for chunk in chunks:
        log.feed(chunk)
        if data.draw(st.booleans()):
            log.flush()
    log.flush()
    whole, found = b"".join(chunks), path.read_bytes()
    if len(whole) <= 100:
        assert found == whole
    else:
        assert found.startswith(whole[:50])
        assert found.endswith(whole[-50:])
        assert b"of the output was cut here]" in found
        assert len(found) < 200


def test_a_lost_middle_is_told_and_the_beginning_is_kept(tmp_path: Path) -> None:
    log = make(tmp_path / "run.log", 1000)
    log.begin_with(b"the beginning\n")
    log.feed(b"the end\n")
    log.flush()
    text = (tmp_path / "run.log").read_text()
    assert text == "the beginning\n\n\n[labd: some of the output was cut here]\n\nthe end\n"


def test_the_tail_of_a_log_is_text_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"x" * 100 + b"\xff end")
    assert tail(tmp_path / "run.log", 6) == "x\ufffd end"
    assert tail(tmp_path / "none") == ""


class Printed:
    """An engine whose only program printed one line."""

    def logs(self, job: int, follow: bool) -> Iterator[bytes]:
        yield b"hello\n"


def test_a_full_disk_delays_the_log_and_ends_nothing(tmp_path: Path) -> None:
    disk_is_full = True

    def make() -> RunLog:
        if disk_is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return RunLog(tmp_path / "run.log", 1000, os.getuid(), os.getgid())

    follower = LogFollower(cast(Engine, Printed()), 1, make)
    follower.follow()
    assert follower.finish() == "No space left on device"
    disk_is_full = False
    follower.follow()
    assert follower.finish() == ""
    assert (tmp_path / "run.log").read_text() == "hello\n"
