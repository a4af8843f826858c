"""Files that were made to hold up or end whoever reads them: each gets an answer at once, and a sentence that holds."""

from __future__ import annotations

import codecs
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labd.common.commands import consult
from labd.common.errors import ProjectError
from labd.model.config import Build, Config
from labd.model.jobs import JobOptions
from labd.model.languages import load
from labd.privsep.workers import Identity
from labd.projects import dependencies, imports, job_file, metadata, reading
from labd.projects import files as project_files
from labd.projects import language as choosing
from labd.projects.requirements import files as requirement_files
from labd.projects.requirements import lines as requirement_lines
from labd.projects.requirements import refusals as requirement_refusals

LANGUAGES = load(Path(__file__).resolve().parents[3] / "templates")
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
    "aliases": "a: &a [x]\n"
    + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefghij", "bcdefghijk", strict=True)),
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
    *(
        (name, kind, LINES[kind].encode())
        for name in ("apt.txt", "packages.txt", "DESCRIPTION")
        for kind in ("spaces", "half a million lines", "many libraries", "continued lines", "one long word", "terminal")
    ),
    *(("DESCRIPTION", kind, text.encode()) for kind, text in NOTES.items()),
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
    assert "labd itself" not in error.message
    assert error.message.endswith((".", "!", "?", "…"))


def used() -> float:
    """Seconds of the processor's time that this process and the processes that it started have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Bounded:
    """Fails when what is inside takes long, in the processor's time, or makes this process large."""

    def __enter__(self) -> None:
        self._used, self._resident = used(), resident()

    def __exit__(self, *_: object) -> None:
        taken, grown = used() - self._used, (resident() - self._resident) >> 20
        assert taken < SECONDS, f"took {taken:.1f} s"
        assert grown < MEGABYTES, f"took {grown} MB"


def read(files: Mapping[str, bytes]) -> dependencies.Dependencies:
    language = LANGUAGES["r" if {"packages.txt", "DESCRIPTION"} & set(files) else "python"]
    return reading.read_dependencies(language, "3.11", files, Build(), SOMEBODY)


@pytest.mark.parametrize(("name", "kind", "content"), CASES, ids=[f"{name}: {kind}" for name, kind, _ in CASES])
def test_a_file_that_names_libraries_is_answered_at_once(name: str, kind: str, content: bytes) -> None:
    with Bounded():
        try:
            found = read({name: content})
        except ProjectError as error:
            is_for_people(error)
        else:
            assert all(line.isprintable() for line in found.remarks)
            assert sum(map(len, found.files.values())) < 2 << 20


JOB_FILES = {
    **DEEP,
    "nested option": "[job]\nenv = " + "{a = " * 80 + "1" + "}" * 80,
    "deep value": "[job]\nargs = " + "[" * 90 + "]" * 90,
    "long value": "[job]\nlanguage = '" + "a" * 1900 + "'",
    "long name": "[job]\n" + "a" * 1900 + " = 1",
    "many names": "[job]\n" + "".join(f"a{number} = 1\n" for number in range(15_000)),
    "many variables": "[job.env]\n" + "".join(f"a{number} = '1'\n" for number in range(15_000)),
    "many arguments": "[job]\nargs = [\n" + "'a',\n" * 19_000 + "]",
    "surrogate": '[job]\nlanguage = "\\ud800"',
    "controls": '[job]\nlanguage = "\\u001b[31m"',
    "infinite": "[job]\ncpus = inf",
    **{kind: text for kind, text in LINES.items() if kind != "no letters"},
}


@pytest.mark.parametrize(
    "content",
    [*(text.encode() for text in JOB_FILES.values()), *ENCODED.values()],
    ids=[*JOB_FILES, *(f"encoded: {kind}" for kind in ENCODED)],
)
def test_a_job_toml_is_answered_at_once(content: bytes) -> None:
    with Bounded():
        try:
            found = reading.options(content, choosing.keys(LANGUAGES), SOMEBODY)
            choosing.choose(LANGUAGES, Config(), found, ["app.py"])
        except ProjectError as error:
            is_for_people(error)
        else:
            assert isinstance(found, JobOptions)


def test_a_large_job_toml_says_the_same_as_a_small_one() -> None:
    small = b'[job]\ncpus = 2\nmemory = "1g"\ntimeout = "2h"\nargs = ["a", "b"]\nenv = { A = "b" }\npython = "3.11"\n'
    known = choosing.keys(LANGUAGES)
    large = reading.options(small + b"#\n" * 1000, known, SOMEBODY)
    assert vars(large) == vars(reading.options(small, known, SOMEBODY))


