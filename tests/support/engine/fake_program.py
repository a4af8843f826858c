"""A program of a fake engine: Python source, run on a thread as if in a container.

This module owns what the source finds: /code, /input, /output and HOME, what it prints, the signal that asks it to end,
and its limit of memory. It has no isolation at all, and of Python's modules only what `_modules` lists. A program can
be ended while it sleeps, prints, opens a file or uses memory, and never between.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from labd.model.engine import Condition, Phase, Run, Usage

TERM, IGNORED = 15, "SIG_IGN"
TERMINATED, KILLED = 143, 137
_PROGRAM = "/code/app.py"


class _Ended(BaseException):
    """The program is over, whatever it was doing."""

    def __init__(self, code: int) -> None:
        self.code = code


class FakeProgram:
    """One program, from its start on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.condition = Condition(Phase.RUNNING, time.time())
        self.usage = Usage(0.0, 0, 0, 0)
        self._changed = threading.Condition()
        self._printed = bytearray()
        self._handler: Any = None
        self._asked: int | None = None  # exit code that it is asked to end with
        self._is_handled = False
        self._files: list[Any] = []
        self._lost = False
        self._interrupted = False
        threading.Thread(target=self._main, name=f"fake-program-{run.job}", daemon=True).start()

    # For the engine

    @property
    def has_ended(self) -> bool:
        return self.condition.phase is Phase.ENDED

    def wait(self, timeout: float, given_up: Callable[[], bool]) -> bool:
        """Wait for its end, or until `given_up`; whether it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_ended or given_up(), timeout)
            return self.has_ended

    def notify(self) -> None:
        """Have all who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def ask_to_end(self) -> None:
        with self._changed:
            self._asked = self._asked or TERMINATED
            self._changed.notify_all()

    def kill(self, interrupted: bool = False) -> None:
        """End it now; `interrupted`: because the machine stops."""
        with self._changed:
            self._asked, self._interrupted = KILLED, interrupted
            self._changed.notify_all()

    def lose_output(self) -> None:
        """The engine can no longer promise that it keeps all that the program prints."""
        self._lost = True

    def printed(self) -> bytes:
        with self._changed:
            return bytes(self._printed)

    def follow(self, given_up: Callable[[], bool]) -> Iterator[bytes]:
        """What it prints, as it comes, until it ends."""
        told = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._printed) > told or self.has_ended or given_up())  # noqa: B023
                chunk = bytes(self._printed[told:])
            if not chunk or given_up():
                return
            told += len(chunk)
            yield chunk

    # The program itself

    def _main(self) -> None:
        began = time.monotonic()
        code = self._exit_code()
        for file in self._files:
            file.close()
        with self._changed:
            self.usage = replace(self.usage, cpu_seconds=round(time.monotonic() - began, 3), memory=0)
            self.condition = Condition(
                Phase.ENDED, self.condition.started, time.time(), code, self._interrupted, self._lost
            )
            self._changed.notify_all()

    def _exit_code(self) -> int:
        try:
            exec(compile(self._source(), _PROGRAM, "exec"), {"__name__": "__main__", "__builtins__": self._builtins()})
            return 0
        except _Ended as end:
            return end.code
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                return end.code or 0
            self._write(f"{end.code}\n")
        except BaseException as error:
            # Without the frame of this module.
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
            self._write("".join(traceback.format_exception(error)))
        return 1

    def _source(self) -> str:
        """Of `python -c SOURCE` or of `python /code/app.py`."""
        command = self.run.command
        return command[2] if command[1] == "-c" else self._place(command[1]).read_text()

    def _builtins(self) -> dict[str, Any]:
        own = {"print": self._print, "open": self._open, "__import__": self._import, "bytearray": self._bytearray()}
        return {**vars(builtins), **own}

    def _modules(self) -> dict[str, SimpleNamespace]:
        def leave(code: object = None) -> None:
            raise SystemExit(code)

        def handle(number: int, handler: object) -> None:
            self._handler = handler

        return {
            "time": SimpleNamespace(sleep=self._sleep, time=time.time),
            "sys": SimpleNamespace(exit=leave, argv=[_PROGRAM, *self.run.command[2:]]),
            "os": SimpleNamespace(environ=dict(self.run.env)),
            "signal": SimpleNamespace(signal=handle, SIGTERM=TERM, SIG_IGN=IGNORED),
        }

    def _import(self, name: str, *_: Any) -> Any:
        try:
            return self._modules()[name]
        except KeyError:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name) from None

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._obey()
            with self._changed:
                self._changed.wait_for(lambda: self._asked == KILLED or self._is_to_be_handled(), left)
        self._obey()

    def _is_to_be_handled(self) -> bool:
        return self._asked == TERMINATED and not self._is_handled and self._handler != IGNORED

    def _obey(self) -> None:
        """End the program if it was asked to, or have it handle the request."""
        if self._asked == KILLED:
            raise _Ended(KILLED)
        if self._is_to_be_handled():
            if self._handler is None:
                raise _Ended(TERMINATED)
            self._is_handled = True
            self._handler(TERM, None)

    def _print(self, *values: object, sep: str = " ", end: str = "\n", **_: object) -> None:
        self._obey()
        self._write(sep.join(map(str, values)) + end)

    def _write(self, text: str) -> None:
        with self._changed:
            self._printed += text.encode()
            self._changed.notify_all()

    def _open(self, path: str, mode: str = "r", **options: Any) -> Any:
        """Files that the source leaves open are closed at its end, and have at once what is written to them."""
        self._obey()
        for_writing = mode[0] != "r"
        place = self._place(str(path), for_writing)
        binary = mode.replace("t", "") + "b" * ("b" not in mode)
        file: Any = place.open(binary, buffering=0 if for_writing else -1)
        if "b" not in mode:
            file = io.TextIOWrapper(file, encoding="utf-8", write_through=True, **options)
        self._files.append(file)
        return file

    def _place(self, path: str, for_writing: bool = False) -> Path:
        """Where the program's `path` is on this machine; /code and /input are copy-on-write views."""
        path = os.path.normpath(os.path.join("/code", path))
        for top, folder in {"/output": self.run.output, self.run.env["HOME"]: self.run.home}.items():
            if path == top or path.startswith(f"{top}/"):
                return folder / os.path.relpath(path, top)
        for part, frozen in {"code": self.run.code, "input": self.run.input}.items():
            if path.startswith(f"/{part}/"):
                name = os.path.relpath(path, f"/{part}")
                upper = self.run.scratch / part / "upper" / name
                if for_writing:
                    upper.parent.mkdir(parents=True, exist_ok=True)
                return upper if for_writing or upper.exists() else frozen / name
        if for_writing:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _bytearray(self) -> Any:
        """What stands for bytearray: memory that counts when it is written to, and is never there."""
        program = self

        class Memory:
            def __init__(self, size: int) -> None:
                self._size = size

            def __len__(self) -> int:
                return self._size

            def __setitem__(self, place: object, content: object) -> None:
                program._use_memory(self._size)

        return Memory

    def _use_memory(self, size: int) -> None:
        self._obey()
        used = self.usage.memory + size
        is_too_much = used > self.run.memory
        peak = max(self.usage.peak_memory, min(used, self.run.memory))
        self.usage = replace(self.usage, memory=used, peak_memory=peak, oom_kills=int(is_too_much))
        if is_too_much:
            raise _Ended(KILLED)
