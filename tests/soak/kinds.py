"""What the people of the soak send: work of every kind, and what is meant to do harm.

Each kind is a function that sends one upload under a name of its own, and does with its job what somebody does who
sends such a thing. This module owns the kinds and how often each comes.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping

from people import PAUSE, Somebody, Upload

Play = Callable[[Somebody, str], None]
Kinds = tuple[tuple[Play, int], ...]
"""What may come, and how often as against the others."""

_WRITES = "open('/output/data', 'wb').write(bytes(3_000_000))\n"
_FILES = "for n in range(300): open(f'/output/{n}', 'w').write('x')\n"
_GREEDY = "list(map(bytes, [10**6] * 10**6))\n"
# Whether it is run or refused is for other tests to say.
_ENDS = ("succeeded", "failed", "rejected", "build-failed", "out-of-memory", "timed-out", "output-too-large")
_LIBRARIES = ("six", "tomli", "idna", "packaging")


def _token() -> str:
    return secrets.token_hex(8)


def _program(body: str, token: str) -> str:
    return f"{body}print('{token}')\n"


def _work(kind: str, body: str, *ends: str, files: Mapping[str, str] | None = None) -> Play:
    """Programs that do what `body` says and tell a token, with `files` by their path; sent by rsync."""

    def play(somebody: Somebody, project: str) -> None:
        token = _token()
        somebody.make(project, {"code/app.py": _program(body, token), **(files or {})})
        somebody.send(Upload(somebody.name, project, kind, ends or ("succeeded",), token), somebody.rsync(project))

    return play


def _long(somebody: Somebody, project: str) -> None:
    _work("long", f"import time\ntime.sleep({random.uniform(15, 45):.0f})\n")(somebody, project)


def _library(somebody: Somebody, project: str) -> None:
    library = random.choice(_LIBRARIES)
    files = {"code/requirements.txt": f"{library}\n"}
    _work("library", f"import {library}\n", files=files)(somebody, project)


def _scp(somebody: Somebody, project: str) -> None:
    token = _token()
    somebody.make(project, {"code/app.py": _program("", token), "input/data": "1\n" * 1000})
    command = f"scp -r {project} {somebody.inbox}/" if ":" in somebody.inbox else somebody.rsync(project)
    somebody.send(Upload(somebody.name, project, "scp", token=token), command)


def _again(somebody: Somebody, project: str) -> None:
    """Sent, and once it has ended, changed and sent again."""
    upload = Upload(somebody.name, project, "sent again")
    for after in (True, False):
        upload.token, upload.is_whole = _token(), False
        somebody.make(project, {"code/app.py": _program("", upload.token)})
        if after:
            somebody.send(upload, f"rsync -a {project}/ {somebody.inbox}/{project}/")
            somebody.wait_complete(project)
            upload.jobs = 2
        else:
            somebody.insist(f"rsync -a {project}/ {somebody.inbox}/{project}/")
            upload.is_whole = True


def _rerun(somebody: Somebody, project: str) -> None:
    """Sent, and once it has ended, run again."""
    _work("rerun", "")(somebody, project)
    upload = somebody.uploads[-1]
    somebody.wait_complete(project)
    upload.jobs = 2
    upload.unsure = somebody.insist(f"ssh lab rerun {project}")


def _cancelled(somebody: Somebody, project: str) -> None:
    """A program that would run for long, stopped at some moment."""
    _work("cancelled", "import time\ntime.sleep(900)\n", "cancelled")(somebody, project)
    somebody.insist(f"sleep {random.uniform(0, 10):.1f}; ssh lab cancel {project}", project)


def _hostile(kind: str, prepare: str, *ends: str, options: str = "") -> Play:
    """A project that a line of shell, run in it, or rsync's options make hostile; `ends` that its job may have."""

    def play(somebody: Somebody, project: str) -> None:
        somebody.make(project, {"code/app.py": "print(1)\n"})
        somebody.run(f"cd {project} && {prepare}")
        somebody.send(Upload(somebody.name, project, f"hostile: {kind}", ends), somebody.rsync(project, options))

    return play


def _closed(somebody: Somebody, project: str) -> None:
    """A project whose folder is closed to everybody, its owner too, as soon as it is there."""
    somebody.make(project, {"code/app.py": "print(1)\n"})
    folder = f"{somebody.inbox}/{project}/code".removeprefix("lab:")
    close = f"chmod 0 {folder}" if folder.startswith("/") else f"echo chmod 0 {folder} | sftp -q -b - lab"
    upload = Upload(somebody.name, project, "hostile: folder of mode 0", _ENDS)
    somebody.send(upload, f"{somebody.rsync(project)} && {close}")


