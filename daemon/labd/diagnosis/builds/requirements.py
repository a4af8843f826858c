"""What uv and pip say of a project's requirements, and what the researcher can do about it, in one sentence each.

This module owns the errors whose cause is in requirements.txt: lines that are not understood, libraries and versions
that do not exist or do not go together. It never looks at what the server lacks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.utils import canonicalize_name

from labd.common.excerpts import Diagnosis, shorten
from labd.diagnosis.builds.build_log import BuildLog
from labd.diagnosis.builds.library_names import known_as, slip

FILE = "code/requirements.txt"

_SPACY_MODEL = re.compile(r"[a-z]{2}-(?:core|dep|ent|sent)-[a-z]+-(?:sm|md|lg|trf)")  # as spacy.io/models names them
_SPEC = r"[\w.<>=!~,*+\[\]-]{1,120}"  # a requirement as uv writes it: numpy>=1.19.5,<1.27.0


def misread(log: BuildLog) -> Diagnosis | None:
    """What is wrong with requirements.txt as a file, whatever the package index has."""
    return _bad_line(log) or _local_file(log) or _wrong_hash(log)


def unresolved(log: BuildLog) -> Diagnosis | None:
    """Why requirements that were understood cannot be met."""
    found = _wrong_python(log) or _no_package(log) or _no_wheel(log) or _no_version(log) or _conflict(log)
    return Diagnosis(found.cause, with_another_python(log) or found.hint) if found else None


def with_another_python(log: BuildLog) -> str:
    """The way out when only the version of Python is in the way; otherwise ""."""
    fitting = log.other_pythons
    return f'Write `python = "{fitting[0]}"` in job.toml: all of {FILE} can be installed with it.' if fitting else ""


def _bad_line(log: BuildLog) -> Diagnosis | None:
    """A line of requirements.txt that uv and pip cannot read."""
    numbered = log.find(r"Unexpected '.{1,5}', expected .{1,120}?\.txt:(\d{1,9}):")
    if numbered:
        cause = f"Line {numbered[1]} of {FILE} is not a library or an option that can be used"
        return Diagnosis(cause, "Write one library a line, such as `numpy` or `numpy==1.26.4`.")
    quoted = log.find(r"Invalid requirement: (?:'([^']{1,300})'|(--.{1,60}?) (?:__main__|pip)\S*: error)")
    line = (quoted[1] or quoted[2]) if quoted else ""
    if log.find("Couldn't parse requirement in"):
        marks = (number for number, text in enumerate(log.lines) if number and re.fullmatch(r"\s*\^+\s*", text))
        line = next((log.lines[number - 1].strip() for number in marks), "")
    elif not quoted:
        return None
    return Diagnosis(
        f"The line `{shorten(line, 70)}` in {FILE} is not understood"
        if line
        else f"A line in {FILE} is not understood",
        _corrected(line, log.distributions),
    )


def _corrected(line: str, distributions: Mapping[str, str]) -> str:
    """How to write what `line` seems to mean."""
    name, line = r"([A-Za-z][\w.\[\]-]{0,60})", line[:300]
    if order := re.match(rf"[!%]?\s*(?:(?:python3? -m )?(?:pip3?|conda|uv pip) install|import|from)\s+{name}", line):
        return f"Write only the name of the library: `{distributions.get(order[1], order[1])}`."
    if version := re.match(rf"{name}\s*(?:=\s*|\s)v?(\d[\w.]{{0,30}}\*?)(?:\s|=|$)", line):
        return f"Write `{version[1]}=={version[2]}`."
    if re.match(r"[\w.\[\]-]+\s*[<>=!~]=?[^,;#]+\s+[<>=!~]", line):
        return "Put a comma between the two limits, such as `pandas>=2.0,<3`."
    if re.match(r"[.~/]|[^#;]*\\", line):
        return "Leave the line out: modules of your own need none when they are in code/."
    return "Write one library a line, such as `numpy` or `numpy==1.26.4`; put all other text after a `#`."


def _local_file(log: BuildLog) -> Diagnosis | None:
    """A line that names a file or folder instead of a library."""
    file = log.find(
        r"Distribution not found at: (?:file://)?(\S{1,300})"
        r"|Error parsing included file.{1,200}?read from file `([^`]{1,300})`"
        r"|Could not open requirements file: .{1,60}?'([^']{1,300})'|The wheel filename `([^`]{1,300})`"
        r"|OSError: \[Errno 2\] No such file or directory: '([^']{1,300})'|nvalid wheel filename.{0,40}?'([^']{1,300})'"
        r"|(\S{1,300}) is not a valid wheel|Unsupported editable requirement in .{1,80}?: `([^`]{1,300})`"
    )
    if not file:
        return None
    name = shorten(re.split(r"[/\\]", next(filter(None, file.groups())).rstrip("/\\"))[-1].partition("#")[0], 60)
    if file[2] or file[3]:
        return Diagnosis(
            f"{FILE} refers to `{name}`, which is not there", f"Copy the lines of {name} into {FILE} itself."
        )
    return Diagnosis(
        f"{FILE} asks for `{name}` from a place that is not in your project",
        "Write the library's name and version, such as `numpy==1.26.4`; modules of your own in code/ need no line.",
    )


def _wrong_hash(log: BuildLog) -> Diagnosis | None:
    found = log.find(r"Hash mismatch for `([^`]{1,100})`|DO NOT MATCH THE HASHES.{1,300}?\. ([\w.=-]+) from ")
    if found:
        name = found[1] or found[2]
        cause = f"The file of `{shorten(name, 60)}` in the package index is not the one whose checksum {FILE} gives"
        return Diagnosis(cause, f"Correct that `--hash` in {FILE}, or leave out all of them.")
    if log.find(r"`?--require-hashes`? mode"):
        return Diagnosis(
            f"Some lines in {FILE} give a checksum and others do not", "Give all lines a `--hash`, or none."
        )
    return None


def _wrong_python(log: BuildLog) -> Diagnosis | None:
    """The only library in question is there, but not for this version of Python."""
    found = log.find(rf"Python version \((\d+\.\d+)[\w.+]*\) does not satisfy Python({_SPEC}) and ({_SPEC}) depends on")
    if found and len({_name(spec) for spec in _required(log)}) <= 1:
        return _needs_python(log, found[3], found[2], f", and your job has Python {found[1]}")
    needs = log.find(rf"Because ({_SPEC}) requires Python ({_SPEC})")
    if needs and len({_name(spec) for spec in _required(log)}) <= 1:
        return _needs_python(log, needs[1], needs[2], "")
    # pip lists, before its error, the versions that it left out because of Python.
    asked = log.find(r"No matching distribution found for ([\w.-]{1,80})[=><~]=(\d[\w.]{0,30})")
    left_out = asked and log.find(rf"(?<=[\s;]){re.escape(asked[2])}(?:\.\d+)* Requires-Python ({_SPEC})(?:;|\s)")
    return _needs_python(log, f"{asked[1]}=={asked[2]}", left_out[1], "") if asked and left_out else None


def _needs_python(log: BuildLog, spec: str, python: str, has: str) -> Diagnosis:
    lowest = re.match(r">=?(\d+\.\d+)", python)
    other = f'write `python = "{lowest[1]}"` in job.toml if that is offered' if lowest else "ask for an older Python"
    if log.other_pythons is not None:
        other = "ask the administrator for another Python: none that is offered here will do"
    hint = f"Leave out the version number of {_name(spec)} in {FILE}, or {other}."
    return Diagnosis(f"`{shorten(spec, 60)}` needs Python {shorten(python, 30)}{has}", hint)


def _no_package(log: BuildLog) -> Diagnosis | None:
    found = log.find(rf"({_SPEC}) was not found in the (?:package registry|provided)") or (
        log.find(r"No matching distribution found for ([\w.-]{1,80})") if log.find(r"\(from versions: none\)") else None
    )
    if not found:
        return None
    name = _name(found[1])
    cause = f"The package index has no library named `{shorten(name, 60)}`"
    is_certain = "from versions" not in log.words
    if not is_certain:
        cause += ", or none for this version of Python"
    if _SPACY_MODEL.fullmatch(canonicalize_name(name)):
        return Diagnosis(
            f"`{name}` is a model of spaCy, and the package index has none of that name",
            f"Leave the line out of {FILE} if your program does not load it; otherwise give the address of its "
            f"release: `{name} @ https://…`.",
        )
    meant = known_as(name, log.distributions) or (slip(name, log.distributions) if is_certain else "")
    if meant:
        return Diagnosis(cause, f"Did you mean `{meant}`? Write that instead of `{name}` in {FILE}.")
    return Diagnosis(
        cause, f"Check its name in {FILE}: some libraries are installed under another name than they import."
    )


def _no_wheel(log: BuildLog) -> Diagnosis | None:
    """All files of a library are for other systems or other versions of Python."""
    found = log.find(rf"({_SPEC}) has no (?:usable )?wheels(?: with a matching ([\w ]{{1,40}}) tag)?") or log.find(
        r"Distribution `([\w.=+-]{1,100})[^`]{0,200}` can't be installed because"
    )
    if not found:
        return None
    spec, name = shorten(found[1], 60), _name(found[1])
    systems = re.findall(r"`(\w+)`", after[1]) if (after := log.find(r"following platforms: ((?:`\w+`,? ?)+)")) else []
    if systems and all(system.startswith(("win", "macosx")) for system in systems):
        where, system = ("Windows", "win32") if systems[0].startswith("win") else ("macOS", "darwin")
        hint = f'Leave it out of {FILE}, or write `{spec}; sys_platform == "{system}"`.'
        return Diagnosis(f"`{spec}` exists for {where} only, and labd runs on Linux", hint)
    tags = after[1] if (after := log.find(r"following Python (?:ABI|version) tags: ((?:`\w+`,? ?)+)")) else ""
    older = max(((int(major), int(minor)) for major, minor in re.findall(r"`cp(\d)(\d{1,3})", tags)), default=None)
    older = older if log.other_pythons is None else None
    python = f', or write `python = "{older[0]}.{older[1]}"` in job.toml if that is offered' if older else ""
    return Diagnosis(f"`{spec}` does not exist for this version of Python", f"Take a newer version of {name}{python}.")


def _no_version(log: BuildLog) -> Diagnosis | None:
    """The library exists, and the version does not."""
    found = (
        log.find(rf"there (?:is|are) no versions? of (?P<spec>{_SPEC})")
        or log.find(rf"only (?P<has>{_SPEC}) (?:is|are) available and you require (?P<spec>{_SPEC})")
        or log.find(r"satisfies the requirement (?P<spec>[\w.<>=!~,-]{1,80}) \(from versions: (?P<all>[^)]{1,6000})\)")
    )
    if not found or (log.find(r"ResolutionImpossible") or len(_required(log)) > 1):
        return None
    groups = found.groupdict()
    has = re.search(r"<=([\w.]+)$", groups.get("has") or "")
    finished = [version for version in (groups.get("all") or "").split(", ") if re.fullmatch(r"[\d.]+", version)]
    newest = has[1] if has else finished[-1] if finished else ""
    spec, name = shorten(groups["spec"].rstrip(","), 60), _name(groups["spec"])
    hint = f"Leave out the version number of {name} in {FILE} to get the newest one that fits"
    here = " for this version of Python" if groups.get("all") else ""
    return Diagnosis(
        f"The package index has no `{spec}`{here}" + (f"; the newest version is {newest}" if newest else ""),
        f"{hint}, or write one that exists.",
    )


def _conflict(log: BuildLog) -> Diagnosis | None:
    """Requirements that do not go together."""
    asked, reason = _required(log), ""
    if reasons := re.findall(rf"({_SPEC}) depends on ((?!Python|one of){_SPEC})", log.words):
        reason = f"{reasons[-1][0]} depends on {reasons[-1][1].rstrip(',.')}"
    if pip := [number for number, line in enumerate(log.lines) if "The conflict is caused by:" in line]:
        said = [line.strip().partition(";")[0] for line in log.lines[pip[-1] + 1 : pip[-1] + 3]]
        asked = [line.removeprefix("The user requested ") for line in said if line.startswith("The user requested ")]
        reason = next((line for line in said if "depends on" in line), "")
    elif not log.find("requirements are unsatisfiable|No solution found"):
        return None
    names = {_name(spec) for spec in asked}
    if len(asked) > 1 and len(names) == 1:
        both = " and ".join(f"`{shorten(spec, 40)}`" for spec in asked[:2])
        return Diagnosis(f"{FILE} asks for two versions of {_name(asked[0])}: {both}", "Keep one of these lines.")
    together = " and ".join(f"`{shorten(spec, 40)}`" for spec in asked[:2])
    cause = (
        f"{together} do not go together" if len(asked) > 1 else f"{together or 'One line'} does not fit another line"
    )
    return Diagnosis(
        cause + (f": {shorten(reason, 70)}" if reason else ""),
        f"Leave out the version number of one of them in {FILE}, so that one that fits is chosen.",
    )


def _required(log: BuildLog) -> list[str]:
    """The requirements that uv names as the project's own, each once, in its order."""
    clauses = re.findall(
        rf"(?<!conclude that )you require ({_SPEC}(?: and (?!you |because ){_SPEC}(?=,? |$)(?! (?:depends|was|has)))?)",
        log.words,
    )
    specs = (spec.rstrip(",.") for clause in clauses for spec in clause.split(" and "))
    return list(dict.fromkeys(specs))


def _name(spec: str) -> str:
    """The library that a requirement is about."""
    return re.split(r"[\[<>=!~ ,]", spec, maxsplit=1)[0]
