"""A slow wire between a client and the lab's server, which is cut at a given moment.

This program runs on a researcher's PC. It starts a line of shell whose clients connect to 127.0.0.1, port $port, and
hands on what they send, at RATE bytes a second for all of them. When MOMENT bytes have passed, and SECONDS later, the
wire is cut:

    kill    all that the line of shell started is killed; the server sees the connections end
    reset   the connections break for both sides; what connects anew goes on
    vanish  the PC is gone: the server hears nothing any more, not even of an end
    none    nothing happens

    slow_wire.py RATE HOW MOMENT SECONDS LINE

It prints "cut" or "whole" and the exit code of the line (128 + signal), and ends when the server has closed all
connections.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

_CHUNK = 2048
_LINGER = 40.0  # seconds that the server has to close what is left


class Wire:
    """All connections of one line of shell. A pair is the client's socket and the server's."""

    def __init__(self, rate: float, how: str, moment: int, seconds: float) -> None:
        self.rate, self.how, self.moment, self.seconds = rate, how, moment, seconds
        self.listener = socket.create_server(("127.0.0.1", 0))
        # What a client has sent is on its way at once: little of it lies between it and the wire.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
        self.peers: dict[socket.socket, socket.socket] = {}
        self.clients: set[socket.socket] = set()
        self.sent = 0
        self.next = 0.0  # when the next bytes of a client may pass
        self.due = 0.0  # when the wire is cut; 0 before its moment
        self.is_cut = self.is_dead = False

    def pass_on(self, client: subprocess.Popen[bytes]) -> None:
        """Hand on what there is to hand on, for a moment."""
        now = time.monotonic()
        if self.due and now >= self.due and not self.is_cut and client.poll() is None:
            self.cut(client)
        readable = [self.listener, *(end for end in self.peers if end not in self.clients or now >= self.next)]
        for end in select.select(readable, [], [], 0.004)[0]:
            if end is self.listener:
                self.connect()
            elif end in self.peers:
                self.move(end)

    def connect(self) -> None:
        client, _ = self.listener.accept()
        server = socket.create_connection(("lab", 22))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers |= {client: server, server: client}
        self.clients.add(client)

    def move(self, end: socket.socket) -> None:
        """Hand on some bytes that came at `end`, or that there will be no more."""
        peer = self.peers[end]
        try:
            data = end.recv(_CHUNK if end in self.clients else 1 << 16)
        except OSError:
            data = b""
        if end in self.clients and data:
            self.next = max(self.next, time.monotonic()) + len(data) / self.rate
            self.sent += len(data)
            if self.how != "none" and not self.due and self.sent >= self.moment:
                self.due = time.monotonic() + self.seconds
        if self.is_dead:
            if not data:
                self.forget(end)
            return
        with contextlib.suppress(OSError):
            if data:
                peer.sendall(data)
                return
            peer.shutdown(socket.SHUT_WR)
        self.forget(end)

    def forget(self, end: socket.socket) -> None:
        """Read no more from `end`; both are closed when there is no more to read from either."""
        peer = self.peers.pop(end)
        if peer not in self.peers:
            self.clients.discard(end)
            self.clients.discard(peer)
            end.close()
            peer.close()

    def cut(self, client: subprocess.Popen[bytes]) -> None:
        self.is_cut = True
        if self.how == "reset":
            for end in {*self.peers, *self.peers.values()}:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()
            self.peers.clear()
            self.clients.clear()
            return
        self.is_dead = self.how == "vanish"
        os.killpg(client.pid, signal.SIGKILL)


def main() -> int:
    rate, how, moment, seconds, line = sys.argv[1:]
    wire = Wire(float(rate), how, int(moment), float(seconds))
    environment = {**os.environ, "port": str(wire.listener.getsockname()[1])}
    client = subprocess.Popen(["bash", "-c", line], env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    while client.poll() is None:
        wire.pass_on(client)
    end = time.monotonic() + _LINGER
    while wire.peers and time.monotonic() < end:
        wire.pass_on(client)
    code = client.returncode
    print("cut" if wire.is_cut else "whole", code if code >= 0 else 128 - code, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
