from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.errors import ProjectError, TransitionError
from labd.model.jobs import OUTCOMES, TRANSITIONS, JobOptions, State, check_transition, read_options


def test_every_state_has_an_entry_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


@given(st.sampled_from(sorted(OUTCOMES)), st.sampled_from(list(State)))
def test_no_job_leaves_its_outcome(outcome: State, state: State) -> None:
    with pytest.raises(TransitionError):
        check_transition(outcome, state)


@given(st.lists(st.sampled_from(list(State)), max_size=12))
def test_every_way_through_the_table_ends_in_one_outcome_after_delivering(dependencies: list[State]) -> None:
    state, way = State.RECEIVED, [State.RECEIVED]
    for wanted in dependencies:
        if wanted in TRANSITIONS[state]:
            state = wanted
            way.append(state)
    # Only a program that met a licence whose seats were all taken goes back to the queue.
    again = [(old, new) for number, (old, new) in enumerate(pairwise(way)) if new in way[: number + 1]]
    assert set(again) <= {
        (State.RUNNING, State.QUEUED),
        (State.QUEUED, State.BUILDING),
        (State.BUILDING, State.RUNNING),
    }
    assert sum(state in OUTCOMES for state in way) <= 1
    if way[-1] in OUTCOMES:
        assert way[-2] is State.DELIVERING


@pytest.mark.parametrize("state", [state for state in State if state not in OUTCOMES])
def test_an_outcome_can_be_reached_from_every_active_state(state: State) -> None:
    seen, todo = set(), [state]
    while todo:
        seen.add(here := todo.pop())
        todo += TRANSITIONS[here] - seen
    assert seen & OUTCOMES


def test_all_options_of_job_toml_are_read() -> None:
    text = b"""
        [job]
        python = "3.11"
        cpus = 4
        memory = "8g"
        gpus = 1
        timeout = "12h"
        args = ["--epochs", "20"]
        env = { SEED = "7" }
        network = true
    """
    options = read_options(text, ["matlab", "python"])
    assert options.version("python") == "3.11"
    assert options.version("matlab") is None
    assert {name: getattr(options, name) for name in JobOptions.__dataclass_fields__} == vars(
        JobOptions(
            cpus=4.0,
            memory=8 * 1024**3,
            gpus=1,
            timeout=43200.0,
            args=("--epochs", "20"),
            env={"SEED": "7"},
            network=True,
        )
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[job]\nmemry = '8g'", "no option `job.memry`", "`memory`"),
        ("memory = '8g'", "no option `memory`", "below a line [job]"),
        ("[job]\nmemory = 'lots'", "job.memory is 'lots'", ""),
        ("[job]\nmemory = -1", "job.memory is -1", ""),
        ("[job]\ncpus = 0", "cpus must be at least 0.01", ""),
        ("[job]\ncpus = true", "job.cpus is True", ""),
        ("[job]\ngpus = 1.5", "job.gpus is 1.5; expected is a whole number", ""),
        ("[job]\nargs = 'a b'", "job.args is 'a b'; expected is a list", ""),
        ("[job]\nargs = [1]", "job.args.0 is 1; expected is text", ""),
        ("[job]\nenv = { 'A=B' = '1' }", "cannot be the name of a variable", ""),
        ("[job\n", "not valid TOML", ""),
        ("job = 3", "job is 3; expected is a table", ""),
        ("[job]\npython = 3.11", "job.python is 3.11; expected is text in quotes", ""),
    ],
)
def test_a_mistake_in_job_toml_names_the_key_and_what_is_expected(text: str, message: str, hint: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_options(text.encode(), ["python"])
    assert message in caught.value.message
    assert hint in caught.value.hint


@given(st.binary(max_size=300))
def test_no_job_toml_whatsoever_raises_anything_but_a_clear_error(content: bytes) -> None:
    with contextlib.suppress(ProjectError):
        assert isinstance(read_options(content), JobOptions)


def test_a_job_toml_from_a_windows_editor_is_read() -> None:
    assert read_options("\ufeff[job]\r\ncpus = 2\r\n".encode()).cpus == 2.0
