"""Why Docker could not start a program, in words for a researcher: it is always the server's fault.

This module owns the table from Docker's words to ours. Docker's own go to the journal.
"""

from __future__ import annotations

import re

from labd.model.engine import StartError

_HINT = "Tell the administrator; create RERUN in the project's inbox when it is mended."
_KNOWN = (
    (r"no space left on device|disk quota exceeded", "a disk of the server is full"),
    (r"read-only file system", "a disk of the server can only be read"),
    (r"no such image|manifest unknown", "the image of its environment is gone from the server"),
    (
        r"could not select device driver|nvidia-container-cli|unresolvable CDI|CDI device|unknown device",
        "the server could not give it the GPU that it was granted",
    ),
    (r"runtime.*(not found|invalid|unknown)|(unknown|invalid|no such) runtime", "Docker's runtime is not there"),
    (r"seccomp", "the server could not confine its system calls"),
    (r"error while mounting volume|failed to mount local volume|mount.*overlay", "its folders could not be mounted"),
    (r"bind source path does not exist|error while creating mount source path", "one of its folders is not there"),
    (r"cannot allocate memory|resource temporarily unavailable", "the server has no memory or processes left"),
    (r"cgroup", "the server could not limit its CPUs and memory"),
    (r"executable file not found|no such file or directory: unknown", "its language's command is not in the image"),
    (r"network|namespace|sandbox", "it could not be given a network of its own"),
)


def start_error(said: str) -> StartError:
    """The error for Docker's words `said`."""
    for words, cause in _KNOWN:
        if re.search(words, said, re.IGNORECASE):
            return StartError(f"The server could not start the program: {cause}.", _HINT)
    return StartError("The server could not start the program: its Docker refused.", _HINT)


def is_about_views(said: str) -> bool:
    """Whether Docker could not mount the view of an upload because of the file system that it is on."""
    return re.search(r"mount.*overlay.*(invalid argument|not supported)", said, re.IGNORECASE) is not None
