"""What to say when a command that came over SSH is not one that the gateway does.

This module owns what people try, and for each the command that does what they want: the way they typed it is worth a
sentence, the way it works here a line that can be copied. It is pure, and it is imported only for a refusal. The
server's name in what it says is `lab`, as in the welcome of `labd adduser`.
"""

from __future__ import annotations

import shlex

from labd.gateway import file_hints
from labd.gateway.habit_hints import ADVICE, HELP, KEYS, PROGRAMS, SEND
from labd.gateway.shell_hints import WRAPPERS, calls, expands, program, unwrapped
from labd.gateway.verbs import OTHER_WORDS, VERBS
from labd.gateway.words import refusal, shown
from labd.model.layout import is_valid_name
from labd.model.request_arguments import Flag

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from labd.common.errors import NotAllowedError
    from labd.gateway.shell_hints import Call

    Advice = tuple[str, str]  # what happened, what to do

_TYPED = [verb for verb in VERBS if verb]
_NO_SHELL = "There is no shell here: labd runs programs for you."


def explain(asked: str, home: str) -> NotAllowedError:
    """The refusal of the command `asked`, which is not what the gateway does."""
    return refusal(*_advice(asked, home))


def _advice(asked: str, home: str) -> Advice:
    if "authorized_keys" in asked or ("umask 077" in asked and "restorecon" in asked):
        return "Keys are not added over ssh here, so ssh-copy-id cannot do it.", KEYS
    inner, wrapper = unwrapped(asked)
    made, folder = calls(inner), ""
    if any(program(call).startswith("rsync") and "--daemon" in call.words for call in made):
        return (
            "Two colons (lab::inbox) and rsync:// ask for an rsync daemon, which there is not here.",
            f"Write one colon: {SEND}",
        )
    if any(program(call).startswith("rsync") and "--server" in call.words for call in made):
        return _rsync_path(made, home)
    while len(made) > 1 and program(made[0]) in ("cd", "mkdir", "export", "source", ".", "module", "set", "test"):
        first = made.pop(0)
        if program(first) == "cd" and len(first.words) > 1:
            folder = file_hints.located(first.words[1], folder, home) or folder
    if made and program(made[0]) in WRAPPERS:
        made[:1] = calls(unwrapped(shlex.join(made[0].words))[0])
    if not made:
        return _NO_SHELL, f"Send a folder with your program: {SEND} {HELP}"
    if verb := _verb(made[0]):
        return _question(asked, made, verb, wrapper)
    return _command(made[0], folder, home)


def _verb(call: Call) -> str:
    """The question that `call` is, however it is written; "" when it is none."""
    words = list(call.words)
    while words and (words[0] in ("ssh", "labd", "lab", "-t", "-q") or words[0].endswith("/labd")):
        words = words[1:]
    name = words[0].lower().strip("-/:") if words else ""
    if name in _TYPED:
        call.words[:] = [name, *words[1:]]
        return name
    return "status" if not words and call.words[0] in ("labd", "lab", "ssh") else ""


def _question(asked: str, made: Sequence[Call], verb: str, wrapper: str) -> Advice:
    """What is said of a question that has more around it than the gateway takes."""
    first = _ask(verb, made[0].words[1:])
    others = [_ask(found, call.words[1:]) for call in made[1:] if call.before != "|" and (found := _verb(call))]
    if others:
        return "That is several questions, and labd takes one at a time.", f"{first}, then {', then '.join(others)}"
    rest = made[0].rest.strip()
    if rest.startswith("|"):
        return (
            "Nothing is piped on the server: there is no shell.",
            f"Without quotation marks your own computer does it: {first} {shown(rest)[1:-1]}",
        )
    if made[0].written:
        return (
            "Nothing is written on the server by a question: there is no shell.",
            f"Without quotation marks your own computer does it: {first} > {shown(made[0].written)[1:-1]}",
        )
    if expands(asked):
        return "Nothing is expanded here: there is no shell.", f"Write the name itself: {_ask(verb, ['$'])}"
    if wrapper:
        return f"`{wrapper}` is not started here, and a question needs none.", f"Ask {first}"
    if rest or len(made) > 1 or not asked.strip().lower().startswith(("ssh", "labd", "lab", verb)):
        return "labd takes one question at a time, and nothing else with it.", f"Ask {first}"
    if asked.strip().lower().startswith(verb):
        return f"{shown(asked.strip()[: len(verb)])} is not a question as it is written.", f"Did you mean {first}?"
    return f"{shown(asked.split()[0])} is too much there: the server is asked without it.", f"It is {first}"


