"""The table of labd's commands: what each is called, what it takes, what its help says.

This module owns names, options and help texts. It reads no arguments and does no work. It is imported whenever anybody
types `labd status`, so it imports nothing that takes time.
"""

from __future__ import annotations

from types import SimpleNamespace as Options

from labd.cli import admin_commands, lab_commands
from labd.client import questions

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


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
        """`arguments` are keys of ARGUMENTS; `bare` is what argparse makes of none, to do without it (8 ms)."""
        self.run, self.summary, self.arguments, self.bare = run, summary, arguments, bare
        self.example, self.details = example, details


_JOB = {
    "metavar": "JOB",
    "help": "number of a job, or name of a project for its latest job (NAME/ if the name is a number)",
}
ARGUMENTS: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "job": (["job"], _JOB),
    "job?": (["job"], {**_JOB, "nargs": "?"}),
    "project": (["project"], {"metavar": "PROJECT", "help": "folder that has code/ in it"}),
    "upload": (["project"], {"metavar": "PROJECT", "help": "name of the folder in your inbox"}),
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
    "exact": (["--exact"], {"action": "store_true", "help": "in the very environment of that job"}),
    "json": (["--json"], {"action": "store_true", "help": "one JSON document a line"}),
    "brief": (["--brief"], {"action": "store_true", "help": "only what is not as it should be, the worst first"}),
    "limit": (["-n", "--limit"], {"metavar": "N", "type": int, "default": 50, "help": "how many (default: 50)"}),
    "socket": (
        ["--socket"],
        {"metavar": "PATH", "help": "the daemon's socket (default: $LABD_SOCKET, or the usual place)"},
    ),
    "name": (["name"], {"metavar": "NAME", "help": "name of the account"}),
    "name?": (["name"], {"metavar": "NAME", "nargs": "?", "help": "name of the account: firstname-lastname"}),
    "key": (["--key"], {"metavar": "KEY", "action": "append", "help": 'public key: a file, - or "ssh-ed25519 AAAA…"'}),
    "comment": (["--comment"], {"metavar": "TEXT", "help": "who it is"}),
    "limits": (
        ["--limits"],
        {"metavar": "LIMITS", "help": "own limits: running=4,memory=32g,cpus=8,gpus=1,timeout=2d"},
    ),
    "shell": (["--shell"], {"action": "store_true", "help": "an account with a shell of its own"}),
    "make-key": (["--make-key"], {"action": "store_true", "help": "make a key pair for the researcher here"}),
    "push": (["--push"], {"metavar": "TARGET", "help": "send results on to USER@HOST:PORT:PATH"}),
    "yes": (["--yes"], {"action": "store_true", "help": "do not ask"}),
    "archive": (["--archive"], {"metavar": "FILE.tar.gz", "help": "put all of the home into FILE.tar.gz first"}),
    "remove-home": (["--remove-home"], {"action": "store_true", "help": "remove the home with all that is in it"}),
    "key-action": (["action"], {"choices": ["add", "list", "remove"], "help": "what to do"}),
    "templates-action": (["action"], {"choices": ["check"], "help": "what to do"}),
    "images-action?": (["action"], {"choices": ["get"], "nargs": "?", "help": "get a base image"}),
    "language?": (["language"], {"metavar": "LANGUAGE", "nargs": "?", "help": "such as python"}),
    "version?": (["version"], {"metavar": "VERSION", "nargs": "?", "help": "such as 3.13 (default: the language's)"}),
    "keys*": (
        ["keys"],
        {"metavar": "KEY", "nargs": "*", "help": "add: as for adduser; remove: number or fingerprint"},
    ),
    "dry-run": (["--dry-run"], {"action": "store_true", "help": "say what would be done, and do nothing"}),
    "remove": (["--remove"], {"action": "store_true", "help": "take away what setup put here, and nothing else"}),
    "no-images": (["--no-images"], {"action": "store_true", "help": "make no base images"}),
}
"""How argparse is told of an argument: its names, and the settings of `add_argument`."""

