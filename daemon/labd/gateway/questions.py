"""Answers to what a researcher asks over SSH: `ssh lab`, `ssh lab queue`, `ssh lab logs -f galaxies`, …

This module owns what may follow each verb; nothing else does, above all no path and no socket. The answers come from
the daemon and look as those of the `labd` command on the machine itself. It never sends or receives files.
"""

from __future__ import annotations

import os
import sys
import time
from types import SimpleNamespace as Options

from labd.client import questions, screen
from labd.client.connection import NotRunningError, ask, find_socket
from labd.client.rendering import is_terminal
from labd.common.errors import Exit, LabdError, UnavailableError
from labd.model.layout import is_valid_name
from labd.privsep.disk_usage import free, usage

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_JOB, _MAYBE_JOB, _PROJECT = "JOB", "[JOB]", "NAME"
_FOLLOW, _JSON, _LIMIT, _EXACT = "[-f]", "[--json]", "[-n N]", "[--exact]"
_LAB = "lab"  # as the welcome of `labd adduser` has it for ~/.ssh/config
_COMMAND = f"ssh {_LAB}"
_NO_SHELL = f"""\
labd: What comes on standard input is not run: there is no shell here.
      Ask one question at a time, as `{_COMMAND} status`; in WinSCP choose the protocol SFTP."""
_LISTENING = 0.1  # seconds
_COUNTING = 0.3
_DISK_AGE = 30.0
_PATIENCE = 5.0


class UsageError(LabdError):
    """That is not how this is asked."""

    exit_code = Exit.USAGE


def answer(verb: str, arguments: Sequence[str], home: str) -> int:
    """Answer `verb` ("" for the status screen); the exit code. Raises LabdError."""
    function, takes = _VERBS[verb]
    if {"-h", "--help"} & {*arguments} or (verb == "help" and set(arguments) <= {*_VERBS}):
        print(help_text(_LAB))
        return Exit.OK
    options = parse(verb, takes, arguments)
    options.home, options.command = home, _COMMAND
    try:
        return function(options)
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


def parse(verb: str, takes: Sequence[str], arguments: Sequence[str]) -> Options:
    """The options in `arguments`. Raises UsageError."""
    options = Options(job=None, project=None, json=False, follow=False, exact=False, limit=50, socket=None)
    takes_name = {_JOB, _MAYBE_JOB, _PROJECT} & {*takes}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument in ("-f", "--follow") and _FOLLOW in takes:
            options.follow = True
        elif argument == "--json" and _JSON in takes:
            options.json = True
        elif argument == "--exact" and _EXACT in takes:
            options.exact = True
        elif argument in ("-n", "--limit") and _LIMIT in takes and rest and rest[0].isdecimal():
            options.limit = min(int(rest.pop(0)[:6]), 10_000)
        elif argument.startswith("-") or options.job is not None or not takes_name:
            raise _usage(verb, takes, arguments)
        else:
            options.project = _name(argument)
            # What can only be a project stays so: a name may look like a number.
            options.job = options.project if argument == options.project else f"{options.project}/"
    if options.job is None and takes_name - {_MAYBE_JOB}:
        raise _usage(verb, takes, arguments)
    return options


def _name(argument: str) -> str:
    name = argument.removeprefix("inbox/").removeprefix("outbox/").rstrip("/")
    if not is_valid_name(name):
        raise UsageError(
            "That is neither the number of a job nor the name of a project.",
            f"`{_COMMAND} status` lists your jobs and uploads with their names.",
        )
    return name


