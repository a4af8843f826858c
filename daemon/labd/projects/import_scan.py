"""The process that looks for imports in a researcher's code, and ends.

This module owns the way from a program through the project's own files to the libraries that these import. It is a
process of its own because Python's parser can be made to use much memory, or to crash, by a file that is made for it.
It gives up its rights and limits itself before it reads anything, executes nothing, and imports the standard library
only.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import resource
import sys
import warnings
from collections.abc import Iterator

_MEMORY = 192 << 20  # bytes of address space
_SECONDS = 3
_ANSWER = 1 << 20  # bytes
_MOST_FILES = 5000
_LARGEST = 1 << 20  # bytes of a file; what is larger was not written by hand
_MOST_STATEMENTS = 2000  # of a file
_MOST_MODULES = 200
_TRIES = 3  # files in which an import is looked at closely
# More than there are: also in texts and comments. What matters is looked at with Python's own parser afterwards.
_IMPORT = re.compile(
    r"(?m)(?:^|[;:])[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]*)|import[ \t]+([^\n#;]+))"
)
_OPTIONAL = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

Place = tuple[str, int]
"""File, relative to code/, and line."""


def main() -> None:
    """`import_scan FOLDER PROGRAM [UID GID]`: writes {module: [file, line]} as JSON."""
    folder, program, *identity = sys.argv[1:]
    os.chdir(folder)
    if identity and os.getuid() == 0:
        uid, gid = map(int, identity)
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_FSIZE, _ANSWER),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    warnings.simplefilter("ignore")
    print(json.dumps(scan(program)))


def scan(program: str) -> dict[str, Place]:
    """The modules that `program` in the current folder needs from libraries, and the first place of each."""
    files = _files()
    own = {part.partition(".")[0] for file in files for part in file.split("/")}
    wanted: dict[str, list[str]] = {}
    waiting, seen = [program], {program}
    while waiting and len(seen) < _MOST_FILES:
        file = waiting.pop()
        for module in _mentioned(_source(file)):
            top = module.partition(".")[0]
            # __main__ and its like are Python's own, though no list has them.
            if top and top not in own and top not in sys.stdlib_module_names and not top.startswith("__"):
                importers = wanted.setdefault(top, [])
                if len(importers) < _TRIES and file not in importers:
                    importers.append(file)
            for found in _files_of(module, file):
                if found in files and found not in seen:
                    seen.add(found)
                    waiting.append(found)
    places: dict[str, Place] = {}
    for module, importers in list(wanted.items())[:_MOST_MODULES]:
        for file in importers:
            if line := _needed_in(file, module):
                places[module] = (file, line)
                break
    return places


def _files() -> set[str]:
    """All files below the current folder that can be imported: programs extend their path to any of its folders."""
    found: set[str] = set()
    for folder, folders, files in os.walk("."):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.update(os.path.join(folder, name)[2:] for name in files if name.endswith((".py", ".so", ".pyx")))
    return found


def _mentioned(source: str) -> Iterator[str]:
    """Modules in what looks like imports; those of the project's own package begin with dots."""
    for origin, names, plain in _IMPORT.findall(_statements(source)):
        if plain:
            for name in plain.split(","):
                if words := name.split():
                    yield words[0]
        else:
            yield origin
            joint = "" if origin.endswith(".") else "."
            for name in re.findall(r"\w+", names):
                yield f"{origin}{joint}{name}"


def _statements(source: str) -> str:
    """The lines with the word import, each with what its bracket has on the next ones; quicker than looking at all."""
    source = source.replace("\\\n", " ")
    found: list[str] = []
    end = 0
    while len(found) < _MOST_STATEMENTS and (at := source.find("import", end)) >= 0:
        start = source.rfind("\n", 0, at) + 1
        line_end = source.find("\n", at)
        end = line_end if line_end >= 0 else len(source)
        if "(" in source[at:end] and ")" not in source[at:end]:
            end = max(end, source.find(")", at) + 1)
        found.append(source[start:end])
    return "\n".join(found)


def _files_of(module: str, importer: str) -> Iterator[str]:
    """Where `module` would be, seen from the file `importer`."""
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module[dots:].split(".") if part.isidentifier()]
    base = os.path.dirname(importer)
    for _ in range(dots - 1):
        base = os.path.dirname(base)
    roots = {base} if dots else {"", base}
    for root in roots:
        for length in range(1, len(parts) + 1):
            path = os.path.join(root, *parts[:length])
            yield f"{path}.py"
            yield f"{path}/__init__.py"


def _source(file: str) -> str:
    """The code in `file`: of a notebook, that of its cells without what is for the notebook itself."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8", errors="replace") as opened:
            text = opened.read(_LARGEST)
    except OSError:
        return ""
    return _cells(text) if file.endswith(".ipynb") else text


def _cells(text: str) -> str:
    try:
        cells = [cell for cell in json.loads(text)["cells"] if cell.get("cell_type") == "code"]
        code = "\n".join("".join(cell.get("source", "")) for cell in cells)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
    return re.sub(r"(?m)^[ \t]*[%!?].*$", "pass", code)


def _needed_in(file: str, module: str) -> int:
    """The line of `file` from which it cannot go on without `module`; 0 if there is none."""
    try:
        return _first(_tree(file), module)
    except RecursionError:
        return 0


@functools.lru_cache(maxsize=1)
def _tree(file: str) -> ast.Module:
    """What is in `file` as Python's parser sees it; nothing where that is no Python."""
    try:
        return ast.parse(_source(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _first(node: ast.AST, module: str) -> int:
    if isinstance(node, ast.Import) and any(name.name.partition(".")[0] == module for name in node.names):
        return node.lineno
    if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] == module:
        return node.lineno
    left_out: list[ast.stmt] = []
    if isinstance(node, ast.Try) and any(_is_for_imports(handler) for handler in node.handlers):
        left_out = [*node.body, *(one for handler in node.handlers for one in handler.body)]
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        left_out = node.body
    children = (child for child in ast.iter_child_nodes(node) if child not in left_out)
    for child in children:
        if isinstance(child, ast.ExceptHandler) and left_out:
            continue
        if line := _first(child, module):
            return line
    return 0


def _is_for_imports(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in _OPTIONAL for name in names)


if __name__ == "__main__":
    main()
