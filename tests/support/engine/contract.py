"""What the Engine protocol promises, as tests that are the same for each engine.

A test file of an engine has a class that inherits from `Promises`, with a fixture `tested`. The programs are Python
that every engine can run, the images are made on the base image of Python that this machine has.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from labd.common.errors import UnavailableError
from labd.model.engine import BuildFailed, Condition, Engine, Phase, Recipe, Run, StartError
from support.engine.standalone import IMAGE, make_run
from support.lab import wait_for

MIB = 1024**2
DOCKERFILE = "ARG BASE\nFROM $BASE AS environment\nCOPY a /opt/a\n"
BEGUN = "import time\nprint('begun', flush=True)\n"


class EngineUnderTest:
    """An engine, and folders for programs; a second engine on the same state is another life of labd's."""

    def __init__(self, folder: Path, make: Callable[[], Engine]) -> None:
        self.folder, self._make = folder, make
        self.engine = make()
        self._last = 0
        self._tags: list[str] = []

    def again(self) -> Engine:
        """The engine after a restart of labd."""
        self.engine = self._make()
        return self.engine

    def run(self, source: str, **settings: object) -> Run:
        """The run of a program, with an image that is there."""
        self._last += 1
        found = self.engine.images.find(IMAGE)
        assert found, f"{IMAGE} is not here"
        command = ("python3", "-c", source)
        return make_run(self.folder, self._last, **{"command": command, "image": found.id, **settings})

    def start(self, source: str, **settings: object) -> int:
        """Start a program: its job."""
        run = self.run(source, **settings)
        self.engine.start(run)
        return run.job

    def begun(self, source: str) -> int:
        """Start a program, and wait for its first line."""
        job = self.start(BEGUN + source)
        wait_for("its first line", lambda: self.printed(job).startswith("begun"))
        return job

    def ended(self, job: int) -> Condition:
        """How a program ended, waiting for that."""
        return wait_for(f"the end of {job}", lambda: self._if_ended(job))  # type: ignore[return-value]

    def _if_ended(self, job: int) -> Condition | None:
        self.engine.wait(job, 1.0)
        found = self.engine.poll(job)
        return found if found.phase is Phase.ENDED else None

    def printed(self, job: int) -> str:
        return b"".join(self.engine.logs(job, follow=False)).decode()

    def output(self, job: int, name: str) -> Path:
        return self.folder / str(job) / "output" / name

    def recipe(self, base: str = IMAGE) -> Recipe:
        """One for an image that nobody has."""
        once = uuid.uuid4().hex
        dockerfile = self.folder / "Dockerfile"
        dockerfile.write_text(DOCKERFILE)
        self._tags.append(f"labd/env:contract-{once}")
        labels = {"labd.environment": self._tags[-1], "labd.finished": ""}
        return Recipe(self._tags[-1], dockerfile, "environment", {"a": once.encode()}, {"BASE": base}, labels)

    def build(self, recipe: Recipe) -> None:
        self.engine.images.build(recipe, lambda line: None, threading.Event())

    def close(self) -> None:
        for job in self.engine.jobs():
            self.engine.remove(job)
        if self._tags:  # Docker takes long to say what is on its disk
            self.engine.images.remove_unused(self._tags, 0.0)
        self.engine.rest()
        self.engine.images.close()


