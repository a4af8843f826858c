"""What well-known error messages mean: a table from their words to a cause and a hint.

This module owns the table for programs in any language, and the form of those that languages have of their own. Whoever
uses them has found the message, and adds where it happened.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from labd.common.excerpts import Advice, Diagnosis, shorten


def more_memory(gigabytes: int) -> str:
    """What to do about too little memory: for example ask for so much."""
    return f'Ask for more with a line like `memory = "{gigabytes}g"` in job.toml, or work on the data in smaller parts.'


class KnownError(NamedTuple):
    """An error whose meaning is known from its words. \\g<1> in cause and hint is what the pattern's group found."""

    pattern: re.Pattern[str]
    cause: str
    hint: str


def known_error(pattern: str, cause: str, hint: str) -> KnownError:
    """An error that is told in words which fit the regular expression `pattern`."""
    return KnownError(re.compile(pattern), cause, hint)


SHARED_MEMORY = re.compile(
    r"Bus error|No space left on device: '/dev/shm/|open shared memory object|(?:out of|insufficient) shared memory"
)
SHARED_MEMORY_FULL = "The memory that processes share (/dev/shm) was most probably not enough for your program"
LESS_SHARED = (
    "Use fewer processes at once or smaller blocks: it is small here, and `memory` in job.toml does not change it."
)
WORKER_STOPPED = "One of the processes that your program started was stopped, most often for want of memory"
_NO_SCREEN = re.compile(
    r"no display name and no \$DISPLAY|[Cc](?:ould not|ouldn't|annot) (?:connect to (?:X |any )?|open )display"
    r"|Cannot load backend '\w+' which requires|KeyError: 'DISPLAY'|Rebuild the library with Windows, GTK"
    r"|Qt platform plugin|Cannot connect to X|Error: libt(?:k|cl)[\d.]*\.so"
)
_NO_FILE = re.compile(r"No such file or directory")
# The first that fits is taken: the particular stands before the general.
_OF_ANY = (
    KnownError(SHARED_MEMORY, SHARED_MEMORY_FULL, LESS_SHARED),
    known_error(
        r"CUDA out of memory|OutOfMemoryError|ResourceExhaustedError|CUDA_ERROR_OUT_OF_MEM|CUBLAS_STATUS_ALLOC_FAILED",
        "The memory of the graphics card was not enough for your program",
        "Use a smaller batch or a smaller model; the option `memory` in job.toml does not change this.",
    ),
    known_error(
        r"Failed to initialize NVML: Unknown Error",
        "The server took the graphics card (GPU) away from your program while it ran; your program is not to blame",
        "Create RERUN in the project's inbox to run it again, and tell the administrator: `labd doctor` says why.",
    ),
    known_error(
        r"No CUDA GPUs|no NVIDIA driver|not compiled with CUDA|no CUDA-capable device|CUDA driver version is insuff"
        r"|libcuda\.so|CUDA is not available|cuda\.is_available\(\) is False|CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice",
        "Your program wants a graphics card (GPU), and it has none",
        "Ask for one with the line `gpus = 1` in job.toml, or let the program use the CPU.",
    ),
    known_error(
        r"MemoryError|Unable to allocate [\d.]+ \w+ for|std::bad_alloc|Cannot allocate memory|can't allocate memory",
        "Your program needs more memory than it may use",
        more_memory(16),
    ),
    known_error(
        r"Disk quota exceeded|No space left on device",
        "There was no space left for what your program wrote",
        "Write all large files, also temporary ones, to /output: other folders such as /tmp are small here.",
    ),
    known_error(
        r"terminated abruptly",
        WORKER_STOPPED,
        "Use fewer processes at once, or ask for more `memory` in job.toml.",
    ),
    known_error(
        r"can't start new thread|Resource temporarily unavailable",
        "Your program started more processes or threads than it may",
        "Use as many as it has processors: the option `cpus` in job.toml.",
    ),
    known_error(
        r"CERTIFICATE_VERIFY_FAILED",
        "Your program reached another computer, but could not make sure that it is the right one",
        "Put the data into input/ before you upload, or ask the administrator how to reach that address.",
    ),
    known_error(
        r"[Tt]emporary failure in name resolution|Name or service not known|Network is unreachable|Could not resolve"
        r"|Failed to resolve|Failed to establish a new connection|Max retries exceeded|gaierror|ConnectTimeout"
        r"|We couldn't connect to|Cannot connect to host|No route to host|No address associated with hostname",
        "Your program tried to use the network and could not",
        "The network is off unless job.toml says `network = true`; better, put the data into input/ and upload it.",
    ),
    known_error(
        r"Connection ?[Rr]efused",
        "Your program asked another program for an answer, and none is running at that address",
        "Start it from your own program, or read the data from /input instead.",
    ),
)


SHARED_OBJECT = re.compile(r"(lib[\w.+-]+): cannot open shared object file")


def meaning_of(text: str, advice: Advice) -> Diagnosis | None:
    """What the words of an error mean in any language, if they are known; the cause has no full stop yet."""
    if known := of_any_language(text, advice):
        return known
    if missing := SHARED_OBJECT.search(text):
        return Diagnosis(library_missing(missing[1]), "Tell the administrator, who can add it to the environment.")
    if not _NO_FILE.search(text):
        return None
    return Diagnosis(
        "Your program could not find a file",
        "Put it into the folder input/ of your project, and open it as /input/NAME; write results to /output.",
    )


def of_any_language(text: str, advice: Advice) -> Diagnosis | None:
    """What the words of an error mean whoever wrote them, without what depends on how a language tells of files."""
    return find(_OF_ANY, text) or (no_screen(advice) if _NO_SCREEN.search(text) else None)


def library_missing(library: str) -> str:
    """The cause of an error about a system `library`."""
    return shorten(f"One of your libraries needs the system library `{library}`, which is not there", 150)


def find(table: Sequence[KnownError], text: str) -> Diagnosis | None:
    """What the first error of `table` means that `text` tells of; None if it tells of none."""
    for known in table:
        if match := known.pattern.search(text):
            return Diagnosis(shorten(match.expand(known.cause), 150), shorten(match.expand(known.hint), 200))
    return None


def no_screen(advice: Advice) -> Diagnosis:
    """A program wants to show something."""
    return Diagnosis("Your program wants to open a window, and there is no screen here", advice.no_screen)
