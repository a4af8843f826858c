"""Requests of any form are understood or told what is wrong with them; nothing else ever comes of one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.cli.commands import COMMANDS
from labd.client import questions
from labd.common.errors import LabdError
from labd.daemon.requests.answers import HANDLERS
from labd.gateway.verbs import VERBS
from labd.model.layout import is_valid_name
from labd.model.request_arguments import Target
from labd.model.requests import REQUESTS, Jobs, Logs, Note, Request, Status, read

TOP = Path(__file__).resolve().parents[3]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = ("self", "name", "job", "limit", "follow", "exact", "project", "event", "text", "address", "projects")


@given(
    verb=st.sampled_from(sorted(REQUESTS)) | ANYTHING,
    arguments=st.dictionaries(st.sampled_from(ARGUMENTS), ANYTHING),
)
def test_a_request_is_understood_or_told_what_is_wrong_in_a_plain_sentence(
    verb: Any, arguments: dict[str, Any]
) -> None:
    wrong, understood = "", Request()
    try:
        understood = read({"verb": verb, **arguments})
    except LabdError as error:
        wrong = error.message
    assert understood.name == verb or wrong
    assert wrong.isprintable() and len(wrong) < 250
    target, projects = vars(understood).get("job"), vars(understood).get("projects", ())
    for name in [*projects, *([target.project] if isinstance(target, Target) else [])]:
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
    asked = read({"verb": "status", "job": given})
    assert isinstance(asked, Status)
    target = asked.job
    assert target
    assert (target.number, target.project) == (number, project)


def test_what_is_left_out_has_its_usual_value() -> None:
    assert Status().job is None
    assert Jobs().limit == 50
    assert Logs(job="x").follow is False
    note = Note(event="began")
    assert (note.text, note.address, note.projects) == ("", "", [])


def test_of_the_folders_that_a_transfer_wrote_to_only_projects_are_noted() -> None:
    note = Note(event="began", projects=["a", "..", "../x", "", "b c", "b"])
    assert note.projects == ["a", "b"]


def test_names_that_a_request_does_not_have_are_ignored_whatever_they_are() -> None:
    asked = read({"verb": "status", "self": 1, "name": "x", "": None, "arguments": []})
    assert isinstance(asked, Status)
    assert (asked.job, asked.name) == (None, "status")


def test_a_request_stays_as_it_was_asked() -> None:
    asked = Jobs(limit=7)
    with pytest.raises(AttributeError):
        asked.limit = 8  # type: ignore[misc, assignment]
    assert asked.limit == 7


def test_each_request_is_answered_by_one_handler() -> None:
    assert HANDLERS.keys() == {*REQUESTS.values()}


@pytest.mark.parametrize("name", [name for name, request in REQUESTS.items() if request.summary or request.over_ssh])
def test_what_is_typed_is_typed_in_the_same_way_on_the_server_and_over_ssh(name: str) -> None:
    assert callable(getattr(questions, name))
    assert name in COMMANDS
    assert VERBS[name] is REQUESTS[name]


def test_the_manual_has_a_row_for_each_question_and_for_nothing_else() -> None:
    manual = (TOP / "docs" / "researcher.md").read_text().partition("\n## Asking\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `ssh (-t )?lab ?([a-z]*)[^`]*` \|", manual, re.MULTILINE)
    assert {verb for _, verb in rows} == VERBS.keys()
    assert {verb for terminal, verb in rows if terminal} == {verb for verb in VERBS if VERBS[verb].needs_terminal}


def test_all_that_labd_asks_of_its_daemon_is_a_request() -> None:
    asked = set()
    for file in (TOP / "daemon" / "labd").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("ask", "_ask", "_ask_one"):
                found = call.args[1]
                asked.update({found.value} if isinstance(found, ast.Constant) else ())
    assert {name for name, request in REQUESTS.items() if request.summary} <= asked <= REQUESTS.keys()


def test_another_word_stands_for_one_verb_only_and_is_none_itself() -> None:
    words = [word for request in VERBS.values() for word in request.other_words.split()]
    assert len(words) == len({*words} - VERBS.keys())
