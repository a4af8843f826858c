"""A way to this machine's Docker that a test can cut, or let hang, without touching Docker itself."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from pathlib import Path

_DOCKER = "/var/run/docker.sock"


class DockerRelay:
    """A Unix socket at `path`, for DOCKER_HOST as `host`. It passes everything on until it is told otherwise."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="labd-test-relay-", dir="/var/tmp"))
        self.path = self._folder / "docker.sock"
        self.host = f"unix://{self.path}"
        self._lock = threading.Lock()
        self._hangs = False
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.start()

    def start(self, hangs: bool = False) -> None:
        """Take calls; where it `hangs`, they are taken and never answered."""
        self._hangs = hangs
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """End all calls in their middle, and take no more: Docker has died."""
        with self._lock:
            assert self._listener
            ended, self._open = [self._listener, *self._open], []
        os.unlink(self.path)
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        if self.path.exists():
            self.stop()
        os.rmdir(self._folder)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(client)
            if not self._hangs:
                docker = socket.socket(socket.AF_UNIX)
                docker.connect(_DOCKER)
                with self._lock:
                    self._open.append(docker)
                for source, target in ((client, docker), (docker, client)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
