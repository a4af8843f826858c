"""A lab in a box: a whole server in a container, and containers that are the researchers' PCs.

The server is a bare Debian on a file system of its own, with systemd and journald; sshd, a Docker engine of its own and
labd are not in it until a test installs them. The PCs have OpenSSH's clients and rsync, and no open port. This module
owns their start and their end. Everything that it makes carries the label labd.test-box with the run's name, and what a
killed run left is removed by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import subprocess
from pathlib import Path

from support.box import disk as box_disk
from support.box.images import PLACE, docker, image
from support.box.internet import connect_to_the_world
from support.box.machine import Machine
from support.lab import wait_for

CHECKOUT = Path(__file__).resolve().parents[3]

# A server has one real file system. A container's is an overlay, on which the kernel puts no other one as a job's
# views need it, and hard links do not cross volumes: so all of it moves onto one volume, and the system starts there.
_START = """
set -eu
cp -ax /. /disk
for mount in proc dev sys run tmp; do mount --rbind /$mount /disk/$mount; done
: >/disk/etc/machine-id
drop_in() {
    mkdir -p /disk/etc/systemd/system/$1.service.d
    printf '[Service]\\n%s\\n' "$2" >/disk/etc/systemd/system/$1.service.d/box.conf
}
drop_in systemd-journald DeviceAllow=
drop_in docker Environment=DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1
mkdir /disk/.image
cd /disk
pivot_root . .image
umount -l /.image
rmdir /.image
exec /sbin/init
"""
# A server's journald has the kernel's log, too. What its unit says of devices does not work in a container, and the
# setting of the kernel's that Docker looks for from version 26 on cannot be changed from within one.
_SERVER_FLAGS = (
    "--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE --cap-add SYSLOG --device /dev/kmsg "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup:rw "
    "--tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec"
).split()
# What sshfs needs to mount in a container.
_MOUNTING = "--device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined".split()
# What is in a checkout and not of it.
_MADE = (".git", ".venv", ".cache", ".hypothesis", "__pycache__", ".*_cache")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Box:
    """A server, PCs, and the network between them."""

    def __init__(self, release: str, disk: int = 0) -> None:
        """Start a server: some seconds, a minute more when images must be made.

        `release` is one that `images` knows, as "debian-12"; `disk` is the size of the server's disk in bytes, 0: it
        shares this machine's.
        """
        remove_abandoned()
        self.run_name = f"labd-box-{secrets.token_hex(4)}"
        self._lock = (PLACE / f"{self.run_name}.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._label = f"labd.test-box={self.run_name}"
        self.pcs: dict[str, Machine] = {}
        self.server = Machine(f"{self.run_name}-server")
        try:
            self._boot(release, disk)
        except BaseException:
            self.close()
            raise

    def _boot(self, release: str, disk: int) -> None:
        server_image = image(release)
        self._make_network()
        options = box_disk.make(self.run_name, disk) if disk else []
        docker("volume", "create", "--label", self._label, *options, self.run_name)
        proxies = [part for name in _PROXIES if name in os.environ for part in ("--env", name)]
        where = ["--hostname", "lab", "--network-alias", "lab", "--network", self.run_name]
        docker(
            *("run", "--detach", "--name", self.server.name, "--label", self._label, *where, *_SERVER_FLAGS, *proxies),
            *("--volume", f"{self.run_name}:/disk", server_image, "sh", "-c", _START),
        )
        wait_for("the server to have started", self._is_up, 60.0)
        connect_to_the_world(self.server)

    def _make_network(self) -> None:
        for _ in range(50):
            subnet = f"10.77.{secrets.randbelow(250) + 1}.0/24"
            made = docker("network", "create", "--label", self._label, "--subnet", subnet, self.run_name, check=False)
            if made.returncode == 0:
                return
            assert "overlap" in made.stderr, made.stderr
        raise AssertionError("no subnet below 10.77.0.0/16 is free")

    def _is_up(self) -> bool:
        state = docker("inspect", "--format", "{{.State.Running}}", self.server.name).stdout.strip()
        assert state == "true", docker("logs", self.server.name).stderr
        # The system is still changing what is its root: nothing that stays is started on it yet.
        said = docker("exec", self.server.name, "systemctl", "is-system-running", check=False).stdout.strip()
        assert said != "degraded", self.server.run("systemctl --failed; journalctl -p warning").stdout
        return said == "running"

    def pc(self, user: str = "ana", recipe: str = "pc") -> Machine:
        """The PC of a person, who has an account on it and an SSH key."""
        if user not in self.pcs:
            name = f"{self.run_name}-pc-{user}"
            docker(
                *("run", "--detach", "--init", "--name", name, "--hostname", f"{user}-pc", "--label", self._label),
                *(_MOUNTING if recipe == "pc-with-clients" and os.path.exists("/dev/fuse") else ()),
                *("--network", self.run_name, image(recipe), "sleep", "infinity"),
            )
            pc = Machine(name, user, f"/home/{user}")
            Machine(name).run(f"useradd --create-home --shell /bin/bash {user}")
            Machine(name).run("[ ! -e /dev/fuse ] || chmod 666 /dev/fuse")
            pc.run("mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
            self.pcs[user] = pc
        return self.pcs[user]

    def copy_checkout(self, path: str) -> None:
        """Copy this checkout as it is now to the server: what Git tracks, and what is new and not ignored."""
        tar = ["tar", "--null", "--files-from=-", "-cf", "-"]
        listed = "\0".join(_checkout_files()).encode()
        archive = subprocess.run(tar, cwd=CHECKOUT, input=listed, capture_output=True, check=True)
        self.server.unpack(archive.stdout, path)

    def load(self, name: str) -> None:
        """Give the server's Docker an image that this machine's has; without it, labd makes one there."""
        if docker("image", "inspect", name, check=False).returncode != 0:
            return
        with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                self.server.command("docker load"), stdin=saved.stdout, stdout=subprocess.DEVNULL, check=True
            )
        assert saved.returncode == 0

    def journal(self) -> list[str]:
        """The messages of labd's unit, oldest first."""
        return self.server.run("journalctl -u labd -o cat").stdout.splitlines()

    def close(self) -> None:
        """Take away all that was made, but for the images."""
        for machine in (self.server, *self.pcs.values()):
            machine.close()
        _remove(self.run_name)
        Path(self._lock.name).unlink(missing_ok=True)
        self._lock.close()