class Promises:
    """The tests."""

    # Programs

    def test_a_program_that_ends_well_is_known_with_its_output_and_its_times(self, tested: EngineUnderTest) -> None:
        before = time.time()
        job = tested.start("print('hello')\nopen('/output/a', 'w').write('1')\n")
        found = tested.ended(job)
        assert (found.exit_code, found.interrupted, found.lost_output) == (0, False, False)
        assert found.started is not None and found.ended is not None
        assert before - 5 < found.started <= found.ended < time.time() + 5
        assert tested.printed(job) == "hello\n"
        assert tested.output(job, "a").read_text() == "1"

    @pytest.mark.parametrize(
        ("source", "code", "said"),
        [
            ("import sys\nsys.exit(7)\n", 7, ""),
            ("import sys\nsys.exit('no data')\n", 1, "no data\n"),
            ("raise ValueError('no data')\n", 1, "ValueError: no data\n"),
            ("import no_such_module\n", 1, "ModuleNotFoundError: No module named 'no_such_module'\n"),
            ("open('/input/nothing')\n", 1, "FileNotFoundError: [Errno 2] No such file or directory"),
            ("open('/somewhere', 'w')\n", 1, "OSError: [Errno 30] Read-only file system"),
        ],
    )
    def test_a_program_that_fails_has_its_exit_code_and_says_why(
        self, tested: EngineUnderTest, source: str, code: int, said: str
    ) -> None:
        job = tested.start(source)
        assert tested.ended(job).exit_code == code
        assert said in tested.printed(job)

    def test_a_program_reads_its_upload_and_cannot_change_it(self, tested: EngineUnderTest) -> None:
        look = "print(open('/input/n').read())\n"
        run = tested.run(f"{look}open('/input/n', 'w').write('2')\n{look}")
        (run.input / "n").write_text("1")
        (run.input / "n").chmod(0o666)  # whoever runs the tests may be another than whose program it is
        tested.engine.start(run)
        assert tested.ended(run.job).exit_code == 0
        assert tested.printed(run.job) == "1\n2\n"
        assert (run.input / "n").read_text() == "1"
        assert (run.scratch / "input" / "upper" / "n").read_text() == "2"

    def test_a_program_finds_its_variables_and_its_home(self, tested: EngineUnderTest) -> None:
        source = "import os\nprint(os.environ['GALAXY'])\nopen(os.environ['HOME'] + '/a', 'w').write('1')\n"
        run = tested.run(source, env={"HOME": "/home/ana", "GALAXY": "M31"})
        tested.engine.start(run)
        assert tested.ended(run.job).exit_code == 0
        assert tested.printed(run.job) == "M31\n"
        assert (run.home / "a").read_text() == "1"

    def test_to_start_twice_is_to_start_once(self, tested: EngineUnderTest) -> None:
        run = tested.run("open('/output/runs', 'a').write('run ')\n")
        tested.engine.start(run)
        tested.engine.start(run)
        tested.ended(run.job)
        tested.engine.start(run)
        assert tested.ended(run.job).exit_code == 0
        assert tested.output(run.job, "runs").read_text() == "run "

    def test_what_was_never_started_is_absent_and_can_be_stopped_and_removed(self, tested: EngineUnderTest) -> None:
        assert tested.engine.poll(99).phase is Phase.ABSENT
        tested.engine.stop(99, 1.0)
        tested.engine.remove(99)
        assert tested.printed(99) == ""
        assert tested.engine.usage(99) is None

    def test_what_runs_is_listed_until_it_is_removed(self, tested: EngineUnderTest) -> None:
        job = tested.begun("time.sleep(600)\n")
        assert tested.engine.poll(job).phase is Phase.RUNNING
        assert tested.engine.jobs() == {job}
        assert not tested.engine.wait(job, 0.1)
        tested.engine.remove(job)
        tested.engine.remove(job)
        assert tested.engine.jobs() == set()
        assert tested.engine.poll(job).phase is Phase.ABSENT

    def test_a_program_is_asked_to_end_and_may_save_what_it_has(self, tested: EngineUnderTest) -> None:
        job = tested.start(
            "import signal, sys, time\n"
            "def leave(number, frame):\n    open('/output/saved', 'w').write('1')\n    sys.exit(5)\n"
            "signal.signal(signal.SIGTERM, leave)\nprint('begun', flush=True)\ntime.sleep(600)\n"
        )
        wait_for("its first line", lambda: tested.printed(job) == "begun\n")
        tested.engine.stop(job, 20.0)
        found = tested.ended(job)
        assert (found.exit_code, found.interrupted) == (5, False)
        assert tested.output(job, "saved").exists()

    def test_a_program_that_does_not_listen_is_ended_after_its_grace(self, tested: EngineUnderTest) -> None:
        job = tested.start(
            "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('begun', flush=True)\ntime.sleep(600)\n"
        )
        wait_for("its first line", lambda: tested.printed(job) == "begun\n")
        tested.engine.stop(job, 1.0)
        found = tested.ended(job)
        assert (found.exit_code, found.interrupted) == (137, False)

    def test_a_program_that_does_not_handle_the_signal_ends_by_it(self, tested: EngineUnderTest) -> None:
        job = tested.begun("time.sleep(600)\n")
        tested.engine.stop(job, 20.0)
        assert tested.ended(job).exit_code == 143

    def test_a_program_that_uses_more_memory_than_it_has_is_known_by_that(self, tested: EngineUnderTest) -> None:
        touch = f"held[::4096] = b'x' * len(range(0, {300 * MIB}, 4096))\n"
        source = f"held = bytearray({300 * MIB})\n{touch}print('not killed')\n"
        job = tested.start(source, memory=64 * MIB)
        assert tested.ended(job).exit_code == 137
        usage = tested.engine.usage(job)
        assert usage is not None and usage.oom_kills >= 1
        assert tested.printed(job) == ""

    def test_what_is_printed_can_be_followed_to_the_end(self, tested: EngineUnderTest) -> None:
        job = tested.begun("time.sleep(1)\nprint('end')\n")
        assert b"".join(tested.engine.logs(job, follow=True)) == b"begun\nend\n"

    def test_another_life_of_labd_finds_what_runs_and_how_it_ended(self, tested: EngineUnderTest) -> None:
        job = tested.begun("time.sleep(1)\nraise SystemExit(7)\n")
        engine = tested.again()
        assert engine.jobs() == {job}
        assert tested.ended(job).exit_code == 7
        assert tested.printed(job) == "begun\n"

    def test_an_image_that_is_gone_is_a_reason_not_to_start(self, tested: EngineUnderTest) -> None:
        with pytest.raises(StartError) as caught:
            tested.start("print(1)\n", image="sha256:" + "0" * 64)
        assert caught.value.message
        assert tested.engine.jobs() == set()

    def test_a_program_without_a_cpu_is_refused(self, tested: EngineUnderTest) -> None:
        with pytest.raises(StartError):
            tested.start("print(1)\n", cpus=0.0)

    def test_there_is_something_to_give(self, tested: EngineUnderTest) -> None:
        there = tested.engine.capacity()
        assert there.cpus > 0
        assert there.memory > 0

    # Images

    def test_an_image_is_built_and_found_by_tag_and_id_with_its_labels(self, tested: EngineUnderTest) -> None:
        recipe = tested.recipe()
        assert tested.engine.images.find(recipe.tag) is None
        tested.build(recipe)
        found = tested.engine.images.find(recipe.tag)
        assert found is not None
        assert found.tags == (recipe.tag,)
        assert found.size > 0
        assert found.labels["labd.environment"] == recipe.tag
        assert not found.is_unfinished
        assert tested.engine.images.find(found.id) == found

    def test_a_second_tag_leads_to_the_same_image_and_moves_to_a_later_one(self, tested: EngineUnderTest) -> None:
        one, other, name = tested.recipe(), tested.recipe(), f"labd/contract/{uuid.uuid4().hex}"
        for recipe in (one, other):
            tested.build(recipe)
            tested.engine.images.tag(recipe.tag, name)
            found, tagged = tested.engine.images.find(recipe.tag), tested.engine.images.find(f"{name}:latest")
            assert found is not None and tagged is not None
            assert found.id == tagged.id

    def test_to_tag_what_is_not_there_is_refused(self, tested: EngineUnderTest) -> None:
        with pytest.raises(UnavailableError):
            tested.engine.images.tag(f"labd/env:{uuid.uuid4().hex}", "labd/contract/nothing")

    def test_a_build_on_a_base_that_is_not_there_fails(self, tested: EngineUnderTest) -> None:
        recipe = tested.recipe(base=f"labd-no-such-base-{uuid.uuid4().hex}:1")
        with pytest.raises(BuildFailed) as caught:
            tested.build(recipe)
        assert not caught.value.cancelled
        assert tested.engine.images.find(recipe.tag) is None

    def test_a_build_that_is_cancelled_makes_no_image(self, tested: EngineUnderTest) -> None:
        recipe, cancelled = tested.recipe(), threading.Event()
        cancelled.set()
        with pytest.raises(BuildFailed) as caught:
            tested.engine.images.build(recipe, lambda line: None, cancelled)
        assert caught.value.cancelled
        assert tested.engine.images.find(recipe.tag) is None

    def test_unused_images_are_removed_and_those_in_use_stay(self, tested: EngineUnderTest) -> None:
        used, unused, gone = tested.recipe(), tested.recipe(), f"labd/env:{uuid.uuid4().hex}"
        for recipe in (used, unused):
            tested.build(recipe)
        image = tested.engine.images.find(used.tag)
        assert image is not None
        job = tested.start("print(1)\n", image=image.id)
        tested.ended(job)
        assert set(tested.engine.images.remove_unused([used.tag, unused.tag, gone], 0.0)) == {unused.tag, gone}
        assert tested.engine.images.find(unused.tag) is None
        assert tested.engine.images.find(used.tag) is not None
        tested.engine.remove(job)
