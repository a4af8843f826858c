"""What conda and the Pythons of Ubuntu list of their own, in every notation."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.model.config import Build
from labd.model.languages import load
from labd.projects import dependencies
from labd.projects.dependencies import Dependencies

PYTHON = load(Path(__file__).resolve().parents[4] / "templates")["python"]


def read(text: str, name: str = "requirements.txt", build: Build | None = None, apt: str = "") -> Dependencies:
    return dependencies.read(PYTHON, "3.11", {name: text.encode(), "apt.txt": apt.encode()}, build or Build())


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("mkl-fft==1.3.1", ""),
        ("mkl_random==1.2.2", ""),
        ("mkl-service @ file:///tmp/build/80754af9/mkl-service_1/work", ""),
        ("mkl=2021.4.0=h06a4308_640", ""),
        ("m2w64-gcc-libs=5.3.0=7", ""),
        ("conda==4.12.0", ""),
        ("anaconda-client==1.9.0", ""),
        ("vs2015_runtime=14.16.27012=hf0eaf9b_3", ""),
        ("font-ttf-dejavu-sans-mono=2.37=hab24e00_0", ""),
        ("r-base=4.2", ""),
        ("libgcc-ng 11.2.0 h1d223b6_12 conda-forge", ""),
        ("python-apt==2.4.0+ubuntu1", ""),
        ("ubuntu-advantage-tools==27.9", ""),
        ("command-not-found==0.3", ""),
        ("distro-info===1.1build1+ubuntu1", ""),
        ("distro-info==1.7", "distro-info==1.7"),
        ("cloud-init==22.2", "cloud-init==22.2"),
        ("@EXPLICIT", ""),
        ("https://conda.example.org/conda-forge/noarch/six-1.16.0-pyh6c4a22f_0.tar.bz2", "six==1.16.0"),
        (
            "https://conda.example.org/main/linux-64/python-dateutil-2.8.2-py311_0.conda#0f1e2d",
            "python-dateutil==2.8.2",
        ),
        ("https://conda.example.org/main/win-64/vc-14.1-h0510ff6_4.conda", ""),
        ("https://conda.example.org/main/linux-64/pytorch-2.1.0-py3.11_cuda_0.tar.bz2", "torch==2.1.0"),
        ("https://files.example.org/six-1.16.0.tar.gz", "https://files.example.org/six-1.16.0.tar.gz"),
        # Libraries whose names begin like those of conda's parts.
        ("librosa=0.10", "librosa==0.10.*"),
        ("llvmlite=0.41.1=py311_0", "llvmlite==0.41.1"),
        ("graphviz==0.20", "graphviz==0.20"),
        ("mpi4py=3.1", "mpi4py==3.1.*"),
    ],
)
def test_is_left_out_and_libraries_are_not(line: str, meant: str) -> None:
    found = read(f"{line}\n")
    assert list(found.libraries) == meant.split()
    assert meant or line == "@EXPLICIT" or " left out (" in found.changes[0]


def test_is_told_in_one_note_whatever_there_is_of_it() -> None:
    content = "dependencies: [python=3.11, pip, six, _libgcc_mutex, mkl, vc, libgcc-ng, xz, zlib, tk, openssl]"
    assert read(content, "environment.yml").changes == (
        "`_libgcc_mutex`, `mkl`, `vc`, `libgcc-ng`, `xz`, `zlib` and 2 more left out (parts of conda, no libraries)",
    )


def test_is_nothing_that_every_environment_has() -> None:
    assert read("dependencies: [python=3.11, pip, setuptools, wheel, six]", "environment.yml").remarks == ()


PROGRAMS = "dependencies: [python=3.11, conda-forge::ffmpeg, git=2.40, blast]"


def test_may_be_programs_which_belong_into_apt_txt() -> None:
    note = "code/environment.yml names programs, which are no libraries of Python: if your program starts them, "
    assert read(PROGRAMS, "environment.yml").notes == (
        f"{note}write `ffmpeg`, `git`, `ncbi-blast+` into code/apt.txt.",
    )
    assert read(PROGRAMS, "environment.yml", apt="ffmpeg\ngit").notes == (
        f"{note}write `ncbi-blast+` into code/apt.txt.",
    )
    assert read(PROGRAMS, "environment.yml", apt="ffmpeg\ngit\nncbi-blast+").notes == ()
    forbidden = read(PROGRAMS, "environment.yml", Build(system_packages=False))
    assert forbidden.notes == (f"{note}ask the administrator for `ffmpeg`, `git`, `ncbi-blast+`.",)


def test_an_environment_of_nothing_else_says_what_it_is_and_not_that_it_names_nothing() -> None:
    for content in (PROGRAMS, "dependencies: [mkl]", "dependencies: [r-base]"):
        assert "names no library" not in " ".join(read(content, "environment.yml").remarks)