def test_a_large_list_of_libraries_says_the_same_as_a_small_one() -> None:
    small = b"Sklearn\nnumpy=1.2\njson\nb\na\n"
    large = small + b"# a comment\n" * 1000
    assert read({"requirements.txt": large}) == read({"requirements.txt": small})
    assert read({"requirements.txt": large}).changes


def test_a_template_without_a_reader_gets_its_files_as_they_are_and_no_endless_lines() -> None:
    python = LANGUAGES["python"]
    plain = replace(python, template=replace(python.template, reader=""))
    files = {"data.bin": bytes(range(256)) * 4000, "requirements.txt": b"b\na\n"}
    assert reading.read_dependencies(plain, "1", files, Build(), SOMEBODY).files == files
    with Bounded(), pytest.raises(ProjectError, match=r"Line 1 of code/requirements\.txt has "):
        reading.read_dependencies(plain, "1", {"requirements.txt": b" " * 1_000_000}, Build(), SOMEBODY)


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"a\nb\n" + b"c" * 3000, 3), (b"a\n" * 400 + b" " * 2001 + b"b", 401)],
    ids=["letters", "spaces"],
)
def test_a_line_that_is_too_long_is_named(content: bytes, line: int) -> None:
    with pytest.raises(ProjectError, match=rf"Line {line} of code/requirements\.txt has "):
        read({"requirements.txt": content})


def test_a_line_with_too_many_brackets_is_named() -> None:
    with pytest.raises(ProjectError, match=r"The line `a; \(\(\(.* cannot be read"):
        read({"requirements.txt": b"numpy\na; " + b"(" * 1500})
    with pytest.raises(ProjectError, match=r"job\.toml, line 9\d: brackets or dots are nested too deeply"):
        reading.options(b"a = [\n" + b"[\n" * 2000, ["python"], SOMEBODY)


def test_a_library_may_have_many_checksums() -> None:
    lines = b"numpy==1.26.4 " + b" ".join(b"\\\n --hash=sha256:" + b"0" * 64 for _ in range(200)) + b"\npandas==2.0\n"
    assert len(read({"requirements.txt": lines}).libraries) == 2


@pytest.mark.parametrize(
    "content",
    [b"9" * 900_000, b"python-" + b"3." * 400_000, b"a" * 1_000_000, b"\n" * 1_000_000],
    ids=["digits", "numbers", "letters", "lines"],
)
def test_a_file_with_a_version_is_answered_at_once(content: bytes) -> None:
    with Bounded():
        try:
            choosing.version(LANGUAGES["python"], Config(), JobOptions(), {"runtime.txt": content})
        except ProjectError as error:
            is_for_people(error)


