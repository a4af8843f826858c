"""What the Engine protocol promises, of the engine in memory that the other tests here use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine.contract import EngineUnderTest, Promises
from support.engine.fake_engine import FakeEngine, FakeMachine


class TestFake(Promises):
    @pytest.fixture
    def tested(self, tmp_path: Path) -> Iterator[EngineUnderTest]:
        machine = FakeMachine()
        tested = EngineUnderTest(tmp_path, lambda: FakeEngine(machine))
        yield tested
        tested.close()
