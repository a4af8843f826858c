"""What the builder prints, and what it means: which step says what, which failed, and whether Docker went away.

This module owns the reading of BuildKit's plain progress. It starts nothing, and judges no project.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from labd.model.engine import Report

HEADING = "==> "
_KEPT_OUTPUT = 64 * 1024
_LONGEST_LINE = 16 * 1024  # characters that are kept of one
# What the docker command says when Docker went away, and never of a step, an image or a registry.
_AWAY = re.compile(
    r"(?:ERROR: )?(?:failed to receive status: )?(?:unexpected EOF$|[Ff]ailed to dial gRPC|error during connect"
    r"|[Cc]annot connect to the Docker daemon|rpc error: code = Unavailable|.*error reading from server)"
)
_CUT_STEP = re.compile(r"code = Unavailable|error reading from server")
_CANCELLED_STEP = re.compile(r"context canceled$")
_PRINTED = re.compile(r"#\d+ \d+\.\d+ ?.*")  # by a step


class BuildProgress:
    """Reads BuildKit's plain progress: `#7 0.251 text` is what step 7 printed, all else is about the steps."""

    def __init__(self, report: Report, redact: Callable[[str], str]) -> None:
        self._report, self._redact = report, redact
        self._steps: dict[str, str] = {}  # those that have not printed yet
        self._first: dict[str, str] = {}  # line that was heard of each step
        self._failed = ""  # the step that did
        self._repeating = False
        self._is_lost = self._is_cancelled = False
        self.tail = ""
        self.exit_code = 0

    def feed(self, line: str) -> None:
        line = line[:_LONGEST_LINE].rstrip()
        if (code := re.search(r"exit code: (\d+)", line)) and not _PRINTED.fullmatch(line):
            self.exit_code = int(code[1])
        # After a rule, BuildKit says again what was there already.
        self._repeating = self._repeating or line.startswith("------")
        if self._repeating or not line:
            return
        match = re.fullmatch(r"#(\d+) (.*)", line)
        if not match:
            self._is_lost = self._is_lost or bool(_AWAY.match(line))
            self._say(line)
            return
        step, text = match.groups()
        if printed := re.fullmatch(r"\d+\.\d+ ?(.*)", text):
            self._announce(step, printed[1])
            self._first.setdefault(step, printed[1])
            self._say(printed[1])
        elif text.startswith("ERROR: "):
            self._failed = step
            self._is_lost = self._is_lost or bool(_CUT_STEP.search(text))
            self._is_cancelled = self._is_cancelled or bool(_CANCELLED_STEP.search(text))
            if not self.exit_code:
                self._say(text)
        elif text.startswith("[") and step not in self._first:
            # It is said again when the client comes back to a step after it told of others.
            self._steps[step] = text
        elif text == "exporting to image":
            self._say(f"{HEADING}Saving the image")

    @property
    def lost_docker(self) -> bool:
        """Whether Docker went away, so that nothing is known of how the build would have ended."""
        return self._is_lost and not self.exit_code

    @property
    def is_cancelled(self) -> bool:
        """Whether a step was cancelled, and Docker did not go away.

        Where two builds share a step, one that is cancelled may take the step of the other along.
        """
        return self._is_cancelled and not self._is_lost and not self.exit_code

    @property
    def is_cut(self) -> bool:
        """Whether the beginning of what the failed step printed may be missing: it has no heading.

        Where two builds meet in a step, only one of the two clients hears what it prints (seen with Docker 20.10).
        """
        return self.exit_code != 0 and not self._first.get(self._failed, "").startswith(HEADING)

    def _announce(self, step: str, first: str) -> None:
        """Say which step begins, unless its own first line does."""
        title = self._steps.pop(step, "")
        if title and not first.startswith(HEADING):
            self._say(HEADING + re.sub(r" --\w+=\S+", "", title)[:100])

    def _say(self, text: str) -> None:
        text = self._redact(text)
        if text.startswith(HEADING):
            self.tail, text = "", text.removeprefix(HEADING)
        else:
            self.tail = f"{self.tail}{text}\n"[-_KEPT_OUTPUT:]
        self._report(text)


def tells_docker_is_away(output: str) -> bool:
    """Whether a docker command that printed `output` failed because Docker went away or was not there."""
    return any(map(_AWAY.match, output.splitlines()))
