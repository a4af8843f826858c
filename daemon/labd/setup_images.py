"""Base images that are made at set-up time, because the running service may not make them.

This room owns which base images `labd setup` gets. The service is confined so far that it cannot make an image from
Debian's packages; images that can only be pulled are pulled when a job first needs them. It never replaces one.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from labd import languages
from labd.base_images import BaseImages
from labd.build_settings import BuildSettings
from labd.config import Config
from labd.errors import LabdError
from labd.image_builder import Builder, DockerAwayError
from labd.languages import Language
from labd.setup_writing import Teller


def make_missing(config: Config, teller: Teller) -> None:
    """Get the base images that labd may have to make itself; one that cannot be had is told, and is no error."""
    wanted = _wanted(config)
    if not wanted:
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="labd-setup-") as folder, _interruptible() as cancelled:
        builder = Builder(config.build, BuildSettings(config.build), Path(folder))
        bases = BaseImages(config.build, builder, Path(folder))
        for name, language, version in wanted:
            try:
                known = builder.docker("image", "inspect", name, report=_ignore, cancelled=cancelled)
                if known.code == 0:
                    teller.found(f"the base image {name}")
                    continue
                get = partial(bases.get, name, language, version, teller.step, cancelled)
                teller.change("make", f"the base image {name}", get)
            except DockerAwayError:
                teller.note(
                    "Docker does not answer, so no base image could be looked for.",
                    "Start it: systemctl start docker; then labd setup again",
                )
                return
            except LabdError as error:
                if cancelled.is_set():
                    raise KeyboardInterrupt from None
                teller.note(error.message, error.hint)


def _wanted(config: Config) -> list[tuple[str, Language, str]]:
    known = languages.load(config.paths.templates)
    return [
        (offered.versions[offered.default], known[name], offered.default)
        for name, offered in config.languages.items()
        if name in known and offered.default in known[name].template.debian
    ]


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C as an event: what was started for an image is ended before labd ends."""
    cancelled = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: cancelled.set())
    try:
        yield cancelled
    finally:
        signal.signal(signal.SIGINT, before)


def _ignore(line: str) -> None:
    """What docker prints of an image is not for the administrator."""
