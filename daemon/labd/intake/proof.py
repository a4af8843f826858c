"""What transfers over SSH prove about an upload.

This module owns which projects are being received, which are held because a transfer was cut, which are known to be
complete, and of which nobody knows (docs/architecture.md, The way of a job). It is pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from labd.common.printable import printable
from labd.common.units import count, human_time
from labd.intake.transfers import CLOCKS, Part, TransferRecord, TransferResult
from labd.model.layout import final_path

_PROVEN = (TransferResult.COMPLETE, TransferResult.UNCHANGED)
_LONGEST = 250  # characters of why a transfer was cut; the gateway writes fewer

# Of each file that arrived whole: in which transfers, and when. Asked once for each broken file of each transfer.
_Arrivals = Mapping[str, Sequence[tuple[TransferRecord, float]]]


@dataclass(frozen=True)
class Traffic:
    """What all transfers together say about one project."""

    live: str = ""  # the kind of a transfer that goes on
    is_guess: bool = False  # and it has not named its project yet: it may be about another one
    held: str = ""  # why it must not start, and since when, in words for STATUS
    missing: tuple[str, ...] = ()  # the files that must be sent again before it starts; () when that is not known
    mended: frozenset[str] = frozenset()  # files that a transfer broke in, and that arrived whole later
    kind: str = ""  # of the latest transfer that ended well
    proof: TransferResult | None = None  # and how
    ended: float = 0.0  # when that was
    places: tuple[str, ...] = ()  # what all that are over changed, as `Part.places`


def traffic(project: str, transfers: Sequence[TransferRecord], newest: float, oldest: float = 0.0) -> Traffic:
    """What `transfers` say about `project`.

    Something in it changed last at `newest`, and no file of it is as it was before `oldest` (seconds since the epoch).
    """
    named = [transfer for transfer in transfers if project in transfer.projects]
    good = [transfer for transfer in named if not transfer.alive and not _is_cut(transfer, project)]
    latest = max(good, key=_end, default=None)
    explained = _end(latest) if latest else float("-inf")
    about = [*named, *(transfer for transfer in transfers if transfer.may_concern(newest, explained))]
    live = [transfer.kind for transfer in about if transfer.alive]
    over = [transfer for transfer in about if not transfer.alive]
    cuts = [transfer for transfer in over if _is_cut(transfer, project)]
    lacking = _lacking(cuts, _arrivals(over, project), project)
    held = [cut for cut in cuts if not _is_made_good(cut, lacking[cut.id], over, project, oldest)]
    proof = latest.part(project).result if latest else None
    if any(_is_left_unproven(transfer, over, project, oldest) for transfer in over):
        proof = TransferResult.UNPROVEN
    return Traffic(
        live=live[0] if live else "",
        is_guess=bool(live) and not any(transfer.alive for transfer in named),
        held=_words(held[-1], project) if held else "",
        missing=_missing(held, lacking, project),
        mended=frozenset(
            path for cut in cuts for path in cut.part(project).broken or () if path not in lacking[cut.id]
        ),
        kind=latest.kind if latest else "",
        proof=proof,
        ended=_end(latest) if latest else 0.0,
        places=tuple(dict.fromkeys(place for transfer in over for place in transfer.part(project).places)),
    )


def superseded(transfers: Sequence[TransferRecord]) -> list[TransferRecord]:
    """Those that were cut and say nothing that a later one, cut as well, does not say: a client that tries and tries.

    What is left has each broken file once, so that the number of notes does not grow with the number of tries.
    """
    over = [transfer for transfer in transfers if not transfer.alive and transfer.projects]
    return [
        earlier
        for number, earlier in enumerate(over)
        if any(
            all(_says_all(later.part(project), part) for project, part in earlier.projects.items())
            for later in over[number + 1 :]
        )
    ]


def _says_all(later: Part, earlier: Part) -> bool:
    if earlier.result not in (None, TransferResult.CUT) or later.result is not TransferResult.CUT or earlier.closed:
        return False
    if not _covers(later.scope, earlier.scope) or (earlier.is_half and not later.is_half):
        return False
    if later.broken is None:
        return True
    return earlier.broken is not None and earlier.broken.keys() <= later.broken.keys()


def _end(transfer: TransferRecord) -> float:
    return transfer.began if transfer.ended is None else transfer.ended


def _is_cut(transfer: TransferRecord, project: str) -> bool:
    return transfer.part(project).result in (None, TransferResult.CUT)


def _covers(wide: str, narrow: str) -> bool:
    return wide in ("", narrow) or narrow.startswith(f"{wide}/")


def _arrivals(over: Sequence[TransferRecord], project: str) -> _Arrivals:
    found: dict[str, list[tuple[TransferRecord, float]]] = {}
    for transfer in over:
        for path, when in transfer.part(project).closed.items():
            found.setdefault(path, []).append((transfer, when))
    return found


def _lacking(cuts: Sequence[TransferRecord], arrived: _Arrivals, project: str) -> dict[str, dict[str, None]]:
    """For each of the `cuts`, by its id, the files that it broke in and that have not arrived since."""
    return {
        cut.id: {path: None for path in cut.part(project).broken or () if not _is_repaired(path, cut, arrived, project)}
        for cut in cuts
    }


def _is_made_good(
    cut: TransferRecord, lacking: Collection[str], over: Sequence[TransferRecord], project: str, oldest: float
) -> bool:
    """Whether what `cut` left open was sent again: all of its part, or each of the files that it broke in."""
    later = [other for other in over if other is not cut and not _is_cut(other, project) and other.began >= _end(cut)]
    if any(_sent_all(other, cut, project, oldest) for other in later):
        return True
    broken = cut.part(project).broken
    return broken is not None and bool(broken or later) and not lacking


def _sent_all(later: TransferRecord, cut: TransferRecord, project: str, oldest: float) -> bool:
    """Whether `later`, which began after the end of `cut`, sent all of what that was about."""
    part = later.part(project)
    if part.result in _PROVEN or part.is_whole:
        return _covers(part.scope, cut.part(project).scope)
    return oldest >= later.began


def _is_repaired(path: str, cut: TransferRecord, arrived: _Arrivals, project: str) -> bool:
    """Whether the file `path`, in which `cut` broke, arrived whole later, if only under its final name.

    Also when the server saw the end of `cut` only after the client had connected anew and sent the file: if nothing has
    been written to it since, `cut` wrote nothing to it, either.
    """
    changed = (cut.part(project).broken or {}).get(path, 0.0)
    whole = [when for name in {path, final_path(path)} for other, when in arrived.get(name, ()) if other is not cut]
    return any(when >= _end(cut) or (when >= cut.began and when >= changed - CLOCKS) for when in whole)


def _is_left_unproven(transfer: TransferRecord, over: Sequence[TransferRecord], project: str, oldest: float) -> bool:
    """Whether nothing says that no more comes after `transfer`, whose end is not proven or that was cut.

    Of what was to follow the files that it broke in, a repair of these files alone says nothing.
    """
    part = transfer.part(project)
    after = [
        later
        for later in over
        if later is not transfer and not _is_cut(later, project) and _end(later) >= _end(transfer)
    ]
    if part.result is TransferResult.UNPROVEN:
        # One that only removes or renames sends nothing, so it does not go on with anything.
        return not any(
            (later.part(project).result is TransferResult.CLEAN and later.part(project).files)
            or (later.part(project).result in _PROVEN and _covers(later.part(project).scope, part.scope))
            for later in after
        )
    if part.result is not TransferResult.CUT or any(_sent_all(later, transfer, project, oldest) for later in after):
        return False
    return part.is_half or not any(_sent_more(later.part(project), part) for later in after)


def _sent_more(later: Part, cut: Part) -> bool:
    """Whether `later` sent other files, too, than those that `cut` broke in: then it went on with the whole."""
    broken = {name for path in cut.broken or () for name in (path, final_path(path))}
    return later.files > len(broken & later.closed.keys())


def _missing(held: Sequence[TransferRecord], lacking: Mapping[str, Collection[str]], project: str) -> tuple[str, ...]:
    """The files that have to be sent again; () when one of those in `held` does not know its files."""
    missing: dict[str, None] = {}
    for cut in held:
        if not cut.part(project).broken:
            return ()
        missing |= dict.fromkeys(map(final_path, lacking[cut.id]))
    return tuple(missing)


def _words(cut: TransferRecord, project: str) -> str:
    part = cut.part(project)
    # It may have the name of a file in it, which may hold anything.
    why = f" ({printable(part.why[:_LONGEST])})" if part.why else ""
    after = f" after {count(part.files, 'file')}" if part.files else ""
    return f"upload interrupted{why}{after}, {human_time(_end(cut))}"
