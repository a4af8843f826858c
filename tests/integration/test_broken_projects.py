"""The broken sample projects of tests/uploads, through the whole of labd: does it say what a good colleague would?"""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from support.lab import Lab, wait_for

UPLOADS = Path(__file__).resolve().parent.parent / "uploads"
CASES = sorted(path.parent.name for path in UPLOADS.glob("*/expect.toml"))


@pytest.mark.parametrize("case", CASES)
def test_a_broken_project_is_explained_in_status(shared_lab: Lab, case: str) -> None:
    expected = tomli.loads((UPLOADS / case / "expect.toml").read_text())
    ana = shared_lab.ana
    ana.push(UPLOADS / case / "project", case)
    ana.submit(case)
    refused = lambda: ana.status(case).get("upload", {}).get("state") == "refused"  # noqa: E731
    wait_for(f"the end of {case}", lambda: ana.complete(case) or refused(), 300)
    status = ana.status(case)
    if not ana.complete(case):
        assert expected["outcome"] == "rejected"
        told = f"{status['upload']['cause']} {status['upload']['hint']}"
    else:
        assert status["state"] == expected["outcome"], (
            f"{status}\n{ana.text(case, 'run.log')}{ana.text(case, 'build.log')}"
        )
        told = " ".join([status["cause"], status["hint"], *status["notes"]])
    assert expected["cause"] in told
    assert expected["hint"] in told
    assert len(ana.text(case).splitlines()) <= 5
    assert "Traceback" not in ana.text(case)