def _usage(verb: str, takes: Sequence[str], arguments: Sequence[str]) -> UsageError:
    """What is said of a `verb` with `arguments` that it does not take, with a question that can be asked."""
    form = " ".join(word for word in (_COMMAND, verb, *takes) if word)
    before = ["", *arguments]
    # A number after an option is the option's.
    names = [
        word
        for at, word in enumerate(arguments)
        if is_valid_name(word) and not (word.isdecimal() and before[at].startswith("-"))
    ]
    takes_name = {_JOB, _MAYBE_JOB, _PROJECT} & {*takes}
    terminal = "-t " if verb == "top" else ""
    asked = [f"`ssh {terminal}{_LAB} {verb} {name}`" for name in names] if takes_name else []
    if not takes_name or (not asked and _MAYBE_JOB in takes):
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
        return not sys.stdin.isatty() and bool(select.select([0], [], [], _LISTENING)[0] and os.read(0, 4096).strip())
    except (OSError, ValueError, AttributeError):
        return False  # there is no standard input


def _top(options: Options) -> int:
    if not (is_terminal(sys.stdout) and sys.stdin.isatty()):
        return _screen(options)
    from labd.client import live_view

    counted, disk = time.monotonic(), _disk(options.home)

    def draw(columns: int, rows: int) -> list[str]:
        nonlocal counted, disk
        if time.monotonic() - counted > _DISK_AGE:
            counted, disk = time.monotonic(), _disk(options.home)
        try:
            return _lines(options.home, disk, columns, rows, True)
        except UnavailableError:
            return ["labd does not answer at the moment; waiting for it.  (q ends this)"]

    live_view.run(draw)
    return Exit.OK


def _lines(home: str, disk: screen.Disk, columns: int, rows: int, colours: bool) -> list[str]:
    for overview in ask(find_socket(), "overview", _PATIENCE):
        colours = colours and not os.environ.get("NO_COLOR")
        return screen.screen(overview, disk, _LAB, time.time(), columns, rows, colours)
    raise UnavailableError


def _disk(home: str) -> screen.Disk:
    (inbox, outbox), is_all = usage([f"{home}/inbox", f"{home}/outbox"], _COUNTING)
    return screen.Disk(inbox, outbox, free(home), is_all)


def _check(options: Options) -> int:
    os.execv(sys.executable, [sys.executable, "-I", "-m", "labd", "check", f"{options.home}/inbox/{options.project}"])


def _help(options: Options) -> int:
    print(help_text(_LAB))
    return Exit.OK


def help_text(place: str) -> str:
    """What `ssh lab help` says: one screen of examples; `place` is how the researcher calls the server."""
    return f"""\
Send a folder, get a result. The folder has your program in code/ (code/app.py)
and its data in input/; what the program writes to /output comes back.

 send     rsync -a project/ {place}:inbox/galaxies/project/
          scp -r galaxies {place}:inbox/
          or WinSCP, FileZilla: protocol SFTP, into the folder inbox
 fetch    rsync -a {place}:outbox/galaxies/output/ output/
          scp -r {place}:outbox/galaxies/output .

 ssh {place} …
   (nothing)        your jobs, the queue, the machine, your disk
   top              the same, live: ssh -t {place} top
   status [JOB]     what runs; with JOB: all about it, why it failed, what to do
   logs [-f] JOB    what the program printed; -f goes on until it ends
   submit NAME      everything has arrived: start
   cancel JOB       stop it; what it wrote so far comes back
   rerun JOB        once more; with --exact in the very environment of JOB
   check NAME       what labd thinks of inbox/NAME
   queue, jobs      who waits and runs; all jobs there were
JOB is a number, or the name of a project (NAME/ where that is a number, too).
status, jobs, queue take --json."""


_VERBS: dict[str, tuple[Callable[[Options], int], tuple[str, ...]]] = {
    "": (_screen, ()),
    "status": (questions.status, (_MAYBE_JOB, _JSON)),
    "jobs": (questions.jobs, (_LIMIT, _JSON)),
    "logs": (_logs, (_FOLLOW, _JOB)),
    "cancel": (questions.cancel, (_JOB,)),
    "rerun": (questions.rerun, (_EXACT, _JOB)),
    "submit": (questions.submit, (_PROJECT,)),
    "queue": (questions.queue, (_JSON,)),
    "check": (_check, (_PROJECT,)),
    "top": (_top, ()),
    "help": (_help, ()),
}
"""For each verb: what answers it, and what may follow it."""
