"""What is on Docker's shelf of labd's: what is in an image, which are in use, and taking them off.

This room owns the questions and the removals, made through the SDK's client that it is handed. It never decides what
is to go, and touches nothing that labd did not make.
"""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from typing import Any

_PREFIX = "labd/"
_MARK = "/dev/labd/"  # in the description of every build step of a template


def in_use(docker: Any) -> set[str]:
    """Ids of the images that containers use, and of those they were made from."""
    used = {entry["ImageID"] for entry in docker.containers(all=True)}
    return used | {layer["Id"] for image in used for layer in docker.history(image)}


def take_off(docker: Any, image: Any) -> None:
    """Remove labd's names of `image`, as Docker describes it, and with the last name the image."""
    for name in image["RepoTags"] or []:
        if name.startswith(_PREFIX):
            docker.remove_image(name)


def forget_steps(docker: Any, before: float) -> None:
    """Remove what the builder keeps of templates' steps that no image has and nobody used since `before`.

    Without this, a removed image would still take its room.
    """
    for record in docker.df()["BuildCache"] or []:
        free = not record["InUse"] and not record["Shared"] and _MARK in record.get("Description", "")
        if free and _time(record.get("LastUsedAt") or record["CreatedAt"]) < before:
            docker.prune_builds(filters={"id": record["ID"]}, all=True)


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


def _time(text: str) -> float:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()
