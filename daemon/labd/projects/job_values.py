"""How a value in job.toml is written, for one that was written as elsewhere: in YAML, in a shell, in Slurm.

This module owns the proposals for a value, the most likely first. It never decides whether one is right: whoever asks
lets job.toml's own reader try each.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Iterator

EXAMPLES = {
    "cpus": "2",
    "memory": '"8g"',
    "gpus": "1",
    "timeout": '"2h"',
    "args": '["--epochs", "20"]',
    "env": '{ SEED = "7" }',
    "network": "true",
    "language": '"python"',
}
"""A right value of each option."""
_ALIASES = {
    "args": "argument arguments argv parameters params command_line",
    "cpus": "cores core cpu ncpus ncpu n_cpus num_cpus threads nthreads processors cpus_per_task",
    "env": "environ environment variables envs",
    "gpus": "gpu ngpus num_gpus n_gpus cuda",
    "language": "lang",
    "memory": "mem ram memory_limit mem_limit max_memory memory_gb mem_gb",
    "network": "internet net",
    "python": "python_version pythonversion py",
    "r": "r_version",
    "timeout": "time walltime wall_time time_limit timelimit runtime run_time max_time duration limit",
}
ALIASES = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
"""What options are called elsewhere → their name in job.toml."""
_NUMBERS = {word: number for number, word in enumerate("one two three four five six seven eight nine ten".split(), 1)}
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_GB_AT_MOST = 1024  # a number without a unit up to here means GB, above it MB: nobody means bytes
_PAIR = re.compile(r"([A-Za-z_]\w*)[\"']?\s*[=:]\s*(\"[^\"]*\"|'[^']*'|[^,}\]\s]+)")


def proposals(name: str, value: str) -> Iterator[str]:
    """Ways to write `value` for the option `name`, as TOML."""
    yield from _KINDS.get(name, _text)(value.strip(), unquoted(value))


def unquoted(value: str) -> str:
    """`value` without the quotes around it; one of the two can be missing."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].strip()
    return value.strip("\"'").strip() if (value[:1] in "\"'") != (value[-1:] in "\"'") else value


def quoted(text: str) -> str:
    """`text` as TOML has it in quotes."""
    return json.dumps(text, ensure_ascii=False)


def _text(value: str, plain: str) -> Iterator[str]:
    if found := re.fullmatch(r"(?:python|r)?\s*[<>=~^!]*\s*(\d+(?:\.\d+)+)", plain, re.IGNORECASE):
        yield quoted(found[1])
    elif plain and not re.search(r"[\"'\[\]{}]", plain):
        yield quoted(plain)


def _number(value: str, plain: str) -> Iterator[str]:
    if found := re.fullmatch(r"(\d+)(?:[.,](\d+))?\s*[a-z]*", plain, re.IGNORECASE):
        yield f"{found[1]}.{found[2]}" if found[2] and set(found[2]) != {"0"} else str(int(found[1]))
    elif plain.lower() in _NUMBERS:
        yield str(_NUMBERS[plain.lower()])


def _gpus(value: str, plain: str) -> Iterator[str]:
    if plain.lower() in ("true", "yes", "on"):
        yield "1"
    elif plain.lower() in ("false", "no", "off", "none"):
        yield "0"
    else:
        yield from _number(value, plain)


def _size(value: str, plain: str) -> Iterator[str]:
    found = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:i?b?|[a-z]*bytes?|i)", plain, re.IGNORECASE)
    if found:
        number, unit = found[1].replace(",", "."), found[2].lower()
        if not unit:
            unit = "g" if float(number) <= _GB_AT_MOST else "m"
        yield quoted(f"{number}{unit}")


def _duration(value: str, plain: str) -> Iterator[str]:
    if found := re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+)(?::(\d+))?", plain):
        days, first, second, third = (int(part or 0) for part in found.groups())
        # As Slurm has it: hours and minutes behind days or before seconds, else minutes and seconds.
        has_hours = found[1] or found[4]
        seconds = days * 86400 + (first * 3600 + second * 60 + third if has_hours else first * 60 + second)
    else:
        parts = re.findall(r"(\d+(?:[.,]\d+)?)\s*([a-z]*)", plain.lower())
        if not parts or re.sub(r"\d+(?:[.,]\d+)?\s*[a-z]*|and|[\s,]", "", plain.lower()):
            return
        steps = [_SECONDS.get(unit[:1], 0 if unit else 1) for _, unit in parts]
        if 0 in steps:
            return
        seconds = math.ceil(
            sum(float(number.replace(",", ".")) * step for (number, _), step in zip(parts, steps, strict=True))
        )
    yield quoted(_in_units(seconds))


def _in_units(seconds: int) -> str:
    """`seconds` as "1h30m"."""
    text = ""
    for unit, step in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= step:
            text += f"{seconds // step}{unit}"
            seconds %= step
    return text or "0s"


def _flag(value: str, plain: str) -> Iterator[str]:
    if plain.lower() in ("true", "yes", "on", "1", "y", "enabled", "allow"):
        yield "true"
    elif plain.lower() in ("false", "no", "off", "0", "n", "none", "disabled"):
        yield "false"


def _arguments(value: str, plain: str) -> Iterator[str]:
    if value[:1] in "[(":
        inside = value.strip("[]()")
        parts = [unquoted(part) for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^,]+", inside) if part.strip(" ,")]
    else:
        try:
            parts = shlex.split(plain)
        except ValueError:
            return
    if parts:
        yield f"[{', '.join(map(quoted, parts))}]"


def _variables(value: str, plain: str) -> Iterator[str]:
    if pairs := _PAIR.findall(plain):
        written = (f"{name} = {quoted(unquoted(one))}" for name, one in pairs)
        yield f"{{ {', '.join(written)} }}"


def _language(value: str, plain: str) -> Iterator[str]:
    if re.fullmatch(r"\w+", plain):
        yield quoted(plain.lower())


_KINDS: dict[str, Callable[[str, str], Iterator[str]]] = {
    "args": _arguments,
    "cpus": _number,
    "env": _variables,
    "gpus": _gpus,
    "language": _language,
    "memory": _size,
    "network": _flag,
    "timeout": _duration,
}
