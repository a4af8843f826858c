"""Builds: the base images, and a real one with the administrator's settings.

This module owns the test build. It takes the way of a job's environment (template, settings, builder), but nothing from
an earlier one: the library is downloaded anew each time, so that index, proxy and certificates are really tried. What
it makes is removed again.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from labd.admin.doctor.asking_docker import if_it_answers
from labd.admin.doctor.subject import CheckContext
from labd.client.rendering import shortened
from labd.common.finding import Check, Finding, fail, ok, warn
from labd.common.schema import Duration
from labd.common.units import human_duration
from labd.diagnosis.builds.verdicts import build_failed
from labd.engines.build_settings import BuildSettings
from labd.engines.docker import image_keeping
from labd.engines.docker.builder import Builder
from labd.engines.docker.client import connected
from labd.environments import environment as environments
from labd.model import languages
from labd.model.config import Versions
from labd.model.engine import AwayError, BuildFailed
from labd.model.languages import Language
from labd.projects import language as choosing

_SUBJECT = "Builds"
_LIMIT = 90.0  # seconds; the first on a base image gets the installer, too
_LIST = "requirements.txt"
_LIBRARY = "six"  # 11 kB, needs nothing, and every index has it
TAG = "labd/doctor"
_NOT_FOUND = "was not found in the package registry"
_COMPLAINT = re.compile(r"error|warning", re.IGNORECASE)
_SHOWN = 400


def checks(context: CheckContext) -> list[Check]:
    """All about builds."""
    return [
        Check(_SUBJECT, "the base images", if_it_answers(lambda: _bases(context))),
        Check(_SUBJECT, "building environments", if_it_answers(lambda: _test(context))),
    ]


def _bases(context: CheckContext) -> Iterator[Finding]:
    with connected(context.docker) as docker:
        present = {name for image in docker.images() for name in image["RepoTags"] or ()}
    config, known = choosing.open_languages(context.config)
    for name, offered in config.languages.items():
        if name in known and not known[name].template.family:
            yield from judge_bases(name, offered, present)


def judge_bases(language: str, offered: Versions, present: Collection[str]) -> Iterator[Finding]:
    """Which base images of `language` are among those that are `present`: the default's, and those of the others."""
    missing = [version for version, image in offered.versions.items() if _full_name(image) not in present]
    if offered.default in missing:
        yield warn(
            f"The base image of {language} {offered.default} ({offered.versions[offered.default]}) is not here: a"
            " job that needs it fails unless it can be pulled.",
            f"labd images get {language} {offered.default}",
        )
    if others := [version for version in missing if version != offered.default]:
        # The service cannot make them, and whether it can pull them nobody knows before.
        yield warn(
            f"Base images of {language} are offered and not here: {', '.join(others)}. A job that asks for one fails"
            " unless it can be pulled.",
            f"labd images get {language} {others[0]}",
        )
    if here := [version for version in offered.versions if version not in missing]:
        yield ok(f"Base images of {language} are here: {', '.join(here)}.")


def _full_name(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _test(context: CheckContext) -> Iterator[Finding]:
    offered = languages.load(context.config.paths.templates)
    tested = [
        (offered[name], versions.default, versions.versions[versions.default])
        for name, versions in context.config.languages.items()
        if name in offered and _LIST in offered[name].template.environment
    ]
    with connected(context.docker) as docker:
        for language, version, base in tested:
            what = f"{language.template.title} {version}"
            base_id = _id(docker, base)
            if not base_id:
                yield warn(f"No test build for {what}: its base image is not here.", f"labd images get {language.name}")
                continue
            began = time.monotonic()
            try:
                _build(context, docker, language, version, (base, base_id))
            except AwayError:
                yield warn("The test build was cut off, because Docker does not answer any more.")
            except BuildFailed as error:
                yield judge_failure(what, error, language.template.distributions)
            else:
                took = human_duration(time.monotonic() - began)
                yield ok(f"An environment for {what} with a downloaded library was built in {took}.")


def judge_failure(what: str, error: BuildFailed, distributions: Mapping[str, str]) -> Finding:
    """Why the test build for `what` failed."""
    mend = "Check `index`, `pip_conf`, `proxy`, `ca_bundle` and `network` below [build] in the config."
    if error.timed_out:
        return fail(f"A test build for {what} was not ready within {human_duration(_LIMIT)}.", mend)
    if _NOT_FOUND in error.log_tail:
        # An index that refuses a password looks the same to uv.
        cause = f"The index does not have {_LIBRARY}, or does not let labd in."
    else:
        cause = build_failed(error.log_tail, int(error.exit_code), distributions).cause
    return fail(f"A test build for {what} failed: {cause} It said: {evidence(error.log_tail)}", mend)


def evidence(log_tail: str) -> str:
    """What a build printed from its first complaint on, in a line: an administrator can read it."""
    lines = [re.sub(r"^\s*(cause: )?", "", line) for line in log_tail.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if _COMPLAINT.match(line)), 0)
    return shortened("; ".join(dict.fromkeys(lines[first:])), _SHOWN)


class _FreshSettings(BuildSettings):
    """The settings, for a build that takes no library from an earlier one."""

    def _script(self, shown: Callable[[str], str]) -> str:
        return super()._script(shown) + "export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1\n"


def _build(context: CheckContext, docker: Any, language: Language, version: str, base: tuple[str, str]) -> None:
    """Build, and take off again. Raises BuildFailed."""
    build = replace(context.config.build, timeout=Duration(min(context.config.build.timeout, _LIMIT)))
    settings = _FreshSettings(build)
    environment = environments.describe(language, version, *base, settings.key, {_LIST: _LIBRARY.encode()})
    recipe = environment.recipe()
    once = f"{os.getpid()}-{time.time_ns()}"
    # A context that was never there, or the builder would take the step from an earlier test.
    recipe = replace(recipe, tag=f"{TAG}:{once}", files={**recipe.files, ".doctor": once.encode()}, labels={})
    with tempfile.TemporaryDirectory(prefix="labd-doctor-") as work:
        Builder(build, settings, Path(work)).build(recipe, lambda line: None, threading.Event())
    image_keeping.take_off(docker, {"RepoTags": [recipe.tag]})


def _id(docker: Any, image: str) -> str:
    """Id of the image of that name, "" when it is not there."""
    return next((str(found["Id"]) for found in docker.images(name=image)), "")
