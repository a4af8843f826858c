"""Commands about files that are not run over SSH, and the command on one's own computer that does the same.

This module owns the words for cat, ls, rm, tar and their like. It is pure, and it is imported only for a refusal.
"""

from __future__ import annotations

from labd.model.layout import CONTROLS, is_valid_name

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Sequence

    Advice = tuple[str, str]  # what happened, what to do

_AREAS = ("inbox", "outbox")
_EXAMPLE = "my-project"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=@%,")
_LISTING = frozenset(
    "ls ll la l dir vdir tree find stat file cd chdir pushd pwd realpath readlink test [ locate".split()
)
_READING = frozenset(
    "cat bat head tail less more most view zcat tac nl wc grep egrep fgrep rg sed awk sort uniq cut tee dd jq"
    " hexdump xxd od strings diff cmp md5sum sha1sum sha256sum cksum type Get-Content".split()
)
_EDITING = frozenset("vi vim nvim nano emacs pico ed edit code subl micro notepad".split())
_SIZES = frozenset("du df quota ncdu".split())
_MAKING = frozenset("mkdir md install".split())
_REMOVING = frozenset("rm rmdir unlink del rd shred".split())
_MOVING = frozenset("mv rename move".split())
_COPYING = frozenset("cp copy ln".split())
_RIGHTS = frozenset("chmod chown chgrp setfacl umask".split())
_PACKING = frozenset("tar bsdtar unzip zip gzip gunzip bunzip2 xz unxz zstd unzstd 7z 7za unrar cpio pax".split())
NAMES = frozenset(
    {*_LISTING, *_READING, *_EDITING, *_SIZES, *_MAKING, *_REMOVING, *_MOVING, *_COPYING, *_RIGHTS, *_PACKING, "touch"}
)
"""The programs that this module has advice on."""


def advice(words: Sequence[str], written: str, folder: str, home: str) -> Advice:
    """What to say of a call of one of NAMES.

    `words` are the program and its arguments, `written` the file that its output goes to ("" for none), `folder` where
    it would run, relative to the `home`.
    """
    program, arguments = words[0].rpartition("/")[2], words[1:]
    paths = [found for word in arguments if (found := located(word, folder, home))]
    target = located(written, folder, home) if written else ""
    target = target or next((located(word[3:], folder, home) for word in arguments if word.startswith("of=")), "")
    path = paths[0] if paths else folder if _area(folder) else ""
    if program == "tee" or target:
        return _write(target or path)
    if program in _READING or (program == "find" and "-f" in arguments):
        return _read(program, arguments, path)
    if program in _LISTING:
        return f"`{program}` is not run here: there is no shell.", _list(path, program)
    if program in _SIZES:
        return f"`{program}` is not run here: there is no shell.", "`ssh lab` shows what of the disk is taken and free."
    if program == "touch":
        return _write(path)
    if program in _PACKING:
        return _pack(program, arguments, path)
    return _change(program, path, paths)


def located(word: str, folder: str, home: str) -> str:
    """The path `word` relative to `home`, when it is in the inbox or the outbox; else "".

    It ends before the first part that would have to be quoted, such as a wildcard.
    """
    for start in (f"{home}/", "~/", "$HOME/", "${HOME}/"):
        if word.startswith(start):
            word, folder = word[len(start) :], ""
    parts: list[str] = []
    for part in f"{folder}/{word}".split("/") if not word.startswith("/") else ["/"]:
        if part == "..":
            parts = parts[:-1] or ["/"]
        elif part not in ("", "."):
            parts.append(part)
    strange = next((at for at, part in enumerate(parts) if not _PLAIN.issuperset(part)), len(parts))
    path = "/".join(parts[:strange])
    return path if _area(path) else ""


def project(path: str) -> str:
    """The name of the project that `path` (relative to the home) is about; "" for none."""
    parts = path.split("/")
    return parts[1] if len(parts) > 1 and parts[0] in _AREAS and is_valid_name(parts[1]) else ""


def send(path: str, is_exact: bool = False) -> str:
    """The command that sends the project that `path` is about, or with `is_exact` a folder to `path` itself."""
    if is_exact and project(path) and path.startswith("inbox/"):
        return f"`rsync -a {path.rpartition('/')[2]}/ lab:{path}/`"
    name = project(path) or _EXAMPLE
    return f"`rsync -a {name}/ lab:inbox/{name}/`"


