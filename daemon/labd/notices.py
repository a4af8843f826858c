"""Notices: STATUS and status.json kept up to date, by a thread of their own.

This room owns when the two files are written while nothing has ended yet. Many changes in a short time become one
write, and no step of a job ever waits for a researcher's disk. The last page of a job is not written here: it is part
of the delivery.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from labd.accounts import Account
from labd.errors import LabdError
from labd.hands import Hands
from labd.log import get
from labd.outbox import Outbox

Key = tuple[str, str]
"""User, project."""


class Notices:
    """The thread that writes, and what it is asked to write."""

    def __init__(
        self, hands: Hands, accounts: Mapping[str, Account], page: Callable[[Key], Mapping[str, str] | None]
    ) -> None:
        """`page` gives a project's files as they should be now; None leaves them as they are."""
        self._hands, self._accounts, self._page = hands, accounts, page
        self._changed = threading.Condition()
        self._due: dict[Key, None] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._write_all, name="notices", daemon=True)
        self._thread.start()

    def announce(self, key: Key) -> None:
        """Something about this project changed."""
        with self._changed:
            self._due[key] = None
            self._changed.notify()

    def close(self) -> None:
        """Write what is due, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(10.0)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._due and not self._closing:
                    self._changed.wait()
                if not self._due:
                    return
                key = next(iter(self._due))
                del self._due[key]
            self._write(key)

    def _write(self, key: Key) -> None:
        user, project = key
        account = self._accounts.get(user)
        if account is None:
            return  # it was removed meanwhile
        try:
            page = self._page(key)
            if page is not None:
                Outbox(self._hands, account, project).show(page)
        except LabdError as error:
            get().warning("STATUS not written", user=user, project=project, reason=error.message)
        except Exception:
            get().exception("STATUS not written", user=user, project=project)
        # A burst of changes (received, queued, building, running) is worth one write.
        time.sleep(0.02)
