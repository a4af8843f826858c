"""Requests of any form are understood or told what is wrong with them; nothing else ever comes of one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.errors import LabdError
from labd.daemon.requests.arguments import VERBS, Target, read
from labd.model.layout import is_valid_name

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = ("job", "limit", "follow", "exact", "project", "event", "text", "address", "projects")


@given(
    verb=st.sampled_from(sorted(VERBS)) | ANYTHING,
    arguments=st.dictionaries(st.sampled_from(ARGUMENTS), ANYTHING),
)
def test_a_request_is_understood_or_told_what_is_wrong_in_a_plain_sentence(
    verb: Any, arguments: dict[str, Any]
) -> None:
    wrong, asked, understood = "", "", dict[str, Any]()
    try:
        asked, understood = read({"verb": verb, **arguments})
    except LabdError as error:
        wrong = error.message
    assert asked == verb or wrong
    assert wrong.isprintable() and len(wrong) < 250
    target = understood.get("job")
    for name in [*understood.get("projects", ()), *([target.project] if isinstance(target, Target) else [])]:
        assert is_valid_name(name)


@pytest.mark.parametrize(
    ("given", "number", "project"),
    [
        (7, 7, "7"),
        ("7", 7, "7"),
        ("galaxies", None, "galaxies"),
        ("galaxies/", None, "galaxies"),
        ("inbox/galaxies", None, "galaxies"),
        ("2024/", None, "2024"),
        ("outbox/2024/", None, "2024"),
        ("9223372036854775807", 2**63 - 1, "9223372036854775807"),
        ("9223372036854775808", None, "9223372036854775808"),
    ],
)
def test_a_job_can_be_a_number_or_a_project_or_either(given: object, number: int | None, project: str) -> None:
    target = read({"verb": "status", "job": given})[1]["job"]
    assert (target.number, target.project) == (number, project)


def test_what_is_left_out_has_its_usual_value() -> None:
    assert read({"verb": "status"}) == ("status", {"job": None})
    assert read({"verb": "jobs"}) == ("jobs", {"limit": 50})
    assert read({"verb": "logs", "job": "x"})[1]["follow"] is False
    assert read({"verb": "note", "event": "began"})[1] == {"event": "began", "text": "", "address": "", "projects": ()}


def test_of_the_folders_that_a_transfer_wrote_to_only_projects_are_noted() -> None:
    noted = read({"verb": "note", "event": "began", "projects": ["a", "..", "../x", "", "b c", "b"]})[1]["projects"]
    assert noted == ["a", "b"]
