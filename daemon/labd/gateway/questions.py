"""Answers to what a researcher asks over SSH: `ssh lab`, `ssh lab queue`, `ssh lab logs -f galaxies`, …

This module owns the words for what may not follow a verb (`gateway/verbs` says what may: above all no path and no
socket), and the answers that differ from those of the `labd` command on the machine itself. It never sends or receives
files.
"""

from __future__ import annotations

import os
import sys
import time

from labd.client import questions, screen
from labd.client.arguments import defaults, typed
from labd.client.arguments import parse as parse_words
from labd.client.connection import NotRunningError, ask, find_socket
from labd.client.rendering import is_terminal
from labd.common.errors import Exit, LabdError, UnavailableError
from labd.gateway.verbs import VERBS
from labd.model.layout import is_valid_name
from labd.privsep.disk_usage import free, usage

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import SimpleNamespace as Options

_LAB = "lab"  # as the welcome of `labd adduser` has it for ~/.ssh/config
_COMMAND = f"ssh {_LAB}"
_NO_SHELL = f"""\
labd: What comes on standard input is not run: there is no shell here.
      Ask one question at a time, as `{_COMMAND} status`; in WinSCP choose the protocol SFTP."""
_INPUT_SECONDS = 0.1  # that a script has to send its first command
_COUNTING_SECONDS = 0.3  # that files are counted
_DISK_AGE_SECONDS = 30.0  # after which they are counted again
_SCREEN_SECONDS = 5.0  # that the daemon has to answer for one screen


class UsageError(LabdError):
    """That is not how this is asked."""

    exit_code = Exit.USAGE


def answer(verb: str, arguments: Sequence[str], home: str) -> int:
    """Answer `verb` ("" for the status screen); the exit code. Raises LabdError."""
    if {"-h", "--help"} & {*arguments} or (verb == "help" and set(arguments) <= {*VERBS}):
        print(help_text(_LAB))
        return Exit.OK
    options = parse(verb, arguments)
    options.socket, options.home, options.command = None, home, _COMMAND
    function = _OWN.get(verb) or getattr(questions, verb)
    try:
        return int(function(options))
    except NotRunningError:
        raise UnavailableError(
            "labd is not running on the server at the moment.",
            "You can send and fetch files all the same; what you send now starts when labd is back.",
        ) from None
    except UnavailableError as error:
        # How to look after the server is no advice for a researcher.
        raise UnavailableError(error.message, "Ask again in a minute; if it recurs, tell the administrator.") from None
    except LabdError as error:
        error.message, error.hint = (questions.as_typed(text, _COMMAND) for text in (error.message, error.hint))
        raise


def parse(verb: str, arguments: Sequence[str]) -> Options:
    """The options in `arguments`. Raises UsageError."""
    request = VERBS[verb]
    if not arguments and not request.needs_name():
        return defaults(request)  # without argparse, which takes a while to import
    options = parse_words(arguments, typed(request), _usage(verb, arguments))
    if (given := vars(options).get("project", vars(options).get("job"))) is not None:
        name = _name(given)
        # What can only be a project stays so: a name may look like a number.
        options.project, options.job = name, name if given == name else f"{name}/"
    return options


def _name(argument: str) -> str:
    name = argument.removeprefix("inbox/").removeprefix("outbox/").rstrip("/")
    if not is_valid_name(name):
        raise UsageError(
            "That is neither the number of a job nor the name of a project.",
            f"`{_COMMAND} status` lists your jobs and uploads with their names.",
        )
    return name


def _usage(verb: str, arguments: Sequence[str]) -> UsageError:
    """What is said of a `verb` with `arguments` that it does not take, with a question that can be asked."""
    request = VERBS[verb]
    form = " ".join(word for word in (_COMMAND, verb, *request.usage()) if word)
    before = ["", *arguments]
    # A number after an option is the option's.
    names = [
        word
        for at, word in enumerate(arguments)
        if is_valid_name(word) and not (word.isdecimal() and before[at].startswith("-"))
    ]
    terminal = "-t " if request.needs_terminal else ""
    asked = [f"`ssh {terminal}{_LAB} {verb} {name}`" for name in names] if request.takes_name() else []
    if not asked and not request.needs_name():
        asked = [f"`ssh {terminal}{_LAB} {verb}`".replace(" `", "`")]
    hint = f"It is: {form}, for example {asked[0] if asked else f'`{_COMMAND} {verb} galaxies`'}"
    if len(asked) > 1:
        hint = f"One at a time: {', then '.join(asked)}"
    return UsageError(f"That is not how {f'`{verb}`' if verb else 'the status'} is asked.", hint)


