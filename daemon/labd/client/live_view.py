"""A screen that is drawn anew each second, until q or Ctrl-C.

This module owns the terminal while it lasts: the alternate screen, the hidden cursor, keys without Enter; and that all
of it is as before when it ends, however that comes about (xterm's control sequences, termios(3)).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_INTERVAL = 1.0


def run(draw: Callable[[int, int], Sequence[str]]) -> None:
    """Show the lines that `draw(columns, rows)` returns, again and again, on the terminal of this process."""
    before = termios.tcgetattr(sys.stdin)
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.signal(number, signal.default_int_handler) for number in ends}
    try:
        tty.setcbreak(sys.stdin)
        sys.stdout.write(_ENTER)
        while True:
            size = os.get_terminal_size(sys.stdout.fileno())
            _show(draw(size.columns or 80, size.lines or 24))
            if _is_asked_to_end():
                return
    except (KeyboardInterrupt, OSError):
        return
    finally:
        _restore(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _show(lines: Sequence[str]) -> None:
    # Line for line over what is there: clearing first would flicker.
    text = (_CLEAR_LINE + "\n").join(lines)
    sys.stdout.write(_HOME + text + _CLEAR_LINE + _CLEAR_BELOW)
    sys.stdout.flush()


def _is_asked_to_end() -> bool:
    """Wait a while for a key; whether it was one that ends this, or nobody can type any more."""
    ready, _, _ = select.select([sys.stdin], [], [], _INTERVAL)
    if not ready:
        return False
    keys = os.read(sys.stdin.fileno(), 64)
    return not keys or keys[:1] in b"qQ\x03\x04"


def _restore(before: list[Any]) -> None:
    try:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    except (OSError, termios.error):
        return  # the terminal is gone, and its state with it
