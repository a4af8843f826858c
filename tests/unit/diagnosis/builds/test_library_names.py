"""Which library a name is taken for, and which name is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.diagnosis.builds.library_names import known_as, slip
from labd.model.languages import load

DISTRIBUTIONS = load(Path(__file__).resolve().parents[4] / "templates")["python"].template.distributions


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pytorch", "torch"),
        ("PyTorch", "torch"),
        ("tensorflow_gpu", "tensorflow"),
        ("opencv", "opencv-python-headless"),
        ("cv2", "opencv-python-headless"),
        ("sklearn", "scikit-learn"),
        ("torch-vision", "torchvision"),
        ("BeautifulSoup", "beautifulsoup4"),
        ("dateutil", "python-dateutil"),
        ("PIL", "pillow"),
        ("tables", ""),
        ("python", ""),
        ("pandas", ""),
        ("numpy-stl", ""),
        ("pytorch-lightning", ""),
    ],
)
def test_a_name_that_is_known_to_be_anothers_is_read_as_that(name: str, meant: str) -> None:
    assert known_as(name, DISTRIBUTIONS) == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("matplotlip", "matplotlib"),
        ("matplotli", "matplotlib"),
        ("mtaplotlib", "matplotlib"),
        ("matplotlibb", "matplotlib"),
        ("skikit-learn", "scikit-learn"),
        ("scikit_lern", "scikit-learn"),
        ("pandsa", "pandas"),
        ("numpyy", "numpy"),
        ("reqests", "requests"),
        # No slip: a library of its own, another thing, too short, or too far.
        ("pandas", ""),
        ("numpy-stl", ""),
        ("python", ""),
        ("src", ""),
        ("sixx", ""),
        ("galpyx", ""),
        ("matplotxxx", ""),
        ("utils", ""),
        ("", ""),
    ],
)
def test_a_slip_of_the_pen_is_one_letter_away_from_a_well_known_name(name: str, meant: str) -> None:
    assert slip(name, DISTRIBUTIONS) == meant
