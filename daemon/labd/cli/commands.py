"""The table of labd's commands: what each is called, what it takes, what its help says.

This module owns names, options and help texts of those that are more than a request to the daemon; what is one has them
in `model/requests`. It reads no arguments and does no work. It is imported whenever anybody types `labd status`, so it
imports nothing that takes time.
"""

from __future__ import annotations

from types import SimpleNamespace as Options

from labd.cli import admin_commands, lab_commands
from labd.client import questions
from labd.client.arguments import JSON, defaults, typed
from labd.model.requests import REQUESTS

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labd.client.arguments import Typed
    from labd.model.requests import Request


class Command:
    """One of labd's commands."""

    def __init__(
        self,
        run: Callable[[Options], int],
        summary: str,
        arguments: Sequence[str | Typed],
        example: str,
        details: str = "",
        bare: Options | None = None,
    ) -> None:
        """`arguments` are keys of ARGUMENTS or what they stand for.

        `bare` is what argparse makes of none, to do without it (8 ms).
        """
        self.run, self.summary, self.bare = run, summary, bare
        self.arguments = [ARGUMENTS[argument] if isinstance(argument, str) else argument for argument in arguments]
        self.example, self.details = example, details


ARGUMENTS: dict[str, Typed] = {
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
    "json": JSON,
    "brief": (["--brief"], {"action": "store_true", "help": "only what is not as it should be, the worst first"}),
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


def _asks(request: type[Request]) -> Command:
    """The command that is one request to the daemon."""
    bare = None if request.needs_name() else Options(**vars(defaults(request)), socket=None)
    arguments = [*typed(request), ARGUMENTS["socket"]]
    run = getattr(questions, request.name)
    return Command(run, request.summary, arguments, request.example, request.details, bare)


_JOBS = {name: _asks(request) for name, request in REQUESTS.items() if request.summary}
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
