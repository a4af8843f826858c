"""A job's progress, live: its stages on standard error, what its program prints on standard output.

This module owns the last line of a terminal, which changes while a stage lasts, and keeps it apart from the lines that
stay. Where nobody watches (a pipe, a file), stages are plain lines and output is passed on as it is. It never asks how
the job is.
"""

from __future__ import annotations

import codecs
import sys
import time

from labd.client.rendering import DIM, is_terminal, shortened, styled, width
from labd.common.printable import for_terminal, one_line
from labd.common.units import human_time

_CLEAR = "\r\x1b[K"
_WORTH_A_LINE = 0.05


class Progress:
    """The stages of one job."""

    def __init__(self) -> None:
        self._out, self.err = sys.stdout, sys.stderr
        self._live, self._shared = is_terminal(self.err), self._out.isatty()
        self._stage, self._since, self._detail = "", 0.0, ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""

    def enter(self, stage: str, since: float) -> None:
        """The job is in `stage` since then (seconds since the epoch), and no longer in the one before."""
        if stage == self._stage:
            return
        self.leave(since)
        self._stage, self._since, self._detail = stage, since, ""
        if not self._live:
            self.say(f"{human_time(since)} {stage}")

    def leave(self, at: float) -> None:
        """The stage is over since `at`; on a terminal its line stays, with the time that it took, if it took any."""
        self._clear()
        if self._stage and self._live and at - self._since >= _WORTH_A_LINE:
            self.say(styled(self._line(at, "").rstrip(), DIM, self.err))
        self._stage = ""

    def detail(self, text: str) -> None:
        """What goes on in this stage, in a few words: the last line of a build."""
        self._detail = one_line(text)

    def tick(self) -> None:
        """Bring the last line of the terminal up to date."""
        if self._live and self._stage:
            detail = self._unfinished.rstrip("\r").rpartition("\r")[2] or self._detail
            line = shortened(self._line(time.time(), one_line(detail)).rstrip(), width(self.err) - 1)
            self.err.write(_CLEAR + styled(line, DIM, self.err))
            self.err.flush()

    def show(self, output: bytes, last: bool = False) -> None:
        """Pass on what the program printed; `last`: there is no more.

        On a terminal a line is shown when it is whole; a part of one (a progress bar) is shown in the last line.
        """
        if not self._shared:
            self._out.buffer.write(output)
            self._out.flush()
            return
        whole, end, self._unfinished = (self._unfinished + self._decoder.decode(output, last)).rpartition("\n")
        text = whole + end
        if last and self._unfinished:
            text, self._unfinished = f"{text}{self._unfinished}\n", ""
        if text:
            self._clear()
            self._out.write(for_terminal(text))
            self._out.flush()

    def say(self, line: str) -> None:
        """A line of labd's own that stays."""
        self._clear()
        print(line, file=self.err, flush=True)

    def _line(self, now: float, detail: str) -> str:
        return f"{self._stage:<10} {_clock(now - self._since):>7}  {detail}"

    def _clear(self) -> None:
        if self._live:
            self.err.write(_CLEAR)
            self.err.flush()


def _clock(seconds: float) -> str:
    """A time span in few, even columns: "0.4 s", "2:05", "1:02:05"."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
