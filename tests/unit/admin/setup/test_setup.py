from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labd.admin.setup import manifest as setup_manifest
from labd.admin.setup import plan, sshd
from labd.admin.setup.manifest import Fate, Manifest, Put, sha256
from labd.cli.commands import COMMANDS
from labd.client.writing import write_whole
from labd.common import installation
from labd.common.errors import ConfigError
from labd.model.config import SYSTEM_FILE, Paths, bundled

ROOT = Path(__file__).resolve().parents[4]
OLD, NEW, OWN = b"the default of today\n", b"the default of tomorrow\n", b"the administrator's\n"


# A file that is there already


@pytest.mark.parametrize(
    ("there", "put", "fate"),
    [
        (None, None, Fate.MAKE),
        (None, Put(sha256(OLD), sha256(OLD)), Fate.MAKE),
        (NEW, None, Fate.FOUND),
        (NEW, Put(sha256(OLD), sha256(OLD)), Fate.FOUND),
        (OLD, Put(sha256(OLD), sha256(OLD)), Fate.UPDATE),
        (OWN, None, Fate.OFFER),
        (OWN, Put(sha256(OLD), sha256(OLD)), Fate.OFFER),
        (OWN, Put(sha256(OLD), sha256(NEW)), Fate.KEEP),
        (OWN, Put("", sha256(NEW)), Fate.KEEP),
    ],
)
def test_a_file_is_updated_only_if_setup_itself_wrote_it(
    tmp_path: Path, there: bytes | None, put: Put | None, fate: Fate
) -> None:
    file = tmp_path / "config.toml"
    if there is not None:
        file.write_bytes(there)
    manifest = Manifest(files={str(file): put} if put else {})
    assert manifest.fate(file, NEW) is fate


def test_a_file_that_was_there_before_never_becomes_setups_own(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(NEW)
    manifest = Manifest()
    manifest.note(file, NEW, manifest.fate(file, NEW))
    assert not manifest.is_unchanged(file)
    assert manifest.fate(file, OLD) is Fate.OFFER


def test_what_setup_wrote_is_its_own_until_somebody_changes_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    manifest = Manifest()
    manifest.note(file, NEW, Fate.MAKE)
    file.write_bytes(NEW)
    assert manifest.is_unchanged(file)
    file.write_bytes(OWN)
    assert not manifest.is_unchanged(file)


def test_the_list_of_what_was_put_survives_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_manifest, "FILE", tmp_path / "setup.json")
    assert setup_manifest.load() == Manifest()
    manifest = Manifest(["labd"], ["/etc/labd"], {"/etc/labd/config.toml": Put("a", "b")}, {"/usr/local/bin/labd": "x"})
    manifest.save()
    assert setup_manifest.load() == manifest


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', json.dumps({"files": {}, "more": 1})])
def test_a_damaged_list_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(setup_manifest, "FILE", tmp_path / "setup.json")
    setup_manifest.FILE.write_text(text)
    with pytest.raises(ConfigError, match="damaged"):
        setup_manifest.load()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, OLD, 0o640)
    assert file.read_bytes() == OLD
    assert file.stat().st_mode & 0o777 == 0o640
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(file, NEW, 0o640)
    assert list(tmp_path.iterdir()) == [file]


# What comes with labd


def test_every_path_of_this_installation_is_put_into_the_files() -> None:
    here = str(installation.prefix())
    assert f"ExecStart={here}/bin/labd daemon" in plan.unit().content.decode()
    assert f"ForceCommand {installation.gateway_command()}\n" in plan.sshd(with_sftp=False).content.decode()


def test_the_places_are_those_of_the_config() -> None:
    assert Paths().state == installation.STATE
    assert Paths().accounts.parent == SYSTEM_FILE.parent == installation.ETC


def test_everything_that_setup_puts_comes_with_the_installed_package() -> None:
    wheel = (ROOT / "pyproject.toml").read_text()
    for name in ("config.toml", "systemd", "system", "templates"):
        assert bundled(name).exists()
        assert re.search(rf'^"?{name}"? = "labd/{name}"$', wheel, re.MULTILINE)


def test_the_unit_keeps_homes_and_state_on_one_mount() -> None:
    """Each of these would put a folder on a mount of its own, and no hard link crosses mounts (link(2), EXDEV)."""
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(plan.unit().content.decode())
    service = unit["Service"]
    assert service["ProtectSystem"] == "full"
    assert not {"ReadWritePaths", "StateDirectory", "BindPaths", "ProtectHome", "TemporaryFileSystem"} & set(service)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's tools")
def test_the_unit_is_confined_and_systemd_understands_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "labd.service"
    file.write_bytes(plan.unit().content)
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=35", "--no-pager", str(file)]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout[-300:]
    assert "Unknown" not in judged.stderr


def test_only_two_definitions_of_sftp_differ_in_sshds_settings() -> None:
    without, with_it = (plan.sshd(with_sftp=sftp).content.decode().splitlines() for sftp in (False, True))
    assert set(with_it) - set(without) == {"Subsystem sftp internal-sftp"}
    # A definition is for everybody, and so has to stand before the first condition.
    assert with_it.index("Subsystem sftp internal-sftp") < with_it.index("Match Group labd")


@pytest.mark.parametrize(
    ("main", "included"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n", True),
        ("  include sshd_config.d/*.conf\n", True),
        ('Include "/etc/ssh/sshd_config.d/*.conf"\n', True),
        ("Include /etc/ssh/other.d/*.conf /etc/ssh/sshd_config.d/labd.conf\n", True),
        ("#Include /etc/ssh/sshd_config.d/*.conf\n", False),
        ("Match User git\nInclude /etc/ssh/sshd_config.d/*.conf\n", False),
        ("UsePAM yes\n", False),
        ("", False),
    ],
)
def test_sshd_knows_of_labd_only_where_its_main_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: str, included: bool
) -> None:
    folder = tmp_path / "ssh"
    folder.mkdir()
    monkeypatch.setattr(sshd, "SSHD_MAIN", folder / "sshd_config")
    monkeypatch.setattr(sshd, "SSHD", folder / "sshd_config.d" / "labd.conf")
    (folder / "sshd_config").write_text(main.replace("/etc/ssh", str(folder)))
    assert sshd.is_included() is included


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("labd ''", {*COMMANDS}),
        ("labd key ''", {"add", "list", "remove"}),
        ("labd logs --f", {"--follow"}),
        ("labd no-such ''", set()),
    ],
)
def test_bash_completes_what_the_help_says(typed: str, completed: set[str]) -> None:
    script = bundled("system") / "completion.bash"
    ask = f'. {script}; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _labd; echo "${{COMPREPLY[@]}}"'
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    said = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) == completed
    assert said.stderr == ""


def test_the_installer_is_a_shell_script_that_parses() -> None:
    subprocess.run(["sh", "-n", ROOT / "tools" / "install"], check=True)


def test_the_server_gets_what_development_has_and_no_tools_of_it() -> None:
    def pinned(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))

    everything, server, build = (pinned(f"requirements{part}.lock") for part in ("", "-server", "-build"))
    assert server <= everything
    assert build <= everything
    assert not {"mypy", "pytest", "ruff", "hatchling"} & {pin.partition("==")[0] for pin in server}
