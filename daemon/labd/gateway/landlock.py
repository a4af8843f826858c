"""What a transfer's program may touch, by the kernel's word: Landlock (landlock(7)) and no_new_privs (prctl(2)).

This module owns the system calls. They bind the calling process and all that it starts, for good. Where the kernel has
no Landlock (before 5.13, or switched off) nothing is bound but privileges: then the tests of `words` and the
researcher's own uid, which owns nothing outside its home, are what remains.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping

# Rights on files and folders, from linux/landlock.h.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER, _REMOVE_FOLDER, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12  # folder, file, socket, FIFO, link; never a device
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL

LIST = _READ_FOLDER
READ = _READ_FILE | _READ_FOLDER
RUN = READ | _EXECUTE
REMOVE = _REMOVE_FILE | _REMOVE_FOLDER
WRITE = READ | _WRITE_FILE | _TRUNCATE | REMOVE | _MAKE | _REFER

# What each version of the interface knows: rights on files, on TCP ports, and limits to abstract sockets and signals.
_KNOWN_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_KNOWN_TCP = {1: 0, 4: 0b11}
_KNOWN_SCOPES = {1: 0, 6: 0b11}

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_ASK_VERSION, _PATH_BENEATH = 1, 1
_SET_DEATH_SIGNAL, _NO_NEW_PRIVS = 1, 38

libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; ends it now when that is no longer `parent`."""
    libc.prctl(_SET_DEATH_SIGNAL, ctypes.c_long(9), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


def default_signals() -> None:
    """Undo what Python does at its start (SIGPIPE, SIGXFSZ ignored), which a program started from it would inherit."""
    for signal in (13, 25):
        libc.signal(signal, None)


def version() -> int:
    """The version of the kernel's interface; 0 without Landlock."""
    return max(call(_CREATE_RULESET, None, 0, _ASK_VERSION), 0)


def confine(rights: Mapping[str, int]) -> bool:
    """Allow this process and what it starts the `rights` on what is below each path, and nothing else on files.

    Paths that are not there are left out. Whether the kernel has Landlock; raises OSError when it has it and fails.
    """
    if libc.prctl(_NO_NEW_PRIVS, ctypes.c_long(1), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    known = version()
    if not known:
        return False
    files = _newest(_KNOWN_FILES, known)
    limits = (files, _newest(_KNOWN_TCP, known), _newest(_KNOWN_SCOPES, known))
    handled = b"".join(limit.to_bytes(8, sys.byteorder) for limit in limits)
    ruleset = checked(call(_CREATE_RULESET, handled, len(handled), 0))
    for path, right in rights.items():
        if os.path.exists(path):
            _allow(ruleset, path, right & files)
    checked(call(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, right: int) -> None:
    # O_PATH: only the name is needed, so it works for what cannot be opened.
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(folder).st_mode):
            right &= _ON_FILES
        rule = right.to_bytes(8, sys.byteorder) + folder.to_bytes(4, sys.byteorder)
        checked(call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(folder)


def _newest(known: Mapping[int, int], limit: int) -> int:
    return known[max(number for number in known if number <= limit)]


def call(number: int, *arguments: int | bytes | None) -> int:
    """The answer to the system call `number`, below 0 for an error: see `checked`."""
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return int(libc.syscall(ctypes.c_long(number), *wide))


def checked(result: int, what: str = "Landlock") -> int:
    """`result`, if it is no error. Raises OSError for what `what` was to do."""
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result
