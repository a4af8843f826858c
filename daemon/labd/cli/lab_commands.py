"""Commands that need no running daemon: the daemon itself, a try without a lab, and checks.

This module owns the way from the options of these commands to the modules that do the work, and which config they take.
Each command imports what it needs when it runs. It never does the work itself.
"""

from __future__ import annotations

import os

from labd.common.errors import ConfigError, Exit, NotFoundError

TYPE_CHECKING = False  # that of typing, which takes as long to import as all of this file
if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace as Options

    from labd.model.config import Config

_PROMPTLY = 2.0  # seconds


def daemon(options: Options) -> int:
    """Run the lab until it is told to stop."""
    from dataclasses import replace
    from pathlib import Path

    from labd.accounts import accounts
    from labd.daemon import process
    from labd.model.config import for_user

    if os.getuid() != 0:
        from labd.model.config import Config

        home = Path(options.home or "~").expanduser().resolve()
        base = config_of(options.config) if options.config else Config()
        process.serve(for_user(base, home), accounts.myself(home))
        return Exit.OK
    config = config_of(options.config)
    if options.home is not None:
        if not config.accounts:
            raise ConfigError(
                "In a single-user lab of root's, programs would run as root.",
                "Run `labd daemon --home` as an ordinary user, or list [[accounts]] in a config file.",
            )
        config = replace(for_user(config, Path(options.home).resolve()), accounts=config.accounts)
    process.serve(config, accounts.configured(config))
    return Exit.OK


def try_(options: Options) -> int:
    """Run a project in a lab of its own; the program's exit code."""
    from pathlib import Path

    from labd.cli.local import trial

    config = config_of(options.config) if options.config or _is_machine_configured() else None
    return trial.run(Path(options.project), Path(options.output), config)


def check(options: Options) -> int:
    """Say what the server would say of a project."""
    from pathlib import Path

    from labd.cli.local import check

    config = _settings_of_daemon() if options.config is None and os.getuid() != 0 else None
    project = Path(options.project)
    for line in check.check(project, config or config_of(options.config), _missing_of(project)):
        print(line)
    return Exit.OK


def check_config(options: Options) -> int:
    """Say whether a config file is right."""
    from labd.admin.doctor import config_check
    from labd.model.config import SYSTEM_FILE

    if options.file is None and not _is_machine_configured():
        raise NotFoundError(f"There is no {SYSTEM_FILE}.", "Name a file: labd check-config FILE")
    for line in config_check.check_config(config_of(options.file), options.file or str(SYSTEM_FILE)):
        print(line)
    return Exit.OK


def templates(options: Options) -> int:
    """Say whether the templates of languages are right."""
    from labd.cli.local import template_check

    return template_check.run(config_of(options.config))


def images(options: Options) -> int:
    """List the environments, or get the base image of a language."""
    from labd.client import questions

    if options.action is None:
        return questions.images(options)
    from labd.admin.setup import images as setup_images
    from labd.client.writing import Teller

    if options.language is None:
        raise NotFoundError("Which language?", "Name one, and a version unless it is the default: python 3.13")
    setup_images.get(config_of(options.config), options.language, options.version, Teller(dry_run=False))
    return Exit.OK


def config_of(file: str | None) -> Config:
    """The config in `file`, else the machine's, else the defaults. Raises ConfigError."""
    from pathlib import Path

    from labd.model.config import SYSTEM_FILE, Config, load

    if file is not None:
        return load(Path(file))
    return load(SYSTEM_FILE) if _is_machine_configured() else Config()


def _settings_of_daemon() -> Config | None:
    """What holds for this researcher, from the daemon: the machine's config need not be theirs to read."""
    from contextlib import suppress

    from labd.client.connection import ask, find_socket
    from labd.common.errors import LabdError
    from labd.common.schema import read_table
    from labd.model.config import Config

    # Without a daemon, or with one of another version, the file and the defaults must do.
    with suppress(LabdError):
        for answer in ask(find_socket(), "settings"):
            return read_table(Config, answer["config"], "the settings of the daemon")
    return None


def _missing_of(project: Path) -> str:
    """Why not all of `project`, a folder of an inbox, has arrived, as far as the daemon knows; else ""."""
    from contextlib import suppress
    from pathlib import Path

    from labd.client.connection import ask, find_socket
    from labd.common.errors import LabdError

    folder = Path(os.path.abspath(project))
    # The name may be a number, and that of a job is not meant. Without a daemon nobody knows.
    with suppress(LabdError, OSError):
        for answer in ask(find_socket(), "status", _PROMPTLY, job=f"{folder.name}/"):
            upload = answer.get("upload")
            if upload and upload["arriving"] and os.path.samefile(folder, upload["folder"]):
                return str(upload["text"])
    return ""


def _is_machine_configured() -> bool:
    from labd.model.config import SYSTEM_FILE

    # Root must hear of a file that it cannot read; others may not be meant to read it.
    return SYSTEM_FILE.exists() if os.getuid() == 0 else os.access(SYSTEM_FILE, os.R_OK)
