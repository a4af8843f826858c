"""The command line: from arguments to a call.

This module owns how the words after `labd` become a command and its options, and what is said when they do not. It
never knows what a command does.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace as Options

from labd import __version__
from labd.cli.commands import COMMANDS, GROUPS
from labd.common.errors import Exit

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP_WIDTH = 80


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; the exit code. Raises LabdError."""
    name = arguments[0] if arguments else ""
    if name in ("", "-h", "--help", "help"):
        print(_overview())
        return Exit.OK if name else Exit.USAGE
    if name in ("-V", "--version"):
        print(f"labd {__version__}")
        return Exit.OK
    if name not in COMMANDS:
        return _unknown(name)
    command = COMMANDS[name]
    if command.bare and len(arguments) == 1:
        return command.run(command.bare)
    return command.run(parse(name, arguments[1:]))


def _overview() -> str:
    lines = ["usage: labd COMMAND [OPTION ...]"]
    for heading, commands in GROUPS.items():
        lines += [f"{heading}:", *(f"  {name:<13} {command.summary}" for name, command in commands.items())]
    return "\n".join([*lines, "`labd COMMAND --help` tells more. To see it work: labd try examples/nile"])


def _unknown(name: str) -> int:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"Did you mean `labd {near[0]}`?" if near else "`labd --help` lists the commands."
    print(f"labd: There is no command {name!r}.\n      {hint}", file=sys.stderr)
    return Exit.USAGE


def parse(name: str, arguments: Sequence[str]) -> Options:
    """The options of the command `name`; ends the program with a usage message when `arguments` are wrong."""
    import argparse

    command = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"labd {name}",
        description=f"{command.summary}.\n{command.details}".strip(),
        epilog=f"example:\n  {command.example}",
        # With a width of its own, or it imports shutil to find one, for every parser.
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=_HELP_WIDTH),
        allow_abbrev=False,
    )
    for names, settings in command.arguments:
        parser.add_argument(*names, **settings)
    return parser.parse_args(arguments, Options())
