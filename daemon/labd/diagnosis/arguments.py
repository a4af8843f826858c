"""What a program lacks that job.toml can give: arguments and environment variables, written out with its own names.

This module owns the reading of what programs say of their arguments, in any language, and the examples made of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labd.common.excerpts import Diagnosis, shorten

_BELOW = "below the line [job] in job.toml"
_MOST = 4  # arguments in an example
_NAME = r"[\w./-]{1,40}"
_REQUIRED = re.compile(r"(?:following )?arguments? (?:are|is) required: (?P<names>[^:]{1,300})$")
_MISSING = re.compile(
    r"Missing (?P<kind>option|argument|parameter):? ['\"]?(?P<name>[\w-]{1,40}(?: / -{1,2}\w+)?)['\"]?"
)
_FLAG = re.compile(r"Flag (?P<name>--\w{1,40}) must have a value other than None")
_UNKNOWN = re.compile(
    r"(?:unrecognized arguments|[Nn]o such option|[Uu]nrecognized option):? ['\"]?(?P<given>[^'\"]{1,100})"
)
_WRONG = re.compile(
    rf"argument (?P<name>{_NAME}): (?:invalid|expected|not allowed)|Invalid value for ['\"](?P<other>{_NAME})"
)
_COMPLAINT = re.compile(r"[^\s:]+: error: |Error: .*(?:option|argument|value for)|usage: ", re.IGNORECASE)
_OUTPUT = frozenset("dest out outdir outfile output outputs outpath result results save".split())
_FOLDER = frozenset("datadir dir directory folder indir outdir outpath path root".split())
_INPUT = _FOLDER | frozenset(
    "csv data datafile dataset file filename images infile input inputs json src source table".split()
)
# Variables that a job's `env` cannot set, because they are labd's own.
_NOT_OURS = re.compile(
    r"NVIDIA_.*|.*_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ZE_AFFINITY_MASK|HOME|USER|PATH|LABD_.*", re.IGNORECASE
)


def missing(words: str, given: Sequence[str] = ()) -> Diagnosis | None:
    """What to do about a program that ends for want of arguments, as its last `words` say; `given` by job.toml."""
    required, single, flag = _REQUIRED.search(words), _MISSING.search(words), _FLAG.search(words)
    cause = f"Your program did not get the arguments that it wants: {shorten(words, 100)}"
    if required or single or flag:
        names = required["names"].split(", ") if required else [(single or flag)["name"]]  # type: ignore[index]
        example = ", ".join(part for name in names[:_MOST] for part in _example(name))
        there = f", in the place of `args = {_listed(given)}`" if given else ""
        return Diagnosis(cause, f"Write `args = [{example}]` {_BELOW}{there}.")
    if unknown := _UNKNOWN.search(words):
        cause = f"Your program does not know an argument that it was given: {shorten(words, 100)}"
        return Diagnosis(cause, f"Remove `{shorten(unknown['given'].strip(), 60)}` from `args` in job.toml.")
    if wrong := _WRONG.search(words):
        name = shorten(wrong["name"] or wrong["other"], 40)
        return Diagnosis(cause, f"Correct what `args` in job.toml gives for {name}.")
    if _COMPLAINT.match(words):
        return Diagnosis(cause, f'Give them {_BELOW}, such as `args = ["…"]`.')
    return None


def unread(number: int) -> str:
    """What to do about a program that reads its arguments up to `number`, and got fewer."""
    example = ", ".join(['"…"'] * min(max(number, 1), _MOST))
    return f"Write `args = [{example}]` {_BELOW}, with your own values."


def unset(name: str) -> Diagnosis:
    """A program reads the environment variable `name`, which is not set."""
    cause = f"Your program reads the environment variable {shorten(name, 60)}, which is not set"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,59}", name) or _NOT_OURS.fullmatch(name):
        return Diagnosis(cause, "Do without it: give it a value in your program where it is not set.")
    return Diagnosis(cause, f'Write `env = {{ {name} = "{_value(name)}" }}` {_BELOW}.')


def _example(name: str) -> list[str]:
    """The parts of `args` for an argument that a program calls `name`: "--data", "-m/--model" or "infile"."""
    longest = max(re.split(r"\s*/\s*", name.strip()), key=len)
    plain = shorten(re.sub(r'["\\\s]', "", longest), 40)
    value = f'"{_value(plain)}"'
    return [f'"{plain}"', value] if plain.startswith("-") else [value]


def _value(name: str) -> str:
    """An example for what is called `name`."""
    words = set(re.findall(r"[a-z]+", name.lower()))
    if not words & (_INPUT | _OUTPUT):
        return "…"
    top = "/output" if words & _OUTPUT else "/input"
    return top if words & _FOLDER else f"{top}/…"


def _listed(given: Sequence[str]) -> str:
    return shorten("[" + ", ".join(f'"{one}"' for one in given) + "]", 60)
