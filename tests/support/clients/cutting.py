"""Transfers that are cut: starts clients and kills or freezes them, or the ssh below them, at a given moment.

This program runs on a researcher's PC with the least Python there is. A moment is a number of bytes: the cut comes when
ssh has sent that many. What the commands print is left alone; how they ended is what it says.

    cutting.py BYTES WHO HOW COMMAND…   one command; exits with its exit code (128 + signal)
    cutting.py < LINES                  many, eight at a time; a line is NAME BYTES SECONDS WHO COMMAND…
    WHO: client, ssh or both     HOW: kill, term, or freeze=SECONDS     SECONDS: from the moment to the cut
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

AT_ONCE = 8


def main() -> int:
    if sys.argv[1:]:
        moment, who, how, *command = sys.argv[1:]
        return cut(command, int(moment), 0.0, who, how)[1]
    waiting = [line.split() for line in sys.stdin]
    workers = [threading.Thread(target=_work, args=(waiting,)) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return 0


def _work(waiting: list[list[str]]) -> None:
    while True:
        try:
            name, moment, seconds, who, *command = waiting.pop()
        except IndexError:
            return
        was_cut, code = cut(command, int(moment), float(seconds), who, "kill")
        print(f"{name} {'cut' if was_cut else 'whole'} {code}\n", end="", flush=True)


def cut(command: list[str], moment: int, seconds: float, who: str, how: str) -> tuple[bool, int]:
    """Run `command`; whether it was still running when its moment had come, and its exit code."""
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while client.poll() is None:
        ssh = _ssh_of(client.pid)
        if ssh and _sent(ssh) >= moment:
            break
        time.sleep(0.001)
    time.sleep(seconds)
    if client.poll() is not None:
        return False, _code(client.wait())
    victims = {"client": [client.pid], "ssh": [ssh], "both": [ssh, client.pid]}[who]
    if how.startswith("freeze="):
        _signal(victims, signal.SIGSTOP)
        time.sleep(float(how.removeprefix("freeze=")))
        _signal(victims, signal.SIGCONT)
    else:
        _signal(victims, signal.SIGKILL if how == "kill" else signal.SIGTERM)
    return True, _code(client.wait())


def _signal(processes: list[int], number: int) -> None:
    for process in processes:
        # A process that is over keeps its number until its parent has asked for it; an ssh may be over and asked for.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _code(code: int) -> int:
    return code if code >= 0 else 128 - code


def _ssh_of(client: int) -> int:
    """The ssh that `client` started; 0 when there is none (yet)."""
    for child in _read(f"/proc/{client}/task/{client}/children").split():
        if _read(f"/proc/{child}/comm") == "ssh\n":
            return int(child)
    return 0


def _sent(ssh: int) -> int:
    for line in _read(f"/proc/{ssh}/io").splitlines():
        if line.startswith("wchar: "):
            return int(line.split()[1])
    return 0


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
