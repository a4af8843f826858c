"""How the doctor asks Docker: by a client of its own, in the way that the daemon takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from labd.common.finding import Finding, warn
from labd.engines.docker.client import NoDockerError, connected
from labd.engines.docker.facts import Facts, parse


def facts(address: str | None = None) -> Facts:
    """What the Docker at `address` says of itself. Raises LabdError when it does not answer."""
    with connected(address) as client:
        return parse(client.info())


def if_it_answers(look: Callable[[], Iterable[Finding]]) -> Callable[[], Iterator[Finding]]:
    """`look`, but when Docker does not answer, a note instead: that this is so is said elsewhere, once."""

    def looked() -> Iterator[Finding]:
        try:
            yield from look()
        except NoDockerError:
            yield warn("Not checked, because Docker does not answer.")

    return looked
