"""The process that reads what a researcher or a program wrote, answers one question about it, and ends.

This module owns the limits within which that is done. It is a process of its own because what is read may be made to
take long, to use much memory or to crash a parser. It limits itself, imports what it needs, gives up its rights and
only then looks at what it was given; it opens no file. What the answers are others know.
"""

from __future__ import annotations

import base64
import codecs
import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from labd.common.errors import LabdError

SECONDS = 3  # of the processor's time
MEMORY = 192 << 20  # bytes of address space
_MOST_ANSWER = 4 << 20  # bytes
TOO_LARGE = 3
"""The exit code when the memory was not enough."""

Question = dict[str, Any]

_MOST_FILES = 32
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1")


def question(verb: str, **arguments: Any) -> bytes:
    """What the process is to be given on standard input, to be asked for `verb`; bytes may stand in a table."""
    return json.dumps({"verb": verb, **arguments}, default=lambda value: base64.b64encode(value).decode()).encode()


def main() -> None:
    """`reader [UID GID]`: answers the question on standard input with one line of JSON, as that user."""
    _limit()
    asked = json.load(sys.stdin.buffer)
    answer = _ANSWERS[asked.pop("verb")](asked)
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    _become(*map(int, sys.argv[1:]))
    try:
        print(json.dumps(_said(answer)))
    except MemoryError:
        os._exit(TOO_LARGE)


def _said(answer: Callable[[], Any]) -> Question:
    try:
        return {"answer": answer()}
    except LabdError as error:
        return {"refused": [error.message, error.hint]}


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, _MOST_ANSWER),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # The second one is for what does not end with the signal of the first.
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))


def _become(uid: int = -1, gid: int = -1) -> None:
    """Be `uid` for good, and start no process from now on."""
    if os.getuid() == 0 and uid >= 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


# Each imports what only it needs, because the start is most of the time that it takes; and it reads something harmless
# first, because modules import more with the first use, and a researcher may not read labd's own files.


def _options(asked: Question) -> Callable[[], Any]:
    from labd.projects import job_file

    job_file.read(b"", asked["languages"])

    def answer() -> Any:
        options = job_file.read(base64.b64decode(asked["content"]), asked["languages"])
        given = {one.name: getattr(options, one.name) for one in fields(options)}
        return {name: value for name, value in given.items() if value is not None}

    return answer


def _dependencies(asked: Question) -> Callable[[], Any]:
    from labd.common.schema import read_table
    from labd.model.config import Build
    from labd.model.languages import Language, Template
    from labd.projects import dependencies, metadata

    language = Language("", Path(), read_table(Template, asked["template"], "template"))
    build = read_table(Build, asked["build"], "build")
    files = {name: base64.b64decode(content) for name, content in asked["files"].items()}
    metadata.description("Package: a")
    if any(name.endswith((".yml", ".yaml")) for name in files):
        metadata.environment_yml("name: a")

    def answer() -> Any:
        found = dependencies.read(language, asked["version"], files, build)
        return {**asdict(found), "files": {name: content.decode() for name, content in found.files.items()}}

    return answer


def _program_failed(asked: Question) -> Callable[[], Any]:
    from labd.diagnosis import languages
    from labd.diagnosis.evidence.project import Evidence, UploadListing
    from labd.diagnosis.programs import program_failed

    language, known = languages.of(tuple(asked["names"])), asked["evidence"]
    evidence = Evidence(known["distributions"], UploadListing(**known["upload"]), known["sources"])
    return lambda: asdict(program_failed(asked["log_tail"], asked["exit_code"], evidence, language))


def _build_failed(asked: Question) -> Callable[[], Any]:
    from labd.diagnosis.builds.verdicts import build_failed

    return lambda: asdict(build_failed(asked["log_tail"], asked["exit_code"], asked["distributions"]))


_ANSWERS: dict[str, Callable[[Question], Callable[[], Any]]] = {
    "options": _options,
    "dependencies": _dependencies,
    "program_failed": _program_failed,
    "build_failed": _build_failed,
}


if __name__ == "__main__":
    main()
