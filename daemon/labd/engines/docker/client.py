"""The one connection to Docker by which programs are run.

This module owns the client, the limit of time of each call, and the translation of Docker's failures. It knows no job.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from labd.engines.docker.facts import Engine, parse
from labd.model.engine import EngineError

CONFLICT = 409
_ANSWER_SECONDS = 90.0  # seconds; Docker needs many on a busy disk
_CONNECTIONS = 4  # kept open when they are idle; there are as many as are needed, and a new one takes no time


class DockerClient:
    """A Docker engine. Any thread may use it."""

    def __init__(self, address: str | None = None, timeout: float = _ANSWER_SECONDS) -> None:
        """`address`: of Docker's socket, None: the usual one; `timeout`: seconds in which Docker must answer."""
        self._address, self._timeout = address, timeout
        self._lock = threading.Lock()
        self._client: Any = None
        self._facts: Engine | None = None

    @property
    def api(self) -> Any:
        """The SDK's client. Raises EngineError."""
        known = self._client
        if known is None:
            # Not under the lock: making one asks Docker, which may hang.
            made = self._connect()
            with self._lock:
                known = self._client = self._client or made
            if known is not made:
                made.close()
        return known

    def facts(self) -> Engine:
        """What Docker says of itself, asked once. Raises Docker's errors, EngineError."""
        if self._facts is None:
            self._facts = parse(self.api.info())
        return self._facts

    def forget_facts(self) -> None:
        """Ask again: Docker may have been started with other settings."""
        self._facts = None

    def inspect(self, name: str) -> Any:
        """Docker's description of the container `name`, None when there is none. Raises Docker's errors."""
        with contextlib.suppress(self.missing):
            return self.api.inspect_container(name)

    def _connect(self) -> Any:
        import docker  # here: 13 MB that an idle daemon does without

        try:
            client = docker.APIClient(self._address, timeout=self._timeout, max_pool_size=_CONNECTIONS)
            share_connections(client)
        except docker.errors.DockerException as error:
            raise EngineError("Docker does not answer.", _remedy(error)) from error
        # A Unix socket needs none of the proxies and passwords that requests would look for each time.
        client.trust_env = False
        return client

    @property
    def missing(self) -> type[Exception]:
        """What is raised for a container that is not there."""
        from docker.errors import NotFound

        return NotFound  # type: ignore[no-any-return]

    @property
    def refusal(self) -> type[Exception]:
        """What is raised when Docker answers that it will not or cannot; has a `status_code`."""
        from docker.errors import APIError

        return APIError  # type: ignore[no-any-return]


def share_connections(client: Any) -> None:
    """Have a client of the SDK use the same connections for all that it asks.

    By itself it has a pool of them for each URL, keeps those of the last 25, and closes others while they are in use.
    """
    from docker.transport import UnixHTTPAdapter

    for adapter in client.adapters.values():
        if isinstance(adapter, UnixHTTPAdapter):
            pool = adapter.get_connection(client.base_url)
            adapter.get_connection = lambda url, proxies=None, pool=pool: pool


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Docker's own failures as EngineError; `doing` completes "Docker could not"."""
    import requests
    from docker.errors import DockerException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, requests.RequestException, HTTPError, OSError) as error:
        raise EngineError(f"Docker could not {doing}: {reason(error)}", "See `journalctl -u docker`.") from error


def reason(error: Exception) -> str:
    """Docker's own words."""
    return str(getattr(error, "explanation", None) or error).strip()


def _remedy(error: Exception) -> str:
    if "PermissionError" in str(error):
        return "Whoever runs labd must be allowed to use Docker: be root, or in the group docker."
    return "Start it: systemctl start docker"
