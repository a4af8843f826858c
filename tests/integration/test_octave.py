"""MATLAB programs in GNU Octave: the real template on a base image made from Debian's packages."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeLab
from support.lab import Lab, docker, wait_for

SETTINGS = "[user]\nrunning = 4\n[machine]\ncpus = 4.0\n"
MAKING = 900.0  # seconds for a base image from Debian's packages, on a busy machine


@pytest.fixture
def octave(make_lab: MakeLab) -> Lab:
    """A lab that runs app.m with Octave without being asked to."""
    lab = make_lab(
        settings=SETTINGS
        + "[languages.octave]\ndefault = '7'\nruns = ['app.m']\nversions = { '7' = 'localhost/labd/octave:7' }\n"
    )
    lab.start()
    return lab


def run(lab: Lab, name: str, source: str | bytes, **files: str) -> dict[str, Any]:
    """Upload app.m and further files (`__` for `/`, `_` for `.`), submit them, wait for the end: status.json."""
    number = len(lab.jobs()) + 1
    written: dict[str, str | bytes] = {"code__app_m": source, **files}
    for path, content in written.items():
        folder, _, file = path.rpartition("__")
        lab.ana.write(lab.ana.inbox(name) / folder / file.replace("_", "."), content)
    lab.ana.submit(name)
    wait_for(f"job {number} of {name} complete", lambda: lab.ana.complete(name) == number, MAKING)
    return lab.ana.status(name)


def picture_size(file: Path) -> tuple[int, ...]:
    content = file.read_bytes()
    assert content.startswith(b"\x89PNG")
    return struct.unpack(">II", content[16:24])


def test_a_matlab_program_computes_draws_and_saves_without_a_screen(octave: Lab) -> None:
    status = run(
        octave,
        "waves",
        "x = linspace(0, 2*pi, 100);\n"
        "figure; plot(x, sin(x)); title('Waves');\n"
        "saveas(gcf, '/output/waves.png'); print('-dpdf', '/output/waves.pdf');\n"
        "data = load('/input/data.csv'); csvwrite('/output/sum.csv', sum(data));\n"
        "fprintf('%s %s\\n', getenv('HOME'), class(x)); save('-mat', [getenv('HOME') '/x.mat'], 'x');\n",
        input__data_csv="1,2\n3,4\n",
    )
    assert status["state"] == "succeeded", octave.ana.text("waves", "run.log")
    output = octave.ana.outbox("waves") / "output"
    assert min(picture_size(output / "waves.png")) > 300
    assert (output / "waves.pdf").read_bytes().startswith(b"%PDF")
    assert (output / "sum.csv").read_text() == "4,6\n"
    assert octave.ana.text("waves", "run.log") == "/home/ana-silva double\n"


def test_a_function_gets_the_arguments_and_an_error_or_an_exit_code_ends_the_job(octave: Lab) -> None:
    function = "% Adds.\nfunction app(a, b)\n  disp(str2double(a) + str2double(b));\nend\n"
    assert run(octave, "sum", function, job_toml="[job]\nargs = ['20', '22']\n")["state"] == "succeeded"
    assert octave.ana.text("sum", "run.log") == "42\n"
    assert run(octave, "ends", "exit(7)\n")["exit_code"] == 7
    status = run(octave, "stops", "x = 1;\ny = xx + 1;\n")
    assert (status["state"], status["exit_code"]) == ("failed", 1)


def test_packages_are_installed_and_loaded_and_an_unknown_one_is_named(octave: Lab) -> None:
    status = run(
        octave, "filters", "[b, a] = butter(2, 0.1); disp(numel(b))\n", code__packages_txt="signal  # for butter\r\n"
    )
    assert status["state"] == "succeeded", octave.ana.text("filters", "run.log")
    assert octave.ana.text("filters", "run.log") == "3\n"
    packages = octave.ana.receipt("filters")["environment"]["packages"]
    assert any(package.startswith("octave-signal==") for package in packages)

    status = run(octave, "typo", "disp(1)\n", code__packages_txt="signl\n")
    assert status["state"] == "build-failed"
    assert status["cause"] == "There is no Octave package `signl`, which code/packages.txt asks for."
    assert "signal" in status["hint"]

    status = run(octave, "shell", "disp(1)\n", code__packages_txt="$(touch /tmp/x)\n")
    assert status["state"] == "build-failed"
    assert "is not the name of an Octave package" in status["cause"]


AT_ITS_END = """\
clear all; close all; clc
disp(twice(2));