def _checkout_files() -> list[str]:
    """What the checkout consists of; without Git, all but what is made in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    with contextlib.suppress(FileNotFoundError, subprocess.CalledProcessError):
        listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")
        return [name for name in listed if name and (CHECKOUT / name).exists()]
    skipped = [part for name in _MADE for part in ("-name", name, "-o")][:-1]
    command = ["find", ".", "(", *skipped, ")", "-prune", "-o", "-type", "f", "-print0"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


def remove_abandoned() -> None:
    """Remove the boxes of earlier test runs that were killed."""
    PLACE.mkdir(exist_ok=True)
    for path in PLACE.glob("labd-box-*.lock"):
        # Whoever owns a box holds its lock; the kernel takes it away with the process.
        with contextlib.suppress(OSError), path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path.stem)
            path.unlink(missing_ok=True)


def _remove(run_name: str) -> None:
    only = ("--filter", f"label=labd.test-box={run_name}", "--format")
    for names, remove in (
        (docker("ps", "--all", *only, "{{.Names}}"), ("rm", "--force", "--volumes")),
        (docker("volume", "ls", *only, "{{.Name}}"), ("volume", "rm")),
        (docker("network", "ls", *only, "{{.Name}}"), ("network", "rm")),
    ):
        if found := names.stdout.split():
            docker(*remove, *found)
    box_disk.remove(run_name)
