"""`labd setup`: makes a machine ready for labd, and can be run again at any time.

This module owns the order of the steps: accounts can come in only when all else is in place. It never touches an
account, a home, or a file that the administrator changed.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace as Options

from labd.admin.setup import images as setup_images
from labd.admin.setup import manifest, plan, remove, sshd, systemd
from labd.admin.setup.files import Placing
from labd.client.writing import Teller
from labd.common import installation
from labd.common.errors import ConfigError, Exit
from labd.common.mounts import nearest
from labd.common.state_folder import loss, unfitness, view_support
from labd.model.config import SYSTEM_FILE, Config, load


def run(options: Options) -> int:
    """Set up, or with `options.remove` take away what an earlier run put. Raises LabdError."""
    installation.as_root("set up labd")
    placing = Placing(Teller(options.dry_run), manifest.load())
    try:
        if options.remove:
            remove.remove(placing)
        else:
            _set_up(placing, images=not options.no_images)
    finally:
        # Also what was put before something failed must be known the next time.
        if not options.dry_run and not options.remove and installation.STATE.is_dir():
            placing.manifest.save()
    if options.dry_run:
        print("\nNothing was changed (--dry-run).")
    return Exit.OK


def _set_up(placing: Placing, images: bool) -> None:
    placing.folder(installation.ETC, 0o755)
    placing.file(plan.config_file())
    config = load(SYSTEM_FILE) if SYSTEM_FILE.exists() else Config()
    check_disk(placing.teller, config.paths.state)
    for name in plan.GROUPS:
        placing.group(name)
    for path, mode in plan.folders(config).items():
        placing.folder(path, mode)
    for file in plan.files():
        placing.file(file)
    for path, target in plan.LINKS.items():
        placing.link(path, target)
    _service(placing, placing.file(plan.unit()))
    sshd.put(placing)
    if images:
        setup_images.make_missing(config, placing.teller)
    if not placing.teller.dry_run:
        _next_steps()


def check_disk(teller: Teller, state: Path) -> None:
    """Say at once what `labd doctor` and every job would say later. Raises ConfigError where the state cannot be."""
    mend = f"Name a folder on a local disk (ext4, xfs) as `state` below [paths] in {SYSTEM_FILE}; then set up again."
    try:
        if why := unfitness(state):
            raise ConfigError(f"{state} cannot hold labd's state: {why}.", mend)
        if why := loss(state):
            teller.note(f"{state} does not last: {why}.", mend)
        if why := view_support(state):
            teller.note(f"Programs will run from copies of their uploads, which takes time and room: {why}.", mend)
    except OSError as error:
        raise ConfigError(f"Nothing can be written in {nearest(state)}: {error.strerror}.", mend) from None


def _service(placing: Placing, changed: bool) -> None:
    teller = placing.teller
    if not systemd.is_here():
        teller.note("systemd does not run here.", f"Start the lab yourself: {installation.LINK} daemon")
        return
    if systemd.is_enabled():
        teller.found("labd starts with the machine")
    else:
        teller.change("enable", "labd.service, so that labd starts with the machine", systemd.enable)
    # Asked afterwards: from version 257 on, systemd also notices the link by which a unit is enabled.
    if changed or systemd.is_behind():
        if jobs := systemd.jobs_with_gpus():
            numbers = ", ".join(map(str, jobs))
            teller.note(
                f"systemd was not told of the new unit: that can take the GPUs from jobs that run ({numbers}).",
                "When they have ended: systemctl daemon-reload && systemctl restart labd",
            )
        else:
            teller.change("reload", "systemd's units", systemd.read_units)


def _next_steps() -> None:
    if systemd.is_here() and not systemd.is_active("labd.service"):
        print("\nStart the lab:     systemctl start labd", end="")
    print("\nMake an account:   labd adduser\nSee if all is well: labd doctor")
