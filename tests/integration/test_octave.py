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


def run(lab: Lab, name: str, source: str, **files: str) -> dict[str, Any]:
    """Upload app.m and further files (`__` for `/`, `_` for `.`), submit them, wait for the end: status.json."""
    number = len(lab.jobs()) + 1
    for path, content in {"code__app_m": source, **files}.items():
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
