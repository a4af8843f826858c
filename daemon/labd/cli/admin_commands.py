"""The administrator's commands: set-up, accounts, keys, and the check of the machine.

This module owns the way from the options of these commands to the modules that do the work. It imports them when they
are needed, because the table of commands is read whenever anybody types `labd status`. It never does the work itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from types import SimpleNamespace as Options


def setup(options: Options) -> int:
    """Make the machine ready for labd, or take away what that put."""
    from labd.admin.setup import install

    return install.run(options)


def users(options: Options) -> int:
    """The researchers, and what is known of each."""
    from labd.accounts import listing

    return listing.users(options)


def adduser(options: Options) -> int:
    """Make an account for a researcher."""
    from labd.accounts import admin

    return admin.adduser(options)


def deluser(options: Options) -> int:
    """Remove an account."""
    from labd.accounts import removal

    return removal.deluser(options)


def key(options: Options) -> int:
    """Add, list or remove keys of an account."""
    from labd.accounts import key_commands

    return key_commands.run(options)


def disable(options: Options) -> int:
    """Close an account."""
    from labd.accounts import admin

    return admin.disable(options)


def enable(options: Options) -> int:
    """Open an account again."""
    from labd.accounts import admin

    return admin.enable(options)


def doctor(options: Options) -> int:
    """Look at everything that labd needs, and say what is wrong."""
    from labd.admin.doctor import checks

    return checks.run(options)
