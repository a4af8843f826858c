"""The broken sample projects of tests/uploads, through the whole of labd: does it say what a good colleague would?"""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from support.lab import Lab, Researcher, wait_for

UPLOADS = Path(__file__).resolve().parent.parent / "uploads"
CASES = sorted(path.parent.name for path in UPLOADS.glob("*/expect.toml"))


@pytest.fixture(scope="module")
def ana(request: pytest.FixtureRequest, shared_lab: Lab) -> Researcher:
    """A researcher who has sent all projects that are asked for, one after the other: the lab runs some at a time."""
    asked = {item.callspec.params["case"] for item in request.session.items if item.path == request.path}
    for case in sorted(asked):
        shared_lab.ana.push(UPLOADS / case / "project", case)
        shared_lab.ana.submit(case)
    return shared_lab.ana


@pytest.mark.parametrize("case", CASES)
def test_a_broken_project_is_explained_in_status(ana: Researcher, case: str) -> None:
    expected = tomli.loads((UPLOADS / case / "expect.toml").read_text())
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
