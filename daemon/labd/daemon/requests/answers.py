"""The way from what is asked at the socket to its handler, and who may ask.

A researcher sees and touches only their own jobs; root, and whoever the daemon runs as, all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from labd.common.errors import NotAllowedError
from labd.common.log import get

# Each enters its handlers.
from labd.daemon.requests import job_handlers, lab_handlers, upload_handlers  # noqa: F401
from labd.daemon.requests.connection import Connection
from labd.daemon.requests.handling import HANDLERS, Asking, Json, Parts
from labd.model.requests import read

_SEEN_AGAIN = 60.0  # seconds after which it is written down once more that a researcher asked


class Answers:
    """The answers to all that is asked at the socket."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def check(self, uid: int) -> None:
        """Raise NotAllowedError when a process of `uid` may ask nothing at all."""
        self._user_of(uid)

    def answer(self, asked: Json, connection: Connection) -> Iterator[Json]:
        """The lines of the reply to what was `asked`. Raises LabdError for what cannot be."""
        user = self._user_of(connection.uid)
        if user is not None:
            self._see(user)
        request = read(asked)
        if request.is_for_administrator and user is not None:
            raise NotAllowedError("Only the administrator may ask that.")
        sentence, hint = request.refused_to_administrator
        if sentence and user is None:
            raise NotAllowedError(sentence, hint)
        return HANDLERS[type(request)](request, Asking(user, connection, self._parts))

    def _user_of(self, uid: int) -> str | None:
        """The researcher of that `uid`, None for the administrator. Raises NotAllowedError for anybody else."""
        if uid in (0, os.getuid()):
            return None
        user = self._parts.lab.accounts.of_uid(uid)
        if user is None:
            raise NotAllowedError("You have no account at this lab.", "Ask the administrator for one.")
        return user

    def _see(self, user: str) -> None:
        now = time.time()
        if abs(now - self._parts.seen.get(user, 0.0)) > _SEEN_AGAIN:
            self._parts.seen[user] = now
            try:
                self._parts.lab.store.see(user, now)
            except Exception:
                # With a full disk, say, people have questions all the same.
                get().exception("it was not noted who asked", user=user)
