"""What is on Docker's shelf of labd's: what is in an image, which are in use, and taking them off.

This module owns the questions and the removals, made through the SDK's client that it is handed. It never decides what
is to go, and touches nothing that labd did not make.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Collection
from typing import Any

_PREFIX = "labd/"
_TURNS, _TURN = 60, 0.5  # seconds
_TRIES = 4


def in_use(docker: Any) -> set[str]:
    """Ids of the images that containers use, and of those they were made from."""
    from docker.errors import ImageNotFound

    used = {entry["ImageID"] for entry in docker.containers(all=True)}
    for image in tuple(used):
        # An administrator can remove an image by force and leave its container.
        with contextlib.suppress(ImageNotFound):
            used.update(layer["Id"] for layer in docker.history(image))
    return used


def take_off(docker: Any, *images: Any) -> None:
    """Remove labd's names of `images`, as Docker has them; one's last name takes it and its room on disk along."""
    steps = _steps(docker, shared=True)
    for name in (name for image in images for name in image["RepoTags"] or []):
        if name.startswith(_PREFIX):
            docker.remove_image(name)
    # The builder holds on to the steps that an image was made in, which until now it shared with the image. While it
    # builds something else it may refuse to let go of one.
    for _ in range(_TRIES):
        left = steps & _steps(docker, shared=False)
        if not left:
            return
        for step in left:
            docker.prune_builds(filters={"id": step}, all=True)
        time.sleep(_TURN)


def sweep(docker: Any, busy: Collection[str], before: float) -> None:
    """Remove environments from before that time that lost their last name, and that no container uses."""
    for image in docker.images(filters={"dangling": True, "label": "labd.environment"}):
        if image["Id"] not in busy and image["Created"] < before:
            docker.remove_image(image["Id"])


def _steps(docker: Any, shared: bool) -> set[str]:
    """Ids of what the builder keeps, and is `shared` with an image."""
    return {one["ID"] for one in _disk_usage(docker)["BuildCache"] or [] if one["Shared"] is shared}


def _disk_usage(docker: Any) -> Any:
    """What Docker says of its disk. It counts for one at a time, and refuses who asks meanwhile."""
    for _ in range(_TURNS):
        try:
            return docker.df()
        except Exception as error:
            if "already running" not in str(error):
                raise
            time.sleep(_TURN)
    return docker.df()


def read_file(docker: Any, image: str, path: str, name: str) -> str:
    """The text of the file `path` in `image`, taken from a container `name` that never runs."""
    for entry in docker.containers(all=True, filters={"name": f"^/{name}$"}):
        docker.remove_container(entry["Id"], v=True, force=True)
    container = docker.create_container(image, ["true"], entrypoint=[], name=name)["Id"]
    try:
        chunks, _ = docker.get_archive(container, path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            content = archive.extractfile(archive.next() or "")
            return content.read().decode("utf-8", "replace") if content else ""
    finally:
        docker.remove_container(container, v=True, force=True)
