"""The real daemon, with one part that fails or hangs when a test says so.

Nothing is replaced: each wrapper below does the real thing, unless the file that LABD_TEST_FAULT names says that it is
its turn. The file holds one fault as JSON: `place` and `match` (a regular expression for what it is about), and `error`
(the name of an errno, "die": the helper is killed, or "hang": until the file is gone). A fault is met once, and that is
noted in the file with `.met` behind its name.

    python faulty_daemon.py daemon --config FILE     # as `labd daemon`
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULT_VARIABLE = "LABD_TEST_FAULT"
FAULT = Path(os.environ.get(FAULT_VARIABLE, "/nonexistent"))
MET = FAULT.with_name(FAULT.name + ".met")
WORDS = "injected by the test"
_WORKER = "--worker"
_lock = threading.Lock()


def meet(place: str, about: str, raise_error: Callable[[str], None]) -> None:
    """Meet the fault, if there is one for this `place` and what it is `about`."""
    with _lock:
        try:
            fault = json.loads(FAULT.read_text())
        except (OSError, ValueError):
            return
        if fault["place"] != place or not re.search(fault["match"], about, re.DOTALL):
            return
        try:
            # Who makes the file meets it; the processes of one daemon race for that.
            os.close(os.open(MET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            return
    if fault["error"] != "hang":
        raise_error(fault["error"])
    while FAULT.exists():
        time.sleep(0.02)


def os_error(name: str) -> None:
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    number = getattr(errno, name)
    raise OSError(number, f"{os.strerror(number)}, {WORDS}")


def sql_error(name: str) -> None:
    raise sqlite3.OperationalError(f"{name}, {WORDS}")


def docker_error(name: str) -> None:
    import docker
    import requests

    if name == "ConnectionError":
        raise requests.ConnectionError(f"connection refused, {WORDS}")
    response = requests.Response()
    response.status_code = 500
    raise docker.errors.APIError("server error", response, f"{name}, {WORDS}")


# The helper for file work


def in_worker() -> None:
    """Be a helper whose actions can fail."""
    from labd.privsep import worker

    actions: dict[str, Callable[..., Any]] = worker._ACTIONS
    for name, action in actions.items():
        actions[name] = _failing(action, f"privsep:{name}")
    worker.main()


def _failing(action: Callable[..., Any], place: str) -> Callable[..., Any]:
    @functools.wraps(action)
    def failing(**arguments: Any) -> Any:
        user = os.geteuid()
        # The file with the fault is root's.
        os.seteuid(os.getuid())
        try:
            meet(place, json.dumps(arguments), os_error)
        finally:
            os.seteuid(user)
        return action(**arguments)

    return failing


# The daemon itself


def _failing_connection(real: type[Any]) -> type[Any]:
    class FailingConnection(real):  # type: ignore[misc]
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            meet("sql", f"{sql} {arguments}", sql_error)
            return super().execute(sql, *arguments)

    return FailingConnection


def inject() -> None:
    """Wrap what the daemon asks of SQLite, Docker, its helpers and the disk."""
    import docker

    from labd.common import commands
    from labd.privsep import workers
    from labd.storage import database

    database.DatabaseConnection = _failing_connection(database.DatabaseConnection)  # type: ignore[misc]
    workers.converse = lambda _: commands.converse([sys.executable, __file__, _WORKER])  # type: ignore[attr-defined]
    for name in (
        *("create_container", "start", "inspect_container", "wait", "logs", "stop", "remove_container", "containers"),
        *("inspect_image", "images", "tag"),
    ):
        _wrap(docker.APIClient, name, f"docker:{name}", docker_error)
    for name in ("mkdir", "chmod", "chown", "replace", "rename", "link", "listdir", "scandir"):
        _wrap(os, name, f"file:{name}", os_error)
    for owner in (io, builtins):
        _wrap(owner, "open", "file:open", os_error)


def _wrap(owner: Any, name: str, place: str, raise_error: Callable[[str], None]) -> None:
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        if not (arguments and str(arguments[0]).startswith(str(FAULT))):
            meet(place, repr((arguments, options)), raise_error)
        return real(*arguments, **options)

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    if sys.argv[1:] == [_WORKER]:
        in_worker()
    else:
        inject()
        from labd.__main__ import main

        sys.exit(main())
