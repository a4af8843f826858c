"""Environment images: which are there, which must be made, and which can go.

This module owns the images `labd/env:<language>-<hash>` and their further names `labd/<user>/<project>`. An image holds
a language and the libraries, never code or input; all projects that need the same share one, and it is built once,
however many ask at a time. It never looks at a project's files itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from labd.common import log
from labd.common.errors import UnavailableError
from labd.diagnosis.builds.verdicts import password_missing
from labd.engines.build_settings import BuildSettings
from labd.environments import environment as environments
from labd.environments.environment import Environment, reference
from labd.environments.single_flight import Turns
from labd.model.config import Config
from labd.model.engine import BuildFailed, Image, ImageStore, Recipe, Report
from labd.model.languages import Language
from labd.storage.store import Store

_REMEMBERED = 60.0  # seconds for which a base image is taken to be the one it was
_NOTED = 3600.0  # seconds between two notes in the store that an environment is in use


class Images:
    """The images of one lab. Any thread may use it."""

    def __init__(
        self,
        config: Config,
        languages: Mapping[str, Language],
        store: Store,
        images: ImageStore,
        settings: BuildSettings,
    ) -> None:
        """`images` are those of the engine; `settings` what each build is given."""
        self._config, self._languages, self._store = config, languages, store
        self._images, self._settings = images, settings
        self._turns = Turns()
        self._reading = threading.Lock()
        self._base_ids: dict[str, tuple[str, float]] = {}  # name → id, until when to believe it
        self._noted: dict[str, float] = {}  # tag → when the store was told of its use
        self._named: dict[str, str] = {}  # project → image that has its name
        self._packages: dict[str, list[str]] = {}  # image → what is installed in it

    def describe(self, language: str, version: str, files: Mapping[str, bytes]) -> Environment:
        """The environment for `files`, the content of those of the template's environment files that are there.

        Raises AwayError when the engine does not answer, ConfigError when the build settings cannot be read.
        """
        offered = self._config.languages[language].versions
        base = offered[version]
        described = environments.describe(
            self._languages[language], version, base, self._base_id(base), self._settings.key, files
        )
        return replace(described, others=tuple(other for other in offered if other != version))

    def ready(self, environment: Environment, project: str = "") -> str | None:
        """Id of the environment's image if it is there, in one question to the engine (2 ms).

        The image also gets the name of `project`, "user/project". Raises UnavailableError.
        """
        image = self._images.find(environment.tag) if environment.base_id else None
        if image is None:
            return None
        self._use(image, environment.tag, environment.language.name, environment.version)
        if project and self._named.get(project) != image.id:
            # By tag and not by id: the finished image may have taken the place of this one a moment ago.
            self._images.tag(environment.tag, reference(project))
            self._named[project] = image.id
        return image.id

    def ensure(self, environment: Environment, project: str, report: Report, cancelled: threading.Event) -> str:
        """Id of the environment's image, which is built unless it is there or being built for another job.

        `report` gets what the build prints, line by line; `cancelled` ends it. Raises BuildFailed, UnavailableError;
        AwayError when the engine does not answer or went away: what was done until then need not be done again.
        """
        environment = self._on_its_base(environment, report, cancelled)
        self._turns.once(
            environment.tag,
            lambda: self._make(environment, project, report, cancelled),
            lambda: report("Waiting for the same environment, being built for another job"),
            cancelled,
        )
        image = self.ready(environment, project)
        if image is None:
            raise UnavailableError("The environment vanished right after it was made.", "Run the project again.")
        return image

    def kept(self, image: str) -> str | None:
        """`image`, the id of one that a job ran in, if it is still there; its environment counts as used now."""
        found = self._images.find(image)
        if found and "labd.environment" in (labels := found.labels):
            self._use(found, labels["labd.environment"], labels["labd.language"], labels["labd.version"])
        return image if found else None

    def provenance(self, image: str) -> dict[str, Any]:
        """What is known of the image with this id: language, base, packages. Little when the engine does not answer."""
        known: dict[str, Any] = {"image": image}
        with contextlib.suppress(UnavailableError):
            found = self._images.find(image)
            labels = found.labels if found else {}
            for name in ("environment", "language", "version", "base", "base-id"):
                if f"labd.{name}" in labels:
                    known[name.replace("-", "_")] = labels[f"labd.{name}"]
            base = self._images.find(known["base_id"]) if known.get("base_id") else None
            if base and base.digests:
                known["base_digest"] = base.digests[0]
            if "labd.packages" in labels:
                known["packages"] = self._installed(image, labels["labd.packages"])
        return known

    def list(self) -> list[dict[str, Any]]:
        """The environments that are there, the latest used first: as the store has them, and `size` in bytes."""
        rows = [(row, self._images.find(row.tag)) for row in self._store.environments()]
        return [{**asdict(row), "size": image.size} for row, image in rows if image is not None]

    def prune(self, now: float) -> None:
        """Remove the environments that no container uses, and no job used for as long as the config says."""
        oldest = now - self._config.retention.images
        unused = [row.tag for row in self._store.environments() if row.used < oldest]
        if not unused:
            return
        # An image that has no name yet is being finished.
        for tag in self._images.remove_unused(unused, min(oldest, time.time() - _NOTED)):
            self._store.forget_environment(tag)
            self._noted.pop(tag, None)
            log.get().info("environment removed", environment=tag)

    def settle(self, timeout: float) -> bool:
        """Wait until nothing goes on in the background, `timeout` seconds at most; whether that is so."""
        return self._images.settle(timeout)

    def close(self) -> None:
        """Stop what goes on in the background."""
        self._images.close()

    # Making

    def _on_its_base(self, environment: Environment, report: Report, cancelled: threading.Event) -> Environment:
        """`environment` on the base image as it is now, which is got first if it is not there."""
        base, language, version = environment.base, environment.language, environment.version

        def get() -> None:
            if not self._base_id(base, anew=True):
                self._images.get_base(base, language, version, report, cancelled)

        if not self._base_id(base, anew=True):
            self._turns.once(base, get, lambda: report(f"Waiting for {base}, which another job is getting"), cancelled)
            self._base_id(base, anew=True)
        return self.describe(language.name, version, environment.files)

    def _make(self, environment: Environment, project: str, report: Report, cancelled: threading.Event) -> None:
        if self.ready(environment) is not None:
            return
        began = time.monotonic()
        report(f"Building the environment {environment.tag} on {environment.base}")
        try:
            self._images.build(self._recipe(environment, project, report), report, cancelled)
        except BuildFailed as error:
            if not (error.needs_code and environment.can_extend):
                raise
            report("Some libraries come as source only: building them, apart from what others download")
            self._build_from_source(environment, error, report, cancelled)
        log.get().info("environment built", environment=environment.tag, seconds=round(time.monotonic() - began, 1))

    def _build_from_source(
        self, environment: Environment, binary: BuildFailed, report: Report, cancelled: threading.Event
    ) -> None:
        """Build with code of the packages, which gets to know no password; `binary` is how it failed without."""
        if self._settings.withholds:
            report("The server's passwords are kept from them: all that they need is fetched first")
        try:
            recipe = environment.from_source(self._settings.withholds)
            # What the index has now: the builder would take what an earlier build fetched for the same list.
            recipe = replace(recipe, files={**recipe.files, ".fetched": uuid.uuid4().bytes})
            self._images.build(recipe, report, cancelled)
        except BuildFailed as error:
            if self._settings.withholds and (told := password_missing(binary.log_tail, error.log_tail)):
                for line in told.splitlines():
                    report(line)
                error.log_tail += told
            raise

    def _recipe(self, environment: Environment, project: str, report: Report) -> Recipe:
        """The shortest way: often one library was added to what the project had before."""
        # What code of packages has been at must not be where passwords are known, and the index wants one.
        is_possible = environment.can_extend and not self._settings.withholds
        previous = self._images.find(f"{reference(project)}:latest") if is_possible else None
        steps = environment.steps_from(previous.labels) if previous else None
        if steps is None:
            return environment.recipe()
        report("Adding to the environment that the project had before")
        return environment.extension(reference(project), steps)

    # What is there

    def _base_id(self, name: str, anew: bool = False) -> str:
        """Id of the base image `name`, "" when it is not there.

        It is believed for a minute: an administrator's newer base may be used that much later. Nothing is built on a
        belief; `anew` asks.
        """
        known, until = self._base_ids.get(name, ("", 0.0))
        if anew or not known or time.monotonic() > until:
            image = self._images.find(name)
            known = image.id if image else ""
            self._base_ids[name] = known, time.monotonic() + _REMEMBERED
        return known

    def _use(self, image: Image, tag: str, language: str, version: str) -> None:
        """Environment `tag` is used now, by way of `image`: what is left to do for it is done, if it is its own yet."""
        if image.is_unfinished and tag in image.tags:
            self._images.finish(tag, image)
        now = time.time()
        if self._noted.get(tag, 0.0) < now - _NOTED:
            self._store.use_environment(tag, language, version, now)
            self._noted[tag] = now

    def _installed(self, image: str, file: str) -> Sequence[str]:
        with self._reading:
            if image not in self._packages:
                self._packages[image] = self._images.read_file(image, file).splitlines()
            return self._packages[image]
