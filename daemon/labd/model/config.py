"""The administrator's settings: config.toml, read once into frozen dataclasses.

This module owns every default and its unit. It never changes at run time and never looks at the machine, except that
`for_user` puts the paths of a single-user lab below that user's home.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from labd.common.errors import ConfigError
from labd.common.schema import Duration, SchemaError, Size, at_least, read_file
from labd.model.account_settings import AccountEntry, AccountLimits
from labd.model.jobs import LIMITS
from labd.model.layout import is_valid_name
from labd.model.licences import LicenceSettings

GIB = 1024**3
SYSTEM_FILE = Path("/etc/labd/config.toml")


def bundled(name: str) -> Path:
    """A file or folder that comes with labd: in the package when it is installed, at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    return package / name if (package / name).exists() else package.parent.parent / name


@dataclass(frozen=True)
class Paths:
    """Where labd keeps what is its own."""

    state: Path = Path("/var/lib/labd")
    socket: Path = Path("/run/labd/labd.sock")
    accounts: Path = Path("/etc/labd/accounts")  # one file for each researcher
    templates: Path = field(default_factory=lambda: bundled("templates"))
    own_templates: Path = Path("/etc/labd/templates")  # languages that the administrator adds


@dataclass(frozen=True)
class InboxSettings:
    """When an upload counts as complete, and how large it may be."""

    settle: Duration = Duration(5.0)
    unproven: Duration = Duration(60.0)  # the same where nothing says that all has arrived
    rescan: Duration = Duration(600.0)  # the longest that a change may go unnoticed without any file event
    max_files: int = 1_000_000
    max_bytes: Size = Size(500 * GIB)
    max_depth: int = 64

    def __post_init__(self) -> None:
        at_least(self, "inbox", {"rescan": 1, "max_files": 1, "max_bytes": 1, "max_depth": 1})


@dataclass(frozen=True)
class Machine:
    """What all jobs together may use; 0 means: what the machine has (memory: nine tenths of it)."""

    cpus: float = 0.0
    memory: Size = Size(0)
    gpus: tuple[str, ...] = ()  # UUIDs or numbers in `nvidia-smi -L`; a MIG part's number is "0:1"

    def __post_init__(self) -> None:
        at_least(self, "machine", {name: LIMITS[name][0] for name in ("cpus", "memory")}, or_zero=True)
        if len(set(self.gpus)) < len(self.gpus):
            raise ValueError("machine.gpus names a device twice, and two jobs would share it.")


@dataclass(frozen=True)
class Limits:
    """The most that one job may ask for; 0 means: what the machine has."""

    cpus: float = 0.0
    memory: Size = Size(0)
    gpus: int = 1
    timeout: Duration = Duration(7 * 86400.0)
    network: bool = False

    def __post_init__(self) -> None:
        at_least(self, "job.max", {"timeout": LIMITS["timeout"][0]})
        at_least(self, "job.max", {name: LIMITS[name][0] for name in ("cpus", "memory")}, or_zero=True)


@dataclass(frozen=True)
class JobDefaults:
    """What a job gets that asks for nothing."""

    cpus: float = 1.0
    memory: Size = Size(4 * GIB)
    gpus: int = 0
    timeout: Duration = Duration(86400.0)
    network: bool = False
    grace: Duration = Duration(10.0)  # between the request to stop and the kill
    pids: int = 512
    tmp: Size = Size(GIB)  # /tmp, which is memory
    shm: Size = Size(512 * 1024**2)
    max: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        # To Docker, 0 of these means: no limit.
        at_least(self, "job", {"pids": 1, "tmp": 4096, "shm": 4096, **{name: LIMITS[name][0] for name in LIMITS}})


@dataclass(frozen=True)
class GatewaySettings:
    """How researchers reach this machine, as `labd adduser` tells them."""

    host: str = ""  # "" means: the name that the machine has for itself
    port: int = 0  # 0 means: the one that sshd listens at


@dataclass(frozen=True)
class PerUser:
    """Limits of each researcher, and how accounts are named."""

    running: int = 2
    half_life: Duration = Duration(7 * 86400.0)  # after which what a researcher used counts half in the order of jobs
    name_pattern: str = "[a-z][a-z0-9]*(-[a-z0-9]+)+"  # a regular expression for `labd adduser`

    def __post_init__(self) -> None:
        at_least(self, "user", {"half_life": 1})
        try:
            re.compile(self.name_pattern)
        except re.error as error:
            raise ValueError(f"user.name_pattern is not a regular expression ({error}).") from None


