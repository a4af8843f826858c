"""What is said to somebody whose upload was not what they meant: sent to a wrong place, or in parts.

This module owns these words. It is pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from labd.common.printable import printable
from labd.diagnosis.programs import Diagnosis
from labd.model.layout import CONTROLS, PARTS, is_temporary


def misplaced(name: str, root: str, places: Sequence[str]) -> Diagnosis | None:
    """That nothing of what was sent last to the project `name` is part of it; None when some of it is.

    `root` is where in its folder the project is, `places` what was changed there (`transfers.Part.places`).
    """
    inner = _inside(root, places)
    if not inner or any(place in (*PARTS, *CONTROLS) or is_temporary(place) for place in inner):
        return None
    return Diagnosis(
        f"What was sent last is in inbox/{name}/{printable(places[0])}; of the project only code/, input/ and job.toml "
        "count, so nothing is new.",
        f"Send the folder {name} to inbox/ (scp -r {name} lab:inbox/), or what is in it to inbox/{name}/ "
        f"(rsync -a {name}/ lab:inbox/{name}/).",
    )


def sent_in_parts(name: str, root: str, places: Sequence[str], first: int) -> str:
    """That input/ came alone, after code/ had become the job `first` without it; "" when more came than that."""
    if set(_inside(root, places)) != {"input"}:
        return ""
    return (
        f"code/ and input/ came one after the other, so job {first} ran without input/. "
        f"Send both with one command: rsync -a {name}/ lab:inbox/{name}/"
    )


def _inside(root: str, places: Sequence[str]) -> list[str]:
    return [place.removeprefix(f"{root}/") if root else place for place in places]