def _logs(options: Options) -> int:
    if options.follow:
        _end_with_the_client()
    try:
        return questions.logs(options)
    except KeyboardInterrupt:
        return Exit.OK


def _end_with_the_client() -> None:
    """End this process when nobody reads its output any more: a silent program would keep it until its own end."""
    import select
    import threading

    def watch() -> None:
        gone = select.poll()
        gone.register(1, 0)  # an error or a hang-up is always told (poll(2))
        gone.poll()
        os._exit(Exit.OK)

    threading.Thread(target=watch, daemon=True).start()


def _screen(options: Options) -> int:
    if _is_typed_for_a_shell():
        print(_NO_SHELL, file=sys.stderr)
    lines = _lines(options.home, _disk(options.home), 80, 23, is_terminal(sys.stdout))
    print("\n".join(lines))
    return Exit.OK


def _is_typed_for_a_shell() -> bool:
    """Whether somebody sends commands, as a script behind `<`, or WinSCP's protocol SCP."""
    import select

    try:
        return not sys.stdin.isatty() and bool(
            select.select([0], [], [], _INPUT_SECONDS)[0] and os.read(0, 4096).strip()
        )
    except (OSError, ValueError, AttributeError):
        return False  # there is no standard input


def _top(options: Options) -> int:
    if not (is_terminal(sys.stdout) and sys.stdin.isatty()):
        return _screen(options)
    from labd.client import live_view

    counted, disk = time.monotonic(), _disk(options.home)

    def draw(columns: int, rows: int) -> list[str]:
        nonlocal counted, disk
        if time.monotonic() - counted > _DISK_AGE_SECONDS:
            counted, disk = time.monotonic(), _disk(options.home)
        try:
            return _lines(options.home, disk, columns, rows, True)
        except UnavailableError:
            return ["labd does not answer at the moment; waiting for it.  (q ends this)"]

    live_view.run(draw)
    return Exit.OK


def _lines(home: str, disk: screen.Disk, columns: int, rows: int, colours: bool) -> list[str]:
    for overview in ask(find_socket(), "overview", _SCREEN_SECONDS):
        colours = colours and not os.environ.get("NO_COLOR")
        return screen.screen(overview, disk, _LAB, time.time(), columns, rows, colours)
    raise UnavailableError


def _disk(home: str) -> screen.Disk:
    (inbox, outbox), is_all = usage([f"{home}/inbox", f"{home}/outbox"], _COUNTING_SECONDS)
    return screen.Disk(inbox, outbox, free(home), is_all)


def _check(options: Options) -> int:
    os.execv(sys.executable, [sys.executable, "-I", "-m", "labd", "check", f"{options.home}/inbox/{options.project}"])


def _help(options: Options) -> int:
    print(help_text(_LAB))
    return Exit.OK


def help_text(place: str) -> str:
    """What `ssh lab help` says: one screen of examples; `place` is how the researcher calls the server."""
    questions_asked = "\n".join(
        f"   {' '.join([verb, *_named(verb)]) or '(nothing)':<16} {VERBS[verb].over_ssh.format(lab=place)}"
        for verb in VERBS
        if VERBS[verb].over_ssh
    )
    return f"""\
Send a folder, get a result. The folder has your program in code/ (code/app.py)
and its data in input/; what the program writes to /output comes back.

 send     rsync -a project/ {place}:inbox/galaxies/project/
          scp -r galaxies {place}:inbox/
          or WinSCP, FileZilla: protocol SFTP, into the folder inbox
 fetch    rsync -a {place}:outbox/galaxies/output/ output/
          scp -r {place}:outbox/galaxies/output .

 ssh {place} …
{questions_asked}
JOB is a number, or the name of a project (NAME/ where that is a number, too).
{", ".join(verb for verb in VERBS if VERBS[verb].has_json)} take --json."""


def _named(verb: str) -> list[str]:
    """What of its usage tells a question from the others: options that help explains are left out."""
    return [word for word in VERBS[verb].usage() if word not in ("[--json]", "[--exact]", "[-n N]")]


_OWN: dict[str, Callable[[Options], int]] = {
    "": _screen,
    "top": _top,
    "check": _check,
    "help": _help,
    "logs": _logs,
}
"""What is answered otherwise than by `labd` on the server; all else is a function of that name in client/questions."""
