"""What the Engine protocol promises, of Docker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from conftest import temporary_folder
from labd.engines.build_settings import BuildSettings
from labd.engines.docker.engine import DockerEngine
from labd.model.config import Build, Config, Paths
from labd.model.engine import Engine
from support.engine.contract import EngineUnderTest, Promises


class TestDocker(Promises):
    @pytest.fixture
    def tested(self) -> Iterator[EngineUnderTest]:
        folder = temporary_folder()
        folder.chmod(0o755)
        config = Config(paths=Paths(state=folder / "state"), build=Build(network="none"))

        def make() -> Engine:
            return DockerEngine(config, BuildSettings(config.build), folder / "build")

        tested = EngineUnderTest(folder, make)
        try:
            yield tested
        finally:
            tested.close()
            shutil.rmtree(folder)
