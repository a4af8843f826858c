"""What well-known error messages mean: tables from their words to a cause and a hint.

This module owns the tables, one for programs in any language and one for those in Python, and nothing else. Whoever
uses them has found the message, and adds where it happened.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from labd.common.excerpts import Advice, Diagnosis, shorten
from labd.diagnosis import debian_names

PYTHON = Advice(
    crashed='Add `env = { PYTHONFAULTHANDLER = "1" }` to job.toml and run it again to see at which line.',
    said_nothing='Let it print what is wrong before it ends itself, for example with `sys.exit("no data")`.',
    no_command="Use a Python library that does the same, or ask the administrator to add the command.",
    no_screen='Save pictures instead, such as `plt.savefig("/output/plot.png")`, and choose no backend.',
)
SAME_VERSION = "Name the version that you use on your own computer in code/requirements.txt, such as `{0}==1.2.3`."


def more_memory(gigabytes: int) -> str:
    """What to do about too little memory: for example ask for so much."""
    return f'Ask for more with a line like `memory = "{gigabytes}g"` in job.toml, or work on the data in smaller parts.'


class _Known(NamedTuple):
    """An error whose meaning is known from its words. \\g<1> in cause and hint is what the pattern's group found."""

    pattern: re.Pattern[str]
    cause: str
    hint: str


def _known(pattern: str, cause: str, hint: str) -> _Known:
    return _Known(re.compile(pattern), cause, hint)


_WORKER_STOPPED = "One of the processes that your program started was stopped, most often for want of memory"
_NO_SCREEN = re.compile(
    r"no display name and no \$DISPLAY|[Cc](?:ould not|ouldn't|annot) (?:connect to (?:X |any )?|open )display"
    r"|Cannot load backend '\w+' which requires|KeyError: 'DISPLAY'|Rebuild the library with Windows, GTK"
    r"|Qt platform plugin|Cannot connect to X|Error: libt(?:k|cl)[\d.]*\.so"
)
_NO_FILE = re.compile(r"No such file or directory")
# The first that fits is taken: the particular stands before the general.
_OF_PYTHON = (
    _known(
        r"EOFError: EOF when reading a line",
        "Your program asked for input from a keyboard, and there is none here",
        'Give the value in job.toml, such as `args = ["20"]`, or read it from a file in /input, instead of `input()`.',
    ),
    _known(
        r"RuntimeError: An attempt has been made to start a new process before",
        "Your program starts other processes while it is itself still being loaded",
        'Put the part of your program that starts them below a line `if __name__ == "__main__":`.',
    ),
    _known(
        r"BrokenProcessPool|TerminatedWorkerError|worker \(pid.*killed|Bus error|terminated abruptly",
        _WORKER_STOPPED,
        "Use fewer processes at once (for PyTorch, `num_workers=0`), or ask for more `memory` in job.toml.",
    ),
    _known(
        r"compiled using NumPy 1\.|numpy\.dtype size changed|multiarray failed to import|_ARRAY_API not found",
        "One of your libraries was made for another version of NumPy",
        "Add the line `numpy<2` to code/requirements.txt, or ask for newer versions of the other libraries.",
    ),
    _known(
        r"Error: libGL\.so",
        "The library opencv-python needs a screen, and there is none here",
        "Write `opencv-python-headless` instead of `opencv-python` in code/requirements.txt.",
    ),
    _known(
        r"partially initialized module '([\w.]+)'|No module named '[\w.]+'; '([\w.]+)' is not a package",
        "Your program imports `\\g<1>\\g<2>` and gets the wrong file: two files import each other, or hide each other",
        "If a file in code/ is called `\\g<1>\\g<2>.py`, give it another name: it hides the library of that name.",
    ),
    _known(
        r"cannot import name '(\w+)' from '([\w.]+)' \(/code/",
        "Your file for `\\g<2>` does not define `\\g<1>`",
        "Upload the newest version of that file, or correct the name in the import.",
    ),
    _known(
        r"UnicodeDecodeError: '([\w-]+)' codec|UnicodeDecodeError|UnicodeError: UTF-16",
        "A text file is not written in the encoding \\g<1> in which your program reads it",
        'Name the file\'s encoding, such as `open(name, encoding="cp1252")` or `pd.read_csv(name, encoding="cp1252")`.',
    ),
    _known(
        r"KeyboardInterrupt",
        "Your program was interrupted",
        "If it was not you, run it again; if it happens again, tell the administrator.",
    ),
)
_OF_ANY = (
    _known(
        r"CUDA out of memory|OutOfMemoryError|ResourceExhaustedError|CUDA_ERROR_OUT_OF_MEM|CUBLAS_STATUS_ALLOC_FAILED",
        "The memory of the graphics card was not enough for your program",
        "Use a smaller batch or a smaller model; the option `memory` in job.toml does not change this.",
    ),
    _known(
        r"Failed to initialize NVML: Unknown Error",
        "The server took the graphics card (GPU) away from your program while it ran; your program is not to blame",
        "Create RERUN in the project's inbox to run it again, and tell the administrator: `labd doctor` says why.",
    ),
    _known(
        r"No CUDA GPUs|no NVIDIA driver|not compiled with CUDA|no CUDA-capable device|CUDA driver version is insuff"
        r"|libcuda\.so|CUDA is not available|cuda\.is_available\(\) is False|CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice",
        "Your program wants a graphics card (GPU), and it has none",
        "Ask for one with the line `gpus = 1` in job.toml, or let the program use the CPU.",
    ),
    _known(
        r"MemoryError|Unable to allocate [\d.]+ \w+ for|std::bad_alloc|Cannot allocate memory|can't allocate memory",
        "Your program needs more memory than it may use",
        more_memory(16),
    ),
    _known(
        r"Disk quota exceeded|No space left on device",
        "There was no space left for what your program wrote",
        "Write all large files, also temporary ones, to /output: other folders such as /tmp are small here.",
    ),
    _known(
        r"Bus error|terminated abruptly",
        _WORKER_STOPPED,
        "Use fewer processes at once, or ask for more `memory` in job.toml.",
    ),
    _known(
        r"can't start new thread|Resource temporarily unavailable",
        "Your program started more processes or threads than it may",
        "Use as many as it has processors: the option `cpus` in job.toml.",
    ),
    _known(
        r"CERTIFICATE_VERIFY_FAILED",
        "Your program reached another computer, but could not make sure that it is the right one",
        "Put the data into input/ before you upload, or ask the administrator how to reach that address.",
    ),
    _known(
        r"[Tt]emporary failure in name resolution|Name or service not known|Network is unreachable|Could not resolve"
        r"|Failed to resolve|Failed to establish a new connection|Max retries exceeded|gaierror|ConnectTimeout"
        r"|We couldn't connect to|Cannot connect to host|No route to host|No address associated with hostname",
        "Your program tried to use the network and could not",
        "The network is off unless job.toml says `network = true`; better, put the data into input/ and upload it.",
    ),
    _known(
        r"Connection ?[Rr]efused",
        "Your program asked another program for an answer, and none is running at that address",
        "Start it from your own program, or read the data from /input instead.",
    ),
)


