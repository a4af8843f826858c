"""The connection to Docker by which images are looked for, named and removed.

This module owns the clients, how long each waits, and which of Docker's failures pass by themselves. It knows no image.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from labd.common.errors import UnavailableError
from labd.engines.docker.client import share_connections
from labd.environments.image_builder import DockerAwayError

QUICK, PATIENT = 15, 120  # seconds in which Docker must answer a question, or do something
_CONNECTIONS = 2  # of each client that are kept open when they are idle


class ImageClient:
    """Docker, asked about images. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[int, Any] = {}  # by the seconds that they wait

    def inspect(self, image: str) -> Any:
        """What Docker says of an image; None when it is not there. Raises UnavailableError."""
        from docker.errors import ImageNotFound

        with self.asking() as docker:
            try:
                return docker.inspect_image(image)
            except ImageNotFound:
                return None

    @contextlib.contextmanager
    def asking(self, timeout: int = QUICK) -> Iterator[Any]:
        """The SDK's client; Docker's own failures as UnavailableError, DockerAwayError where to wait may help."""
        import requests
        from docker.errors import APIError, DockerException

        try:
            yield self.client(timeout)
        except (DockerException, requests.RequestException) as error:
            reason = str(getattr(error, "explanation", None) or "")
            if isinstance(error, APIError) and error.is_client_error():
                raise UnavailableError(f"Docker refuses: {reason}", "See `journalctl -u docker`.") from error
            raise DockerAwayError(trouble=reason) from error

    def client(self, timeout: int) -> Any:
        """The SDK's client that waits so many seconds. Raises Docker's errors."""
        with self._lock:
            known = self._clients.get(timeout)
        if known is None:
            import docker  # here: 13 MB that an idle daemon does without

            # Not under the lock: making one asks Docker, which may hang.
            made = docker.APIClient(timeout=timeout, max_pool_size=_CONNECTIONS, **docker.utils.kwargs_from_env())
            share_connections(made)
            with self._lock:
                known = self._clients.setdefault(timeout, made)
            if known is not made:
                made.close()
        return known

    def close(self) -> None:
        """End what is open."""
        with self._lock:
            for client in self._clients.values():
                client.close()
