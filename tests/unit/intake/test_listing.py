"""What the names in an upload tell before anything runs."""

from __future__ import annotations

from labd.intake import listing


def notes(*files: str, pointers: tuple[str, ...] = ()) -> tuple[str, ...]:
    return listing.notes({"files": dict.fromkeys(files, 1), "pointers": dict.fromkeys(pointers, 9), "is_whole": True})


def test_a_folder_in_capital_letters_is_named() -> None:
    assert notes("Input/x.csv", "code/app.py") == (
        "Input/ is not part of the job: the folder must be called input/, in small letters.",
    )
    assert notes("Input/x.csv", "input/y.csv", "code/app.py", "Code.txt", "inputs/z.csv") == ()


def test_git_lfs_pointers_are_named_where_a_job_looks_for_data() -> None:
    assert notes(pointers=("input/a.pkl", "old/b.pkl")) == (
        "input/a.pkl is a git-lfs pointer, not the data: run `git lfs pull` on your own computer, and send it again.",
    )
    many = notes(pointers=tuple(f"input/{number}.pkl" for number in range(5)))
    assert len(many) == 4
    assert many[-1] == "2 more of the files are git-lfs pointers."
