"""Once more in the very environment of an earlier job: `rerun --exact`.

This module owns what is kept of a job's environment, how it is made again when its image is gone, and what differs
then. It builds nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labd.common.errors import ProjectError
from labd.common.units import count
from labd.daemon.pipeline.lab import Lab
from labd.model.jobs import Job
from labd.model.languages import Language
from labd.projects import pins
from labd.projects.dependencies import Dependencies

_FILE = "environment"  # in the job's folder, which is root's own
_SHOWN = 3

Facts = Mapping[str, Any]
"""As `Images.provenance` tells them."""


def remember(lab: Lab, job: Job, facts: Facts) -> None:
    """Keep what `job` ran in, for as long as the job is known."""
    (lab.folder(job.id) / _FILE).write_text(json.dumps(facts))


def chosen(lab: Lab, job: Job) -> tuple[Language, str]:
    """Language and version of the job whose environment `job` is to have. Raises ProjectError.

    A version that is no longer offered will do as long as its image is kept.
    """
    granted = lab.store.job(job.exact).grant
    assert granted is not None
    language = lab.languages.get(granted.language)
    offered = lab.config.languages.get(granted.language)
    is_offered = offered is not None and granted.version in offered.versions
    if language is None or not (is_offered or kept(lab, job)):
        raise ProjectError(
            f"This server does not offer {granted.language} {granted.version} any more, which job {job.exact} had.",
            "Ask the administrator for it, or leave out --exact.",
        )
    return language, granted.version


def kept(lab: Lab, job: Job) -> str | None:
    """Id of the image that the earlier job ran in, if it is still there. Raises UnavailableError."""
    return lab.images.kept(lab.store.job(job.exact).image)


def pinned(lab: Lab, job: Job, asked: Dependencies) -> Dependencies:
    """`asked`, with each library in the version that the earlier job had. Debian's packages come as they are now."""
    packages = _recalled(lab, job).get("packages", [])
    return pins.pinned(asked, packages)


def note(lab: Lab, job: Job, image: str) -> str:
    """What to tell the researcher of `image`, which `job` runs in."""
    if image == lab.store.job(job.exact).image:
        return f"It runs in the very environment of job {job.exact}."
    again = f"The environment of job {job.exact} is not kept any more and was built again"
    if not _recalled(lab, job):
        return f"{again}; what it had is not known, so versions may differ."
    found = differences(lab, job, lab.images.provenance(image))
    if not found:
        return f"{again}, with the same libraries on the same base image."
    more = f"; and {count(len(found) - _SHOWN, 'more difference')}, see receipt.json" if len(found) > _SHOWN else ""
    return f"{again}. What differs: {'; '.join(found[:_SHOWN])}{more}."


def differences(lab: Lab, job: Job, facts: Facts) -> list[str]:
    """What the environment of `facts` has other than that of the earlier job, each as half a sentence."""
    before = _recalled(lab, job)
    if not before or before.get("image") == facts.get("image"):
        return []
    found = []
    if before.get("base_id") != facts.get("base_id"):
        found.append(f"another build of the base image {facts.get('base', '')}".rstrip())
    had, has = (_versions(one.get("packages", [])) for one in (before, facts))
    for name in sorted({*had, *has}):
        if had.get(name) != has.get(name):
            now, then = has.get(name), had.get(name)
            found.append(
                f"{name} {now} instead of {then}" if now and then else f"{name} {now} is new" if now else f"no {name}"
            )
    return found


def _recalled(lab: Lab, job: Job) -> dict[str, Any]:
    """What was kept of the earlier job's environment; empty when nothing was."""
    try:
        return dict(json.loads((lab.folder(job.exact) / _FILE).read_text()))
    except (OSError, ValueError):
        return {}


def _versions(packages: list[str]) -> dict[str, str]:
    return {name: version for name, _, version in (package.partition("==") for package in packages)}
