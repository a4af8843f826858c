"""The outbox: everything that a researcher gets back.

This room owns the files of `~/outbox/<project>/` and their order: a mirror of the job's delivery folder while it runs,
exact at the end, then the receipt, then COMPLETE. All of it is done by the researcher's own hands. It never decides
what a job's outcome is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from labd.accounts import Account
from labd.errors import LabdError
from labd.hands import Hands, HandsError

_TIMEOUT = 6 * 3600.0
CONTENTS = (
    *("COMPLETE", "output", "run.log", "build.log", "receipt.json", "report.html", "stray"),
    "requirements.proposed.txt",
    *("STATUS", "status.json"),
)
"""What belongs to one job. COMPLETE goes first, so that it never stands beside half of the rest."""


class DeliveryError(LabdError):
    """The results could not be put into the outbox."""


class Outbox:
    """One project's outbox."""

    def __init__(self, hands: Hands, account: Account, project: str) -> None:
        self._hands, self._who = hands, account.identity
        self._folder = account.outbox / project

    def show(self, page: Mapping[str, str]) -> None:
        """Put text files in, each whole or not at all, in their order. Raises HandsError."""
        self._hands.do(self._who, "write", folder=str(self._folder), files=dict(page))

    def rotate(self, occupant: int, page: Mapping[str, str], keep: int) -> None:
        """Move what is there of job `occupant` to history/, `page` with it, and keep the latest `keep` jobs there."""
        self._hands.do(
            self._who,
            "rotate",
            timeout=_TIMEOUT,
            folder=str(self._folder),
            # STATUS alone is no job: it may have told of an upload that never became one.
            names=list(CONTENTS if occupant else CONTENTS[:-2]),
            job=str(occupant),
            files=dict(page),
            keep=keep,
        )

    def mirror(self, delivery: Path, live: bool = False) -> None:
        """Make output/, run.log and build.log what they are in `delivery`.

        On one file system that takes hard links, no copies. A `live` mirror may meet files that change or vanish.
        Raises DeliveryError with the reason, HandsError.
        """
        self.place_logs(delivery)
        if (delivery / "output").exists():
            options = ["--archive", "--no-devices", "--no-specials", "--delete", "--info=nonreg0"]
            link = f"--link-dest={delivery / 'output'}"
            self._rsync(
                [*options, link, f"{delivery / 'output'}/"], self._folder / "output", (0, 23, 24) if live else (0,)
            )

    def place_logs(self, delivery: Path) -> None:
        """Put run.log and build.log beside output/, as links that grow with the file where that is possible."""
        for name in ("build.log", "run.log"):
            if (delivery / name).exists():
                self._hands.do(self._who, "place", source=str(delivery / name), target=str(self._folder / name))

    def return_strays(self, part: str, upper: Path, ignore: Sequence[str]) -> list[str]:
        """Return what a program wrote below /code or /input (`part`); the files' names, relative to that folder."""
        found: list[str] = self._hands.do(self._who, "unignored", timeout=600.0, folder=str(upper), ignore=list(ignore))
        if found:
            excludes = [f"--exclude={pattern}" for pattern in ignore]
            options = ["--archive", "--no-devices", "--no-specials", "--prune-empty-dirs", "--mkpath", "--info=nonreg0"]
            target = self._folder / "stray" / part
            self._rsync([*options, *excludes, f"--link-dest={upper}", f"{upper}/"], target, (0,))
        return found

    def _rsync(self, arguments: Sequence[str], target: Path, fine: Sequence[int]) -> None:
        try:
            done = self._hands.do(
                self._who,
                "rsync",
                timeout=_TIMEOUT + 60,
                arguments=["--mkpath", *arguments, f"{target}/"],
                seconds=_TIMEOUT,
            )
        except HandsError as error:
            raise DeliveryError(f"The outbox cannot be written: {error.message}") from error
        if done["code"] not in fine:
            lines = [line for line in done["output"].splitlines() if line.startswith("rsync")]
            reason = lines[0] if lines else f"rsync code {done['code']}"
            raise DeliveryError(f"The results could not be put into the outbox ({reason}).", "Is the disk full?")
