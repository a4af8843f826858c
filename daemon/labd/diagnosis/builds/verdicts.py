"""Why the libraries of a project could not be installed, and what the researcher can do about it, in one sentence.

This module owns the verdicts on builds: what failed, and whether the project, a library or the server is at fault. It
never reads a file or asks Docker, and it blames the project only for what is in its requirements.txt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labd.common.excerpts import Diagnosis, last_words, sentence, shorten
from labd.common.units import human_duration
from labd.diagnosis.builds import debian_names
from labd.diagnosis.builds.build_log import BuildLog
from labd.diagnosis.builds.requirements import FILE, misread, unresolved, with_another_python

_NOISE = re.compile(
    r"^-+$|^\d+ \||^Dockerfile:\d|^> \[|failed to solve|did not complete success"
    r"|^(?:hint|note|help):|Warning\b|: not found$"
)
_ERROR = re.compile(r"(?:[Ee]rror|ERROR|fatal|E): ")

_ASK_ADMINISTRATOR = (
    "This is no fault of your project: tell the administrator, and create RERUN in its inbox when it is mended."
)
_SERVER = (
    (r"[Nn]o space left on device|[Dd]isk quota exceeded", "The server's disk is full"),
    (
        r"Cannot connect to the Docker daemon|buildx component is missing|error during connect",
        "The part of the server that does this does not run",
    ),
    (
        r"[Dd]ockerfile parse error|failed to read dockerfile|failed to compute cache key",
        "The server's own instructions for it have a mistake",
    ),
)
_NO_INDEX = re.compile(
    r"Failed to fetch|error sending request|could not be queried|returned a \d{3} |network was disabled|invalid peer"
    r"|HTTP status \w+ error|Request failed after|[Oo]peration timed out|Read timed out|Retrying \(Retry\("
    r"|problem confirming the ssl certificate|Temporary failure (?:in name )?resol|error decoding response"
)
_REFUSED = re.compile(r"\b40[137]\b|[Uu]nauthorized|[Ff]orbidden|authenticat|not found in the package registry")
_OFFLINE = re.compile(r"network was disabled|not found in the cache|[Nn]etwork connectivity is disabled")
_SOURCE_ONLY = re.compile(r"(?i)for `([\w.-]+)` (?:because building from source )?is disabled")
_NO_BASE = re.compile(r"failed to resolve source metadata for|failed to create LLB definition|pull access denied")
_NO_COMPILER = re.compile(
    r"No such file or directory: '\S*(?:cc|g\+\+|clang|gfortran|cmake)'|(?:cc|g\+\+|gfortran|make|cargo): not found"
    r"|(?:unable to execute|command) '\S*gcc'(?:: No such| failed: No such)|Unknown compiler\(s\)|CMAKE_C\w*_COMPILER"
    r"|CMake must be installed|[Rr]ust compiler|No working compiler|install a (?:C|C\+\+|Rust|Fortran) compiler"
)
_NEEDS = re.compile(
    r"fatal error: (\S{1,80}\.h\w*): No such file|(\w[\w-]{0,40}) executable not found|([\w-]{1,40}config): not found"
)
_ELSEWHERE = re.compile(
    r"Git operation failed|Git executable not found|Cannot find command 'git'|git clone \S+ .{0,200}did not run"
    r"|Failed to download `[^`]{1,200} @ |connection-failed|an OSError: HTTPS?ConnectionPool"
)
_NOT_BUILT = re.compile(
    r"(?:Failed to (?:download and )?build|Failed building wheel for|Could not build wheels for|Encountered error while"
    r" generating package metadata\. (?:╰─> )?) ?[`'(]?([\w.-]{1,100}(?:==[\w.+!-]{1,60})?)"
)


def build_failed(log_tail: str, exit_code: int, distributions: Mapping[str, str]) -> Diagnosis:
    """Why a build that printed `log_tail` ended with `exit_code`; `distributions`: import name → requirement."""
    log = BuildLog.read(log_tail, distributions)
    for judge in (_said_by_template, _server, misread, _not_built, _elsewhere, _no_index, unresolved):
        if diagnosis := judge(log):
            return Diagnosis(sentence(diagnosis.cause), diagnosis.hint)
    if exit_code == 137 or log.find("exit code: 137"):
        return Diagnosis(
            "Installing your libraries was stopped by force, most often for want of memory.", _ASK_ADMINISTRATOR
        )
    errors = [line for line in log.lines if _ERROR.match(line.strip()) and not _NOISE.search(line.strip())]
    said = _ERROR.sub("", last_words(errors or log.lines, _NOISE), count=1)
    return Diagnosis(
        sentence("The libraries of your project could not be installed" + (f": {shorten(said, 100)}" if said else "")),
        "build.log has the whole story; check the list of your libraries in code/, or show both to the administrator.",
    )


def refused(message: str, hint: str) -> Diagnosis:
    """A part of the server did not do what a build needs; it said `message`, and `hint` to its administrator."""
    found = _server(BuildLog.read(message, {}))
    return Diagnosis(sentence(found.cause), found.hint) if found else Diagnosis(message, hint)


def build_timed_out(limit_seconds: float) -> Diagnosis:
    """A build was stopped at its time limit."""
    return Diagnosis(
        f"Installing your libraries took longer than {human_duration(limit_seconds)} and was stopped.",
        "Leave out version numbers in your list of libraries, so that less must be compiled, or ask the administrator "
        "for more time.",
    )


def password_missing(without_code: str, with_code: str) -> str:
    """What to add to `with_code`, the output of a build that knew no password, if it failed for want of one; or "".

    `without_code` is the output of the build before, which had the passwords and ran no code of libraries.
    """
    log = BuildLog.read(with_code, {})
    is_refused = log.find(_REFUSED) or log.find(_NO_INDEX) or log.find(_OFFLINE)
    if not is_refused or _not_built(log):
        return ""
    source = BuildLog.read(without_code, {}).find(_SOURCE_ONLY)
    name = f"`{shorten(source[1], 60)}`" if source else "A library"
    return (
        f"Cause: {name} comes as source only; it needs more, and does not get the password of this server's index.\n"
        f"What to do: Name what it needs in {FILE}, too, or ask the administrator for a version that is ready to use.\n"
    )


def _said_by_template(log: BuildLog) -> Diagnosis | None:
    """What the template's own instructions say of the failure, in the words of STATUS."""
    found = re.search(r"(?m)^Cause: (.+)\nWhat to do: (.+)$", "\n".join(log.lines))
    return Diagnosis(shorten(found[1], 150), shorten(found[2], 200)) if found else None