class TestWhatIsNoFile:
    def make(self, folder: Path, kind: str) -> None:
        file = folder / "job.toml"
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        elif kind == "link":
            file.symlink_to("/etc/hostname")
        elif kind == "link to nothing":
            file.symlink_to("nowhere")
        elif kind == "link to itself":
            file.symlink_to("job.toml")

    @pytest.mark.parametrize("kind", ["pipe", "folder", "link", "link to nothing", "link to itself"])
    def test_is_told_and_leaves_nothing_open(self, tmp_path: Path, kind: str) -> None:
        self.make(tmp_path, kind)
        before = set(os.listdir("/proc/self/fd"))
        with Bounded(), pytest.raises(ProjectError, match=r"^job\.toml is not a file\.$"):
            project_files.read(tmp_path, ["job.toml"], shown="")
        assert set(os.listdir("/proc/self/fd")) == before

    def test_or_is_not_there_is_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "code").write_text("")
        assert project_files.read(tmp_path, ["job.toml"]) == {}
        assert project_files.read(tmp_path / "code", ["requirements.txt"]) == {}

    def test_or_may_not_be_read_is_told(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            (Path(folder) / "apt.txt").touch(0)
            own = os.geteuid()
            os.seteuid(SOMEBODY.uid if SOMEBODY else own)
            try:
                with pytest.raises(ProjectError, match=r"^code/apt\.txt cannot be read: Permission denied\.$"):
                    project_files.read(Path(folder), ["apt.txt"])
            finally:
                os.seteuid(own)


class TestTheProcessThatReads:
    def ask(self, monkeypatch: pytest.MonkeyPatch, program: str) -> ProjectError:
        """What is said when `program` takes the place of the reader's answer."""
        code = f"import labd.projects.reader as r, os\nr._limit()\n{program}"
        monkeypatch.setattr(
            reading,
            "consult",
            lambda command, asked, timeout: consult([command[0], "-c", code], asked, timeout=timeout),
        )
        with pytest.raises(ProjectError) as caught:
            reading.read_dependencies(
                LANGUAGES["python"], "3.11", {"environment.yml": program.encode()}, Build(), SOMEBODY
            )
        is_for_people(caught.value)
        assert "code/environment.yml could not be read" in caught.value.message
        return caught.value

    def test_that_takes_too_long_is_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "longer than 3 seconds" in self.ask(monkeypatch, "while True: pass").message

    def test_that_hangs_is_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_READER_SECONDS", 0.5)
        assert "longer than 3 seconds" in self.ask(monkeypatch, "import time; time.sleep(60)").message

    def test_that_takes_too_much_memory_is_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        program = "r._ANSWERS['dependencies'] = lambda asked: lambda: 'a' * (1 << 30)\nr.main()"
        assert "of memory" in self.ask(monkeypatch, program).message

    @pytest.mark.parametrize(
        "program",
        [
            "os.abort()",
            "os._exit(0)",
            "os.kill(os.getpid(), 9)",
            "raise KeyError",
            "print('[' * 100_000)",
            "print('{}')",
            "print('9' * 5000)",
            'print(\'{"answer": {"files": 3}}\')',
            "print('{\"refused\": 1}')",
            "os.write(1, b'\\xff\\xfe')",
            "os.close(1)",
            "while os.write(1, b'a' * 100_000): pass",
        ],
    )
    def test_that_answers_nothing_of_use_is_not_believed(self, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
        with Bounded():
            self.ask(monkeypatch, program)

    @pytest.mark.skipif(os.getuid() != 0, reason="needs root")
    def test_has_no_rights_and_starts_nothing(self) -> None:
        code = (
            "import labd.projects.reader as r, os, json\nr._limit()\nr._become(5001, 5001)\n"
            "found = [os.getresuid(), os.getgroups()]\n"
            "try:\n    os.fork()\nexcept OSError as error:\n    found.append(error.errno)\n"
            "try:\n    os.setuid(0)\nexcept OSError as error:\n    found.append(error.errno)\nprint(json.dumps(found))"
        )
        done = consult([sys.executable, "-c", code], b"", timeout=20)
        assert done.output == "[[5001, 5001, 5001], [], 11, 1]\n"

    def test_is_started_once_for_what_is_asked_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started = []
        monkeypatch.setattr(reading, "consult", lambda *asked, **more: started.append(1) or consult(*asked, **more))
        files = {"environment.yml": b"dependencies:\n  - numpy=1.2\n# once\n"}
        assert read(files) == read(files)
        assert len(started) == 1

    def test_keeps_nobody_else_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hold, begun = threading.Event(), threading.Event()

        def slow(*asked: object, **more: object) -> object:
            begun.set()
            assert hold.wait(20)
            return consult([sys.executable, "-c", ""], b"", timeout=20)

        with monkeypatch.context() as patched:
            patched.setattr(reading, "consult", slow)
            first = threading.Thread(
                target=reading.program_failed, args=("", 1, LANGUAGES["r"], Identity(os.getuid() + 1, os.getgid()))
            )
            first.start()
            assert begun.wait(20)
        try:
            assert reading.program_failed("", 1, LANGUAGES["r"], SOMEBODY).cause
        finally:
            hold.set()
            first.join()


LOGS = {
    "a million spaces": " " * 1_000_000,
    "letters": "a" * 65_536,
    "letters and dots": "a." * 32_768,
    "parentheses": "(" * 100_000,
    "tracebacks": 'Traceback (most recent call last):\n  File "/code/a.py", line 1, in x\nValueError: a\n' * 10_000,
    "line of many digits": 'Traceback (most recent call last):\n  File "/code/a.py", line '
    + "9" * 5000 + ", in x\nValueError: a",
    "modules": "Traceback (most recent call last):\n  File \"/code/a.py\", line 1, in x\nImportError: No module named "
    + "a" * 60_000 + " is not a package",
    "MATLAB": "error: " + "a" * 7000 + "\n" + ("a" * 7000 + "\n") * 7 + "    app at line 3 column 4\n",
    "R": "Error in a : " + "package a " * 6000 + "\nStopped at code/app.R, line 3",
    "a cell": "Cell 1 stopped: ImportError: No module named " + "a" * 60_000,
    "escapes": "\x1b[" * 30_000,
    "titles": "\x1b]a" * 20_000,
    "carriage returns": "a\r" * 30_000,
    "versions of many digits": "Other versions of Python that satisfy the whole file: " + "9" * 5000 + ".1",
    "tags of many digits": "#1 Because a==1 has no wheels with a matching Python ABI tag "
    + "following Python ABI tags: `cp3" + "9" * 5000 + "`",
    "line number": "Unexpected 'a', expected b at /x/requirements.txt:" + "9" * 5000 + ":1",
    "long name": "Failed to build `" + "a" * 60_000 + "`",
    "half a character": "\ud800",
    "zeros": "\x00" * 65_536,
}  # fmt: skip


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_a_log_is_explained_at_once(log: str) -> None:
    python = LANGUAGES["python"]
    with Bounded():
        for code in (1, 134):
            told = reading.program_failed(log[-65_536:], code, python, SOMEBODY)
            is_for_people(ProjectError(told.cause, told.hint))
    with Bounded():
        told = reading.build_failed(log[-65_536:], 1, python, SOMEBODY)
        is_for_people(ProjectError(told.cause, told.hint))


def test_a_log_that_cannot_be_explained_is_told_in_general_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        reading, "consult", lambda command, asked, timeout: consult(["/bin/false"], asked, timeout=timeout)
    )
    assert reading.program_failed("x", 3, LANGUAGES["r"], SOMEBODY).cause == "Your program ended with exit code 3."
    assert (
        reading.build_failed("x", 3, LANGUAGES["r"], SOMEBODY).cause
        == "The libraries of your project could not be installed."
    )


CODE = {
    "brackets": "import a\nfrom b import (" + "(" * 900_000,
    "open brackets": "from a import (\n" * 60_000,
    "long name": "import " + "a" * 900_000,
    "signs": "import a\nx = " + "-" * 900_000 + "1",
    "classes": "import a\n" + "".join(f"{' ' * n}class a:\n" for n in range(95)) + " " * 95 + "import b",
    "many imports": "".join(f"import library{number}\n" for number in range(50_000)),
    "zeros": "import a\x00\n" * 1000,
    "surrogate": "import \ud800",
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_code_is_looked_through_in_bounds(code: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "app.py").write_bytes(code.encode("utf-8", "surrogatepass"))
        before, began = resident(), used()
        found = reading.imported(Path(folder), "app.py", SOMEBODY)
        assert used() - began < 5
        assert resident() - before < MEGABYTES << 20
        said = imports.warning(imports.unprovided(found, (), {}), found, "")
        assert said.isprintable()
        assert len(said) < 1000


def test_a_notebook_of_great_depth_is_looked_through_in_bounds() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "app.ipynb").write_text('{"cells": ' + "[" * 500_000)
        with Bounded():
            assert reading.imported(Path(folder), "app.ipynb", SOMEBODY) == {}


def test_names_of_files_are_told_in_print() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.mkdir(os.fsencode(folder) + b"/a\xff\x1b\n")
        (Path(folder) / "app.py").write_text("import part")
        with open(os.fsencode(folder) + b"/part.py", "w") as file:
            file.write("import numpy")
        os.rename(os.fsencode(folder) + b"/part.py", os.fsencode(folder) + b"/p\xff\x1b.py")
        program = os.fsdecode(b"p\xff\x1b.py")
        found = reading.imported(Path(folder), program, SOMEBODY)
        assert list(found) == ["numpy"]
        assert str(found["numpy"][0]).isprintable()


PIECES = [*"a ==1.0 > [ ] ( ; @ file:/// \\ # - = 1 ' +cu118 ,".split(), "\n", " ", "pip install ", "\ud800"]
ANYTHING = st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map("".join)


@settings(deadline=None)
@given(ANYTHING)
def test_any_line_is_read_or_refused(text: str) -> None:
    try:
        listed = requirement_files.lines(text, "requirements.txt")
        found = requirement_lines.read(listed, "requirements.txt", {"a": "b"}, {})
        requirement_refusals.refuse_contradictions(found.kept)
        requirement_refusals.refuse_unread(found.unread)
    except ProjectError as error:
        is_for_people(error)


@settings(deadline=None)
@given(st.binary(max_size=80) | ANYTHING.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_in_any_file_are_read_or_refused(content: bytes) -> None:
    for name in ("requirements.txt", "pyproject.toml", "environment.yml", "apt.txt"):
        try:
            dependencies.read(LANGUAGES["python"], "3.11", {name: content}, Build())
        except ProjectError as error:
            is_for_people(error)
    try:
        job_file.read(content, ["python"])
    except ProjectError as error:
        is_for_people(error)


@settings(deadline=None)
@given(
    st.recursive(st.none() | st.integers() | ANYTHING, lambda some: st.lists(some) | st.dictionaries(ANYTHING, some))
)
def test_any_dependencies_of_an_environment_are_read_or_refused(value: object) -> None:
    import yaml

    try:
        metadata.environment_yml(yaml.safe_dump({"dependencies": value}))
    except ProjectError as error:
        is_for_people(error)
