"""What is collected for an explanation: the listing beside the snapshot, and those own files that matter."""

from __future__ import annotations

import json
from pathlib import Path

from labd.diagnosis.evidence.project import Evidence, UploadListing
from labd.model.languages import load
from labd.projects import evidence, reading

PYTHON = load(Path(__file__).resolve().parents[3] / "templates")["python"]
LOG = '  File "/code/lib/tools.py", line 1\n  File "/code/../secret.py", line 2\n'


def snapshot(folder: Path, **more: object) -> Path:
    code = folder / "snapshot" / "code"
    (code / "lib").mkdir(parents=True)
    for name in ("app.py", "lib/tools.py", "lib/other.py", "requirements.txt"):
        (code / name).write_text(f"# {name}\n")
    (folder / "secret.py").write_text("secret\n")
    files = {"code/app.py": 9, "code/lib/tools.py": 9, "code/lib/other.py": 9, "code/requirements.txt": 9, "u.py": 1}
    listing = {"files": files, "pointers": {}, "is_whole": True, **more}
    (folder / "upload.json").write_text(json.dumps(listing))
    return folder / "snapshot"


def test_it_has_the_listing_and_the_files_that_the_log_names(tmp_path: Path) -> None:
    found = evidence.gather(snapshot(tmp_path), LOG, PYTHON)
    assert found.upload.is_whole
    assert "u.py" in found.upload.files
    assert found.sources == {f"code/{name}": f"# {name}\n" for name in ("requirements.txt", "app.py", "lib/tools.py")}


def test_it_is_empty_for_a_job_without_a_listing_and_for_one_that_cannot_be_read(tmp_path: Path) -> None:
    frozen = snapshot(tmp_path)
    for damage in ("{", '{"files": 3}', '{"files": {"a": "b"}}', "[" * 100_000):
        (tmp_path / "upload.json").write_text(damage)
        assert evidence.gather(frozen, LOG, PYTHON) == Evidence(PYTHON.template.distributions, UploadListing())
    (tmp_path / "upload.json").unlink()
    assert evidence.gather(frozen, LOG, PYTHON).upload == UploadListing()


def test_it_comes_to_the_process_that_explains(tmp_path: Path) -> None:
    log = 'Traceback (most recent call last):\n  File "/code/app.py", line 1, in <module>\nValueError: bad\n'
    found = reading.program_failed(log, 1, PYTHON, None, snapshot(tmp_path))
    assert found.cause == "Your program stopped at code/app.py, line 1: ValueError: bad."
