"""The answers about the lab as a whole: its environments, its settings, its researchers."""

from __future__ import annotations

from collections.abc import Iterator

from labd.common.log import get
from labd.daemon.requests import views
from labd.daemon.requests.handling import Asking, Json, handles
from labd.model.requests import ImagesRequest, Reload, Settings, Users


@handles(ImagesRequest)
def images(request: ImagesRequest, asking: Asking) -> Iterator[Json]:
    with asking.connection.waiting():
        found = asking.parts.lab.images.list()
    yield from found


@handles(Settings)
def settings(request: Settings, asking: Asking) -> Iterator[Json]:
    lab = asking.parts.lab
    yield {"config": views.settings(lab.config if asking.user is None else lab.config_for(asking.user))}


@handles(Users)
def users(request: Users, asking: Asking) -> Iterator[Json]:
    parts = asking.parts
    store = parts.lab.store
    yield from views.researchers(
        parts.lab.accounts, store.active(), store.job_counts(), parts.seen, parts.inbox.sizes()
    )


@handles(Reload)
def reload(request: Reload, asking: Asking) -> Iterator[Json]:
    lab = asking.parts.lab
    lab.refresh_accounts()
    get().info("accounts read again", accounts=len(lab.accounts))
    asking.parts.wake()
    yield {"accounts": len(lab.accounts)}