% Doubles.
function y = twice(x)
  y = same(x) + x;
end

function y = same(x)
  y = x;
  if x > 2
    error("too large");
  end
end
"""


def test_functions_at_the_end_of_a_script_are_known_above_as_in_matlab(octave: Lab) -> None:
    assert run(octave, "ends", AT_ITS_END)["state"] == "succeeded"
    assert octave.ana.text("ends", "run.log") == "4\n"
    status = run(octave, "inside", AT_ITS_END.replace("twice(2)", "twice(3)"))
    assert status["cause"] == "Your program stopped at code/app.m, line 12: too large."
    # As Octave has it: functions first, or between.
    source = "1;\nfunction a()\n  disp(1);\nend\na();\nfunction b()\n  disp(2);\nend\nb();\n"
    assert run(octave, "between", source)["state"] == "succeeded"
    assert octave.ana.text("between", "run.log") == "1\n2\n"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_source_in_another_encoding_runs(octave: Lab, encoding: str) -> None:
    status = run(octave, "letters", "x = 'gr\u00fcn';  % \u00fc\r\ndisp(double(x(3)));\r\n".encode(encoding))
    assert status["state"] == "succeeded"
    assert octave.ana.text("letters", "run.log") == "195\n"


def test_the_innermost_line_of_the_program_is_named(octave: Lab) -> None:
    status = run(octave, "own", "1;\ncellfun(@(x) f(x), {1});\n", code__f_m="function f(x)\n  csvread('a.csv');\nend\n")
    assert status["cause"] == "Your program could not open the file `a.csv` (code/f.m, line 2)."
    status = run(octave, "unread", "disp(1);\ng();\n", code__g_m="function g()\n  x = (1;\nend\n")
    assert "(code/g.m, line 2)" in status["cause"]
    status = run(octave, "asks", "clear all;\nkeyboard\n")
    assert "keyboard" in status["cause"]


def test_figures_of_a_program_that_writes_nothing_are_in_output(octave: Lab) -> None:
    status = run(octave, "shown", "figure; plot(1:3);\nfigure; plot(3:-1:1);\n")
    output = octave.ana.outbox("shown") / "output"
    assert status["notes"] == []
    assert {path.name for path in output.iterdir()} == {"figure1.png", "figure2.png"}
    assert min(picture_size(output / "figure1.png")) > 300
    run(octave, "saved", "figure; plot(1:3); csvwrite('/output/a.csv', 1);\n")
    assert {path.name for path in (octave.ana.outbox("saved") / "output").iterdir()} == {"a.csv"}


def test_octave_stands_in_for_matlab_only_where_it_is_asked_to(make_lab: MakeLab) -> None:
    lab = make_lab(settings=SETTINGS)
    lab.start()
    status = run(lab, "asks", "disp(1)\n")
    assert status["state"] == "rejected"
    assert 'language = "octave"' in status["hint"]
    assert run(lab, "asked", "disp(1)\n", job_toml="[job]\nlanguage = 'octave'\n")["state"] == "succeeded"


def test_no_list_of_debians_packages_is_left_in_an_image(octave: Lab) -> None:
    run(octave, "lists", "disp(1)\n", code__packages_txt="signal\n")
    image = octave.ana.receipt("lists")["environment"]["image"]
    assert docker("run", "--rm", "--network=none", image, "find", "/var/lib/apt/lists", "-type", "f") == ""
