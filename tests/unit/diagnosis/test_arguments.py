"""What is said of arguments and variables that a program lacks: examples with its own names, which job.toml takes."""

from __future__ import annotations

import re

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from labd.diagnosis import arguments, languages
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.programs import program_failed, timed_out
from labd.model.jobs import JobOptions

PYTHON = languages.of(["python"])


def traceback(code: str, error: str, more: str = "") -> str:
    return (
        f'Traceback (most recent call last):\n  File "/code/app.py", line 2, in <module>\n    {code}\n{more}{error}\n'
    )


@pytest.mark.parametrize(
    ("words", "args"),
    [
        ("app.py: error: the following arguments are required: --m, --data", '"--m", "…", "--data", "/input/…"'),
        ("app.py: error: the following arguments are required: infile, epochs", '"/input/…", "…"'),
        ("app.py: error: the following arguments are required: -o/--out-dir", '"--out-dir", "/output"'),
        ("app.py: error: the following arguments are required: --timeout", '"--timeout", "…"'),
        ("Error: Missing option '--data-dir'.", '"--data-dir", "/input"'),
        ("Error: Missing option '--rate' / '-r'.", '"--rate", "…"'),
        ("Error: Missing argument 'FILENAME'.", '"/input/…"'),
        ("flag --seed=None: Flag --seed must have a value other than None.", '"--seed", "…"'),
        ("Usage: app.py FILE", '"…"'),
    ],
)  # fmt: skip
def test_missing_arguments_are_written_out_with_the_programs_own_names(words: str, args: str) -> None:
    found = program_failed(f"{words}\n", 1 if "Usage" in words or "Flag" in words else 2, Evidence(), PYTHON)
    assert f"did not get the arguments that it wants: {words}" in found.cause
    assert f"`args = [{args}]`" in found.hint
    assert "below the line [job] in job.toml" in found.hint


def test_what_job_toml_gives_already_is_named_and_not_proposed_again() -> None:
    sources = {"job.toml": '[job]\nargs = ["--epochs", "20"]\n'}
    words = "app.py: error: the following arguments are required: --model\n"
    hint = program_failed(words, 2, Evidence(sources=sources), PYTHON).hint
    assert hint == (
        'Write `args = ["--model", "…"]` below the line [job] in job.toml, in the place of `args = ["--epochs", "20"]`.'
    )


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("app.py: error: unrecognized arguments: --epochs 20", "Remove `--epochs 20` from `args` in job.toml."),
        ("Error: No such option: --epochs", "Remove `--epochs` from `args` in job.toml."),
        ("app.py: error: argument --n: invalid int value: 'x'", "Correct what `args` in job.toml gives for --n."),
        ("app.py: error: argument --n: expected one argument", "gives for --n."),
        ("Error: Invalid value for '--n': 'x' is not a valid integer.", "gives for --n."),
    ],
)
def test_wrong_arguments_are_named(words: str, hint: str) -> None:
    assert hint in program_failed(f"{words}\n", 2, Evidence(), PYTHON).hint


@pytest.mark.parametrize(
    ("code", "error", "args"),
    [
        ("name = sys.argv[1]", "IndexError: list index out of range", '"…"'),
        ("go(sys.argv[1], argv[2])", "IndexError: list index out of range", '"…", "…"'),
        ("script, a, b = sys.argv", "ValueError: not enough values to unpack (expected 3, got 1)", '"…", "…"'),
        ("a, b = sys.argv[1:]", "ValueError: not enough values to unpack (expected 2, got 0)", '"…", "…"'),
    ],
)
def test_a_program_that_reads_sys_argv_is_told_how_to_give_it(code: str, error: str, args: str) -> None:
    found = program_failed(traceback(code, error), 1, Evidence(), PYTHON)
    assert found.cause == (
        "Your program was started without an argument that it reads from sys.argv (code/app.py, line 2)."
    )
    assert f"`args = [{args}]` below the line [job]" in found.hint


def test_other_lists_that_are_too_short_are_no_arguments() -> None:
    for code in ("x = rows[1]", "x = rows[int(sys.argv[1])]"):
        error = "IndexError: tuple index out of range" if "argv" in code else "IndexError: list index out of range"
        assert "sys.argv" not in program_failed(traceback(code, error), 1, Evidence(), PYTHON).cause


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATA_DIR", "/input"), ("DATA_FILE", "/input/…"), ("OUTPUT_PATH", "/output"), ("API_KEY", "…"), ("SEED", "…")],
)
def test_a_variable_that_is_not_set_is_written_out(name: str, value: str) -> None:
    frame = '  File "/usr/local/lib/python3.11/os.py", line 679, in __getitem__\n    raise KeyError(key)\n'
    for code in (f"os.environ['{name}']", "environ[name]", "get(name)"):
        found = program_failed(traceback(code, f"KeyError: '{name}'", frame), 1, Evidence(), PYTHON)
        assert f"environment variable {name}, which is not set (code/app.py, line 2)" in found.cause
        assert f'`env = {{ {name} = "{value}" }}` below the line [job]' in found.hint


def test_another_key_that_is_missing_is_no_variable() -> None:
    assert "environment" not in program_failed(traceback("row['a']", "KeyError: 'a'"), 1, Evidence(), PYTHON).cause


@given(st.from_regex(r"[\w-]{1,20}", fullmatch=True) | st.sampled_from(["HOME", "NVIDIA_X", "CUDA_VISIBLE_DEVICES"]))
def test_job_toml_takes_each_line_that_is_proposed(name: str) -> None:
    required = arguments.missing(f"x: error: the following arguments are required: --{name}, {name}")
    hints = (arguments.unset(name).hint, required.hint if required else "", arguments.unread(3))
    for line in re.findall(r"`((?:env|args) = .*?)` below", " ".join(hints)):
        table = tomli.loads(line)
        JobOptions(args=tuple(table.get("args", ())), env=table.get("env", {}))


@pytest.mark.parametrize(
    "words",
    [
        "Running on http://127.0.0.1:5000/ (Press CTRL+C to quit)",
        "INFO:     Uvicorn running on http://127.0.0.1:8000",
        "  You can now view your Streamlit app in your browser.",
        "Serving HTTP on 0.0.0.0 port 8000",
        "Dash is running on http://127.0.0.1:8050/",
        "Running on local URL:  http://127.0.0.1:7860",
    ],
)
def test_a_server_that_waited_for_visitors_is_not_told_to_ask_for_more_time(words: str) -> None:
    found = timed_out(15, f"starting\n{words}\n")
    assert "waited for visitors" in found.cause
    assert "timeout" not in found.hint
    assert "timeout" in timed_out(15, "epoch 3\n").hint


def test_a_command_that_a_library_needs_is_named_with_its_package() -> None:
    error = (
        "graphviz.backend.execute.ExecutableNotFound: failed to execute PosixPath('dot'), make sure the Graphviz "
        "executables are on your systems' PATH"
    )
    found = program_failed(traceback("g.render('x')", error), 1, Evidence(), PYTHON)
    assert "needs the program `dot`" in found.cause
    assert found.hint == "Write `graphviz` into code/apt.txt."
    error = "pytesseract.pytesseract.TesseractNotFoundError: tesseract is not installed or it's not in your PATH."
    assert "`tesseract-ocr`" in program_failed(traceback("go()", error), 1, Evidence(), PYTHON).hint
