"""A look at an inbox, while somebody works in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.privsep import scan


def test_a_control_file_that_comes_while_a_project_is_walked_waits_for_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p" / "code").mkdir(parents=True)
    (tmp_path / "p" / "code" / "app.py").touch()
    real = scan._ProjectScan.visit_project

    def visit(walk: scan._ProjectScan, project: int) -> None:
        real(walk, project)
        (tmp_path / "p" / "code" / "late.py").touch()
        (tmp_path / "p" / "SUBMIT").touch()

    monkeypatch.setattr(scan._ProjectScan, "visit_project", visit)
    seen = [scan.scan(str(tmp_path), ["p"], ["app.py"], 100, 10)["entries"][0] for _ in range(2)]
    assert [(look["files"], list(look["controls"])) for look in seen] == [(1, []), (2, ["SUBMIT"])]
