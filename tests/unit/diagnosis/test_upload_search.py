"""Where in an upload a file is that a program did not find, and the remedy that leads there."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.diagnosis.evidence.project import UploadListing
from labd.diagnosis.evidence.upload_search import find, remedy


def said(files: Sequence[str], written: str) -> str:
    upload = UploadListing(dict.fromkeys(files, 1), is_whole=True)
    return remedy(find(upload, written), written)


@pytest.mark.parametrize(
    ("files", "written", "words"),
    [
        (["input/data.csv"], "data.csv", "has input/data.csv: open it as /input/data.csv."),
        (["input/data.csv"], "input/data.csv", "has input/data.csv: open it as /input/data.csv."),
        (["input/data.csv"], "../data/data.csv", "open it as /input/data.csv."),
        (["input/data.csv"], "/data/data.csv", "open it as /input/data.csv."),
        (["input/data.csv"], r"C:\Users\ana\data.csv", "open it as /input/data.csv, with / instead of \\."),
        (["input/data.csv"], "~/Desktop/data.csv", "open it as /input/data.csv."),
        (["input/data.csv"], "/content/drive/MyDrive/data.csv", "open it as /input/data.csv."),
        (["input/set/x.csv", "input/y.csv"], "/kaggle/input/set/x.csv", "open it as /input/set/x.csv."),
        (["code/data/m.csv"], r"data\m.csv", "open it as /code/data/m.csv, with / instead of \\."),
        (["code/lib/m.csv"], "m.csv", "open it as /code/lib/m.csv."),
        (["input/K2.csv"], "/input/k2.csv", "capital and small letters differ here: open it as /input/K2.csv."),
        (["input/Data/x.csv"], "/input/data/x.csv", "letters differ here: open it as /input/Data/x.csv."),
        (["input/x.CSV"], "/input/x.csv", "open it as /input/x.CSV."),
        (["input/x y.csv"], "/input/x y.csv ", "has input/x y.csv"),
        (["Input/x.csv"], "/input/x.csv", "must be called input/, in small letters: rename Input/ to input/."),
        (["INPUT/sub/x.csv"], "/input/sub/x.csv", "rename INPUT/ to input/."),
        (["data/m.csv"], "../data/m.csv", "no part of the job: move it to input/m.csv and open /input/m.csv."),
        (["m.csv"], "m.csv", "no part of the job: move it to input/m.csv and open /input/m.csv."),
        (["functions.R"], "functions.R", "no part of the job: move it to code/functions.R."),
        (["input/images/a.png"], "images", "the folder input/images/: its path is /input/images."),
        (
            ["images/a.png"],
            "images",
            "the folder images/, which is no part of the job: move it to input/images and use",
        ),
        (["input/empty/"], "empty", "the folder input/empty/"),
        (["input/x.csv.txt"], "/input/x.csv", "with another ending: open /input/x.csv.txt, or send it as x.csv."),
        (["input/x.csv.gz"], "x.csv", "open /input/x.csv.gz"),
        (["input/x.xlsx"], "x.csv", "open /input/x.xlsx, or send it as x.csv."),
        (
            ["input/a/x.csv", "input/b/x.csv"],
            "x.csv",
            "has input/a/x.csv and input/b/x.csv: open the one that you mean",
        ),
        (["input/a/x.csv", "input/b/x.csv"], "b/x.csv", "open it as /input/b/x.csv."),
        (["old/x.csv", "input/x.csv"], "x.csv", "open it as /input/x.csv."),
        (["input/x.csv"], "/input/x.csv", "look whether your program itself moves or removes it"),
    ],
)
def test_the_remedy_names_the_place(files: Sequence[str], written: str, words: str) -> None:
    assert words in said(files, written)


def test_two_ways_to_write_an_umlaut_are_one() -> None:
    name = "größe.csv"
    assert "/input/" in said([f"input/{unicodedata.normalize('NFD', name)}"], unicodedata.normalize("NFC", name))


@pytest.mark.parametrize(
    ("files", "written"),
    [
        ([], "x.csv"),
        (["input/y.csv"], "x.csv"),
        (["input/data.json"], "data.csv"),
        (["input/data"], "data.csv"),
        (["input/a/x.csv", "input/b/x.csv", "input/c/x.csv"], "x.csv"),
        (["input/x.csv"], "/"),
        (["input/x.csv"], ""),
        (["code/config.json"], "/opt/env/lib/python3.11/site-packages/lib/config.json"),
        (["code/config.json"], "/home/ana/.config/tool/config.json"),
        ([f"input/{'a' * 100}/x.csv"], "x.csv"),
    ],
)
def test_nothing_is_said_where_nothing_is_certain(files: Sequence[str], written: str) -> None:
    assert said(files, written) == ""


@given(files=st.lists(st.text(min_size=1), max_size=5), written=st.text())
def test_no_name_breaks_it(files: list[str], written: str) -> None:
    assert said(files, written).isprintable()
