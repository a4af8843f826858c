"""The administrator's commands: set-up, accounts, keys, and the check of the machine.

This room owns the way from the options of these commands to the rooms that do the work. It imports them when they are
needed, because the table of commands is read whenever anybody types `labd status`. It never does the work itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from types import SimpleNamespace as Options


def setup(options: Options) -> int:
    """Make the machine ready for labd, or take away what that put."""
    from labd import setup

    return setup.run(options)


def users(options: Options) -> int:
    """The researchers, and what is known of each."""
    from labd import account_list

    return account_list.users(options)


def adduser(options: Options) -> int:
    """Make an account for a researcher."""
    from labd import account_admin

    return account_admin.adduser(options)


def deluser(options: Options) -> int:
    """Remove an account."""
    from labd import account_removal

    return account_removal.deluser(options)


def key(options: Options) -> int:
    """Add, list or remove keys of an account."""
    from labd import key_admin

    return key_admin.run(options)


def disable(options: Options) -> int:
    """Close an account."""
    from labd import account_admin

    return account_admin.disable(options)


def enable(options: Options) -> int:
    """Open an account again."""
    from labd import account_admin

    return account_admin.enable(options)


def doctor(options: Options) -> int:
    """Look at everything that labd needs, and say what is wrong."""
    from labd import doctor

    return doctor.run(options)
