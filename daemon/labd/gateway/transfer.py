"""Running a transfer: its program started, its log read, its record written.

This module owns the way from a checked request to the program's exit code. The program talks to the client directly;
nothing of what is sent passes through here. What is not needed before the program runs is imported while it runs.
"""

from __future__ import annotations

import os
import sys

from labd.gateway import confine
from labd.gateway.words import refusal

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from labd.gateway.commands import Secluded, Transfer
    from labd.gateway.connection import Client
    from labd.gateway.records.log import Log
    from labd.gateway.records.record import Record

_MOST_SECLUDED = 1 << 20
_PIPE = 1 << 20
_GATHER = 0.005
_SECOND_LOOK = 0.1  # seconds; of 27 clients that were killed, lftp left 4 open at once and none after 0.05
_LONGEST_LINE = 1 << 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, fcntl(2)


def read_secluded(request: Secluded) -> Transfer:
    """Read the arguments that the client sends first: strings ended by NUL, the last one empty (rsync's rsync.c).

    Not a byte more is taken, for the rest belongs to rsync. Raises NotAllowedError.
    """
    taken = bytearray()
    while not taken.endswith(b"\0\0") and taken != b"\0":
        byte = os.read(0, 1)
        if not byte or len(taken) >= _MOST_SECLUDED:
            raise refusal("rsync's arguments did not arrive whole.", "Try again, or without --secluded-args.")
        taken += byte
    _, *arguments = [os.fsdecode(argument) for argument in bytes(taken[:-2]).split(b"\0")]
    return request.transfer(arguments)


def run(transfer: Transfer, home: str, address: str) -> int:
    """Run `transfer` in `home`; the exit code of its program. Does not return where nothing has to be noted."""
    path = confine.program(transfer.kind)
    if not transfer.receives:
        confine.set_apart(transfer, home)
        confine.become(transfer, path, home)
    from labd.gateway.records.record import Record

    record = Record(home, transfer.kind, address)
    confine.set_apart(transfer, home)
    record.guard()
    if transfer.kind != "sftp":
        # Before anything arrives. An sftp session may never write at all.
        record.show()
    _make_parents(transfer, home)
    log_end, program_end = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            from labd.gateway import landlock

            landlock.die_with(parent)
            _hand_over(transfer, record, program_end)
            confine.become(transfer, path, home)
        finally:
            os._exit(126)
    os.close(program_end)
    return _watch(transfer, home, record, child, log_end)


def _hand_over(transfer: Transfer, record: Record, log: int) -> None:
    """Give the program its end of the log, and the lock."""
    if record.lock >= 0:
        os.set_inheritable(record.lock, True)
    if transfer.kind == "rsync":
        os.set_inheritable(log, True)
        transfer.options[1:1] = [f"--log-file=/proc/self/fd/{log}", "--log-file-format=%i %n"]
    else:
        os.dup2(log, 2)
        transfer.options[:0] = ["-v"] if transfer.kind == "scp" else ["-e", "-l", "VERBOSE"]


def _make_parents(transfer: Transfer, home: str) -> None:
    """Make the folders above the destination, which rsync and scp would not: inbox/NAME for inbox/NAME/project/."""
    missing, _, name = transfer.destination.rpartition("/")
    if transfer.kind == "scp" and not name:
        missing = missing.rpartition("/")[0]
    folders = [os.open(home, _FOLDER)]
    try:
        for part in [part for part in missing.split("/") if part not in ("", ".")]:
            if part not in os.listdir(folders[-1]):
                os.mkdir(part, dir_fd=folders[-1])
            folders.append(os.open(part, _FOLDER, dir_fd=folders[-1]))
    except OSError:
        return  # the program will meet the same, and say so to the client
    finally:
        for folder in folders:
            os.close(folder)


