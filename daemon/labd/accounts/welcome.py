"""What the administrator sends to a new researcher: how to reach the machine, and three commands.

This module owns that text, for Linux, macOS and Windows, and what it needs to know of this machine's sshd. It never
sends anything.
"""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from labd.accounts import ssh_keys
from labd.common.commands import run
from labd.common.errors import LabdError
from labd.model.config import GatewaySettings

_HOST_KEYS = Path("/etc/ssh")
_ORDER = ("ED25519", "ECDSA", "RSA")
_SSHD_SECONDS = 30.0


@dataclass(frozen=True)
class GatewayAccess:
    """How the machine is reached from outside."""

    host: str
    port: int
    fingerprints: tuple[tuple[str, str], ...]  # kind and "SHA256:…", the kind that clients prefer first


def gateway_access(settings: GatewaySettings) -> GatewayAccess:
    """What the settings say, or else this machine and its sshd say of themselves."""
    sshd_output = ""
    with contextlib.suppress(LabdError):
        sshd_output = run(["sshd", "-T"], timeout=_SSHD_SECONDS).output
    port = re.search(r"^port (\d+)$", sshd_output, re.MULTILINE)
    found = []
    for file in _HOST_KEYS.glob("ssh_host_*_key.pub"):
        with contextlib.suppress(LabdError):
            found.append(ssh_keys.described(file))
    found = [(kind, fingerprint) for kind, fingerprint in found if kind in _ORDER]
    found.sort(key=lambda known: _ORDER.index(known[0]))
    listens = int(port[1]) if port else 22
    return GatewayAccess(settings.host or socket.getfqdn(), settings.port or listens, tuple(found))


def text(name: str, access: GatewayAccess, key: str = "") -> str:
    """What to send to `name`; `key` is the file name of a private key that was made for them."""
    lines = [f"    Host lab\n        HostName {access.host}"]
    lines += [f"        Port {access.port}"] if access.port != 22 else []
    lines += [f"        User {name}"]
    lines += [f"        IdentityFile ~/.ssh/{key}\n        IdentitiesOnly yes"] if key else []
    lines += ["        ServerAliveInterval 15", "        ServerAliveCountMax 4"]
    prints = "\n".join(f"    {kind:<8} {fingerprint}" for kind, fingerprint in access.fingerprints)
    return f"""\
Your account in the lab is {name}, on {access.host}, port {access.port}.

1. Put this into the file .ssh/config in your home folder
   (Windows: C:\\Users\\YOU\\.ssh\\config):

{chr(10).join(lines)}

2. The first time, ssh shows a fingerprint of the machine. Say yes only if it is
   one of these:

{prints or "    (ask the administrator)"}

3. In the folder that has your project in it ("project", with code/app.py):

   Linux, macOS
    rsync -a project/ lab:inbox/project/                   push: this starts it
    ssh lab                                                look
    rsync -a lab:outbox/project/output/ project/output/    pull

   Windows (PowerShell)
    scp -r project lab:inbox/
    ssh lab
    scp -r lab:outbox/project/output project/
"""
