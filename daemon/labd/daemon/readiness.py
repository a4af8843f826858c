"""What systemd is told of the daemon: that it is ready, that it is alive, that it ends.

This module owns the datagrams to the socket that systemd names (sd_notify(3)). Without systemd it says nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket


def tell(*states: str) -> None:
    """Send assignments such as "READY=1" or "STATUS=3 jobs are running"; what cannot be sent is lost."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # An address that begins with @ is an abstract one (unix(7)).
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.sendto("\n".join(states).encode(), address)


def watchdog_interval() -> float:
    """Seconds between signs of life that keep systemd's watchdog quiet; infinite when it has none for us."""
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0")) if for_us else 0
    return microseconds / 3e6 if microseconds else float("inf")