_SHARED_OBJECT = re.compile(r"(lib[\w.+-]+): cannot open shared object file")
_PYTHON_SHARED_OBJECT = re.compile(rf"(?:Import|OS)Error: {_SHARED_OBJECT.pattern}")


def meaning_in_python(text: str) -> Diagnosis | None:
    """What the words of an error mean that a Python program met, if they are known; the cause has no full stop yet."""
    if known := _found(_OF_PYTHON, text) or _found(_OF_ANY, text) or _no_screen(text, PYTHON):
        return known
    if missing := _PYTHON_SHARED_OBJECT.search(text):
        return Diagnosis(_without(missing[1]), debian_names.advice(missing[1]))
    return None


def meaning_of(text: str, advice: Advice) -> Diagnosis | None:
    """What the words of an error mean in any language, if they are known; the cause has no full stop yet."""
    if known := _found(_OF_ANY, text) or _no_screen(text, advice):
        return known
    if missing := _SHARED_OBJECT.search(text):
        return Diagnosis(_without(missing[1]), "Tell the administrator, who can add it to the environment.")
    if not _NO_FILE.search(text):
        return None
    return Diagnosis(
        "Your program could not find a file",
        "Put it into the folder input/ of your project, and open it as /input/NAME; write results to /output.",
    )


def _without(library: str) -> str:
    return shorten(f"One of your libraries needs the system library `{library}`, which is not there", 150)


def _found(table: Sequence[_Known], text: str) -> Diagnosis | None:
    for known in table:
        if match := known.pattern.search(text):
            return Diagnosis(shorten(match.expand(known.cause), 150), shorten(match.expand(known.hint), 200))
    return None


def _no_screen(text: str, advice: Advice) -> Diagnosis | None:
    if not _NO_SCREEN.search(text):
        return None
    return Diagnosis("Your program wants to open a window, and there is no screen here", advice.no_screen)
