"""Files that were made to hold up or end whoever reads them: each gets an answer at once, and a sentence that holds."""

from __future__ import annotations

import codecs
import os
import resource
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd import choosing, job_file, project_files, project_metadata, reader, reading, requirement_lines, wishes
from labd.commands import consult
from labd.config import Build, Config
from labd.errors import ProjectError
from labd.hands import Identity
from labd.jobs import Options
from labd.languages import load

LANGUAGES = load(Path(__file__).resolve().parents[2] / "templates")
SOMEBODY = Identity(5001, 5001) if os.getuid() == 0 else None
SECONDS = 2.0
MEGABYTES = 50

DEEP = {
    "brackets": "[" * 100_000,
    "brackets on lines": "x = [\n" + "[\n" * 15_000,
    "braces": "x = " + "{a = " * 20_000,
    "dotted keys": ".".join("a" * 4000) + " = 1",
    "dotted keys on lines": "\n".join(f"{'.'.join(['a'] * 900)}.b{number} = 1" for number in range(100)),
    "dotted tables": "\n".join(f"[{'.'.join(['a'] * 900)}.b{number}]" for number in range(100)),
    "long number": "x = " + "9" * 5000,
    "long number, small file": "x = 1" + "9" * 150,
    "no number": "cpus = nan",
    "tables": "[[a]]\n" * 15_000,
    "quotes": '"' * 100_000,
    "text of escapes": 'x = "' + "\\u0041" * 15_000 + '"',
}
LINES = {
    "spaces": f"a{' ' * 150_000}b",
    "a million spaces": f"a{' ' * 1_000_000}b",
    "short lines of spaces": f"a{' ' * 190}b\n" * 80,
    "parentheses in a marker": "a; " + "(" * 1500,
    "parentheses in a marker, more": "a; " + "(" * 100_000,
    "few parentheses": "a; " + "(" * 180,
    "ands": "a; " + "python_version>'3' and " * 80 + "python_version>'3'",
    "commas": "a>=1" + ",>=1" * 400,
    "versions": "a==" + "1." * 900 + "1",
    "version of many digits": "a==" + "9" * 1900,
    "version of too many digits": "a==" + "9" * 50_000,
    "extras": f"a[{'b,' * 900}b]",
    "half a million lines": "a\n" * 500_000,
    "many libraries": "".join(f"library-{number}==1.{number}\n" for number in range(19_000)),
    "continued lines": "a \\\n" * 19_000,
    "many checksums": "a==1 " + "\\\n--hash=sha256:00 " * 19_000,
    "conda's lists": "a   1.0   b   c\n" * 15_000,
    "orders": ("pip install " + "a " * 900 + "\n") * 500,
    "places": ("a @ file:///" + "b" * 1900 + "\n") * 500,
    "contradictions": "a==1\n" + "a>2,<3,!=4\n" * 1900,
    "unclosed": "a[" * 1000,
    "comments": "#" * 1_000_000,
    "one long word": "a" * 1_000_000,
    "dashes": "-" * 1_000_000,
    "no letters": "\x00" * 100_000,
    "terminal": "\x1b[31m" * 1000,
}
YAML = {
    "aliases": "a: &a [x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefghij", "bcdefghijk", strict=True)),
    "laughs": "a: &a [x]\n"
    + "".join(f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefghi", "bcdefghij", strict=True))
    + "dependencies: *j\n",
    "merges": "a: &a {x: 1}\n"
    + "".join(f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}]}}\n" for n in range(1, 40)).replace("*k0", "*a"),
    "itself": "dependencies: &a\n - *a\n",
    "depth": "".join(f"{' ' * n}a:\n" for n in range(400)),
    "dashes": "- " * 40_000,
    "flow": "[" * 90_000,
    "questions": "? " * 40_000,
    "tags": "dependencies: !!python/object/apply:os.system ['touch /tmp/labd-was-here']",
    "long tag": "!" + "a" * 1900 + " x",
    "lone surrogate": 'dependencies: ["a\\ud800==1"]',
    "pip in pip": "dependencies:\n - pip:\n" + "".join(f"   - library-{n}==1\n" for n in range(6000)),
    "numbers": "x: " + "1:" * 900 + "1\n",
    "many keys": "".join(f"k{n}: v\n" for n in range(9000)),
    "anchors": "".join(f"k{n}: &k{n} v\n" for n in range(5000)),
}
NOTES = {
    "fields": "A: b\n" * 19_000,
    "imports": "Imports: " + ", ".join(f"p{n}" for n in range(300)),
    "continued": "Imports: a,\n" + " b,\n" * 19_000,
    "one line": "Imports: " + "a, " * 100_000,
    "parts": "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n" + "--x\n\n" * 5000,
    "codes": "Imports: =?utf-8?q?" + "=41" * 500 + "?=\n",
}
ENCODED = {
    "UTF-16 without mark": "numpy\npandas\n".encode("utf-16-le"),
    "UTF-16 the other way": "numpy\npandas\n".encode("utf-16-be"),
    "UTF-16 cut off": codecs.BOM_UTF16_LE + "numpy\n".encode("utf-16-le")[:-1],
    "UTF-16 with half a pair": codecs.BOM_UTF16_LE + b"\x00\xd8a\x00",
    "UTF-32 of nothing": codecs.BOM_UTF32_LE + b"\xff\xff\xff\xff" * 1000,
    "UTF-8 of surrogates": b"numpy\xed\xa0\x80==1\n",
    "invalid": bytes(range(256)) * 100,
    "zeros": b"\x00" * 1_000_000,
    "one zero": b"a\x00b",
    "carriage returns": b"a\r" * 300_000,
    "nothing": b"",
    "mark only": codecs.BOM_UTF8,
}
CASES = [
    *(("requirements.txt", kind, text.encode()) for kind, text in {**LINES, **DEEP}.items()),
    *(("pyproject.toml", kind, text.encode()) for kind, text in DEEP.items()),
    *(
        ("pyproject.toml", f"listed {kind}", f"[project]\ndependencies = ['''{text}''']".encode())
        for kind, text in LINES.items()
    ),
    ("pyproject.toml", "asked Python", b"[project]\ndependencies = []\nrequires-python = '" + b">=3," * 450 + b"'"),
    ("pyproject.toml", "deep extras", b"[tool.poetry.dependencies]\na = {extras = " + b"[" * 80 + b"]" * 80 + b"}"),
    ("pyproject.toml", "poetry", b"[tool.poetry.dependencies]\na = '^" + b"9" * 1900 + b"'"),
    *(("environment.yml", kind, text.encode()) for kind, text in {**YAML, **DEEP}.items()),
    *(("apt.txt", kind, text.encode()) for kind, text in LINES.items()),
    *(("packages.txt", kind, text.encode()) for kind, text in LINES.items()),
    *(("DESCRIPTION", kind, text.encode()) for kind, text in {**NOTES, **LINES}.items()),
    *(
        (name, kind, content)
        for name in ("requirements.txt", "pyproject.toml", "environment.yml", "DESCRIPTION", "packages.txt", "apt.txt")
        for kind, content in ENCODED.items()
    ),
]


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def is_for_people(error: ProjectError) -> None:
    for text in (error.message, error.hint):
        assert text.isprintable()
        assert len(text) <= 350
    assert error.message.endswith((".", "!", "?", "…"))


class Bounded:
    """Fails when what is inside takes long or makes this process large."""

    def __enter__(self) -> None:
        self._began, self._resident = time.monotonic(), resident()

    def __exit__(self, *_: object) -> None:
        taken, grown = time.monotonic() - self._began, (resident() - self._resident) >> 20
        assert taken < SECONDS, f"took {taken:.1f} s"
        assert grown < MEGABYTES, f"took {grown} MB"


def read(files: Mapping[str, bytes]) -> wishes.Wishes:
    language = LANGUAGES["r" if {"packages.txt", "DESCRIPTION"} & set(files) else "python"]
    return reading.wished(language, "3.11", files, Build(), SOMEBODY)


@pytest.mark.parametrize(("name", "kind", "content"), CASES, ids=[f"{name}: {kind}" for name, kind, _ in CASES])
def test_a_file_that_names_libraries_is_answered_at_once(name: str, kind: str, content: bytes) -> None:
    with Bounded():
        try:
            found = read({name: content})
        except ProjectError as error:
            is_for_people(error)
            assert "labd itself" not in error.message
        else:
            assert all(line.isprintable() for line in found.told)
            assert sum(map(len, found.files.values())) < 2 << 20