def _ask(verb: str, arguments: Sequence[str]) -> str:
    """The question as the gateway takes it, with what of the `arguments` can be right."""
    request = VERBS[verb]
    flags = [word for argument in request.arguments() if isinstance(argument, Flag) for word in argument.typed]
    options = [word for word in arguments if word in flags + ["--json"] * request.has_json]
    takes_name = request.takes_name()
    plain = [word.removeprefix("inbox/").removeprefix("outbox/").rstrip("/") for word in arguments]
    names = [name for name in plain if is_valid_name(name)][:1] if takes_name else []
    is_named = request.needs_name() or any(not word.startswith("-") for word in arguments)
    if takes_name and is_named and not names:
        names = ["NAME"]
    return f"`ssh {'-t ' if request.needs_terminal else ''}lab {' '.join([verb, *options, *names])}`"


def _rsync_path(made: Sequence[Call], home: str) -> Advice:
    """An rsync that was asked for by another name, or with something before it."""
    folder, place, sends = "", "", False
    for call in made:
        if program(call) == "cd" and len(call.words) > 1:
            folder = file_hints.located(call.words[1], folder, home) or folder
        if "--server" in call.words:
            place = file_hints.located(call.words[-1], folder, home)
            sends = "--sender" in call.words
    example = SEND
    if place:
        slash = "/" if made[-1].words[-1].endswith("/") else ""
        example = f"`rsync -a lab:{place}{slash} .`" if sends else file_hints.send(place, is_exact=True)
    return (
        "rsync was asked to start another program than rsync here (its option --rsync-path).",
        f"Leave out --rsync-path, which nothing here needs (sending makes its folders): {example}",
    )


def _command(call: Call, folder: str, home: str) -> Advice:
    name = program(call)
    if name == "git" or name.startswith("git-"):
        return _git(name if name != "git" else " ".join(call.words[:2]), call.words[-1], home)
    if call.written and file_hints.located(call.written, folder, home):
        return file_hints.advice(["touch"], call.written, folder, home)
    if name == "scp":
        return _scp(call.words[1:])
    if name == "rsync":
        return "rsync runs on your own computer, not over ssh.", f"For example: {SEND}"
    if name in ADVICE:
        return ADVICE[name]
    if name in file_hints.NAMES:
        return file_hints.advice(call.words, call.written, folder, home)
    if verb := OTHER_WORDS.get(name):
        return f"{shown(name)} has another name here.", f"It is {_ask(verb, call.words[1:])}"
    if "." in name or "/" in call.words[0] or name in PROGRAMS:
        return _program(call, folder, home)
    if verb := _near(name):
        return f"There is no question {shown(name)}.", f"Did you mean {_ask(verb, call.words[1:])}?"
    return (
        f"{shown(call.words[0])} is not something that you can do here.",
        f"You can ask {', '.join(_TYPED)}, and send a folder: {SEND} {HELP}",
    )


def _near(name: str) -> str:
    import difflib

    plain = name.lower().strip("-/:")
    known = [*_TYPED, *(word for word in OTHER_WORDS if len(word) > 4)]
    near = difflib.get_close_matches(plain, known, n=1, cutoff=0.66)
    return OTHER_WORDS.get(near[0], near[0]) if near else ""


def _scp(arguments: Sequence[str]) -> Advice:
    """An scp that is no server: that of scp -R, from one server to another, or one that somebody typed."""
    names = [word for word in arguments if not word.startswith("-")]
    source = file_hints.located(names[0], "", "") if names else ""
    if len(names) == 2 and ":" in names[1] and source and shown(names[1])[1:-1] == names[1]:
        return (
            "This server does not send to another one.",
            f"Copy through your own computer: `scp -3 -r lab:{source} {names[1]}`",
        )
    return "scp runs on your own computer, not over ssh.", "For example: `scp -r my-project lab:inbox/`"


def _program(call: Call, folder: str, home: str) -> Advice:
    places = [file_hints.located(word, folder, home) for word in call.words] + [folder]
    there = next((name for place in places if (name := file_hints.project(place))), "")
    more = f"; `ssh lab submit {there}` starts what is there" if there else f" {HELP}"
    return (
        "Programs are not started over ssh: labd runs what you send.",
        f"Put the program into a folder as code/app.py, and send that: {file_hints.send(f'inbox/{there}')}{more}",
    )


def _git(asked: str, path: str, home: str) -> Advice:
    name = path.strip("/").rpartition("/")[2].removesuffix(".git")
    name = name if is_valid_name(name) and asked.startswith("git-") else "my-project"
    send = f"`rsync -a --exclude=.git {name}/ lab:inbox/{name}/`"
    if asked in ("git-receive-pack", "git push"):
        return "git is not served here, so nothing can be pushed with it.", f"Send the folder itself: {send}"
    place = file_hints.located(path, "", home)
    fetch = f"`rsync -a lab:{place if file_hints.project(place) else f'inbox/{name}'}/ {name}/`"
    return "git is not served here.", f"Fetch a folder: {fetch}, or send one: {send}"
