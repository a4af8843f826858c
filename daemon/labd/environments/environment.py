"""What an environment is: everything that decides what an image contains, as one tag.

This module owns the identity of environments, their labels, and when one can be made from another. It is pure: it never
asks Docker and never looks at a disk, except for the template's own Dockerfile.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from labd.environments.requirements import is_list, normalise, requirements
from labd.model.engine import FINISHED, Recipe
from labd.model.languages import Language

_MOST_EXTENSIONS = 8  # each is a layer or two, and a container can have 127
_FROM_SOURCE = re.compile(r"^FROM .* AS from-source\s*$", re.MULTILINE | re.IGNORECASE)
_EXTENDED = re.compile(r"^FROM .* AS extended\s*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Environment:
    """What a program needs around it."""

    tag: str
    language: Language
    version: str
    base: str  # name of the base image
    base_id: str  # "" while the base image is not there; the tag is not the final one then
    files: Mapping[str, bytes]  # normalised content by name
    foundation: str  # digest of everything but the requirements
    parts: frozenset[str]  # digests of the requirements
    others: tuple[str, ...] = ()  # the other versions of the language that are offered, in case this one will not do

    @property
    def labels(self) -> dict[str, str]:
        """What its image says of itself."""
        return {
            "labd.environment": self.tag,
            "labd.language": self.language.name,
            "labd.version": self.version,
            "labd.base": self.base,
            "labd.base-id": self.base_id,
            "labd.foundation": self.foundation,
            "labd.parts": " ".join(sorted(self.parts)),
            "labd.extensions": "0",
            FINISHED: "",  # not inherited from the image that this one extends
        }

    @property
    def can_extend(self) -> bool:
        """Whether the template has the stage `extended`."""
        return _EXTENDED.search(self.language.dockerfile.read_text()) is not None

    def recipe(self) -> Recipe:
        """How to make it from the base image."""
        return Recipe(
            tag=self.tag,
            dockerfile=self.language.dockerfile,
            target="environment",
            # A step is done again when a file of its context changed, but not when a secret such as the index did.
            files={
                **self.files,
                **{f".template/{name}": content for name, content in self.language.companions.items()},
                ".foundation": self.foundation.encode(),
                ".versions": " ".join(self.others).encode(),
            },
            arguments={"BASE": self.base},
            labels=self.labels,
        )

    def extension(self, previous: str = "", extensions: int = 0) -> Recipe:
        """How to make it from the image `previous`, itself made by `extensions - 1` such steps; "": from the base."""
        recipe = self.recipe()
        arguments = {**recipe.arguments, **({"PREVIOUS": previous} if previous else {})}
        labels = {**recipe.labels, "labd.extensions": str(extensions)}
        return replace(recipe, target="extended", arguments=arguments, labels=labels)

    def from_source(self, withholds: bool) -> Recipe:
        """How to make it from the base image with code of the packages; `withholds`: which must not know a password."""
        recipe = self.extension()
        can_fetch = _FROM_SOURCE.search(self.language.dockerfile.read_text()) is not None
        return replace(recipe, target="from-source") if withholds and can_fetch else recipe

    def steps_from(self, labels: Mapping[str, str]) -> int | None:
        """The number of extensions that it takes on an image with `labels`; None when that is not the way.

        It is if nothing has to go and little is new (an extension downloads everything itself). Then what the project
        had before keeps its versions, too.
        """
        extensions = int(labels.get("labd.extensions", _MOST_EXTENSIONS)) + 1
        here = set(labels.get("labd.parts", "").split())
        new = len(self.parts - here)
        same = labels.get("labd.foundation") == self.foundation and here <= self.parts
        return extensions if same and 0 < 2 * new <= len(here) and extensions <= _MOST_EXTENSIONS else None


def describe(
    language: Language, version: str, base: str, base_id: str, settings: Sequence[str], files: Mapping[str, bytes]
) -> Environment:
    """The environment of `language` on `base` for `files`; `settings` are those that can change what is installed."""
    empty = dict.fromkeys(language.template.build_files, b"")
    normal = {name: normalise(name, content) for name, content in sorted({**empty, **files}.items())}
    parts: set[str] = set()
    rest: list[list[str]] = []
    for name, content in normal.items():
        lines = content.decode().splitlines() if is_list(name) else []
        wanted = requirements(lines)
        parts.update(_digest(name, line)[:12] for line in wanted)
        rest.append([name, *(lines[: len(lines) - len(wanted)] if lines else [content.decode()])])
    # A file that asks for nothing is the same as none.
    rest = [entry for entry in rest if any(entry[1:])]
    foundation = _digest(language.name, version, language.digest, base_id, *settings, json.dumps(rest))
    tag = f"labd/env:{language.name}-{_digest(foundation, *sorted(parts))[:16]}"
    return Environment(tag, language, version, base, base_id, normal, foundation, frozenset(parts))


def reference(name: str) -> str:
    """`name`, "user/project", as the name of an image: always one that Docker accepts."""
    return "/".join(["labd", *(_component(part) for part in name.split("/"))])


def _component(part: str) -> str:
    """Docker wants small letters and digits, and between them one dot, one or two underscores, or dashes."""
    words = re.split(r"([^a-z0-9]+)", part.lower()[:100].encode("ascii", "replace").decode())
    joints = [joint if re.fullmatch(r"\.|__?|-+", joint) else "-" for joint in words[1::2]]
    plain = "".join(word + joint for word, joint in zip(words[::2], [*joints, ""], strict=True))
    return plain.strip("._-") or "x"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
