"""What the machine's user database knows of a name.

A question to it can hang for minutes when it is on a network (LDAP, NIS), and Python holds all threads meanwhile
(os.getgrouplist). So the daemon asks by a process of its own, which answers a line for each name as it comes. It
imports the standard library only.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys
from typing import Any

POWERFUL = ("docker", "disk", "shadow", "sudo")
"""Groups that would give their member root's rights in another way."""


def look_up(name: str, gid: int | None = None) -> dict[str, Any]:
    """uid, gid, home and groups of the user `name`; without the first three when there is no such user.

    `gid` takes the place of the primary group's, which is not among the groups, and neither are powerful ones.
    """
    found: dict[str, Any] = {"name": name}
    try:
        known = pwd.getpwnam(name)
        found |= {"uid": known.pw_uid, "gid": known.pw_gid, "home": known.pw_dir}
    except KeyError:
        pass
    primary = gid if gid is not None else found.get("gid")
    groups = os.getgrouplist(name, primary) if primary is not None else []
    found["groups"] = [group for group in groups if group != primary and not _is_powerful(group)]
    return found


def _is_powerful(gid: int) -> bool:
    try:
        return gid == 0 or grp.getgrgid(gid).gr_name in POWERFUL
    except KeyError:
        return gid == 0


def main() -> None:
    """Answer [[name, gid or null], …] on standard input with a line of JSON for each name."""
    for name, gid in json.load(sys.stdin):
        try:
            found = look_up(name, gid)
        except (ValueError, OverflowError, OSError):  # no name or number that any user could have
            found = {"name": name, "groups": []}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
