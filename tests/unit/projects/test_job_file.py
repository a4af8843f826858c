"""What people write into job.toml, and what is said of it: what is told, followed word by word, is always read."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.errors import ProjectError
from labd.model.jobs import JobOptions
from labd.projects import job_file

LANGUAGES = ("python", "r")


def followed(text: str, hint: str) -> str:
    """`text` after somebody did what the `hint` says, and nothing else."""
    lines: list[str | None] = list(text.split("\n"))
    for line, number in re.findall(r"`([^`]+)` in line (\d+)", hint):
        lines[int(number) - 1] = line
    if gone := re.search(r"[Rr]emove (line \d[^.]*)\.", hint):
        for number in re.findall(r"line (\d+)", gone[1]):
            lines[int(number) - 1] = None
    above = ["[job]"] if "`[job]` in a line above all others" in hint else []
    return "\n".join([*above, *(line for line in lines if line is not None)])


def refused(text: str) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        job_file.read(text.encode(), LANGUAGES)
    return caught.value


WRITTEN = [
    ("[job]\ntimeout = 2h", 'Write `timeout = "2h"` in line 2.', {"timeout": 7200.0}),
    ("[job]\ntimeout = 2 hours", 'Write `timeout = "2h"` in line 2.', {"timeout": 7200.0}),
    ('[job]\ntimeout = "90 minutes"', 'Write `timeout = "1h30m"` in line 2.', {"timeout": 5400.0}),
    ("[job]\ntimeout = 1-12:00:00", 'Write `timeout = "36h"` in line 2.', {"timeout": 129600.0}),
    ("[job]\ntimeout = 02:30:00", 'Write `timeout = "2h30m"` in line 2.', {"timeout": 9000.0}),
    ('[job]\ntimeout = "1 day"', 'Write `timeout = "24h"` in line 2.', {"timeout": 86400.0}),
    ("[job]\ntimeout = unlimited", "Remove line 2.", {"timeout": None}),
    ("[job]\nmemory = 8g", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory = 8 GB", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory = '8 gigabytes'", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory = 8", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory = 16000", 'Write `memory = "16000m"` in line 2.', {"memory": 16000 << 20}),
    ('[job]\nmemory = "8g', 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory: 8g", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory 8g", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmemory = 8g  # enough", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ('[job]\nmemory = "8g",', 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ('[job]\nmemory = "8g";', 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\nmem = 8g", 'Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ('[job]\nMemory = "8g"', '`memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ('[job]\nmemmory = "8g"', 'Did you mean `memory`? Write `memory = "8g"` in line 2.', {"memory": 8 << 30}),
    ("[job]\npython = 3.10", 'Write `python = "3.10"` in line 2.', {"python": "3.10"}),
    ("[job]\npython_version = 3.11", 'Write `python = "3.11"` in line 2.', {"python": "3.11"}),
    ("[job]\nlanguage = r", 'Write `language = "r"` in line 2.', {"language": "r"}),
    ("[job]\nr = 4.2", 'Write `r = "4.2"` in line 2.', {"r": "4.2"}),
    ('[job]\ncpus = "4"', "Write `cpus = 4` in line 2.", {"cpus": 4.0}),
    ('[job]\ncpus = "two"', "Write `cpus = 2` in line 2.", {"cpus": 2.0}),
    ("[job]\ncores = 4", "Write `cpus = 4` in line 2.", {"cpus": 4.0}),
    ("[job]\nthreads = 4 cores", "Write `cpus = 4` in line 2.", {"cpus": 4.0}),
    ("[job]\ngpu = 1", "`gpus = 1` in line 2.", {"gpus": 1}),
    ("[job]\ngpus = true", "Write `gpus = 1` in line 2.", {"gpus": 1}),
    ("[job]\nnetwork = True", "Write `network = true` in line 2.", {"network": True}),
    ('[job]\nnetwork = "no"', "Write `network = false` in line 2.", {"network": False}),
    ("[job]\nargs = --epochs 20", 'Write `args = ["--epochs", "20"]` in line 2.', {"args": ("--epochs", "20")}),
    ("[job]\nargs = '--name \"a b\"'", 'Write `args = ["--name", "a b"]` in line 2.', {"args": ("--name", "a b")}),
    ("[job]\nargs = [--epochs, 20]", 'Write `args = ["--epochs", "20"]` in line 2.', {"args": ("--epochs", "20")}),
    ('[job]\nargs = ["--epochs", 20]', 'Write `args = ["--epochs", "20"]` in line 2.', {"args": ("--epochs", "20")}),
    ("[job]\nargs:\n  - --epochs\n  - 20\n", "and remove line 3 and line 4.", {"args": ("--epochs", "20")}),
    ("[job]\nenv = {A=1, B = x}", 'Write `env = { A = "1", B = "x" }` in line 2.', {"env": {"A": "1", "B": "x"}}),
    ("[job]\nenv = A=1", 'Write `env = { A = "1" }` in line 2.', {"env": {"A": "1"}}),
    ("[job]\nenv.A = 1", 'Write `env.A = "1"` in line 2.', {"env": {"A": "1"}}),
    ("[job.env]\nA = 1", 'Write `A = "1"` in line 2.', {"env": {"A": "1"}}),
    ("[env]\nA = 1", '`[job.env]` in line 1 and `A = "1"` in line 2.', {"env": {"A": "1"}}),
    ("[Job]\ncpus = 2", "Write `[job]` in line 1.", {"cpus": 2.0}),
    ("[jobs]\ncpus = 2", "Write `[job]` in line 1.", {"cpus": 2.0}),
    ("[[job]]\ncpus = 2", "Write `[job]` in line 1.", {"cpus": 2.0}),
    ("[job\ncpus = 2", "Write `[job]` in line 1.", {"cpus": 2.0}),
    ("job:\n  cpus: 2\n  memory: 8g", "`cpus = 2` in line 2", {"cpus": 2.0, "memory": 8 << 30}),
    ("cpus = 2", "Write `[job]` in a line above all others.", {"cpus": 2.0}),
    ("memory = 8g\ncpus = 'two'", 'above all others, `memory = "8g"` in line 1 and `cpus = 2` in line 2.', {"cpus": 2}),
    ("cpus = 2\n[job]\ngpus = 0", "above all others, and remove line 2.", {"cpus": 2.0, "gpus": 0}),
    ("[job]\ncpus = 2\ncpus = 4", "Remove line 3.", {"cpus": 2.0}),
    ("[job]\ncpus = 2\n[job]\ngpus = 0", "Remove line 3.", {"cpus": 2.0, "gpus": 0}),
    ("[job]\n// enough\ncpus = 2", "Write `# enough` in line 2.", {"cpus": 2.0}),
    ("; enough\n[job]\ncpus = 2", "Write `# enough` in line 1.", {"cpus": 2.0}),
    ("---\njob:\n  cpus: 2", "`[job]` in line 2 and `cpus = 2` in line 3, and remove line 1.", {"cpus": 2.0}),
    ("[job]\nemail = ana@example.org\ncpus = 2", "Remove line 2.", {"cpus": 2.0}),
    ("[job]\nexport cpus=2", "Write `cpus = 2` in line 2.", {"cpus": 2.0}),
    ("[job]\n--cpus-per-task=2", "Write `cpus = 2` in line 2.", {"cpus": 2.0}),
    ("[job]\nargs = ('a', 'b')", 'Write `args = ["a", "b"]` in line 2.', {"args": ("a", "b")}),
    ("[job]\nlanguage = Python", 'Write `language = "python"` in line 2.', {"language": "python"}),
    ("[job]\npython = python3.11", 'Write `python = "3.11"` in line 2.', {"python": "3.11"}),
    ("[job]\npython = >=3.9", 'Write `python = "3.9"` in line 2.', {"python": "3.9"}),
    ("[resources]\ncpus = 4", "Write `[job]` in line 1.", {"cpus": 4.0}),
    ("job.memory = 8g", '`memory = "8g"` in line 1.', {"memory": 8 << 30}),
    ("[job]\nenv:\n  A: 1\n", '`[job.env]` in line 2 and `A = "1"` in line 3.', {"env": {"A": "1"}}),
    ('{\n"job": {\n"cpus": 2,\n"memory": "8GB"\n}\n}', "`cpus = 2` in line 2", {"cpus": 2.0, "memory": 8 << 30}),
]


@pytest.mark.parametrize(("text", "hint", "options"), WRITTEN, ids=[repr(text) for text, _, _ in WRITTEN])
def test_what_people_write_is_told_with_the_line_to_write_which_is_then_read(
    text: str, hint: str, options: dict[str, object]
) -> None:
    error = refused(text)
    assert hint in error.hint
    assert "toml.io" not in error.hint + error.message
    found = job_file.read(followed(text, error.hint).encode(), LANGUAGES)
    assert {name: getattr(found, name) for name in options} == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[job]\ncpus = 2\ntimeout = 2h", "job.toml is not valid TOML: line 3 is `timeout = 2h`."),
        ("memory = 8g\n", "job.toml is not valid TOML: line 1 is `memory = 8g`."),
        ("[job]\npython = 3.10", "job.toml, line 2: job.python is 3.1; expected is text in quotes."),
    ],
)
def test_the_line_that_is_wrong_is_named(text: str, message: str) -> None:
    assert refused(text).message == message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_from_a_windows_editor_is_read(encoding: str) -> None:
    assert job_file.read('[job]\r\nmemory = "8g"\r\n'.encode(encoding), LANGUAGES).memory == 8 << 30


def test_quotes_of_a_word_processor_are_read_as_quotes_where_nothing_else_makes_sense() -> None:
    assert job_file.read("[job]\nmemory = “8g”\n".encode(), LANGUAGES).memory == 8 << 30
    assert job_file.read('[job]\nargs = ["“a”"]\n'.encode(), LANGUAGES).args == ("“a”",)


@pytest.mark.parametrize("text", ["[job]\ncpus = many", "[job]\nmemory = much", "[job]\ngpus = [1]"])
def test_what_nobody_can_know_is_told_by_an_example(text: str) -> None:
    assert refused(text).hint.startswith("An option is written as `")


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("[job] cpus = 2", "Write `[job]` in a line of its own, above the options."),
        ("[job]\ncpus = 4 ; memory = 8g", "Write each option in a line of its own."),
        ("[job]\ncpus=2,memory=8g", "Write each option in a line of its own."),
        ('[job]\nmemory = "8g", cpus = 2', "Write each option in a line of its own."),
        ("[job]\nname = test", "Remove line 2. There is no option `name`."),
        ("[job]\ncpus = 1/2", "An option is written as `cpus = 2`."),
    ],
)
def test_nothing_is_lost_by_what_is_told(text: str, remark: str) -> None:
    assert refused(text).hint == remark


def test_a_hint_of_the_reader_that_knows_better_stays() -> None:
    assert refused("[job]\nenv = { CUDA_VISIBLE_DEVICES = '0' }").hint.startswith("Remove CUDA_VISIBLE_DEVICES")


def test_many_lines_get_the_first_of_them() -> None:
    error = refused("".join(f"timeout = {number}h\n" for number in range(1, 38)))
    assert error.hint.startswith('Write `[job]` in a line above all others and `timeout = "1h"` in line 1')
    assert len(error.hint) <= 300


@given(st.text(alphabet="[]{}=\"'#-: \njobcpus2g.,/\\", max_size=200))
def test_no_file_takes_long_or_raises_anything_else(text: str) -> None:
    began = time.thread_time()
    with contextlib.suppress(ProjectError):
        assert isinstance(job_file.read(text.encode(), LANGUAGES), JobOptions)
    assert time.thread_time() - began < 1.0


@pytest.mark.parametrize("line", ["-" * 400, "a " * 200, "args = " + "'\"" * 150, "env = " + "A=" * 150, "[" * 90])
def test_no_line_takes_long(line: str) -> None:
    began = time.thread_time()
    refused("[job]\n" + f"{line}\n" * 39)
    assert time.thread_time() - began < 1.0
