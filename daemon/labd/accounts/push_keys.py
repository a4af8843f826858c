"""The way from an account to the researcher's own computer: a key of the account's own, and that computer's host key.

This module owns what `labd adduser --push` prepares in the home, all of it done as the researcher. It never sends a
result; `push` does.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from labd.accounts import ssh_keys, unix_accounts
from labd.accounts.accounts import PUSH_HOSTS, PUSH_KEY
from labd.common.commands import must, run
from labd.privsep.workers import Workers

_ANSWER_SECONDS = 5  # the computer may be off


def prepare(name: str, home: Path, push: Mapping[str, str]) -> str:
    """Make the key, pin the host key if that computer answers; what to tell the administrator. Raises CommandError."""
    key, hosts = home / PUSH_KEY, home / PUSH_HOSTS
    unix_accounts.as_owner(name, "mkdir", "-p", "-m", "0700", "--", str(key.parent))
    if not key.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"labd-{name}", "-f", str(key)]
        unix_accounts.as_owner(name, *command)
    public = must([*unix_accounts.identity(name).prefix(), "cat", f"{key}.pub"]).strip()
    return (
        f"On {push['host']}, this line belongs into ~{push['user']}/.ssh/authorized_keys:\n\n    {public}\n\n"
        + _pin(name, hosts, push)
    )


def _pin(name: str, hosts: Path, push: Mapping[str, str]) -> str:
    where = f"{push['host']}, port {push['port']}"
    scan = ["ssh-keyscan", "-T", str(_ANSWER_SECONDS), "-t", "ed25519,ecdsa,rsa", "-p", push["port"], push["host"]]
    lines, prints = scanned_keys(run(scan, timeout=_ANSWER_SECONDS * 4).output)
    if not lines:
        return f"{where}, does not answer now. Its host key will be remembered at the first contact.\n"
    workers = Workers()
    workers.do(
        unix_accounts.identity(name), "write", folder=str(hosts.parent), files={hosts.name: "\n".join([*lines, ""])}
    )
    workers.trim(keep=0)
    return f"The host key of {where}, was remembered. Compare with the computer itself:\n\n" + "\n".join(prints) + "\n"


def scanned_keys(scanned: str) -> tuple[list[str], list[str]]:
    """The host keys in what ssh-keyscan printed: their lines, and how people compare them; all else is left out."""
    lines, prints = [], []
    with tempfile.TemporaryDirectory(prefix="labd-key-") as folder:
        file = Path(folder) / "host.pub"
        for line in scanned.splitlines():
            file.write_text(line.partition(" ")[2] + "\n")
            with contextlib.suppress(ssh_keys.KeyRefusedError):
                kind, fingerprint = ssh_keys.described(file)
                lines.append(line)
                prints.append(f"    {kind:<8} {fingerprint}")
    return lines, prints
