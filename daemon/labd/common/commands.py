"""The only place that starts programs.

This module owns how a program is run: as whom, for how long, what becomes of its output. `run` uses sh; `converse`
keeps a helper at the other end of two pipes and `consult` asks one a single question, for which sh has no form or is
slow. None ever uses a shell.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from labd.common.errors import LabdError, UnavailableError
from labd.common.printable import well_formed

_KEPT_OUTPUT = 64 * 1024
_POLL = 0.1


@dataclass(frozen=True)
class Result:
    """How a program ended."""

    code: int  # exit code; negative for a signal
    output: str  # the last 64 KiB of standard output and standard error
    timed_out: bool = False
    cancelled: bool = False


class CommandError(LabdError):
    """A program that labd needs failed."""

    def __init__(self, arguments: Sequence[str], result: Result) -> None:
        words = [line.strip() for line in result.output.splitlines() if line.strip()]
        said = "it took too long" if result.timed_out else words[-1] if words else f"exit code {result.code}"
        super().__init__(f"`{arguments[0]}` failed: {said}", f"The whole command: {shlex.join(arguments)}")
        self.code = result.code


def run(
    arguments: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    on_output: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Result:
    """Run a program to its end, `timeout` seconds at most, and never raise for how it ends.

    `env` replaces the environment; `on_output` gets each line as it comes; `cancelled` ends the program early.
    Raises UnavailableError when it is not installed.
    """
    import sh  # here: 16 MB that an idle daemon does without

    output = _Tail(on_output)
    process = _begin(arguments, env, output, by_line=on_output is not None)
    ending: dict[str, bool] = {}
    over = threading.Event()

    def watch() -> None:
        limit = time.monotonic() + timeout
        while not over.wait(_POLL):
            if cancelled is not None and cancelled.is_set():
                ending["cancelled"] = True
            elif time.monotonic() > limit:
                ending["timed_out"] = True
            if ending:
                process.kill_group()
                return

    # In a thread of its own, so that the program's end is noticed at once.
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        process.wait()
    except sh.ErrorReturnCode:
        pass
    finally:
        over.set()
        watcher.join()
    return Result(process.exit_code, output.text(), **ending)


def _begin(arguments: Sequence[str], env: Mapping[str, str] | None, output: _Tail, by_line: bool) -> Any:
    """Start a program of which `output` gets what it prints. Raises UnavailableError when it is not installed."""
    import sh

    options: dict[str, Any] = {"_tty_out": False, "_err_to_out": True, "_out": output}
    # Nothing to read is said with "": with None, sh waits 0.1 seconds for more at every program's end.
    # A session of its own, or ending its process group would end labd, too.
    options |= {"_bg": True, "_bg_exc": False, "_in": "", "_new_session": True}
    # Line by line only for who wants lines: sh keeps the whole of one in memory, however long it is.
    options |= {"_out_bufsize": 1 if by_line else _KEPT_OUTPUT, "_decode_errors": "surrogateescape"}
    if env is not None:
        options["_env"] = dict(env)
    try:
        return sh.Command(which(arguments[0]))(*arguments[1:], **options)
    except sh.CommandNotFound:
        raise UnavailableError(
            f"{arguments[0]} is not installed.", f"Install it: apt-get install {arguments[0]}"
        ) from None


def must(arguments: Sequence[str], *, timeout: float = 60.0) -> str:
    """What a program prints that has to succeed. Raises CommandError with its last words, UnavailableError."""
    result = run(arguments, timeout=timeout)
    if result.code != 0:
        raise CommandError(arguments, result)
    return result.output


def hand_over(arguments: Sequence[str], *, output: int | None = None) -> int:
    """Run a program that has our own terminal, so that it can ask the person there itself; its exit code.

    Its standard output goes to the file descriptor `output` when there is one. Ctrl-C reaches it as it reaches us.
    """
    return subprocess.call([which(arguments[0]), *arguments[1:]], stdout=output)


def spoken(arguments: Sequence[str], stdin: bytes, *, timeout: float) -> bytes:
    """What a small helper prints in answer to `stdin`, as far as it has come after `timeout` seconds."""
    try:
        return subprocess.run(
            arguments, input=stdin, stdout=subprocess.PIPE, timeout=timeout, check=False, process_group=0
        ).stdout
    except subprocess.TimeoutExpired as error:
        return error.stdout or b""


def converse(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a helper that is spoken to over its standard input and output, in a process group of its own."""
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True, process_group=0)


def consult(arguments: Sequence[str], question: bytes, *, timeout: float) -> Result:
    """Run a helper that reads `question` to its end and answers; `timeout` seconds at most, and without environment.

    All that it writes is in the result: how much that can be is the helper's own limit. Never raises for how it ends.
    """
    # Files in memory: a helper that hangs or dies keeps nobody waiting at the other end of a pipe.
    with _in_memory(question) as given, _in_memory() as said:
        process = subprocess.Popen(
            arguments, stdin=given, stdout=said, stderr=said, env={}, close_fds=True, start_new_session=True
        )
        try:
            in_time = _has_ended(process, timeout)
        finally:
            process.kill()
            code = process.wait()
        said.seek(0)
        return Result(code, said.read().decode("utf-8", "replace"), timed_out=not in_time)


def _in_memory(content: bytes = b"") -> BinaryIO:
    file = open(os.memfd_create("labd"), "w+b")  # noqa: SIM115 - the caller closes it
    file.write(content)
    file.seek(0)
    return file


def _has_ended(process: subprocess.Popen[bytes], timeout: float) -> bool:
    """Whether `process` ends within `timeout` seconds; unlike `Popen.wait`, notices it at once."""
    handle = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(handle)


def start(arguments: Sequence[str], output: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a daemon beside us; what it prints goes to the file `output`, and a terminal's Ctrl-C does not reach it."""
    with open(output, "wb") as file:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(env), start_new_session=True
        )


def which(program: str) -> str:
    """The path of `program`. Raises UnavailableError when it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(f"{program} is not installed.", f"Install it: apt-get install {program}")
    return path


class _Tail:
    """Workers lines on and keeps the last of them."""

    def __init__(self, on_output: Callable[[str], None] | None) -> None:
        self._on_output = on_output
        self._kept = ""

    def __call__(self, chunk: str) -> None:
        self._kept = (self._kept + chunk)[-_KEPT_OUTPUT:]
        if self._on_output:
            self._on_output(well_formed(chunk))

    def text(self) -> str:
        return well_formed(self._kept)