def _hostile_name(name: str) -> Play:
    """A folder whose name cannot be a project's. labd owes nothing for it, but to live."""

    def play(somebody: Somebody, project: str) -> None:
        somebody.make(project, {"code/app.py": "print(1)\n"})
        somebody.run(f"rsync -a {project}/ \"{somebody.inbox}/$(printf -- '{name}-{project}')/\"")

    return play


_TOML = "printf '[job]\\n%s\\n' '{}' > job.toml"

KINDS: Kinds = (
    (_work("quick", ""), 8),
    (_work("writes", _WRITES), 3),
    (_work("many files", _FILES), 2),
    (_work("fails", "raise ValueError('as it happens')\n", "failed"), 3),
    (_work("memory", _GREEDY, "out-of-memory", files={"job.toml": "[job]\nmemory = '64m'\n"}), 1),
    (_work("slow", "import time\ntime.sleep(60)\n", "timed-out", files={"job.toml": "[job]\ntimeout = '3s'\n"}), 1),
    (_work("no such library", "", "build-failed", files={"code/requirements.txt": "there-is-no-such-one==1\n"}), 1),
    (_long, 3),
    (_library, 2),
    (_scp, 3),
)
REMOTE: Kinds = ((_again, 3), (_rerun, 2), (_cancelled, 2))
"""What needs ssh, too."""

HOSTILE: Kinds = (
    (_hostile("no program", "rm code/app.py && echo 1 > code/notes.txt"), 1),
    (_hostile("files of mode 0", ":", *_ENDS, options="--chmod=F0"), 1),
    (_closed, 1),
    (_hostile("deep", "mkdir -p input && cd input && for n in $(seq 400); do mkdir d && cd d; done", *_ENDS), 1),
    (_hostile("fifo", "mkdir input && mkfifo input/pipe", *_ENDS), 1),
    (_hostile("link out", "ln -s /etc/shadow code/shadow; ln -s ../../.. code/up", *_ENDS), 1),
    (_hostile("names", "touch \"$(printf 'code/\\334\\n-x')\" -- code/-rf", *_ENDS), 1),
    (_hostile("timeout nan", _TOML.format("timeout = nan"), *_ENDS), 1),
    (_hostile("cpus nan", _TOML.format("cpus = nan"), *_ENDS), 1),
    (_hostile("cpus tiny", _TOML.format("cpus = 1e-12"), *_ENDS), 1),
    (_hostile("memory 1", _TOML.format("memory = 1"), *_ENDS), 1),
    (_hostile("brackets", "{ printf 'a = '; head -c 100000 /dev/zero | tr '\\0' '['; } > job.toml", *_ENDS), 1),
    (_hostile("bytes", "head -c 5000 /dev/urandom > job.toml", *_ENDS), 1),
    (
        _hostile(
            "spaces", "{ printf a; head -c 150000 /dev/zero | tr '\\0' ' '; echo b; } > code/requirements.txt", *_ENDS
        ),
        1,
    ),
    (
        _hostile(
            "variable",
            "echo '--extra-index-url http://127.0.0.1/?x=${UV_DEFAULT_INDEX}' > code/requirements.txt",
            *_ENDS,
        ),
        1,
    ),
    (
        _hostile(
            "deep output",
            'echo \'import os\nfor n in range(3000): os.mkdir("d"); os.chdir("d")\' | '
            "sed '1i import os; os.chdir(\"/output\")' > code/app.py",
            *_ENDS,
        ),
        1,
    ),
    (
        _hostile(
            "output mode 0", 'echo \'import os; os.mkdir("/output/d"); os.chmod("/output/d", 0)\' > code/app.py', *_ENDS
        ),
        1,
    ),
    (_hostile_name(r"\334bung"), 1),
    (_hostile_name(r"two\nlines"), 1),
    (_hostile_name("-rf"), 1),
    (_hostile_name("x" * 200), 1),
)


def choose(kinds: Kinds) -> Play:
    """One of them, by their weights."""
    plays, weights = zip(*kinds, strict=True)
    chosen: Play = random.choices(plays, weights)[0]
    return chosen


def pause() -> float:
    """Seconds between two uploads of somebody."""
    return random.uniform(1.0, 4.0) * PAUSE
