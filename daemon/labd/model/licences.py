"""Licences of languages whose programs need one: the administrator's settings.

This module owns the form of these settings. It asks no licence server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from labd.common.schema import Duration

_SERVER = re.compile(r"(\d{1,5})@([\w.-]+)")


@dataclass(frozen=True)
class LicenceSettings:
    """Where programs find their licence when they run. It becomes no part of an image."""

    licence: str = ""  # the licence server as port@host; several are separated by "," or ":"
    licence_file: Path | None = None  # a licence file on this machine, instead of a server
    retry: Duration = Duration(3600.0)  # how long a job is tried again while all licences are in use

    def __post_init__(self) -> None:
        if self.licence and self.licence_file:
            raise ValueError("matlab: give either `licence` or `licence_file`.")
        for server in re.split("[,:]", self.licence) if self.licence else ():
            if not _SERVER.fullmatch(server):
                raise ValueError(f"matlab.licence: {server!r} is not of the form port@host, such as 27000@lic.")

    @property
    def servers(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each licence server."""
        return tuple((host, int(port)) for port, host in _SERVER.findall(self.licence))