def _area(path: str) -> str:
    area = path.partition("/")[0]
    return area if area in _AREAS else ""


def _read(program: str, arguments: Sequence[str], path: str) -> Advice:
    happened = f"`{program}` is not run here: there is no shell."
    name, file = project(path), "/".join(path.split("/")[2:])
    follows = any(word in ("-f", "-F", "--follow", "+F") for word in arguments)
    if not name:
        return happened, f"{_list(path, program)} `ssh lab logs NAME` shows what a program printed."
    if path.startswith("outbox/"):
        if file == "run.log":
            return happened, f"`ssh lab logs {'-f ' if follows else ''}{name}` shows what the program printed."
        if file == "STATUS" or (file == "status.json" and follows):
            return happened, f"`ssh lab status {name}` says the same."
        if file == "status.json":
            return happened, f"`ssh lab status --json {name}` says the same."
    if not file:
        return happened, _list(path, program)
    return happened, f"`scp -r lab:{path} .` fetches it, and your own computer can show it."


def _list(path: str, program: str) -> str:
    if program == "pwd" or not path:
        return "Your folders are inbox and outbox: `rsync lab:inbox/` lists one of them, and `sftp lab` looks around."
    recursive = "-r " if program in ("tree", "find") else ""
    return f"`rsync {recursive}lab:{path.rstrip('/')}/` lists it, and `sftp lab` looks around."


def _write(path: str) -> Advice:
    name, file = project(path), path.rpartition("/")[2]
    happened = "Files are not written over ssh like this: there is no shell."
    if name and path.count("/") == 2 and file in CONTROLS:
        return happened, f"`ssh lab {file.lower()} {name}` does what the file {file} would."
    if not path.startswith("inbox/") or not name or path.count("/") < 2:
        return happened, "`rsync -a app.py lab:inbox/my-project/code/` sends a file."
    return happened, f"`rsync -a {file} lab:{path}` sends it."


def _pack(program: str, arguments: Sequence[str], path: str) -> Advice:
    packs = program in ("zip", "gzip", "xz", "zstd") or any(word.lstrip("-")[:1] == "c" for word in arguments[:1])
    if (packs and program != "unzip") or path.startswith("outbox"):
        place = _folder_of(path) or "outbox/NAME/output"
        return (
            "Nothing is packed on the server, and it need not be.",
            f"`rsync -az lab:{place}/ {place.rpartition('/')[2]}/` fetches the folder, compressed on the way.",
        )
    return (
        "Archives are not unpacked on the server.",
        f"Unpack it on your own computer and send the folder: {send(path)}",
    )


def _folder_of(path: str) -> str:
    """`path`, or the folder that a file at `path` is in."""
    parts = path.split("/")
    return "/".join(parts[:-1]) if "." in parts[-1] and len(parts) > 2 else path if len(parts) > 1 else ""


def _change(program: str, path: str, paths: Sequence[str]) -> Advice:
    happened = f"`{program}` is not run here: there is no shell."
    name = project(path)
    if program in _MAKING:
        return "No folder has to be made first: sending makes it.", f"Just send: {send(path)}"
    if program in _REMOVING:
        if path.startswith("inbox/") and name and path.count("/") == 1:
            return (
                happened,
                "Remove the folder with WinSCP or FileZilla. Or make an empty folder `empty`, and: "
                f"`rsync -r --delete --include='/{name}/***' --exclude='*' empty/ lab:inbox/`",
            )
        if path.startswith("inbox/") and name:
            return (
                happened,
                f"Remove it in your own folder, and send that again: `rsync -a --delete {name}/ lab:inbox/{name}/`",
            )
        return happened, "Remove with WinSCP or FileZilla, or with rm and rmdir in `sftp lab`."
    if program in _MOVING:
        old, new = (*paths, "inbox/OLD", "inbox/NEW")[:2] if len(paths) > 1 else ("inbox/OLD", "inbox/NEW")
        return happened, f"In `sftp lab` it is: rename {old} {new}"
    if program in _EDITING:
        return "Files are not edited on the server.", f"Change it on your own computer, and send again: {send(path)}"
    if program in _COPYING and path.startswith("outbox/"):
        return happened, f"`rsync -a lab:{path} .` fetches it; send what you need of it with the next project."
    if program in _RIGHTS:
        return happened, f"Rights travel with the files: set them at home, and send again: {send(path)}"
    return happened, f"Arrange it on your own computer, and send the folder: {send(path)}"
