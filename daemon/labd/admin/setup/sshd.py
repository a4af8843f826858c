"""sshd's settings for researchers: put in place only if sshd accepts them.

This module owns /etc/ssh/sshd_config.d/labd.conf and the questions to sshd about it. What sshd refuses is taken back,
so that a later restart of sshd cannot lock everybody out. It never touches sshd's main file.
"""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from labd.admin.setup import plan, systemd
from labd.admin.setup.files import Placing
from labd.admin.setup.plan import File
from labd.client.writing import write_whole
from labd.common.commands import run
from labd.common.errors import ConfigError
from labd.common.installation import SSHD, SSHD_MAIN

_RUNTIME = Path("/run/sshd")
_SSHD_SECONDS = 30.0
INCLUDE = f"Include {SSHD.parent}/*.conf"


def put(placing: Placing) -> None:
    """Put the settings in place and have a running sshd read them. Raises ConfigError when sshd refuses them."""
    if shutil.which("sshd") is None:
        placing.teller.note(
            "OpenSSH's server is not installed, so researchers cannot come in.",
            "Install it and set up again: apt-get install openssh-server && labd setup",
        )
        return
    if not is_included():
        placing.teller.note(
            f"{SSHD_MAIN} does not read {SSHD.parent}/, so sshd will not know of labd.",
            f"Make this its first line, then run `sshd -t && systemctl reload ssh`: {INCLUDE}",
        )
    if not placing.teller.dry_run:
        # Where sshd was never started, or its socket starts it, the folder that it asks for is not there.
        _RUNTIME.mkdir(mode=0o755, exist_ok=True)
    changed = placing.file(plan.sshd(_must_define_sftp()), lambda file: _try_out(placing, file))
    if changed:
        reload(placing)
    elif wrong := complaint():
        placing.teller.note(f"sshd's settings have an error: {wrong}", "Mend it before sshd is restarted; see sshd -t.")


def reload(placing: Placing) -> None:
    """Have a running sshd read its settings again; sessions go on."""
    for service in ("ssh.service", "sshd.service"):
        if systemd.is_active(service):
            placing.teller.change("reload", service, partial(systemd.reload, service))
            return


def is_included() -> bool:
    """Whether sshd's main file reads the folder that our file is in, for everybody (sshd_config(5), Include)."""
    try:
        text = SSHD_MAIN.read_text("utf-8", "replace")
    except FileNotFoundError:
        return False
    for line in text.splitlines():
        keyword, *patterns = re.split(r"[\s=]+", line.strip()) if line.strip() else ("",)
        if keyword.lower() == "match":
            return False
        whole = (str(SSHD_MAIN.parent / pattern.strip('"')) for pattern in patterns)
        if keyword.lower() == "include" and any(fnmatch(str(SSHD), pattern) for pattern in whole):
            return True
    return False


def complaint() -> str:
    """What sshd has against its settings as they are on disk; "" if it takes them."""
    result = run(["sshd", "-t"], timeout=_SSHD_SECONDS)
    lines = result.output.strip().splitlines()
    return "" if result.code == 0 else lines[0] if lines else f"exit code {result.code}"


def _must_define_sftp() -> bool:
    """Whether nobody else defines sftp. Two definitions are an error to OpenSSH before 9.5."""
    with_it = plan.sshd(with_sftp=True).content
    if SSHD.exists() and SSHD.read_bytes() == with_it:
        return "already defined" not in complaint()
    shown = run(["sshd", "-T"], timeout=_SSHD_SECONDS)
    return shown.code == 0 and not re.search(r"^subsystem sftp ", shown.output, re.MULTILINE | re.IGNORECASE)


def _try_out(placing: Placing, file: File) -> None:
    before = file.path.read_bytes() if file.path.exists() else None
    wrong_before = complaint()
    placing.write(file)
    wrong = complaint()
    if not wrong:
        return
    if before is None:
        file.path.unlink()
    else:
        write_whole(file.path, before, file.mode)
    if wrong_before:
        raise ConfigError(
            f"sshd's own settings have an error already: {wrong_before}", "Mend it (sshd -t), then run labd setup."
        )
    raise ConfigError(
        f"sshd refuses labd's settings, which were taken back: {wrong}", f"See {SSHD_MAIN} and {SSHD.parent}/."
    )
