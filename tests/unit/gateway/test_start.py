"""What every transfer waits for: the gateway's start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3] / "daemon"
# Where the program would take over, the names of all that has been imported are written instead.
START = f"""
import os, sys
sys.path.append({str(PACKAGE)!r})
def take_over(*_):
    os.write(1, " ".join(sys.modules).encode())
    os._exit(0)
os.execve = take_over
from labd.gateway.__main__ import main
main()
"""
SLOW = {"argparse", "asyncio", "collections", "dataclasses", "enum", "inspect", "json", "logging", "pathlib", "re"} | {
    "shlex",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
}
MODULES = {
    "gateway",
    "gateway.__main__",
    "gateway.words",
    "gateway.commands",
    "gateway.rsync_options",
    "gateway.transfer",
    "gateway.confine",
    "gateway.landlock",
    "gateway.read_only",
}
RECORD = {"gateway.records", "gateway.records.record"}


@pytest.mark.parametrize(
    ("command", "modules"),
    [
        ("rsync --server -logDtpre.iLsfxCIvu . inbox/galaxies/project/", MODULES | RECORD),
        ("rsync --server --sender -logDtpre.iLsfxCIvu . outbox/galaxies/output/", MODULES),
        ("scp -r -t inbox", MODULES | RECORD),
        ("internal-sftp", MODULES | RECORD),
    ],
)
def test_a_transfer_waits_for_a_few_modules_and_the_quick_part_of_the_standard_library(
    tmp_path: Path, command: str, modules: set[str]
) -> None:
    for folder in ("inbox", "outbox"):
        (tmp_path / folder).mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", START],
        env={"HOME": str(tmp_path), "SSH_ORIGINAL_COMMAND": command, "LABD_SOCKET": str(tmp_path / "none")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    imported = set(done.stdout.split())
    assert {name.removeprefix("labd.") for name in imported if name.startswith("labd.")} == modules
    others = {name.partition(".")[0] for name in imported} - {"labd", "__main__"}
    assert others <= sys.stdlib_module_names
    assert not others & SLOW
