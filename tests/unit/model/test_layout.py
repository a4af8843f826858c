from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.model.layout import is_junk, is_temporary, is_valid_name, project_root


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
def test_every_name_of_the_contract_is_valid(name: str) -> None:
    assert is_valid_name(name)


@given(st.text())
def test_a_valid_name_is_one_harmless_path_component(name: str) -> None:
    if is_valid_name(name):
        assert "/" not in name
        assert name not in (".", "..")
        assert name.isascii()
        assert name.isprintable()
        assert not name.startswith(("-", "."))
        assert len(name) <= 64


@pytest.mark.parametrize("name", ["", ".", "..", "-rf", ".hidden", "a b", "a/b", "a\n", "ä", "a" * 65, "a\0"])
def test_other_names_are_not_valid(name: str) -> None:
    assert not is_valid_name(name)


@pytest.mark.parametrize("name", [".app.py.Xa81bC", ".data.csv.AAAAAA", "big.fits.filepart", "big.fits.part", ".~tmp~"])
def test_unfinished_files_of_transfers_are_known(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["app.py", ".gitignore", ".config.backup", "part", "x.parts", ".env.local"])
def test_ordinary_files_are_not_taken_for_unfinished_ones(name: str) -> None:
    assert not is_temporary(name)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._app.py"])
def test_what_desktops_leave_behind_is_no_upload(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize(
    ("names", "nested", "root"),
    [
        (["project"], True, "project"),
        (["code", "input"], False, ""),
        (["code", "project"], True, ""),
        (["project"], False, ""),
        (["SUBMIT", "project"], True, "project"),
        ([], False, ""),
        (["job.toml", "project"], True, ""),
    ],
)
def test_the_project_is_found_in_both_layouts(names: list[str], nested: bool, root: str) -> None:
    assert project_root(names, nested) == root
