"""How programs end, in each language that labd has: what is said fits the language, and is in no other one's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from labd.daemon.pipeline.outcome import understand
from labd.diagnosis import languages as error_languages
from labd.diagnosis.evidence.project import Evidence
from labd.diagnosis.programs import Diagnosis, program_failed
from labd.model import languages
from labd.model.engine import Condition, Phase, Usage
from labd.model.jobs import Grant, Job, Signal, State

TEMPLATES = languages.load(Path(__file__).parents[4] / "templates")
# One that an administrator made, of which labd knows nothing.
TEMPLATES["julia"] = replace(
    TEMPLATES["octave"],
    name="julia",
    template=replace(TEMPLATES["octave"].template, title="Julia", program="app.jl", family="", reader=""),
)
JOB = Job(
    id=42,
    user="ana-silva",
    project="galaxies",
    state=State.RUNNING,
    signal=Signal.SUBMIT,
    created=1000.0,
    changed=1000.0,
    snapshot=42,
    grant=Grant("any", "1", 1.0, 1024**3, 0, 3600.0, False),
    started=1000.0,
)
INTERRUPTED = Condition(Phase.ENDED, exit_code=0, interrupted=True)
WORDS = {
    "python": r"Python|PYTHON|requirements\.txt|apt\.txt|sys\.|plt\.|os\.make|\bpd\.|open\(|input\(|PyTorch|__main__",
    "notebook": r"\b[Cc]ells?\b|Jupyter|app\.html|raise ValueError",
    "r": r"\bR\b|stop\(|message\(|library\(|png\(|dev\.off",
    "octave": r"Octave|disp\(|error\(|numel|-dpng",
    "matlab": r"MATLAB|disp\(|error\(|numel|-dpng",
}
"""What shows that a sentence is meant for a language."""
OWN = {
    "python": {"python"},
    "notebook": {"notebook", "python"},
    "r": {"r"},
    "octave": {"octave", "matlab"},
    "matlab": {"octave", "matlab"},
    "julia": set[str](),
}
"""The languages whose words a program of each may be told in: a notebook is Python, Octave's are MATLAB's."""

SAID = {
    "nothing": "",
    "something": "reading\nno galaxies found\n",
    "a missing command": "/bin/sh: 1: ffmpeg: not found\n",
    "arguments": "app: error: the following arguments are required: --epochs\n",
    "no screen": "cannot open display: :0\n",
    "no memory": "terminate called after throwing an instance of 'std::bad_alloc'\n",
    "no space": "write failed: No space left on device\n",
    "no file": "could not read table: No such file or directory\n",
    "no network": "curl: (6) Could not resolve host: example.org\n",
    "no card": "CUDA error: no CUDA-capable device is detected\n",
    "too little of the card": "CUDA out of memory\n",
    "a worker's end": "Bus error (core dumped)\n",
    "too many threads": "fork: Resource temporarily unavailable\n",
    "refused": "connect: Connection refused\n",
    "no such library": "libgdal.so.32: cannot open shared object file: No such file or directory\n",
    "interrupted": "KeyboardInterrupt\n",
}
CODES = (1, 2, 3, 126, 127, 129, 130, 132, 134, 135, 136, 137, 139, 141, 143, 150, -9, -11, 255)


def explained(said: str, language: languages.Language) -> Callable[[int], Diagnosis]:
    """What explains an exit code of a program in `language` that printed `said`."""
    template = language.template
    known = error_languages.of(language.known_as)
    return lambda code: program_failed(said, code, Evidence(template.distributions), known)


def diagnosed(language: str, said: str, code: int, usage: Usage | None = None, job: Job = JOB) -> Diagnosis:
    condition = Condition(Phase.ENDED, 1000.0, 1001.0, code)
    return understand(job, condition, usage, explained(said, TEMPLATES[language]))[1]


def test_every_language_that_labd_has_is_in_these_tables() -> None:
    assert set(OWN) == set(TEMPLATES)


@pytest.mark.parametrize("language", OWN)
@pytest.mark.parametrize("said", SAID)
def test_the_end_of_a_program_is_told_in_no_other_language_s_words(language: str, said: str) -> None:
    for code in CODES:
        found = diagnosed(language, SAID[said], code)
        assert found.cause.endswith(".") and found.hint.endswith(".")
        # What it printed is quoted, and is nobody's advice.
        quoted = (found.cause + " " + found.hint).replace(SAID[said].strip(), "")
        for other, words in WORDS.items():
            if other not in OWN[language]:
                assert not re.search(words, quoted), (language, code, found)


@pytest.mark.parametrize("language", OWN)
def test_limits_and_stops_are_told_in_no_language_s_words(language: str) -> None:
    ends = [
        diagnosed(language, "", 137, Usage(1.0, 0, 1024**3, 1)),
        diagnosed(language, "", 143, job=replace(JOB, stopping=State.TIMED_OUT)),
        diagnosed(language, "", 143, job=replace(JOB, stopping=State.CANCELLED, stop_reason="its owner cancelled it")),
        understand(JOB, Condition(Phase.ABSENT), None, explained("", TEMPLATES[language]))[1],
        understand(
            JOB, Condition(Phase.ENDED, exit_code=0, interrupted=True), None, explained("", TEMPLATES[language])
        )[1],
    ]
    for found in ends:
        assert not [name for name, words in WORDS.items() if re.search(words, f"{found.cause} {found.hint}")], found


@pytest.mark.parametrize(
    ("language", "crashed", "silent"),
    [
        ("python", "PYTHONFAULTHANDLER", "sys.exit("),
        ("notebook", "cells one by one", "raise ValueError("),
        ("r", "message(", "stop("),
        ("octave", "disp(", "error("),
        ("matlab", "disp(", "error("),
        ("julia", "a line before each step", "print what is wrong"),
    ],
)
def test_what_to_do_is_said_in_the_program_s_own_language(language: str, crashed: str, silent: str) -> None:
    assert crashed in diagnosed(language, "working\n", 139).hint
    assert silent in diagnosed(language, "", 3).hint


def test_a_template_of_one_s_own_is_known_by_its_family_or_by_how_its_files_are_read() -> None:
    own = replace(TEMPLATES["python"], name="python-with-cuda")
    condition = Condition(Phase.ENDED, 1000.0, 1001.0, 139)
    assert "PYTHONFAULTHANDLER" in understand(JOB, condition, None, explained("", own))[1].hint
    of_family = replace(own, template=replace(own.template, family="r", reader="names"))
    assert "message(" in understand(JOB, condition, None, explained("", of_family))[1].hint


@pytest.mark.parametrize("language", ["r", "octave", "matlab", "julia"])
def test_a_missing_system_library_is_not_taken_for_a_missing_input(language: str) -> None:
    hint = diagnosed(language, SAID["no such library"], 1).hint
    assert "administrator" in hint and "/input" not in hint


def test_a_python_error_in_an_r_program_s_output_is_not_its_own() -> None:
    printed = (
        'Traceback (most recent call last):\n  File "/code/helper.py", line 1, in <module>\n'
        "ModuleNotFoundError: No module named 'cv2'\nError in run(x) : the helper failed\n"
        "Stopped at code/app.R, line 3\n"
    )
    found = diagnosed("r", printed, 1)
    assert "code/app.R, line 3" in found.cause
    assert "requirements" not in found.hint


def test_a_cell_whose_process_ended_is_told_where_to_look() -> None:
    found = diagnosed("notebook", "working\nCell 3 stopped: its process ended\n", 1)
    assert found.cause == "Cell 3 stopped: its process ended."
    assert "line by line" in found.hint
