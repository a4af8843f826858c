"""What sshd's settings mean for a researcher: whether they get in, by which keys, and to the gateway alone.

This module owns the judgement on the settings that sshd tells for one researcher. It asks sshd nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from labd.accounts.accounts import Account

_GATEWAY = "labd.gateway"
# With these, who comes in chooses what the gateway's own process loads (ld.so(8), bash(1)).
_LOADED = ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "GCONV_PATH")

Effective = Mapping[str, Sequence[str]]
"""Name in small letters → its values, in order."""


def parse(text: str) -> dict[str, list[str]]:
    """The settings that `sshd -T` prints: name in small letters → its values, in order."""
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        settings.setdefault(name.lower(), []).append(value)
    return settings


def judge_access(settings: Effective, name: str, groups: Collection[str]) -> Iterator[str]:
    """Whether sshd lets the user in at all (AllowUsers and the like, sshd_config(5))."""
    for rule, own in (("users", [name]), ("groups", groups)):
        denied, allowed = _patterns(settings, f"deny{rule}"), _patterns(settings, f"allow{rule}")
        if _matches(own, denied):
            yield f"Deny{rule.capitalize()} in sshd's configuration keeps them out"
        if allowed and not _matches(own, allowed):
            yield f"Allow{rule.capitalize()} in sshd's configuration leaves them out"


def _patterns(settings: Effective, name: str) -> list[str]:
    return [word.partition("@")[0] for value in settings.get(name, []) for word in value.split()]


def _matches(names: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def judge_keys(settings: Effective, account: Account, folder: Path) -> Iterator[str]:
    """Whether keys are taken from root's folder, and, but for accounts with a shell, from there alone."""
    files = settings.get("authorizedkeysfile", [""])[0].split()
    named, ours = [file.replace("%u", account.name) for file in files], str(folder / account.name)
    if ours not in named or (len(named) > 1 and not account.settings.shell):
        yield f"sshd reads keys from {' and '.join(files) or 'nowhere'} instead of {folder}"
    if settings.get("pubkeyauthentication", ["yes"])[0] != "yes":
        yield "sshd takes no keys (PubkeyAuthentication)"
    if settings.get("clientaliveinterval", ["0"])[0] == "0" or settings.get("clientalivecountmax", ["3"])[0] == "0":
        yield "a client that froze is never cut off (ClientAliveInterval)"


def judge_gateway(settings: Effective, keys: str) -> Iterator[str]:
    """Whether each way in leads to the gateway, and to nothing else; `keys` is the content of the file of keys."""
    if settings.get("subsystem", ["none"])[0].partition(" ")[0] != "sftp":
        yield "there is no subsystem sftp, so scp and WinSCP cannot transfer anything"
    taken = [name for name in _LOADED if _matches([name], _patterns(settings, "acceptenv"))]
    if taken:
        yield f"sshd takes {taken[0]} from clients, which goes around the gateway (AcceptEnv)"
    command = settings.get("forcecommand", ["none"])[0]
    lines = [line for line in keys.splitlines() if line.strip() and not line.startswith("#")]
    if command != "none" and _GATEWAY not in command:
        yield "sshd forces another command than labd's gateway (ForceCommand)"
    if _GATEWAY in command:
        # A forced command alone leaves the forwarding of ports open.
        if settings.get("disableforwarding") != ["yes"] and not all(line.startswith("restrict,") for line in lines):
            yield "a key allows to forward ports: its line does not begin with restrict"
        return
    if not all(map(is_forced, lines)):
        yield "a key gives a shell: its line does not begin with restrict and the gateway's command"
    for name in ("authorizedkeyscommand", "trustedusercakeys"):
        if settings.get(name, ["none"])[0] != "none":
            yield f"there is a way in beside labd's keys, without the gateway ({name})"


def is_forced(line: str) -> bool:
    """Whether a line of authorized_keys(5) allows the gateway alone."""
    command = re.search(r'(?:^|,)command="((?:[^"\\]|\\.)*)"', line)
    return line.startswith("restrict,") and command is not None and _GATEWAY in command[1]
