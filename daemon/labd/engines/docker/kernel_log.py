"""The kernel's own word that a program was killed at its memory limit.

This module owns the reading of the kernel's log: the only evidence that is left when nobody watched a container end, or
when it ended faster than anybody could look. It never looks at the container itself.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from labd.common.commands import run
from labd.common.errors import UnavailableError

# The service may not read the kernel's log (ProtectKernelLogs=), but journald does, and root may read its files.
_JOURNAL = ["journalctl", "--quiet", "--dmesg", "--output=cat", "--grep=oom-kill:"]
_JOURNAL_SECONDS = 10.0


def saw_oom_kill(container: str, since: float) -> bool:
    """Whether the log tells of a kill at the memory limit of `container` (its full id).

    `since`, in seconds since the epoch, is before the kill. Needs root; False without.
    """
    # oom_memcg is whose limit was met; it is missing where the whole machine was out of memory.
    told = re.compile(rf"oom-kill:.*oom_memcg=[^,]*{re.escape(container)},")
    return any(told.search(record) for record in _records(since))


def _records(since: float) -> Iterator[str]:
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        with contextlib.suppress(UnavailableError):
            yield from run([*_JOURNAL, f"--since=@{int(since)}"], timeout=_JOURNAL_SECONDS).output.splitlines()
        return
    with contextlib.suppress(OSError):
        try:
            while True:
                # EPIPE: the ring buffer went past us; the next read goes on with the oldest record that is left.
                with contextlib.suppress(BrokenPipeError):
                    yield os.read(log, 8192).decode(errors="replace")
        finally:
            os.close(log)