def _watch(transfer: Transfer, home: str, record: Record, child: int, log_end: int) -> int:
    """Note what the program does until it ends; its exit code. Nothing that fails here changes or ends the transfer."""
    _forward_signals(child)
    log, last, defect = _log(transfer, home), b"", ""
    client = None if transfer.kind == "rsync" else _client()
    from labd.gateway.records.log import End

    try:
        last = _follow(log, log_end, record)
    except Exception as error:
        defect = f"{type(error).__name__}: {error}"
        while os.read(log_end, _PIPE):
            pass  # the program would wait for a reader
    # At once: some clients close their session, and their connection right after it.
    is_orderly = client is None or client.is_there(again=_SECOND_LOOK if log.is_hasty else 0.0)
    code = _exit_code(os.waitpid(child, 0)[1])
    projects, closed = {}, {}
    try:
        projects = log.results(End(code, is_orderly, lambda path: _stat(f"{home}/inbox/{path}")))
        closed = _worth_noting(log, home, record)
    except Exception as error:
        defect = f"{type(error).__name__}: {error}"
    if code and not projects and transfer.kind != "rsync":
        # Its standard error is the log, so this would have been for the client to see.
        sys.stderr.writelines(f"{line}\n" for line in last.decode(errors="replace").splitlines()[-1:])
    record.end(code, log.files, None if defect else projects, closed)
    if projects or defect:
        from labd.gateway import notify

        notify.tell_transfer(transfer.kind, code, log.files, projects, defect)
    return code


def _client() -> Client:
    from labd.gateway.connection import Client

    return Client(os.environ.get("SSH_CONNECTION", ""))


def _stat(path: str) -> os.stat_result | None:
    """What there is to say of the file at `path`; None when there is none."""
    import stat

    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _worth_noting(log: Log, home: str, record: Record) -> dict[str, dict[str, float]]:
    if record.is_alone:
        return {}  # and no import
    whole = log.whole
    if not any(whole.values()):
        return {}
    from labd.gateway.records.repairs import worth_noting

    return worth_noting(home, record.name, whole)


def _follow(log: Log, log_end: int, record: Record) -> bytes:
    """Read what the program writes to its log, and note what is new; the last of it."""
    last = b""
    is_heard = _note_news(log, record, is_heard=True)
    for last in _blocks(log_end):
        log.take(last)
        is_heard = _note_news(log, record, is_heard)
    return last


def _note_news(log: Log, record: Record, is_heard: bool) -> bool:
    """Note projects that are new; whether the daemon still listens. One that does not must not hold up the transfer."""
    if not log.news:
        return is_heard
    from labd.gateway import notify

    for project, scope in log.news:
        record.touch(project, scope)
    is_heard = is_heard and notify.tell_begin([project for project, _ in log.news])
    log.news.clear()
    return is_heard


def _log(transfer: Transfer, home: str) -> Log:
    destination = transfer.destination.removeprefix("inbox").lstrip("/")
    if transfer.kind == "rsync":
        from labd.gateway.records.rsync_log import RsyncLog

        return RsyncLog(destination)
    if transfer.kind == "scp":
        from labd.gateway.records.scp_log import ScpLog

        return ScpLog(destination)
    from labd.gateway.records.sftp_log import SftpLog

    return SftpLog(sorted({home, os.path.realpath(home)}))


def _blocks(descriptor: int) -> Iterator[bytes]:
    """Whole lines that come from `descriptor`, many at a time, until all who could write to it are gone."""
    import contextlib
    import fcntl
    import time

    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE)
    rest = b""
    while chunk := os.read(descriptor, _PIPE):
        whole, end, rest = (rest[-_LONGEST_LINE:] + chunk).rpartition(b"\n")
        if end:
            yield whole + end
        # The program writes each line by itself: to wake up for each takes longer than to read them.
        time.sleep(_GATHER)
    if rest:
        yield rest + b"\n"


def _forward_signals(child: int) -> None:
    """Hand on what would end this process: the program ends of it, and its record is written."""
    import contextlib
    import signal

    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
