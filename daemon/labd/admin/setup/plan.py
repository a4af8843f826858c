"""What `labd setup` puts on a machine, as data.

This module owns the list: groups, folders, files with their content, links. It reads the files that come with labd and
puts the paths of this installation into them. It never writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labd.common import installation
from labd.model.config import SYSTEM_FILE, Config, bundled

_PATH_IN_FILES = str(installation.CURRENT)
"""How the files that come with labd call its folder."""


@dataclass(frozen=True)
class File:
    """A file with its content."""

    path: Path
    content: bytes
    mode: int = 0o644


GROUPS = (installation.GROUP, installation.SHELL_GROUP)
LINKS = {installation.LINK: installation.prefix() / "bin" / "labd"}


def folders(config: Config) -> dict[Path, int]:
    """Folders below /etc/labd and elsewhere, with their modes."""
    etc = (config.paths.accounts, installation.KEYS, installation.SKEL, installation.TEMPLATES)
    return {installation.STATE: 0o711, **dict.fromkeys(etc, 0o755)}


def config_file() -> File:
    """The settings with all defaults; closed, because a package index's password may come to stand there."""
    return File(SYSTEM_FILE, bundled("config.toml").read_bytes(), 0o600)


def files() -> list[File]:
    """Files that nothing has to be told of."""
    return [
        File(installation.SKEL / "README", (bundled("system") / "skel" / "README").read_bytes()),
        File(installation.COMPLETION, (bundled("system") / "completion.bash").read_bytes()),
    ]


def unit() -> File:
    """The service."""
    return File(installation.UNIT, _adapted(bundled("systemd") / "labd.service").encode())


def sshd(with_sftp: bool) -> File:
    """sshd's settings for researchers; with a definition of sftp where the machine's own have none."""
    text = _adapted(bundled("system") / "sshd.conf")
    if with_sftp:
        text = text.replace("\n\n", "\n\nSubsystem sftp internal-sftp\n\n", 1)
    return File(installation.SSHD, text.encode())


def _adapted(file: Path) -> str:
    return file.read_text().replace(_PATH_IN_FILES, str(installation.prefix()))
