"""The command line: from arguments to a call, from an answer to what is printed.

This room owns the commands, their options and their help. Each command imports what it needs when it runs, because
`labd status` is typed by everybody all day. It never does the work itself.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace as Options

from labd import __version__, questions
from labd.errors import ConfigError, Exit, NotFoundError

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from labd.config import Config

_HELP_WIDTH = 80


class Command:
    """One of labd's commands."""

    def __init__(
        self,
        run: Callable[[Options], int],
        summary: str,
        arguments: Sequence[str],
        example: str,
        details: str = "",
        bare: Options | None = None,
    ) -> None:
        """`arguments` are keys of _ARGUMENTS; `bare` is what argparse makes of none, to do without it (8 ms)."""
        self.run, self.summary, self.arguments, self.bare = run, summary, arguments, bare
        self.example, self.details = example, details


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
    commands = "\n".join(f"  {name:<13} {command.summary}" for name, command in COMMANDS.items())
    return (
        "usage: labd COMMAND [OPTION ...]\n\nDrop a folder, get a result: labd runs projects in containers.\n\n"
        f"{commands}\n\n`labd COMMAND --help` tells more. To see it work:  labd try examples/nile"
    )


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
    for argument in command.arguments:
        flags, settings = _ARGUMENTS[argument]
        parser.add_argument(*flags, **settings)
    return parser.parse_args(arguments, Options())


_JOB = {"metavar": "JOB", "help": "number of a job, or name of a project for its latest job"}
_ARGUMENTS: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "job": (["job"], _JOB),
    "job?": (["job"], {**_JOB, "nargs": "?"}),
    "project": (["project"], {"metavar": "PROJECT", "help": "folder that has code/ in it"}),
    "file?": (["file"], {"metavar": "FILE", "nargs": "?", "help": "config file (default: /etc/labd/config.toml)"}),
    "config": (
        ["--config"],
        {"metavar": "FILE", "help": "config file (default: /etc/labd/config.toml, if it is there)"},
    ),
    "home": (["--home"], {"metavar": "DIR", "help": "a single-user lab in DIR, with DIR/inbox and DIR/outbox"}),
    "output": (
        ["-o", "--output"],
        {"metavar": "DIR", "default": "labd-output", "help": "results (default: labd-output)"},
    ),
    "follow": (["-f", "--follow"], {"action": "store_true", "help": "go on until the job ends"}),
    "json": (["--json"], {"action": "store_true", "help": "one JSON document a line"}),
    "limit": (["-n", "--limit"], {"metavar": "N", "type": int, "default": 50, "help": "how many (default: 50)"}),
    "socket": (
        ["--socket"],
        {"metavar": "PATH", "help": "the daemon's socket (default: $LABD_SOCKET, or the usual place)"},
    ),
}


# The daemon itself


def _daemon(options: Options) -> int:
    from pathlib import Path

    from labd import accounts, daemon
    from labd.config import for_user

    if os.getuid() != 0:
        from labd.config import Config

        home = Path(options.home or "~").expanduser().resolve()
        base = _config(options.config) if options.config else Config()
        daemon.serve(for_user(base, home), accounts.myself(home))
        return Exit.OK
    config = _config(options.config)
    if options.home is not None:
        if not config.accounts:
            raise ConfigError(
                "In a single-user lab of root's, programs would run as root.",
                "Run `labd daemon --home` as an ordinary user, or list [[accounts]] in a config file.",
            )
        daemon.serve(for_user(config, Path(options.home).resolve()), accounts.configured(config))
    else:
        daemon.serve(config, accounts.configured(config))
    return Exit.OK


def _try(options: Options) -> int:
    from pathlib import Path

    from labd import try_lab

    config = _config(options.config) if options.config or _is_machine_configured() else None
    return try_lab.run(Path(options.project), Path(options.output), config)


# Questions that need no daemon


def _check(options: Options) -> int:
    from pathlib import Path

    from labd import check

    for line in check.check(Path(options.project), _config(options.config)):
        print(line)
    return Exit.OK


def _check_config(options: Options) -> int:
    from labd import check
    from labd.config import SYSTEM_FILE

    if options.file is None and not _is_machine_configured():
        raise NotFoundError(f"There is no {SYSTEM_FILE}.", "Name a file: labd check-config FILE")
    for line in check.check_config(_config(options.file), options.file or str(SYSTEM_FILE)):
        print(line)
    return Exit.OK


def _config(file: str | None) -> Config:
    """The config in `file`, else the machine's, else the defaults. Raises ConfigError."""
    from pathlib import Path

    from labd.config import SYSTEM_FILE, Config, load

    if file is not None:
        return load(Path(file))
    return load(SYSTEM_FILE) if _is_machine_configured() else Config()


def _is_machine_configured() -> bool:
    from labd.config import SYSTEM_FILE

    # Root must hear of a file that it cannot read; others may not be meant to read it.
    return SYSTEM_FILE.exists() if os.getuid() == 0 else os.access(SYSTEM_FILE, os.R_OK)


COMMANDS = {
    "status": Command(
        questions.status,
        "What runs, what waits, and what ended lately",
        ["job?", "socket"],
        "labd status galaxies",
        "With JOB: all about one job, and if it failed, why and what to do.",
        bare=Options(job=None, socket=None),
    ),
    "jobs": Command(
        questions.jobs,
        "All jobs, the latest last",
        ["json", "limit", "socket"],
        "labd jobs --json | jq .cause",
        "On a terminal a table; piped, one line each with tabs between.",
    ),
    "logs": Command(questions.logs, "What a program printed", ["job", "follow", "socket"], "labd logs -f galaxies"),
    "cancel": Command(questions.cancel, "Stop a job, and deliver what it has", ["job", "socket"], "labd cancel 42"),
    "rerun": Command(questions.rerun, "Run the same upload once more", ["job", "socket"], "labd rerun galaxies"),
    "images": Command(
        questions.images,
        "The environments (language and libraries) that are there",
        ["json", "socket"],
        "labd images",
    ),
    "try": Command(
        _try,
        "Run a project here and now, without a lab",
        ["project", "output", "config"],
        "labd try examples/penguins",
        "A temporary lab takes the folder, runs it and is gone again. What the program\n"
        "prints goes to standard output, labd's own words to standard error. Results of\n"
        "an earlier try move to DIR/history. The exit code is the program's; labd's own:\n"
        "124 its time was over, 125 labd could not run it, 130 it was stopped.",
    ),
    "check": Command(
        _check,
        "Say before an upload what the server would say",
        ["project", "config"],
        "labd check examples/penguins",
        "Needs no daemon and no Docker.",
    ),
    "check-config": Command(
        _check_config, "Say whether a config file is right", ["file?"], "labd check-config /etc/labd/config.toml"
    ),
    "daemon": Command(
        _daemon,
        "Run the lab, in the foreground",
        ["config", "home"],
        "labd daemon --home ~/lab",
        "As root: for the accounts in the config. As anybody else who may use Docker:\n"
        "a lab of your own, in your home or DIR.",
    ),
}
