"""The images of the lab in a box: bare servers of each release of Debian, and PCs with nothing but clients.

A bare server has systemd and what somebody needs who types `make install`; no sshd, no Docker, nothing of labd. This
module owns how images are made, from Debian's packages without any registry, and that they are made once for a
machine: an image's tag is a hash of its recipe, and Docker keeps it. It never starts a container.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from labd.engines.docker.base_images import machine_mirror

PLACE = Path("/var/tmp/labd-test-box")
_BARE = "systemd systemd-sysv dbus python3 ca-certificates make passwd iproute2 procps"
# What `make install` gets for a bare server.
_PACKAGES = "docker.io iptables openssh-server openssh-client rsync mmdebstrap python3-venv"
_CLIENTS = "openssh-client rsync python3-minimal procps passwd"
# What people send with who have neither rsync nor OpenSSH's scp, or do not like them.
_OTHER_CLIENTS = "lftp rclone putty-tools sshfs python3-paramiko curl"
_RECIPES = {
    "debian-12": ("bookworm", _BARE),
    "debian-12-ready": ("bookworm", f"{_BARE} {_PACKAGES}"),
    "debian-13": ("trixie", _BARE),
    "pc": ("bookworm", _CLIENTS),
    "pc-with-sshd": ("bookworm", f"{_CLIENTS} openssh-server"),
    "pc-with-clients": ("bookworm", f"{_CLIENTS} {_OTHER_CLIENTS}"),
}
_NOT_NEEDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def image(name: str) -> str:
    """The image of a machine, "debian-12" or another of the recipes; it is made if this machine has none like it."""
    PLACE.mkdir(exist_ok=True)
    command = _command(*_RECIPES[name])
    tag = f"labd-test-{name}:{hashlib.sha256(repr(command).encode()).hexdigest()[:16]}"
    # Test runs at the same time want the same images.
    with (PLACE / f"{name}.image-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if docker("image", "inspect", tag, check=False).returncode != 0:
            _make(tag, command, PLACE / f"{name}.log")
    return tag


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stderr}"
    return done


def _make(tag: str, command: list[str], log_file: Path) -> None:
    with log_file.open("wb") as log:
        made = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        taken = subprocess.run(["docker", "import", "-", tag], stdin=made.stdout, stdout=log, stderr=log, check=False)
        assert made.stdout
        made.stdout.close()
        whole = made.wait() == 0
    if not whole and taken.returncode == 0:
        docker("image", "rm", tag)
    assert whole and taken.returncode == 0, f"{tag} could not be made; see {log_file}"


def _command(release: str, packages: str) -> list[str]:
    # As root in a mount namespace of its own, so that no end, however sudden, leaves mounts behind.
    command = ["unshare", "--mount", "mmdebstrap"] if os.geteuid() == 0 else ["mmdebstrap", "--mode=unshare"]
    command += ["--variant=minbase", f"--include={','.join(packages.split())}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_NEEDED]
    mirror = machine_mirror()
    return [*command, release, "-", *([mirror] if mirror else [])]
