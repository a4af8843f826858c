"""What a job gets: what it asked for, what the administrator gives by default, and what the machine has.

This module owns the comparison of a job's options with the limits, and the sentence for each way of asking too much. It
is pure; the machine's size is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labd.common.errors import ProjectError
from labd.common.units import human_duration, human_size
from labd.model.config import Config
from labd.model.engine import Capacity
from labd.model.jobs import Grant, JobOptions
from labd.model.languages import Language


def grant(options: JobOptions, language: Language, version: str, config: Config, machine: Capacity) -> Grant:
    """The resources for a job with these `options`. Raises ProjectError when it asks for what it cannot have."""
    default, most = config.job, config.job.max
    cpus = _limited("cpus", options.cpus, default.cpus, most.cpus or machine.cpus, "{:g}".format, "{:g}".format)
    memory = _limited("memory", options.memory, default.memory, most.memory or machine.memory, human_size, _megabytes)
    gpus = _limited("gpus", options.gpus, default.gpus, min(most.gpus, len(machine.gpus)), str, str)
    timeout = _limited("timeout", options.timeout, default.timeout, most.timeout, human_duration, _minutes)
    network = default.network if options.network is None else options.network
    # Not asked for by the project, so not refused either: without it, the program could not ask for its licence.
    reaches_licence = bool(language.template.licence and config.licences.servers)
    if network and not (most.network or default.network):
        raise ProjectError(
            "job.toml asks for the network, which the administrator of this server does not allow.",
            "Remove `network = true`, and upload the data that the program needs in input/.",
        )
    return Grant(
        language=language.name,
        version=version,
        cpus=cpus,
        memory=int(memory),
        gpus=int(gpus),
        timeout=timeout,
        network=network or reaches_licence,
        args=options.args,
        env=options.env,
    )


def _megabytes(size: float) -> str:
    return f'"{int(size) // 1024**2}m"'


def _minutes(seconds: float) -> str:
    return f'"{int(seconds) // 60}m"' if seconds >= 60 else f'"{int(seconds)}s"'


def _limited(
    name: str,
    asked: float | None,
    default: float,
    most: float,
    show: Callable[[Any], str],
    written: Callable[[Any], str],
) -> float:
    """What is asked for, or `default`. Raises ProjectError when that is more than `most`.

    `show` is how people read it, `written` how it stands in job.toml.
    """
    if asked is None:
        # A default that is more than a small machine has would refuse everybody.
        return min(default, most)
    if asked > most:
        remedy = (
            f"Write `{name} = {written(most)}` or less in job.toml." if most else f"Leave `{name}` out of job.toml."
        )
        raise ProjectError(
            f"job.toml asks for {name} = {show(asked)}; the most on this server is {show(most)}.", remedy
        )
    return asked
