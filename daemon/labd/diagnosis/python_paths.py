"""What errors of Python programs about files and folders mean: what was not found, or may not be written.

This module owns those errors, and how a traceback tells whether the program was reading or writing. Where in the upload
a file is, `upload_search` knows. It never opens a file.
"""

from __future__ import annotations

import re

from labd.common.excerpts import Diagnosis, shorten
from labd.diagnosis.builds import debian_names
from labd.diagnosis.evidence import upload_search
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.python_tracebacks import Raised

_READS, _WRITES = "reads", "writes"
# Names of functions that write a file, in the standard library and in those for data, pictures and models.
_WRITING = re.compile(
    r"to_(?:csv|excel|json|parquet|pickle|hdf|feather|stata|html|latex|markdown|xml|orc|netcdf|zarr|file|sql|crs_file)"
    r"|_?save\w*|imsave|im_?write\w*|write(?!r$)\w*|_?dump|export\w*|mkdir|makedirs|touch|\w*FileHandler|print_figure"
    r"|copy_?to|render"
)
_READING = re.compile(r"_?read\w*|_?load\w*|imread|im_?open|open_\w+|listdir|scandir|iterdir|walk|stat|from_file|parse")
_COPYING = re.compile(r"copy|copy2|copyfile|copytree|move|rename|replace|symlink|link")
_MODE = re.compile(r"['\"]([rwaxbtU+]{1,4})['\"]")
_OPEN = re.compile(r"\bopen\(([^()]{0,200})")
_LINE = 500  # characters of a line of source; patterns are for what people write by hand
_ANOTHER_COMPUTER = re.compile(r"[A-Za-z]:[/\\]|\\\\|~|/(?:Users|home|Volumes|mnt|media|content|kaggle)/")


def bad_path(raised: Raised, evidence: Evidence) -> Diagnosis | None:
    """An error about a file: one that is not there, or one that may not be written."""
    text = raised.text
    if re.search(r"\[Errno (?:30|13|1)\]|^PermissionError", text):
        path = _path_in(raised.message)
        return _unwritable(path, raised) if path else None
    if directory := re.search(r"Cannot save file into a non-existent directory: '(.*)'", text):
        folder = _unquoted(directory[1])
        written = re.search(rf"['\"]({re.escape(folder)}[/\\][^'\"]{{1,200}})['\"]", raised.own_code)
        return _no_folder(written[1] if written else f"{folder}/")
    if not re.search(r"^FileNotFoundError|No such file or directory|^OSError: .* not found\.", text):
        return None
    path = _path_in(raised.message)
    if not path:
        return None
    if raised.is_in_subprocess:
        return Diagnosis(
            f"Your program calls the command `{shorten(path, 60)}`, which is not installed here",
            f"{debian_names.advice(path)[:-1]}, or use a Python library that does the same.",
        )
    access = _access(path, raised, evidence)
    folder = path.replace("\\", "/").rpartition("/")[0].removeprefix("./")
    # A folder that was sent is there: what was not found in it was read after all.
    there = folder[1:] if folder.startswith(("/code", "/input")) else f"code/{folder}"
    if access == _WRITES and folder and there not in evidence.upload.folders():
        return _no_folder(path)
    return _missing_file(path, access, raised.own_code, evidence)


def _missing_file(path: str, access: str, code: str, evidence: Evidence) -> Diagnosis:
    name = shorten(re.split(r"[/\\]", path.rstrip("/\\"))[-1], 40) or "NAME"
    cause = f"Your program could not find `{shorten(path, 60)}`"
    if _ANOTHER_COMPUTER.match(path):
        cause += ", a path of another computer"
    if "chdir(" in code:
        return Diagnosis(cause, "Remove the line: the program starts in /code, and its data are in /input.")
    put = f"Put {name} into the folder input/ of your project and open it as /input/{name}."
    if path.startswith("/output/"):
        make = _make_first(path.rpartition("/")[0])
        return Diagnosis(cause, f"/output is empty when a job begins: write there before you read, and {make}.")
    if there := upload_search.remedy(upload_search.find(evidence.upload, path), path):
        return Diagnosis(cause, there)
    if path.startswith("/input/"):
        return Diagnosis(cause, f"Check that input/ has {name}, spelled like this: capital and small letters differ.")
    # A relative path that names one of the three folders lacks only the slash.
    if folder := re.match(r"(?:\.{1,2}[/\\])*(input|output)[/\\](.+)", path):
        there = f"/{folder[1]}/{folder[2]}".replace("\\", "/")
        return Diagnosis(cause, f"Write `{shorten(there, 60)}` instead, with a slash before {folder[1]}.")
    if path.startswith("/") or access == _READS or _ANOTHER_COMPUTER.match(path):
        return Diagnosis(cause, put)
    return Diagnosis(cause, f"{put[:-1]}; if it is a result, write it to /output/{name}.")


