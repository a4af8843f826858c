"""Where an installed labd has its parts on the machine, and by which path it is called.

This module owns the places that `labd setup` and the administrator's commands share, and the path of this labd that
stays the same over upgrades. It never makes or changes anything, except that `as_root` widens the program's own PATH.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from labd.common.errors import NotAllowedError

ETC = Path("/etc/labd")
KEYS = ETC / "keys"
SKEL = ETC / "skel"
TEMPLATES = ETC / "templates"
STATE = Path("/var/lib/labd")
UNIT = Path("/etc/systemd/system/labd.service")
SSHD_MAIN = Path("/etc/ssh/sshd_config")
SSHD = Path("/etc/ssh/sshd_config.d/labd.conf")
GPUS = Path("/run/labd/gpus")
"""What `nvidia-smi -L` said when the service was started."""
COMPLETION = Path("/usr/local/share/bash-completion/completions/labd")
LINK = Path("/usr/local/bin/labd")
CURRENT = Path("/opt/labd/current")
"""What `make install` switches from one release to the next."""

GROUP = "labd"
"""Its members reach the gateway, and nothing else."""
SHELL_GROUP = "labd-shell"
"""Its members have a shell of their own."""

_SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def prefix() -> Path:
    """The folder that this labd is installed in, by the name that the next release will have, too."""
    here = Path(sys.prefix)
    return CURRENT if CURRENT.exists() and CURRENT.resolve() == here.resolve() else here


def gateway_command() -> str:
    """What sshd runs for a researcher, whatever the researcher asked for."""
    return f"{prefix()}/bin/python -I -X utf8 -m labd.gateway"


def as_root(what: str) -> None:
    """Raise NotAllowedError unless we are root, and find root's programs also without a login (su without -)."""
    if os.geteuid() != 0:
        raise NotAllowedError(f"Only root can {what}.", "Put sudo in front.")
    known = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    os.environ["PATH"] = ":".join([*known, *(folder for folder in _SYSTEM_PROGRAMS if folder not in known)])
