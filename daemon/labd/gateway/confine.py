"""Becoming the program of a transfer: which one it is, what it may touch, and how it is started.

This module owns the last steps before execve(2), in a process that does not come back from them. The string tests are
done by then (`commands`); what a link or a race could still reach, the kernel refuses (`landlock`). It reads and
writes no file of the researcher's.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from typing import NoReturn

    from labd.gateway.commands import Transfer

_PROGRAMS = {
    "rsync": ("/usr/bin/rsync", "/usr/local/bin/rsync", "/bin/rsync"),
    "scp": ("/usr/bin/scp", "/bin/scp"),
    "sftp": (
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/libexec/sftp-server",
        "/usr/lib/ssh/sftp-server",
    ),
}
# What the C library and the programs read at their start; all of it is open to everybody on the machine.
_SHARED = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_READ = (
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/etc/ssl/openssl.cnf", "/etc/crypto-policies", "/dev/urandom"),
)
_TOO_LONG = 7  # E2BIG, execve(2)
# The programs of OpenSSH end at once when they do not find their user; rsync does without names.
_USERS = ("/etc/passwd", "/etc/nsswitch.conf")


def program(kind: str) -> str:
    """Path of the program for transfers of `kind`. Raises UnavailableError."""
    for path in _PROGRAMS[kind]:
        if os.access(path, os.X_OK):
            return path
    from labd.common.errors import UnavailableError

    raise UnavailableError(f"This server has no program for {kind}.", "Ask the administrator to install it.")


def set_apart(transfer: Transfer, home: str) -> None:
    """Make all read-only that `transfer` must not change, its modes and times, too, where the system allows that."""
    from labd.gateway.read_only import make_read_only

    is_apart = make_read_only([f"{home}/{area}" for area in _changed(transfer)])
    if is_apart and transfer.kind == "rsync":
        from labd.gateway.rsync_options import without_group

        # Groups without a number look like one group, and to give files to that one is an error.
        for number in set(os.getgroups()) - {os.getegid()}:
            transfer.options[1:1] = without_group(number, transfer.options)


def become(transfer: Transfer, path: str, home: str) -> NoReturn:
    """Turn this process into the program at `path`, confined to what `transfer` needs of `home`."""
    from labd.gateway import landlock

    has_patterns = any(word.pattern for word in transfer.paths)
    if has_patterns:
        # Before the kernel closes Python's own folder.
        import glob
    os.chdir(home)
    landlock.confine(_rights(transfer, path, home))
    paths = []
    for word in transfer.paths:
        # As a shell does: what matches nothing stays as it is, and rsync says that it is not there.
        paths += (sorted(glob.glob(word.pattern)) if word.pattern else []) or [word.text]
    landlock.default_signals()
    environment = {"PATH": "/usr/bin:/bin", "HOME": home, "LC_ALL": "C.UTF-8"}
    if "SSH_CONNECTION" in os.environ:
        environment["SSH_CONNECTION"] = os.environ["SSH_CONNECTION"]
    try:
        os.execve(path, [os.path.basename(path), *transfer.options, *paths], environment)
    except OSError as error:
        # Python's own folder is closed by now, so nothing can be imported to say it.
        if error.errno != _TOO_LONG:
            raise
        os.write(2, b"labd: More files match than can be named at once.\n      Fetch the folder that they are in.\n")
        os._exit(77)


def _changed(transfer: Transfer) -> tuple[str, ...]:
    """The folders of the home in which `transfer` may change something."""
    if not transfer.receives:
        return ()
    # With sftp also what is in the outbox can be removed: rsync and scp have no word for it.
    return ("inbox", "outbox") if transfer.kind == "sftp" else ("inbox",)


def _rights(transfer: Transfer, path: str, home: str) -> dict[str, int]:
    from labd.gateway.landlock import LIST, READ, REMOVE, RUN, WRITE

    inbox, outbox = f"{home}/inbox", f"{home}/outbox"
    rights = dict.fromkeys(_SHARED, RUN) | dict.fromkeys(_READ, READ)
    rights |= {path: RUN, "/dev/null": WRITE, home: LIST, f"{home}/README": READ, inbox: READ, outbox: READ}
    if transfer.receives:
        rights[inbox] = WRITE
    if transfer.kind != "rsync":
        rights |= dict.fromkeys(_USERS, READ)
    if transfer.kind == "sftp":
        rights[outbox] = READ | REMOVE
    return rights