def _no_folder(path: str) -> Diagnosis:
    """The program was writing to `path`, whose folder is not there; a slash at its end stands for an unknown name."""
    folder, _, name = path.replace("\\", "/").rpartition("/")
    cause = f"Your program writes into `{shorten(path[: len(folder)] or '/', 60)}`, which does not exist"
    if f"{folder}/".startswith("/output/"):
        make = _make_first(folder)
        return Diagnosis(cause, f"{make[0].upper()}{make[1:]}: /output is empty when a job begins.")
    if relative := re.match(r"(?:\.{1,2}/)*output/(.+)", f"{folder}/{name}"):
        return Diagnosis(cause, f"Write to `/output/{shorten(relative[1], 60)}` instead, with a slash before output.")
    instead = f"/output/{shorten(name, 80)}" if name else "/output"
    return Diagnosis(cause, f"Write to {instead} instead: the folder /output is there, and is for results.")


def _make_first(folder: str) -> str:
    return f'make folders first with `os.makedirs("{shorten(folder, 60)}", exist_ok=True)`'


def _access(path: str, raised: Raised, evidence: Evidence) -> str:
    """Whether the program was reading or writing `path`; "" where that is not known."""
    # The call that has the very path as its argument tells most.
    for line in (raised.own_code, *evidence.lines()):
        if told := _by_argument(path, line[:_LINE]):
            return told
    if any(_WRITING.fullmatch(name) for name in raised.called):
        return _WRITES
    if any(_READING.fullmatch(name) for name in raised.called):
        return _READS
    if raised.is_in_own_code and (opened := _OPEN.search(raised.own_code[:_LINE])):
        return _by_mode(opened[1])
    return ""


def _by_argument(path: str, line: str) -> str:
    for written in {path, path.replace("\\", "\\\\")}:
        before, quote, after = _around(line, written)
        call = re.search(r"(\w+)\(([^()]*)$", before)
        if not quote or not call:
            continue
        name, first = call.groups()
        if name == "open":
            return _by_mode(after.partition(")")[0])
        if name in ("Path", "PosixPath", "join") and (method := re.match(r"\)+\.(\w+)\(([^()]*)", after)):
            name, after = method.groups()
            if name == "open":
                return _by_mode(after)
        if name in ("Path", "PosixPath", "join"):
            continue
        if _COPYING.fullmatch(name):
            return _WRITES if "," in first else _READS
        return _WRITES if _WRITING.fullmatch(name) else _READS
    return ""


def _around(line: str, written: str) -> tuple[str, str, str]:
    """What stands before and after the text `written` in its quotes, and the quote; empty if it is not there."""
    for quote in ("'", '"'):
        before, found, after = line.partition(f"{quote}{written}{quote}")
        if found:
            return re.sub(r"[rRbBuU]{1,2}$", "", before), quote, after
    return "", "", ""


def _by_mode(arguments: str) -> str:
    mode = _MODE.search(arguments)
    return _WRITES if mode and set(mode[1]) & set("wax") else _READS


def _unwritable(path: str, raised: Raised) -> Diagnosis:
    name = shorten(path.rstrip("/").rpartition("/")[2], 40) or "NAME"
    if raised.is_in_subprocess:
        return Diagnosis(
            f"Your program may not run `{shorten(path, 60)}`",
            f'Files lose their right to be run on the way: call `os.chmod("{shorten(path, 40)}", 0o755)` first.',
        )
    if path.startswith("/output"):
        return Diagnosis(
            f"Your program could not write `{shorten(path, 60)}`",
            "Check whether your program itself protected it; if it did not, tell the administrator.",
        )
    return Diagnosis(
        f"Your program may not write to `{shorten(path, 60)}`",
        f"Write your results to /output, such as /output/{name}.",
    )


def _path_in(message: str) -> str:
    """The path that the message of a file error names, as the program wrote it."""
    for pattern in (
        r"""(?:: |-> )b?(['"])(?P<path>.*)\1\s*$""",
        r"""name = (['"])(?P<path>.*?)\1""",
        r"""^(?P<path>.*) not found\.$""",
        r"""^(?P<path>[^\[\s].*?): (?:No such file|Permission denied|Read-only)""",
    ):
        if found := re.search(pattern, message):
            return _unquoted(found["path"])
    return ""


def _unquoted(path: str) -> str:
    """A path as it was before Python doubled its backslashes for print."""
    return path.replace("\\\\", "\\")
