"""What is said where a program's own search for files finds nothing, and only something later fails."""

from __future__ import annotations

import pytest

from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence, UploadListing
from labd.diagnosis.programs import Diagnosis, program_failed

PYTHON = languages.of(["python"])
EMPTY = "ValueError: No objects to concatenate"


def verdict(source: str, error: str, *files: str, is_whole: bool = True) -> Diagnosis:
    line = len(source.splitlines())
    log = f'Traceback (most recent call last):\n  File "/code/app.py", line {line}, in <module>\n    x\n{error}\n'
    upload = UploadListing(dict.fromkeys(files, 1), is_whole=is_whole)
    return program_failed(log, 1, Evidence({}, upload, {"code/app.py": source}), PYTHON)


@pytest.mark.parametrize(
    ("source", "error", "file", "cause", "hint"),
    [
        ("f = glob.glob('data/*.csv')\npd.concat(f)", EMPTY, "input/a.csv", "matches `data/*.csv` in line 1",
         "Your upload has input/a.csv: write `/input/*.csv`."),
        ("x = sorted(glob('*.csv'))[0]", "IndexError: list index out of range", "input/a.csv", "`*.csv` in line 1",
         "write `/input/*.csv`."),
        ("f = Path('data').glob('*.png')\nmax(f)", "ValueError: max() iterable argument is empty", "input/img/a.png",
         "`data/*.png` in line 1", "write `/input/img/*.png`."),
        ("f = list(Path('data').rglob('*.png'))\nf[0]", "IndexError: list index out of range", "input/b/a.png",
         "`data/**/*.png` in line 1", "write `/input/b/*.png`."),
        ("f = glob.glob('*.tif')\nnp.stack(f)", "ValueError: need at least one array to stack", "input/a.csv",
         "`*.tif` in line 1", "such as `/input/*.tif`."),
        ("i = cv2.imread('a.png')\ni.shape", "AttributeError: 'NoneType' object has no attribute 'shape'",
         "input/a.png", "could not find `a.png` in line 1", "open it as /input/a.png."),
        ("c = sqlite3.connect('../data/lab.db')", "sqlite3.OperationalError: unable to open database file",
         "input/lab.db", "could not find `../data/lab.db` in line 1", "open it as /input/lab.db."),
    ],
)  # fmt: skip
def test_it_is_told_with_what_matches(source: str, error: str, file: str, cause: str, hint: str) -> None:
    found = verdict(source, error, "code/app.py", file)
    assert cause in found.cause
    assert hint in found.hint
    assert cause not in verdict(source, error, "code/app.py", file, is_whole=False).cause


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("f = glob.glob('/input/*.csv')\nf[9]", "IndexError: list index out of range"),
        ("f = glob.glob('data/*.csv')\nf[9]", "KeyError: 'x'"),
        ("plt.savefig('a.png')\nf = glob.glob('*.png')\nf[9]", "IndexError: list index out of range"),
        ("f = glob.glob('/output/*.png')\nf[9]", "IndexError: list index out of range"),
        ("f = glob.glob('*/*.csv')\nf[9]", "IndexError: list index out of range"),
        ("c = sqlite3.connect(':memory:')", "sqlite3.OperationalError: no such table: x"),
    ],
)
def test_nothing_is_said_where_it_is_not_proven(source: str, error: str) -> None:
    found = verdict(source, error, "input/a.csv", "code/sub/b.csv")
    assert "matches" not in found.cause
    assert "could not find" not in found.cause


def test_a_change_of_folder_is_to_be_removed() -> None:
    log = (
        'Traceback (most recent call last):\n  File "/code/app.py", line 2, in <module>\n    os.chdir("x")\n'
        "FileNotFoundError: [Errno 2] No such file or directory: 'C:\\\\Users\\\\me\\\\thesis'\n"
    )
    hint = program_failed(log, 1, Evidence(), PYTHON).hint
    assert hint == "Remove the line: the program starts in /code, and its data are in /input."
