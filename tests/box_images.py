"""The images of the lab in a box: a server with systemd, sshd and Docker, and a PC with nothing but clients.

This module owns how they are made, from Debian's packages without any registry, and that they are made once for a
machine: an image's tag is a hash of its recipe, and Docker keeps it. It never starts a container.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labd.base_images import machine_mirror

PLACE = Path("/var/tmp/labd-test-box")
RELEASE = "bookworm"
SERVER = (
    "systemd systemd-sysv dbus openssh-server rsync python3 python3-venv adduser iproute2 procps docker.io iptables "
    "passwd ca-certificates mmdebstrap make"
)
PC = "openssh-client rsync python3-minimal procps passwd"
_NOT_NEEDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def images() -> tuple[str, str]:
    """Names of the server's image and the PC's, which are made if this machine has none of this recipe."""
    PLACE.mkdir(exist_ok=True)
    with (PLACE / "images.lock").open("w") as lock:
        # Test runs at the same time want the same images.
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor() as pool:
            server, pc = pool.map(_image, ("labd-test-host", "labd-test-pc"), (SERVER, PC))
    return server, pc


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stderr}"
    return done


def _image(name: str, packages: str) -> str:
    command = _recipe(packages)
    tag = f"{name}:{hashlib.sha256(repr(command).encode()).hexdigest()[:16]}"
    if docker("image", "inspect", tag, check=False).returncode == 0:
        return tag
    with (PLACE / f"{name}.log").open("wb") as log:
        made = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        taken = subprocess.run(["docker", "import", "-", tag], stdin=made.stdout, stdout=log, stderr=log, check=False)
        assert made.stdout
        made.stdout.close()
        whole = made.wait() == 0
    if not whole and taken.returncode == 0:
        docker("image", "rm", tag)
    assert whole and taken.returncode == 0, f"{tag} could not be made; see {PLACE / f'{name}.log'}"
    return tag


def _recipe(packages: str) -> list[str]:
    # As root in a mount namespace of its own, so that no end, however sudden, leaves mounts behind.
    command = ["unshare", "--mount", "mmdebstrap"] if os.geteuid() == 0 else ["mmdebstrap", "--mode=unshare"]
    command += ["--variant=minbase", f"--include={','.join(packages.split())}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_NEEDED]
    mirror = machine_mirror()
    return [*command, RELEASE, "-", *([mirror] if mirror else [])]
