"""From the words after a request's name to its arguments, for the command line and for ssh.

This module owns how argparse is told of a request. It never asks anything.
"""

from __future__ import annotations

from types import SimpleNamespace as Options

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from labd.model.requests import Request

    Typed = tuple[Sequence[str], Mapping[str, Any]]

JSON: Typed = (("--json",), {"action": "store_true", "help": "one JSON document a line"})


def typed(request: type[Request]) -> list[Typed]:
    """The arguments of `request` as argparse takes them: their names, and the settings of `add_argument`."""
    arguments = [(argument.typed, argument.settings()) for argument in request.arguments()]
    return arguments + [JSON] * request.has_json


def defaults(request: type[Request]) -> Options:
    """What `typed(request)` gives without a word."""
    options = Options(**{argument.name: argument.default for argument in request.arguments()})
    if request.has_json:
        options.json = False
    return options


def parse(words: Sequence[str], arguments: Iterable[Typed], error: Exception) -> Options:
    """The options that `words` are, by `arguments`. Raises `error` for what is not among them."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise error

    parser = Parser(
        prog="",
        add_help=False,
        allow_abbrev=False,
        # With a width of its own, or it imports shutil to find one, for every argument.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80),
    )
    for names, settings in arguments:
        parser.add_argument(*names, **settings)
    return parser.parse_args(words, Options())
