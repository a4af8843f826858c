"""A disk of its own, of a given size, for a server in a box: one that a test can fill without harm to this machine.

This module owns the file that is the disk, and its loop device. Only root can make one.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.box.images import PLACE


def make(run_name: str, size: int) -> list[str]:
    """Make a disk of `size` bytes: the options by which Docker makes a volume of it."""
    image = _image(run_name)
    with image.open("wb") as file:
        file.truncate(size)
    # Without blocks that only root may use: full is full for everybody.
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    device = _losetup("--find", "--show", str(image))
    return ["--opt", "type=ext4", "--opt", f"device={device}"]


def remove(run_name: str) -> None:
    """Remove the disk, if there is one; nothing may use it any more."""
    image = _image(run_name)
    if image.exists():
        for line in _losetup("--associated", str(image)).splitlines():
            _losetup("--detach", line.partition(":")[0])
        image.unlink()


def _image(run_name: str) -> Path:
    return PLACE / f"{run_name}.disk"


def _losetup(*arguments: str) -> str:
    return subprocess.run(["losetup", *arguments], capture_output=True, text=True, check=True).stdout.strip()