_JOBS = {
    "status": Command(
        questions.status,
        "What runs, what waits, and what ended lately",
        ["job?", "json", "socket"],
        "labd status galaxies",
        "With JOB: all about one job, and if it failed, why and what to do. A project's\n"
        "name also tells of an upload of it that has not started.",
        bare=Options(job=None, json=False, socket=None),
    ),
    "queue": Command(
        questions.queue,
        "What runs and waits on the machine, in the order of the queue",
        ["json", "socket"],
        "labd queue",
        "Of other people's jobs you see what they take, and not what they are.",
        bare=Options(json=False, socket=None),
    ),
    "jobs": Command(
        questions.jobs,
        "All jobs, the latest last",
        ["json", "limit", "socket"],
        "labd jobs --json | jq .cause",
        "On a terminal a table; piped, one line each with tabs between.",
    ),
    "logs": Command(questions.logs, "What a program printed", ["job", "follow", "socket"], "labd logs -f galaxies"),
    "submit": Command(
        questions.submit,
        "Say that an upload is complete, and start it at once",
        ["upload", "socket"],
        "labd submit galaxies",
    ),
    "cancel": Command(questions.cancel, "Stop a job, and deliver what it has", ["job", "socket"], "labd cancel 42"),
    "rerun": Command(
        questions.rerun, "Run the same upload once more", ["job", "exact", "socket"], "labd rerun galaxies"
    ),
}
_PROJECTS = {
    "try": Command(
        lab_commands.try_,
        "Run a project here and now, without a lab",
        ["project", "output", "config"],
        "labd try examples/penguins",
        "A temporary lab takes the folder, runs it and is gone again. What the program\n"
        "prints goes to standard output, labd's own words to standard error. Results of\n"
        "an earlier try move to DIR/history. The exit code is the program's; labd's own:\n"
        "124 its time was over, 125 labd could not run it, 130 it was stopped.",
    ),
    "check": Command(
        lab_commands.check,
        "Say before an upload what the server would say",
        ["project", "config"],
        "labd check examples/penguins",
        "Needs no daemon and no Docker.",
    ),
}
_MACHINE = {
    "setup": Command(
        admin_commands.setup,
        "Make this machine ready: groups, settings, service, sshd",
        ["dry-run", "no-images", "remove"],
        "labd setup --dry-run",
        "Safe to run at any time: it says what it finds and what it does. Files that you\nchanged stay as they are.",
    ),
    "doctor": Command(
        admin_commands.doctor,
        "Look at all that labd needs, and say what is wrong",
        ["json", "brief", "config"],
        "labd doctor",
        "Changes nothing. The exit code is 0 only if nothing is broken.",
    ),
    "check-config": Command(
        lab_commands.check_config,
        "Say whether a config file is right",
        ["file?"],
        "labd check-config /etc/labd/config.toml",
    ),
    "templates": Command(
        lab_commands.templates,
        "Say whether the templates of languages are right",
        ["templates-action", "config"],
        "labd templates check",
        "Those of labd and those in /etc/labd/templates. The exit code is 0 only\nif all are right.",
    ),
    "images": Command(
        lab_commands.images,
        "The environments that are there, or get a base image",
        ["images-action?", "language?", "version?", "json", "config", "socket"],
        "labd images get python 3.13",
        "Without `get`, a list of languages with their libraries. With it, the image that\n"
        "a version of a language stands on is pulled, or made from Debian's packages,\n"
        "which the service itself may not. One that is there is left as it is.",
    ),
    "daemon": Command(
        lab_commands.daemon,
        "Run the lab, in the foreground",
        ["config", "home"],
        "labd daemon --home ~/lab",
        "As root: for the accounts in the config. As anybody else who may use Docker:\n"
        "a lab of your own, in your home or DIR.",
    ),
}
_RESEARCHERS = {
    "users": Command(
        admin_commands.users, "The researchers, and what is known of each", ["json", "socket"], "labd users"
    ),
    "adduser": Command(
        admin_commands.adduser,
        "Make an account for a researcher",
        ["name?", "key", "make-key", "comment", "limits", "push", "shell", "dry-run"],
        "labd adduser ana-silva --key ana.pub",
        "Asks for what is missing, and prints what to send to the researcher.",
    ),
    "key": Command(
        admin_commands.key,
        "Add, list or remove the keys that open an account",
        ["key-action", "name", "keys*"],
        "labd key list ana-silva",
    ),
    "disable": Command(
        admin_commands.disable,
        "Close an account; nothing is lost",
        ["name"],
        "labd disable ana-silva",
        "Its keys open nothing, open sessions end, uploads start nothing. Jobs go on.",
    ),
    "enable": Command(admin_commands.enable, "Open an account that was disabled", ["name"], "labd enable ana-silva"),
    "deluser": Command(
        admin_commands.deluser,
        "Remove an account",
        ["name", "archive", "remove-home", "yes"],
        "labd deluser ana-silva --archive ana-silva.tar.gz",
        "The home stays, unless --remove-home says otherwise.",
    ),
}
GROUPS = {
    "Jobs": _JOBS,
    "Projects on this computer": _PROJECTS,
    "The machine": _MACHINE,
    "Researchers": _RESEARCHERS,
}
"""All commands, as the overview shows them."""
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}
