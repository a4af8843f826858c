"""The SSH server: whether it runs, and what it would really do with a researcher.

This module owns the questions to sshd (`sshd -t`, `sshd -T -C …`: its own word on the effective configuration, whatever
the files say) and the judgement on the answers. It never logs in.
"""

from __future__ import annotations

import grp
import os
import re
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence

from labd.accounts.accounts import Account
from labd.admin.doctor.sshd_settings import Effective, judge_access, judge_gateway, judge_keys, parse
from labd.admin.doctor.subject import CheckContext
from labd.admin.setup import plan
from labd.admin.setup import sshd as setup_ssh
from labd.common.commands import run
from labd.common.errors import NotAllowedError
from labd.common.finding import AS_ROOT, Check, Finding, Level, fail, ok, warn
from labd.common.installation import GROUP, SHELL_GROUP, SSHD, SSHD_MAIN

_SUBJECT = "SSH"
_SSHD_SECONDS = 10.0
_MOST = 50  # researchers that sshd is asked about: 20 ms each, and they differ little
_SET_UP = "labd setup"


def checks(context: CheckContext) -> list[Check]:
    """All about sshd."""
    return [
        Check(_SUBJECT, "the SSH server", _server),
        Check(_SUBJECT, "sshd's settings for researchers", lambda: _researchers(context)),
    ]


def _server() -> Iterator[Finding]:
    sshd = _sshd()
    if sshd is None:
        yield fail("There is no SSH server: nobody can upload anything.", "apt-get install openssh-server")
        return
    if os.geteuid() != 0:
        raise NotAllowedError("Whether sshd's configuration is valid can be checked by root only.", AS_ROOT)
    valid = _valid(sshd)
    yield valid
    ours = [plan.sshd(with_sftp).content for with_sftp in (False, True)]
    yield judge_drop_in(SSHD.read_bytes() if SSHD.is_file() else None, ours, setup_ssh.is_included())
    if valid.level is Level.OK:
        settings = parse(run([sshd, "-T"], timeout=_SSHD_SECONDS).output)
        yield judge_running(_banner(settings), settings.get("port", ["22"])[0])


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _banner(settings: Effective) -> str:
    """What answers at the first address that sshd is to listen on; "" for nothing."""
    address = settings.get("listenaddress", ["0.0.0.0:22"])[-1]
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    try:
        with socket.create_connection((host, int(port)), timeout=_SSHD_SECONDS) as connection:
            return connection.recv(256).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _valid(sshd: str) -> Finding:
    checked = run([sshd, "-t"], timeout=_SSHD_SECONDS)
    return judge_valid(checked.code, checked.output)


def judge_valid(code: int, output: str) -> Finding:
    """What `sshd -t` says."""
    if code and "privilege separation directory" in output:
        return fail("sshd has not been started since this machine was: its folder is not there.", "systemctl start ssh")
    if code:
        return fail(f"sshd's configuration is not valid: {_first(output) or f'exit code {code}'}", "sshd -t")
    return ok("sshd's configuration is valid.")


def judge_drop_in(content: bytes | None, ours: Collection[bytes], is_included: bool) -> Finding:
    """Whether labd's part of the configuration is there (`content`), as one of `ours`, and read by sshd."""
    if content is None:
        return fail(f"There is no {SSHD}: sshd knows nothing of labd.", _SET_UP)
    if not is_included:
        first = f"sed -i '1i {setup_ssh.INCLUDE}' {SSHD_MAIN} && sshd -t && systemctl reload ssh"
        return fail(f"{SSHD_MAIN} does not read {SSHD}.", first)
    if content not in ours:
        return warn(
            f"{SSHD} is not that of this version: somebody changed it, or it is older.", f"rm {SSHD} && {_SET_UP}"
        )
    return ok(f"{SSHD} is that of this version.")


def judge_running(banner: str, port: str) -> Finding:
    """Whether somebody who connects gets an answer."""
    version = re.search(r"OpenSSH_(\S+)", banner)
    if not banner.startswith("SSH-"):
        return fail(f"Nothing answers at the SSH port ({port}).", "systemctl enable --now ssh")
    return ok(f"OpenSSH {version[1]} answers at port {port}." if version else f"{banner} answers at port {port}.")


# What it does with a researcher


def _researchers(context: CheckContext) -> Iterator[Finding]:
    sshd = _sshd()
    if sshd is None:
        return
    if os.geteuid() != 0:
        raise NotAllowedError("What sshd does with researchers can be checked by root only.", AS_ROOT)
    valid = _valid(sshd)
    if valid.level is not Level.OK:
        yield warn("What sshd does with researchers was not checked, because `sshd -t` fails.", valid.mend)
        return
    known = [account for account in context.researchers if _comes_by_ssh(account, context)]
    if not known:
        yield ok("There are no researchers yet that sshd could let in.")
    groups = {account.name: _groups(account) for account in known}
    yield from judge_members(known, groups)
    asked = [account for account in known if group_of(account) in groups[account.name]]
    yield from combine([(account.name, _faults(sshd, account, context)) for account in asked[:_MOST]])


def _comes_by_ssh(account: Account, context: CheckContext) -> bool:
    """Whether labd made the account, and lets it in; how those of the config come is the administrator's business."""
    has_file = (context.config.paths.accounts / f"{account.name}.toml").is_file()
    return has_file and not account.settings.disabled


def group_of(account: Account) -> str:
    """The group by which sshd knows what to do with a researcher."""
    return SHELL_GROUP if account.settings.shell else GROUP


def judge_members(accounts: Sequence[Account], groups: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Which of `accounts` are not in the group that they should be in; `groups`: name → those that they are in."""
    for account in accounts:
        wanted = group_of(account)
        if wanted not in groups[account.name]:
            what = f"{account.name} is not in the group {wanted}, so sshd knows nothing of them as a researcher."
            yield fail(what, f"usermod -aG {wanted} {account.name}")


def _faults(sshd: str, account: Account, context: CheckContext) -> list[str]:
    answer = run([sshd, "-T", "-C", f"user={account.name},host=x,addr=127.0.0.1"], timeout=_SSHD_SECONDS)
    if answer.code:
        return [f"sshd does not tell ({_first(answer.output) or answer.code})"]
    settings = parse(answer.output)
    file = context.keys / account.name
    keys = file.read_text("utf-8", "replace") if file.is_file() else ""
    return [
        *judge_access(settings, account.name, _groups(account)),
        *judge_keys(settings, account, context.keys),
        *([] if account.settings.shell else judge_gateway(settings, keys)),
    ]


def _groups(account: Account) -> list[str]:
    return [_group_name(gid) for gid in os.getgrouplist(account.name, account.identity.gid)]


def _first(output: str) -> str:
    return next((line.strip() for line in output.splitlines() if line.strip()), "")


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def combine(faults: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Finding]:
    """One finding for each fault, with all researchers that have it; or one that there is none."""
    who: dict[str, list[str]] = {}
    for name, found in faults:
        for fault in found:
            who.setdefault(fault, []).append(name)
    for fault, names in who.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield fail(f"{', '.join(names[:3])}{more}: {fault}.", f"{_SET_UP} && systemctl reload ssh")
    if faults and not who:
        yield ok("sshd takes researchers' keys from labd's folder, and sends them to the gateway.")
