"""Which options of `rsync --server` the gateway passes on.

This module owns the list: what rsync 2.6 to 3.5 and openrsync send when people use them (server_options() in rsync's
options.c, fargs_cmdline() in openrsync's fargs.c), less what reaches outside the transfer: other log files, devices,
a daemon, the removal of what is sent. Everything that is not on it is refused. It is pure.
"""

from __future__ import annotations

from labd.gateway.words import inside, refusal, shown

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence

_FLAGS = frozenset("vqbunldKmOJyLkWHogDtUNpEAXrcCIRxSz")
"""Letters without an argument. `s` (secluded arguments) is not among them: the gateway reads those itself."""

PLAIN = frozenset(
    """
    append backup copy-unsafe-links delay-updates delete delete-after delete-before delete-delay delete-during
    delete-excluded delete-missing-args dirs existing force from0 fsync fuzzy ignore-errors ignore-existing
    ignore-missing-args ignore-non-existing ignore-times inplace list-only mkpath msgs2stderr new-compress
    no-W no-implied-dirs no-msgs2stderr no-r no-relative no-specials numeric-ids old-compress open-noatime partial
    preallocate progress relative remove-sent-files remove-source-files safe-links sender size-only specials stats
    super use-qsort
    """.split()
)
_VALUED = frozenset(
    """
    block-size bwlimit checksum-choice checksum-seed compress-choice compress-level debug groupmap iconv info
    log-format max-alloc max-delete max-size min-size modify-window only-write-batch skip-compress suffix timeout
    usermap
    """.split()
)
"""Options whose value is a number or a word. No path is among them, so none but a list of endings may hold a slash."""

_FOLDERS = frozenset("backup-dir compare-dest copy-dest link-dest partial-dir temp-dir".split())
"""Options that name a folder, if it is relative from where the files arrive on."""

_NUMBERED = "B@"
_REMOVING = ("remove-source-files", "remove-sent-files")
_HINT = "Leave it out; rsync's usual options for sending and fetching files all work."


class RsyncOptions:
    """The options of one command, as they can be passed on."""

    def __init__(self) -> None:
        """None yet."""
        self.passed: list[str] = []
        self.sends = False  # --sender: from here to the client
        self.dry = False  # nothing will be changed
        self.secluded = False  # the rest of the arguments comes on standard input
        self.relative: list[tuple[str, str]] = []  # name, value: folders to be checked when the destination is known
        self.list: str | None = None  # --files-from, if it is a file of ours

    def read(self, arguments: Sequence[str]) -> int:
        """Take the options that `arguments` begin with; how many that are. Raises NotAllowedError."""
        taken = 0
        while taken < len(arguments) and arguments[taken].startswith("-"):
            argument = arguments[taken]
            following = arguments[taken + 1] if taken + 1 < len(arguments) else None
            taken += self._long(argument, following) if argument.startswith("--") else self._letters(argument)
        return taken

    def finish(self, home: str, destination: str = "") -> list[str]:
        """All options to start rsync with, when the files arrive at `destination` (relative to `home`).

        Raises NotAllowedError for a folder outside, and for what does not go with sending.
        """
        if self.sends and any(f"--{name}" in self.passed for name in _REMOVING):
            raise refusal(
                "rsync cannot remove files here after it fetched them.",
                "Fetch without --remove-source-files; remove what you no longer need with sftp.",
            )
        folders = [f"--{name}={_folder(value, home, destination)}" for name, value in self.relative]
        files = [] if self.list is None else [f"--files-from={inside(self.list, home, ('inbox', 'outbox'))}"]
        return [*self.passed, *folders, *files]

    def _letters(self, argument: str) -> int:
        letters = argument[1:]
        if letters[:1] in _NUMBERED and _is_number(letters[1:].removeprefix("-")):
            self.passed.append(argument)
            return 1
        # -e is rsync's way to say what a client can do: version and letters, always last (compat.c).
        flags, e, abilities = letters.partition("e")
        known = flags.replace("s", "")
        # Without abilities, rsync would take its next argument for them.
        if not letters or not _FLAGS.issuperset(known) or (e and not _is_word(abilities.replace(".", ""))):
            raise _unknown(argument)
        self.secluded |= "s" in flags
        self.dry |= "n" in flags
        if known or e:
            self.passed.append(f"-{known}{e}{abilities}")
        return 1

    def _long(self, argument: str, following: str | None) -> int:
        name, has_value, value = argument[2:].partition("=")
        if name in PLAIN and not has_value:
            self.sends |= name == "sender"
            if name != "sender":
                self.passed.append(argument)
            return 1
        if name not in _VALUED and name not in _FOLDERS and name != "files-from":
            raise _unknown(argument)
        if not has_value:
            if following is None:
                raise _unknown(argument)
            value = following
        self._valued(name, value)
        return 1 if has_value else 2

    def _valued(self, name: str, value: str) -> None:
        if name in _FOLDERS:
            self.relative.append((name, value))
        elif name == "files-from" and value != "-":
            self.list = value
        elif not value or ("/" in value and name != "skip-compress"):
            raise _unknown(f"--{name}={value}")
        else:
            self.dry |= name == "only-write-batch"
            self.passed.append(f"--{name}={value}")


def without_group(number: int, options: Sequence[str]) -> list[str]:
    """What to add to `options` so that files of the group `number` count as files of a group that is not known here."""
    letters = "".join(option.partition("e")[0] for option in options if not option.startswith("--"))
    # --groupmap switches --group on, which both ends have to agree on; and it can be there once.
    if "g" not in letters or any(option.startswith("--groupmap=") for option in options):
        return []
    return [f"--groupmap={number}:{number - 1}"]


def _folder(value: str, home: str, destination: str) -> str:
    """`value` as it can be passed on: relative and below the destination, or from the home on."""
    if value.startswith(("/", "~")):
        return f"{home}/{inside(value, home, ('inbox', 'outbox'))}"
    if ".." not in value.split("/") and value:
        return value
    parts: list[str] = []
    for part in f"{destination}/{value}".split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return f"{home}/{inside('/'.join(parts), home, ('inbox', 'outbox'))}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_word(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _unknown(argument: str) -> Exception:
    return refusal(f"rsync's option {shown(argument)} is not served here.", _HINT)
