"""The listing of a whole upload: what is in it, what is told of git-lfs pointers, and that it is bounded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labd.privsep import upload_listing
from labd.privsep.upload_listing import list_upload

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345678\n"


def write(folder: Path, path: str, content: str = "x") -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)


def test_it_has_files_beside_what_a_job_can_see_and_empty_folders(tmp_path: Path) -> None:
    for path in ("code/app.py", "input/a b/x.csv", "data/measure.csv", "utils.py", "job.toml"):
        write(tmp_path, path)
    (tmp_path / "results").mkdir()
    found = list_upload(str(tmp_path))
    assert found["files"] == {
        "code/app.py": 1,
        "input/a b/x.csv": 1,
        "data/measure.csv": 1,
        "utils.py": 1,
        "job.toml": 1,
        "results/": 0,
    }
    assert found["is_whole"]


def test_it_has_no_files_of_git_of_environments_of_desktops_or_for_labd(tmp_path: Path) -> None:
    for path in (".git/config", "code/.venv/bin/python", "code/__pycache__/a.pyc", "code/.DS_Store", "SUBMIT"):
        write(tmp_path, path)
    assert list_upload(str(tmp_path))["files"] == {"code/": 0}


@pytest.mark.parametrize("text", [POINTER, POINTER.replace("\n", "\r\n"), POINTER.replace("git-lfs", "hawser")])
def test_it_knows_git_lfs_pointers_with_the_size_of_the_data(tmp_path: Path, text: str) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "model.pkl").write_bytes(text.encode())
    write(tmp_path, "input/about.txt", "git-lfs.github.com has version https://git-lfs.github.com/spec/v1\nsize 3\n")
    assert list_upload(str(tmp_path))["pointers"] == {"input/model.pkl": 12345678}


def test_it_is_not_whole_when_something_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/b/c/d/e/f/g/h/i/deep.txt")
    assert not list_upload(str(tmp_path))["is_whole"]
    other = tmp_path / "other"
    write(other, "z.txt")
    write(other, "input/x.csv")
    assert list_upload(str(other))["is_whole"]
    monkeypatch.setattr(upload_listing, "_MOST_NAMES", 1)
    found = list_upload(str(other))
    assert (found["files"], found["is_whole"]) == ({"input/x.csv": 1}, False)


def test_it_follows_no_link(tmp_path: Path) -> None:
    write(tmp_path, "secret/key")
    write(tmp_path, "p/code/app.py")
    os.symlink(tmp_path / "secret", tmp_path / "p" / "input")
    os.symlink(tmp_path / "secret" / "key", tmp_path / "p" / "key")
    found = list_upload(str(tmp_path / "p"))
    assert (found["files"], found["is_whole"]) == ({"code/app.py": 1}, False)


def test_of_a_crowd_of_names_no_more_are_looked_at_than_can_be_listed_and_the_program_is_among_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("")
    for number in range(5200):
        (tmp_path / f"a{number}").touch()
    listing = list_upload(str(tmp_path))
    assert "code/app.py" in listing["files"]
    assert len(listing["files"]) <= 5000
    assert not listing["is_whole"]
