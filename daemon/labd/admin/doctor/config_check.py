"""`labd check-config`: what the daemon would stumble over in its configuration.

This module owns the order of the questions; the answers come from the modules that the daemon itself asks. It needs no
daemon and no Docker, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from labd.accounts import accounts
from labd.client.rendering import few
from labd.common.errors import ConfigError
from labd.common.units import count, human_size
from labd.model.config import Config
from labd.projects.language import open_languages
from labd.scheduling.machine import capacity


def check_config(config: Config, name: str) -> Iterator[str]:
    """Lines about `config`, read from the file `name`. Raises ConfigError for what the daemon would stumble over."""
    config, offered = open_languages(config)
    for language in config.languages:
        if language not in offered:
            raise ConfigError(
                f"{name}: languages: there is no template for {language} in {config.paths.templates}.",
                f"There are templates for {', '.join(offered)}.",
            )
    for entry in config.accounts:
        accounts.resolve(entry)
    known = accounts.configured(config)
    room = capacity(config.machine)
    yield f"{name} is right."
    yield f"Accounts: {few(list(known)) if known else 'none yet'}"
    for language, versions in config.languages.items():
        default = f" (default {versions.default})" if len(versions.versions) > 1 else ""
        yield f"{offered[language].template.title}: {', '.join(versions.versions)}{default}"
    gpus = f", {count(len(room.gpus), 'GPU')}" if room.gpus else ""
    yield f"For all jobs together: {room.cpus:g} CPUs, {human_size(room.memory)} of memory{gpus}"