@dataclass(frozen=True)
class Versions:
    """A language's versions and the base image of each."""

    default: str
    versions: Mapping[str, str]
    runs: tuple[str, ...] = ()  # programs that this language runs though it only stands in for another: ["app.m"]

    def __post_init__(self) -> None:
        if self.default not in self.versions:
            raise ValueError(f"the default version {self.default} is not among versions ({', '.join(self.versions)}).")


@dataclass(frozen=True)
class Build:
    """How environment images are made."""

    timeout: Duration = Duration(3600.0)
    cli: str = ""  # a docker CLI that can build with BuildKit; "" means: look for one
    network: str = "default"  # network of build steps: "default", "host" or "none"
    index: str = ""  # package index URL; "" means: the tool's own default
    pip_conf: Path | None = None  # a pip.conf for builds; never part of an image
    ca_bundle: Path = Path("/etc/ssl/certs/ca-certificates.crt")  # certificates that builds trust; never in an image
    proxy: str = ""  # proxy URL for builds; never part of an image
    debian: bool = True  # make a missing base image from Debian's packages
    debian_mirror: str = ""  # "" means: as the machine's own apt has it
    system_packages: bool = True  # whether projects can name Debian packages in code/apt.txt
    local_versions: Mapping[str, str] = field(default_factory=dict)  # such as "cu118" → URL of the index that has them


@dataclass(frozen=True)
class Output:
    """What comes back, and how often."""

    interval: Duration = Duration(2.0)
    max_bytes: Size = Size(100 * GIB)  # of all that a program writes: /output, HOME, and beside them
    max_files: int = 1_000_000
    log: Size = Size(20 * 1024**2)  # run.log keeps the first and last half of this

    def __post_init__(self) -> None:
        at_least(self, "output", {"interval": 0.1, "max_files": 1, "max_bytes": 1})


@dataclass(frozen=True)
class Retention:
    """How long things are kept that can be had again."""

    history: int = 5  # earlier jobs of a project kept in the outbox
    images: Duration = Duration(90 * 86400.0)  # unused environment images


_PYTHON = {
    "3.8": "python:3.8-slim-buster",
    "3.11": "python:3.11-slim-bookworm",
    "3.13": "python:3.13-slim-trixie",
}


@dataclass(frozen=True)
class Config:
    """All of it."""

    paths: Paths = field(default_factory=Paths)
    inbox: InboxSettings = field(default_factory=InboxSettings)
    machine: Machine = field(default_factory=Machine)
    job: JobDefaults = field(default_factory=JobDefaults)
    user: PerUser = field(default_factory=PerUser)
    ssh: GatewaySettings = field(default_factory=GatewaySettings)
    languages: Mapping[str, Versions] = field(default_factory=lambda: {"python": Versions("3.11", dict(_PYTHON))})
    build: Build = field(default_factory=Build)
    matlab: LicenceSettings = field(default_factory=LicenceSettings)  # see `licences`
    output: Output = field(default_factory=Output)
    retention: Retention = field(default_factory=Retention)
    accounts: tuple[AccountEntry, ...] = ()

    @property
    def licences(self) -> LicenceSettings:
        """Where programs of languages that need a licence find it. The one such language gives the table its name."""
        return self.matlab

    @property
    def instance(self) -> str:
        """Prefix of everything that this lab owns in Docker: "labd", or "labd-<hash>" beside the system's own lab."""
        if self.paths.state == Paths().state:
            return "labd"
        return "labd-" + hashlib.sha256(bytes(self.paths.state)).hexdigest()[:8]


def load(file: Path) -> Config:
    """The configuration in `file`. Raises ConfigError that names the key, what was found and what was expected."""
    try:
        config = read_file(Config, file, str(file))
    except FileNotFoundError:
        raise ConfigError(f"There is no {file}.", "Name a config file with --config FILE.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except SchemaError as error:
        raise ConfigError(error.message, error.hint) from None
    names = [account.name for account in config.accounts]
    for name in names:
        if not is_valid_name(name) or names.count(name) > 1:
            raise ConfigError(f"{file}: accounts: {name!r} is no account name, or stands there twice.")
    return config


def for_account(config: Config, limits: AccountLimits) -> Config:
    """`config` with the `limits` of one researcher in the place of those of all."""
    own = {name: value for name, value in vars(limits).items() if value is not None and name != "running"}
    running = config.user.running if limits.running is None else limits.running
    job = replace(config.job, max=replace(config.job.max, **own))
    return replace(config, job=job, user=replace(config.user, running=running))


def for_user(config: Config, home: Path) -> Config:
    """`config` as a single-user lab in `home`: inbox, outbox and everything of labd's own are below it."""
    state = home / ".labd"
    paths = replace(config.paths, state=state, socket=state / "labd.sock", accounts=state / "accounts")
    return replace(config, paths=paths, accounts=())
