from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

import pytest

from labd.common.rollback import all_or_nothing

pytestmark = pytest.mark.usefixtures("signals_heeded")


def nothing() -> None:
    """A step that does nothing."""


def do_all(*pairs: tuple[Callable[[], object], Callable[[], object]]) -> None:
    with all_or_nothing() as steps:
        for step, undo in pairs:
            steps.do(step, undo)


def test_steps_that_all_succeed_stay_done() -> None:
    done: list[str] = []
    do_all(*((partial(done.append, name), partial(done.remove, name)) for name in ("one", "two")))
    assert done == ["one", "two"]


def test_a_failure_undoes_what_came_before_the_last_first() -> None:
    said: list[str] = []
    steps = [(partial(said.append, name), partial(said.append, f"not {name}")) for name in ("one", "two")]
    with pytest.raises(ZeroDivisionError):
        do_all(*steps, (lambda: 1 // 0, partial(said.append, "never")))
    assert said == ["one", "two", "not two", "not one"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_for_the_end_of_a_step_and_then_undoes_it(number: signal.Signals) -> None:
    said: list[str] = []

    def step() -> None:
        os.kill(os.getpid(), number)
        said.append("finished")

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        do_all((step, partial(said.append, "undone")), (partial(said.append, "never"), nothing))
    assert said == ["finished", "undone"]
    assert signal.getsignal(number) is before


def test_a_rollback_is_not_interrupted() -> None:
    said: list[str] = []

    def undo() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        said.append("undone")

    with pytest.raises(ZeroDivisionError):
        do_all((nothing, undo), (lambda: 1 // 0, nothing))
    assert said == ["undone"]


def test_a_signal_that_is_ignored_from_the_start_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    do_all((partial(os.kill, os.getpid(), signal.SIGHUP), nothing))
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
