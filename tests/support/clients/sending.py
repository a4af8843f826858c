"""Projects on a researcher's PC, sent by lines of shell, and cut by the program cutting.py that is put there.

In these lines `$x` is the name of the project and of its folder. This module owns the words that they can use.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

from support.box.installed_lab import Person

SETTLE = 2.0
"""Seconds; as the server in the box is configured."""

CUTTING = Path(__file__).with_name("cutting.py")

# The program says what it was given, so that a job with half of an upload is seen.
PROGRAM = """import hashlib, pathlib
for path in sorted(pathlib.Path("/input").rglob("*")):
    if path.is_file():
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.relative_to("/input"))
"""
_BASE = """
mkdir -p base/code base/input/more
cp program base/code/app.py
for number in 1 2 3 4 5; do echo $number >base/input/more/$number; done
head -c 2000000 /dev/urandom >base/input/big
"""
_WORDS = """
set -eu
sum_up() { (cd $x/input && find * -type f -print0 | xargs -0 sha256sum | sed 's/  / /' | LC_ALL=C sort -k 2); }
cut() { who=$1 how=$2; shift 2; python3 ../cutting.py 300000 $who $how "$@"; }
batch() { printf '%s\\n' "$@" | sftp -q -b - lab; }
small_files() {
    rm $x/input/big; mkdir $x/input/small
    python3 -c "for n in range($1): open('$x/input/small/%d' % n, 'w').write('x' * (n % ${2:-100}))"
}
# What takes some seconds, so that there is time to disturb it. sftp wants its commands in a file for that.
slow_rsync="rsync -a --bwlimit=300 $x/ lab:inbox/$x/"
slow_scp="scp -l 2400 -r $x lab:inbox/"
slow_scp_O="scp -O -l 2400 -r $x lab:inbox/"
printf 'cd inbox\\nput -r %s\\n' $x >$x.batch
slow_sftp="sftp -q -l 2400 -b $x.batch lab"
"""


class Sender:
    """The researcher, with a PC on which projects are made and sent by lines of shell."""

    def __init__(self, person: Person) -> None:
        self.person = person
        person.pc.put("uploads/program", PROGRAM)
        person.pc.put("cutting.py", CUTTING.read_text())
        person.run(f"cd uploads && {_BASE}")

    def make(self, project: str) -> None:
        self.person.run(f"cd uploads && cp -r base {project}")

    def command(self, project: str, script: str) -> str:
        return f"cd uploads; x={project}; {_WORDS}{script}"

    def send(self, project: str, script: str) -> str:
        """Run `script`; what the program must say of the project as it was then."""
        # `! command` never ends a script by itself.
        checked = re.sub(r"! (cut|rsync)\b([^;]*)", r"{ ! \1\2; } || exit 99", script)
        return self.person.run(self.command(project, f"{{ {checked}\n}} >/dev/null; sum_up")).stdout

    def background(self, project: str, script: str) -> subprocess.Popen[bytes]:
        """Start `script` and let it go on."""
        command = self.person.pc.command(self.command(project, script))
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def quiet(person: Person, seconds: float = 2 * SETTLE) -> list[dict[str, Any]]:
    """The jobs, once no new one has come for some settle times: there is no other way to see that nothing happens."""
    jobs = person.jobs()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1.0, left))  # a look starts a `labd` on the server
        if len(now := person.jobs()) != len(jobs):
            jobs, end = now, time.monotonic() + seconds
    return jobs
