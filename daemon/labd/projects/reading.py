"""What researchers and their programs wrote, read where it can do no harm.

This module owns the choice where that happens: what is small and plain is read here, at once; all else in a process of
its own (`reader`) with limits of time and memory, one at a time for each researcher. It never decides what a file
means, and whatever becomes of that process, the answer is a sentence that holds.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from labd.common.commands import consult
from labd.common.errors import LabdError, ProjectError
from labd.common.excerpts import Diagnosis, shorten
from labd.common.log import get
from labd.common.schema import SchemaError, read_table
from labd.common.units import human_size
from labd.model.config import Build, Config
from labd.model.jobs import JobOptions
from labd.model.languages import Language
from labd.privsep.workers import Identity
from labd.projects import dependencies, evidence, imports, job_file, reader
from labd.projects import language as choosing
from labd.projects.dependencies import Dependencies

T = TypeVar("T")

_READER_SECONDS = 30.0  # on a busy machine; the processor's time has a limit of its own
# With these, no parser takes half a second, and no pattern, which keeps all threads waiting, a tenth of one.
_SMALL = 16 * 1024  # bytes
_FEW = 300  # lines
_SHORT = 200  # bytes of a line
_KEPT = 16  # answers
_LONGEST = 300  # characters of a cause or a hint
_IN_NO_WAY = "it has something in it that labd does not understand"

_turns: dict[int, threading.Lock] = {}
_answers: OrderedDict[str, Dependencies] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class _DependencyFields:
    """`Dependencies` as they come from the process."""

    files: Mapping[str, str]
    source: str
    libraries: tuple[str, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    read_files: tuple[str, ...]
    versions: str


class _UnreadableError(LabdError):
    """What was to be read takes too long or too much memory."""


def options(content: bytes, languages: Iterable[str], identity: Identity | None) -> JobOptions:
    """The options in a job.toml of this `content`, which can ask for versions of `languages`.

    Read as `identity`; None: as who we are. Raises ProjectError.
    """
    known = list(languages)
    if _is_plain([content]):
        return _here(job_file.NAME, lambda: job_file.read(content, known))
    question = reader.question("options", content=content, languages=known)
    # As a table of the very same kind, so that all of it is checked once more.
    kind = type(job_file.read(b"", known))
    return _asked(job_file.NAME, question, kind, identity)


def dependency_files(language: Language, read: Callable[[Iterable[str]], dict[str, bytes]]) -> dict[str, bytes]:
    """The files that say what a project needs, and the lists that they name; `read` gets those that are there."""
    files = read(language.template.environment)
    asked: set[str] = set()
    while more := [name for name in dependencies.named_lists(language, files) if name not in {*files, *asked}]:
        asked.update(more)
        files |= read(more)
    return files


def settle(
    language: Language,
    config: Config,
    options: JobOptions,
    read: Callable[[Iterable[str]], dict[str, bytes]],
    identity: Identity | None,
) -> tuple[str, str, Dependencies]:
    """The version of `language` for a project, a sentence on it or "", and what the project asks for.

    `read` gets those files of code/ that are there. Raises ProjectError.
    """
    named = read(language.template.version_files)
    first = choosing.version(language, config, options, named)
    files = dependency_files(language, read)
    asked = read_dependencies(language, first, files, config.build, identity)
    version, advice = choosing.preferred(language, config, options, named, asked.versions)
    if version != first:
        asked = read_dependencies(language, version, files, config.build, identity)
    return version, advice, asked


def read_dependencies(
    language: Language, version: str, files: Mapping[str, bytes], build: Build, identity: Identity | None
) -> Dependencies:
    """What is asked for in `files`, the environment files of a project, read as `identity`. Raises ProjectError."""
    name = f"code/{dependencies.source(language, files) or next(iter(files), '')}"
    # A template without a reader takes its files as they are; YAML can make much out of little.
    if not language.template.reader or (_is_plain(files.values()) and not name.endswith((".yml", ".yaml"))):
        return _here(name, lambda: dependencies.read(language, version, files, build))
    allowed = {"system_packages": build.system_packages, "local_versions": build.local_versions}
    template = asdict(language.template)
    question = reader.question("dependencies", template=template, version=version, files=dict(files), build=allowed)
    key = hashlib.sha256(question).hexdigest()
    with _lock:
        if key in _answers:
            _answers.move_to_end(key)
            return _answers[key]
    found = _asked(name, question, _DependencyFields, identity)
    content = {file: text.encode() for file, text in found.files.items()}
    answer = Dependencies(**{**vars(found), "files": content})
    with _lock:
        _answers[key] = answer
        while len(_answers) > _KEPT:
            _answers.popitem(last=False)
    return answer


def imported(code: Path, program: str, identity: Identity | None) -> imports.Found:
    """What the `program` in the folder `code` imports, as `imports.scan` has it."""
    with _turn(identity):
        return imports.scan(code, program, identity)


def program_failed(
    log_tail: str, exit_code: int, language: Language, identity: Identity | None, snapshot: Path | None = None
) -> Diagnosis:
    """Why a program in `language` that printed `log_tail` ended with `exit_code`, in general words at worst.

    `snapshot` is what it ran on: with that, the words can say where in the upload a file is that was not found.
    """
    known = asdict(evidence.gather(snapshot, log_tail, language))
    return _explained("program_failed", log_tail, exit_code, language, identity, evidence=known) or Diagnosis(
        f"Your program ended with exit code {exit_code}.", "run.log has all that it printed."
    )


def build_failed(log_tail: str, exit_code: int, language: Language, identity: Identity | None) -> Diagnosis:
    """Why a build for `language` that printed `log_tail` ended with `exit_code`, in general words at worst."""
    distributions = dict(language.template.distributions)
    return _explained(
        "build_failed", log_tail, exit_code, language, identity, distributions=distributions
    ) or Diagnosis(
        "The libraries of your project could not be installed.",
        "build.log has the whole story; show it to the administrator if it does not help.",
    )


def _explained(
    verb: str, log_tail: str, exit_code: int, language: Language, identity: Identity | None, **known: Any
) -> Diagnosis | None:
    """What the process makes of `log_tail`, with what else is `known`; None when it cannot."""
    question = reader.question(verb, log_tail=log_tail, exit_code=exit_code, names=list(language.known_as), **known)
    try:
        found = _answer(question, Diagnosis, identity)
    except (_UnreadableError, ProjectError, OSError) as error:
        get().warning("a log could not be explained", reason=str(error))
        return None
    return Diagnosis(shorten(found.cause, _LONGEST), shorten(found.hint, _LONGEST))


def _is_plain(contents: Iterable[bytes]) -> bool:
    """Whether `contents` are so small, and have so short lines, that reading them takes no time to speak of."""
    lines = [line for content in contents for line in content.split(b"\n")]
    return sum(map(len, lines)) <= _SMALL and len(lines) <= _FEW and max(map(len, lines), default=0) <= _SHORT


def _here(name: str, read: Callable[[], T]) -> T:
    """What `read` returns of the file `name`; one that cannot be read is no reason for labd to stumble."""
    try:
        return read()
    except LabdError:
        raise
    except Exception as error:
        get().exception("a file could not be read", file=name)
        raise _cannot_be_read(name, _IN_NO_WAY) from error


def _asked(name: str, question: bytes, kind: type[T], identity: Identity | None) -> T:
    """What the process answers about the file `name`. Raises ProjectError."""
    try:
        return _answer(question, kind, identity)
    except _UnreadableError as error:
        raise _cannot_be_read(name, error.message) from None


def _cannot_be_read(name: str, why: str) -> ProjectError:
    return ProjectError(
        f"{name} could not be read: {why}.", f"Look into {name}: write plainly, and only what your program needs."
    )


def _answer(question: bytes, kind: type[T], identity: Identity | None) -> T:
    """The answer of the process to `question`. Raises ProjectError when that is a refusal, _UnreadableError."""
    rights = [str(identity.uid), str(identity.gid)] if identity else []
    # Whoever sends much to read waits for it alone.
    with _turn(identity):
        done = consult([sys.executable, "-I", "-m", "labd.projects.reader", *rights], question, timeout=_READER_SECONDS)
    if done.timed_out or done.code == -signal.SIGXCPU:
        raise _UnreadableError(f"that takes longer than {reader.SECONDS} seconds")
    if done.code == -signal.SIGKILL:
        raise _UnreadableError("what read it was stopped by force, most often for want of memory")
    if done.code == reader.TOO_LARGE:
        raise _UnreadableError(f"that takes more than {human_size(reader.MEMORY)} of memory")
    try:
        said = json.loads(done.output)
        if "refused" in said:
            message, hint = map(str, said["refused"])
            raise ProjectError(message, hint)
        return read_table(kind, said["answer"], "answer")
    except (SchemaError, ValueError, TypeError, KeyError, RecursionError):
        get().warning("a reader did not answer", code=done.code, said=done.output[-2000:])
        raise _UnreadableError(_IN_NO_WAY) from None


def _turn(identity: Identity | None) -> threading.Lock:
    with _lock:
        return _turns.setdefault(identity.uid if identity else -1, threading.Lock())
