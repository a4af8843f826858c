"""`labd key`: which keys open an account.

This module owns adding, listing and removing keys of an account that is there. It never makes a key.
"""

from __future__ import annotations

from types import SimpleNamespace as Options

from labd.accounts import admin, key_files, new_account
from labd.accounts.files import AccountError
from labd.client.rendering import show_table
from labd.common.errors import Exit
from labd.model.account_settings import account_file


def run(options: Options) -> int:
    """Add, list or remove keys of an account. Raises LabdError."""
    name, file = admin.find(options.name)
    keys = key_files.read(name)
    if options.action == "list":
        rows = [(number, key.kind, key.fingerprint, key.comment) for number, key in enumerate(keys, 1)]
        show_table(("KEY", "TYPE", "FINGERPRINT", "COMMENT"), rows, right=[0])
        return Exit.OK
    if not options.keys:
        example = "FILE" if options.action == "add" else "NUMBER"
        raise AccountError("Which key?", f"labd key {options.action} {name} {example}")
    if options.action == "add":
        known = {key.fingerprint for key in keys}
        new = [key for given in options.keys for key in new_account.read_key(given) if key.fingerprint not in known]
        keys += new
        messages = [f"{key.kind} {key.fingerprint} opens {name} now." for key in new] or [
            "It opens the account already."
        ]
    else:
        gone = [key_files.choose(keys, wanted) for wanted in options.keys]
        keys = [key for key in keys if key not in gone]
        messages = [f"{key.kind} {key.fingerprint} no longer opens {name}." for key in gone]
        if not keys:
            messages.append(f"That was the last one: nobody can log in as {name} until a key is added.")
    key_files.write(name, keys, account_file(file).shell)
    print("\n".join(messages))
    return Exit.OK