def _server(log: BuildLog) -> Diagnosis | None:
    """What is wrong with the server, whatever the project asks for."""
    for pattern, cause in _SERVER:
        if log.find(pattern):
            return Diagnosis(
                f"Your libraries could not be installed: {cause[0].lower()}{cause[1:]}", _ASK_ADMINISTRATOR
            )
    if not log.find(_NO_BASE):
        return None
    image = log.find(
        r"(?:source metadata|load metadata|access denied) for (?:[\w.:-]+/(?:library/)?)?([\w./:-]{1,80}\w)"
    )
    return Diagnosis(
        "The basic system that your program runs in could not be fetched" + (f" ({image[1]})" if image else ""),
        "Choose another version of the language in job.toml if you asked for one; otherwise tell the administrator.",
    )


def _not_built(log: BuildLog) -> Diagnosis | None:
    """A library that comes as source only, and could not be made into something that runs."""
    found = log.find(_NOT_BUILT)
    if not found and not log.find("subprocess-exited-with-error"):
        return None
    last = re.findall(r"Collecting ([\w.=-]{1,100})", log.words)
    spec = found[1] if found else last[-1] if last else "a library"
    name = spec.partition("==")[0]
    better = log.find(
        r"Did you mean to install `([\w.-]{1,60})` instead|use '(?:pip install )?([\w.-]{1,60})'\s+rather"
        r"|install the PyPI '([\w.-]{1,60})' package"
    )
    if better:
        instead = next(filter(None, better.groups()))
        hint = f"Write `{instead}` instead of `{name}` in {FILE}."
        return Diagnosis(f"`{name}` cannot be installed; the library to use instead is `{instead}`", hint)
    cause = f"`{shorten(spec, 60)}` is not ready to use for this version of Python"
    if hint := with_another_python(log):
        return Diagnosis(cause, hint)
    if compiler := log.find(_NO_COMPILER):
        lines = debian_names.compilers_for(compiler[0])
        hint = f"Write {lines} into code/apt.txt, or try another version of {name} (often a newer one)."
        return Diagnosis(f"{cause}, and there is no compiler to make it so", hint)
    if needs := log.find(_NEEDS):
        part = next(filter(None, needs.groups()))
        hint = f"{debian_names.advice(part)[:-1]}, or try another version of {name}."
        return Diagnosis(f"{cause}, and `{part}`, which is needed to make it so, is missing", hint)
    errors = [line.strip() for line in log.lines if re.match(r"\s*[\w.]*(?:Error|Exception): ", line)]
    said = f": {shorten(errors[-1], 80)}" if errors else ""
    older = ", or an older Python in job.toml" if log.other_pythons is None else ""
    hint = f"Try another version of {name} (often a newer one){older}."
    return Diagnosis(f"{cause}, and could not be made so{said}", hint)


def _elsewhere(log: BuildLog) -> Diagnosis | None:
    if not log.find(_ELSEWHERE):
        return None
    return Diagnosis(
        f"{FILE} takes a library from an address on the internet, and it could not be fetched from there",
        "Use the library of that name in the package index, or put its source into code/ and leave the line out.",
    )


def _no_index(log: BuildLog) -> Diagnosis | None:
    if not log.find(_NO_INDEX):
        return None
    return Diagnosis("The package index that this server uses does not answer as it should", _ASK_ADMINISTRATOR)
