"""What the Engine protocol promises, of the engine in memory that the other tests here use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine.contract import ContractGround, Promises
from support.engine.fake_engine import FakeEngine, FakeMachine


class TestFake(Promises):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Iterator[ContractGround]:
        machine = FakeMachine()
        ground = ContractGround(tmp_path, lambda: FakeEngine(machine))
        yield ground
        ground.close()
