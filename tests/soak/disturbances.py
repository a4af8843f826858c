"""What is done to the lab while people work with it: one thing after the other, as long as the soak goes on.

This module owns what is broken and how it is mended again, and knows when. All of it happens on a server in a box.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable

from people import Local, Remote

from support.box.machine import Machine

_PAUSE = 30.0
"""Seconds between two of them, at most."""

_ABOUT = 10.0

_BACK = 60.0
"""Seconds in which labd has to answer again by itself."""


class Disturbances:
    """Breaks things by turns; `stop` ends it, with all of it mended."""

    def __init__(self, server: Machine, seconds: float, guest: Remote, local: Local, fill_often: bool = False) -> None:
        """For a soak of so many seconds; `guest` and `local` are whose accounts go away.

        With `fill_often` the disk is filled after everything else that is done.
        """
        self._server, self._guest, self._local, self._fill_often = server, guest, local, fill_often
        self._pause = min(_PAUSE, seconds / 10)
        # One daemon has to last for the last third, so that what it does not give back is seen.
        self._killing_ends = time.monotonic() + seconds * 2 / 3
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._full: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def was_full(self, since: float, until: float = float("inf")) -> bool:
        """Whether the disk was full at some time between `since` and `until`, or shortly before or after."""
        return any(end > since - _ABOUT and began < until + _ABOUT for began, end in self._full)

    def _run(self) -> None:
        turns: list[Callable[[], None]] = [
            self._kill, self._remove_user, self._kill, self._restart_docker, self._kill, self._fill_disk,
            self._kill, self._remove_account,
        ]  # fmt: skip
        if self._fill_often:
            turns = [turn for other in turns if other != self._fill_disk for turn in (other, self._fill_disk)]
        while True:
            for turn in turns:
                if self._over.wait(self._pause):
                    return
                if turn == self._kill and time.monotonic() > self._killing_ends:
                    continue
                name = turn.__name__.strip("_").replace("_", " ")
                try:
                    turn()
                except Exception as error:
                    self.faults.append(f"{name}: {error}")
                self.done[name] += 1
                self._look_after_labd(name)

    def _look_after_labd(self, after: str) -> None:
        end = time.monotonic() + _BACK
        while self._server.run("labd status >/dev/null 2>&1", check=False, timeout=90.0).returncode != 0:
            if time.monotonic() > end:
                self.faults.append(f"labd did not answer within {_BACK:.0f} s after: {after}")
                self._server.run("systemctl reset-failed labd; systemctl restart labd", check=False)
                return
            time.sleep(1.0)

    def _kill(self) -> None:
        self._server.run("systemctl kill --kill-who=main --signal=KILL labd", check=False)

    def _restart_docker(self) -> None:
        self._server.run("systemctl restart docker")

    def _fill_disk(self) -> None:
        began = time.time()
        free = "$(df --output=avail -B1 /home | tail -n 1)"
        try:
            for _ in range(8):
                # Again and again: what others remove in between is taken as well.
                self._server.run(f"fallocate -l {free} /fill-$(date +%s%N)", check=False)
                time.sleep(1.0)
        finally:
            self._server.run("rm -f /fill-*")
            self._full.append((began, time.time()))

    def _remove_user(self) -> None:
        """The machine no longer knows somebody who is in the config: a directory service that does not answer."""
        entries = {file: f"/etc/{file}" for file in ("passwd", "group", "shadow", "gshadow")}
        self._server.run(
            "mkdir -p /etc/away && " + " && ".join(f"cp -p {path} /etc/away/" for path in entries.values())
        )
        try:
            for path in entries.values():
                self._server.run(f"sed -i '/^{self._local.name}:/d' {path}")
            time.sleep(12.0)
        finally:
            line = f"grep '^{self._local.name}:' /etc/away/"
            for file, path in entries.items():
                self._server.run(f"{line}{file} >> {path}")

    def _remove_account(self) -> None:
        """Somebody leaves, and comes back."""
        name, key = self._guest.name, shlex.quote(self._guest.machine.text(".ssh/id_ed25519.pub").strip())
        with self._guest.is_here:
            self._insist(f"labd deluser {name} --yes")
            try:
                time.sleep(5.0)
            finally:
                self._insist(f"labd adduser {name} --comment '' --key {key}")

    def _insist(self, command: str) -> None:
        end = time.monotonic() + 120.0
        while (done := self._server.run(command, check=False)).returncode != 0:
            if time.monotonic() > end or self._over.is_set():
                raise RuntimeError(f"{command}: {done.stderr.strip()}")
            time.sleep(2.0)
