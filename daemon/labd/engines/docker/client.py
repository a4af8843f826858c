"""The one connection to Docker, and the one translation of its failures.

This module owns the SDK's clients, how long each waits for an answer, and what Docker's failures are called. It knows
no job and no image.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from labd.common.errors import NotAllowedError, UnavailableError
from labd.common.finding import AS_ROOT
from labd.engines.docker.facts import Facts, parse
from labd.model.engine import AwayError, EngineError

CONFLICT = 409
ANSWER_SECONDS = 90.0  # of Docker for what it does to a program; it needs many on a busy disk
LOOK_SECONDS = 15.0  # for a question about an image
CHANGE_SECONDS = 120.0  # for a change to one
_DOCTOR_SECONDS = 20.0
_CONNECTIONS = 4  # kept open when they are idle; there are as many as are needed, and a new one takes no time
_START = "Start it: systemctl start docker"
_JOURNAL = "See `journalctl -u docker`."


class NoDockerError(UnavailableError):
    """Docker does not answer."""


class DockerAwayError(AwayError):
    """Docker does not answer, or has trouble of its own."""

    def __init__(self, was_there: bool = False, trouble: str = "") -> None:
        """`was_there`: it answered, and went away in the middle; or with `trouble`, its own words."""
        if trouble:
            super().__init__(f"Docker has trouble: {trouble}", _JOURNAL, True)
        else:
            super().__init__("Docker does not answer, or has trouble of its own.", _START, was_there)


class DockerClient:
    """A Docker engine. Any thread may use it."""

    def __init__(self, address: str | None = None, timeout: float = ANSWER_SECONDS) -> None:
        """`address`: of Docker's socket, None: the usual one; `timeout`: seconds in which Docker must answer."""
        self._address, self._timeout = address, timeout
        self._lock = threading.Lock()
        self._clients: dict[float, Any] = {}  # by the seconds that they wait
        self._facts: Facts | None = None

    @property
    def api(self) -> Any:
        """The SDK's client. Raises EngineError."""
        return self.waiting(self._timeout)

    def waiting(self, seconds: float) -> Any:
        """The SDK's client that waits so long for an answer. Raises EngineError."""
        known = self._clients.get(seconds)
        if known is None:
            import docker

            # Not under the lock: making one asks Docker, which may hang.
            try:
                made = connect(self._address, seconds)
            except docker.errors.DockerException as error:
                raise EngineError("Docker does not answer.", _remedy(error)) from error
            with self._lock:
                known = self._clients.setdefault(seconds, made)
            if known is not made:
                made.close()
        return known

    def facts(self) -> Facts:
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

    def close(self) -> None:
        """End what is open."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    @property
    def missing(self) -> type[Exception]:
        """What is raised for a container or an image that is not there."""
        from docker.errors import NotFound

        return NotFound  # type: ignore[no-any-return]

    @property
    def refusal(self) -> type[Exception]:
        """What is raised when Docker answers that it will not or cannot; has a `status_code`."""
        from docker.errors import APIError

        return APIError  # type: ignore[no-any-return]


def connect(address: str | None, seconds: float) -> Any:
    """A client of the SDK that waits so long for an answer. Raises Docker's errors."""
    import docker  # here: 13 MB that an idle daemon does without

    settings = {"base_url": address} if address else docker.utils.kwargs_from_env()
    client = docker.APIClient(timeout=seconds, max_pool_size=_CONNECTIONS, **settings)
    _share_connections(client)
    # A Unix socket needs none of the proxies and passwords that requests would look for each time.
    client.trust_env = False
    return client


def _share_connections(client: Any) -> None:
    """Have a client of the SDK use the same connections for all that it asks.

    By itself it has a pool of them for each URL, keeps those of the last 25, and closes others while they are in use.
    """
    from docker.transport import UnixHTTPAdapter

    for adapter in client.adapters.values():
        if isinstance(adapter, UnixHTTPAdapter):
            pool = adapter.get_connection(client.base_url)
            adapter.get_connection = lambda url, proxies=None, pool=pool: pool


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """A client of the engine at `address`, None: where the daemon looks. Docker's failures are raised as LabdError.

    The environment of whoever asks is not that of the daemon, and does not count.
    """
    import docker
    import requests

    client: Any = None
    try:
        client = connect(address or docker.constants.DEFAULT_UNIX_SOCKET, _DOCTOR_SECONDS)
        yield client
    except (docker.errors.DockerException, requests.RequestException) as error:
        if "PermissionError" in str(error):
            raise NotAllowedError("Only root can ask Docker.", AS_ROOT) from error
        if getattr(error, "explanation", None):
            raise UnavailableError(f"Docker refuses: {reason(error)}", "journalctl -u docker") from error
        raise NoDockerError(hint="systemctl enable --now docker") from error
    finally:
        if client is not None:
            client.close()


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Docker's own failures as EngineError; `doing` completes "Docker could not"."""
    import requests
    from docker.errors import DockerException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, requests.RequestException, HTTPError, OSError) as error:
        raise EngineError(f"Docker could not {doing}: {reason(error)}", _JOURNAL) from error


@contextlib.contextmanager
def translated_for_images() -> Iterator[None]:
    """Docker's own failures as UnavailableError where it refuses, as DockerAwayError where to wait may help."""
    import requests
    from docker.errors import APIError, DockerException

    try:
        yield
    except (DockerException, requests.RequestException) as error:
        said = str(getattr(error, "explanation", None) or "")
        if isinstance(error, APIError) and error.is_client_error():
            raise UnavailableError(f"Docker refuses: {said}", _JOURNAL) from error
        raise DockerAwayError(trouble=said) from error
    except AwayError:
        raise
    except EngineError as error:  # there was no client to be had
        raise DockerAwayError from error


def reason(error: Exception) -> str:
    """Docker's own words."""
    return str(getattr(error, "explanation", None) or error).strip()


def _remedy(error: Exception) -> str:
    if "PermissionError" in str(error):
        return "Whoever runs labd must be allowed to use Docker: be root, or in the group docker."
    return _START
