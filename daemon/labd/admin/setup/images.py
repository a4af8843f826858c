"""Base images that the administrator gets, because the running service may not make them.

This module owns which base images `labd setup` and `labd images get` get. The service is confined so far that it cannot
make an image from Debian's packages; images that can only be pulled are pulled when a job first needs them. It never
replaces one.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from labd.client.writing import Teller
from labd.common.errors import LabdError, NotFoundError, UnavailableError
from labd.common.signals import catch
from labd.common.units import human_duration
from labd.engines.build_settings import BuildSettings
from labd.engines.docker.base_images import BaseImages
from labd.engines.docker.builder import Builder
from labd.model import languages
from labd.model.config import Config
from labd.model.engine import AwayError, BuildFailed
from labd.model.languages import Language
from labd.projects import language as choosing


def make_missing(config: Config, teller: Teller) -> None:
    """Get the base images that labd may have to make itself; one that cannot be had is told, and is no error."""
    wanted = _wanted(config)
    if not wanted:
        return
    with _getting(config) as (builder, bases, cancelled):
        for name, language, version in wanted:
            try:
                if _is_here(builder, name, cancelled):
                    teller.found(f"the base image {name}")
                    continue
                get = partial(bases.get, name, language, version, teller.step, cancelled)
                teller.change("make", f"the base image {name}", get)
            except AwayError:
                teller.note(
                    "Docker does not answer, so no base image could be looked for.",
                    "Start it: systemctl start docker; then labd setup again",
                )
                return
            except LabdError as error:
                if cancelled.is_set():
                    raise KeyboardInterrupt from None
                teller.note(error.message, error.hint)


def get(config: Config, language: str, version: str | None, teller: Teller) -> None:
    """Get the base image of `language` in `version`, None: the default, unless it is there.

    Raises NotFoundError for what this server does not offer, UnavailableError when the image cannot be had.
    """
    config, known = choosing.open_languages(config)
    offered = config.languages.get(language)
    if offered is None or language not in known:
        names = ", ".join(name for name in config.languages if name in known)
        raise NotFoundError(f"This server does not offer `{language}`.", f"There is: {names}.")
    version = version or offered.default
    name = offered.versions.get(version)
    if name is None:
        title = known[language].template.title
        raise NotFoundError(
            f"This server does not offer {title} {version}.", f"There is: {', '.join(offered.versions)}."
        )
    with _getting(config) as (builder, bases, cancelled):
        if _is_here(builder, name, cancelled):
            teller.found(f"the base image {name}")
            return
        try:
            made = partial(bases.get, name, known[language], version, teller.step, cancelled)
            teller.change("get", f"the base image {name}", made)
        except BuildFailed as error:
            if error.cancelled:
                raise KeyboardInterrupt from None
            limit = human_duration(config.build.timeout)
            hint = "Give it more: `timeout` below [build] in the config."
            raise UnavailableError(f"{name} was not ready within {limit}.", hint) from error


@contextmanager
def _getting(config: Config) -> Iterator[tuple[Builder, BaseImages, threading.Event]]:
    """What gets base images, in a folder of its own, until Ctrl-C is pressed."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="labd-setup-") as folder, _interruptible() as cancelled:
        builder = Builder(config.build, BuildSettings(config.build), Path(folder))
        yield builder, BaseImages(config.build, builder, Path(folder)), cancelled


def _is_here(builder: Builder, name: str, cancelled: threading.Event) -> bool:
    """Whether Docker has the image `name`. Raises AwayError."""
    return builder.docker("image", "inspect", name, report=_ignore, cancelled=cancelled).code == 0


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
    before = catch((signal.SIGINT,), lambda number, frame: cancelled.set())
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(line: str) -> None:
    """What docker prints of an image is not for the administrator."""
