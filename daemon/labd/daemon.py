"""The daemon as a process: its log, its signals, its beginning and end.

This room owns what happens around the service. Programs in containers notice none of it.
"""

from __future__ import annotations

import os
import signal

from labd import log
from labd.accounts import Accounts
from labd.config import Config
from labd.service import Service


def serve(config: Config, accounts: Accounts) -> None:
    """Run the lab until SIGTERM or SIGINT. Raises LabdError when it cannot start."""
    # What labd keeps is nobody's business; what others may see is opened where it is made.
    os.umask(0o077)
    log.configure()
    service = Service(config, accounts)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()
