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
