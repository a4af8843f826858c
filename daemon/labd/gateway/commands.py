"""What a command that came over SSH asks for: a transfer with every path inside, a question, or a refusal.

This module owns what is a transfer; the questions are those of `gateway/verbs`, and the gateway does nothing else. It
is pure: it looks at no disk and starts nothing, and what it returns is safe to start without a shell, because every
program, option and path in it was on a list or built here.
"""

from __future__ import annotations

from labd.gateway.rsync_options import RsyncOptions
from labd.gateway.words import Word, inside, literal, refusal, split

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence

# Subsystem lines of sshd_config(5) in distributions, and what clients ask for themselves when there is none.
_SFTP_FOLDERS = (
    "",
    *(f"/usr/{place}" for place in ("lib/openssh/", "libexec/openssh/", "libexec/", "lib/ssh/", "lib/")),
)
_SFTP = ("internal-sftp", *(f"{folder}sftp-server" for folder in _SFTP_FOLDERS))
_RSYNC = ("rsync", "/usr/bin/rsync", "/usr/local/bin/rsync", "/bin/rsync")
_SCP = ("scp", "/usr/bin/scp", "/bin/scp")
_SCP_LETTERS = frozenset("rpdvqtf")
_HELP = ("--help", "-h", "-?")
_SHELLS_OWN = frozenset(";|&<>()$`\n")


class Transfer:
    """A program that sends or receives files: everything that is needed to start it."""

    def __init__(
        self, kind: str, options: Sequence[str] = (), paths: Sequence[Word] = (), receives: bool = False
    ) -> None:
        """`kind` is rsync, scp or sftp; `paths` are relative to the home; `receives`: files may change here."""
        self.kind, self.options, self.paths, self.receives = kind, list(options), list(paths), receives

    @property
    def destination(self) -> str:
        """Where the files arrive, relative to the home; "" when the client says so only later."""
        return self.paths[0].text if self.receives and self.paths else ""


class Question:
    """A verb and its arguments."""

    def __init__(self, verb: str, arguments: Sequence[str]) -> None:
        self.verb, self.arguments = verb, list(arguments)


class Secluded:
    """An rsync whose further arguments come on standard input (rsync(1), --secluded-args)."""

    def __init__(self, options: RsyncOptions, home: str) -> None:
        self._options, self._home = options, home

    def transfer(self, arguments: Sequence[str]) -> Transfer:
        """The transfer, now that the `arguments` are there. Raises NotAllowedError.

        rsync's server itself would expand wildcards in them, with a backslash for what is none.
        """
        words = [Word(_unescaped(argument), _pattern(argument)) for argument in arguments]
        return _rsync_transfer(self._options, words, self._home)


Request = Transfer | Secluded | Question


def understand(command: str, home: str) -> Request:
    """What `command` (SSH_ORIGINAL_COMMAND, "" for none) asks for in `home`. Raises NotAllowedError."""
    words = split(command)
    program = words[0].text if words else ""
    if not words:
        return Question("", [])
    if program in _SFTP:
        return Transfer("sftp", receives=True)
    if program in _RSYNC and len(words) > 1 and words[1].text == "--server" and words[-2].text != "--daemon":
        return _rsync(words[1:], home)
    if program in _SCP and (transfer := _scp(words[1:], home)):
        return transfer
    # Not at the top: a transfer needs neither.
    from labd.gateway.verbs import VERBS

    if program in VERBS and _SHELLS_OWN.isdisjoint(command.strip()):
        return Question(program, [word.text for word in words[1:]])
    if program in _HELP:
        return Question("help", [])
    from labd.gateway.hints import explain

    raise explain(command, home)


def _rsync(words: Sequence[Word], home: str) -> Transfer | Secluded:
    options = RsyncOptions()
    taken = options.read([word.text for word in words[1:]])
    rest = words[1 + taken :]
    if not options.secluded:
        return _rsync_transfer(options, words[1 + taken :], home)
    if rest:
        raise refusal(
            "This call of rsync is not one that rsync makes.",
            "For example: `rsync -a my-project/ lab:inbox/my-project/`",
        )
    return Secluded(options, home)


def _rsync_transfer(options: RsyncOptions, words: Sequence[Word], home: str) -> Transfer:
    rest = words[options.read([word.text for word in words]) :]
    if len(rest) < 2 or rest[0].text != "." or (len(rest) > 2 and not options.sends):
        raise refusal(
            "This call of rsync is not one that rsync makes.",
            "For example: `rsync -a my-project/ lab:inbox/my-project/`",
        )
    if options.sends:
        sources = [_path(word, home, ("inbox", "outbox")) for word in rest[1:]]
        return Transfer("rsync", ["--server", "--sender", *options.finish(home), "."], sources)
    destination = _path(Word(rest[1].text), home, ("inbox",))
    passed = ["--server", *options.finish(home, destination.text), "."]
    return Transfer("rsync", passed, [destination], receives=not options.dry)


def _scp(words: Sequence[Word], home: str) -> Transfer | None:
    """The server's side of an scp; None when `words` are not those of one."""
    letters = ""
    rest = list(words)
    while rest and rest[0].text.startswith("-") and (option := rest.pop(0).text) != "--":
        letters += option[1:]
    receives = "t" in letters
    is_complete = len(rest) == 1 if receives else bool(rest)
    if not _SCP_LETTERS.issuperset(letters) or receives == ("f" in letters) or not is_complete:
        return None
    if receives:
        rest = [Word(rest[0].text)]
    paths = [_path(word, home, ("inbox",) if receives else ("inbox", "outbox")) for word in rest]
    return Transfer("scp", [f"-{letter}" for letter in dict.fromkeys(letters)], paths, receives)


def _path(word: Word, home: str, areas: Sequence[str]) -> Word:
    text = inside(word.text, home, areas)
    if not word.pattern:
        return Word(text)
    # The same beginning is cut off the pattern: it holds no wildcard, or it would not have been known.
    pattern = inside(word.pattern, literal(home), areas)
    return Word(text, pattern)


def _pattern(argument: str) -> str:
    pieces, is_pattern = [], False
    characters = iter(argument)
    for character in characters:
        if character == "\\":
            pieces.append(literal(next(characters, "\\")))
        else:
            is_pattern = is_pattern or character in "*?["
            pieces.append(character)
    return "".join(pieces) if is_pattern else ""


def _unescaped(argument: str) -> str:
    """`argument` as a name: a backslash makes a wildcard plain, and else is one (rsync(1), --secluded-args)."""
    text = argument
    for wildcard in "*?[]":
        text = text.replace(f"\\{wildcard}", wildcard)
    return text
