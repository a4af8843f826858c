from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.accounts.files import AccountError, form, parse_limits, parse_push, set_disabled
from labd.accounts.welcome import GatewayAccess, text
from labd.common.errors import ConfigError, LabdError
from labd.common.schema import read_text
from labd.model.account_settings import AccountLimits, AccountSettings, PushTarget, account_file


def read(content: str) -> AccountSettings:
    return read_text(AccountSettings, content.encode(), "the account")


def test_what_is_written_is_what_is_read() -> None:
    limits = parse_limits("running=4, cpus=2.5,memory=32g,gpus=1,timeout=2d")
    push = parse_push("ana@[2001:db8::7]:2222:C:/results of mine")
    settings = read(form("Ana Silva, Genetics", True, limits, push))
    assert settings.comment == "Ana Silva, Genetics"
    assert settings.shell
    assert settings.limits == AccountLimits(4, 2.5, 32 * 1024**3, 1, 172800.0)  # type: ignore[arg-type]
    assert settings.push == PushTarget("ana", "2001:db8::7", "C:/results of mine", 2222)


def test_an_account_without_anything_special_is_an_empty_file() -> None:
    assert form("", False, {}, {}).strip() == ""


# What str.isprintable takes.
@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")))
def test_any_comment_survives(comment: str) -> None:
    assert read(form(comment, False, {}, {})).comment == comment


@pytest.mark.parametrize("limits", ["running", "running=", "speed=3", "memory=lots", "running=4.5", "cpus=-1", "=4"])
def test_a_limit_that_cannot_be_is_refused(limits: str) -> None:
    with pytest.raises(LabdError):
        form("", False, parse_limits(limits), {})


@pytest.mark.parametrize(
    ("target", "push"),
    [
        ("ana@pc.example.org:22:results", PushTarget("ana", "pc.example.org", "results")),
        ("ana@pc.example.org:results", PushTarget("ana", "pc.example.org", "results")),
        ("ana@192.0.2.7:2222:/data/my results", PushTarget("ana", "192.0.2.7", "/data/my results", 2222)),
        ("ana@[2001:db8::7]:22:C:/x", PushTarget("ana", "2001:db8::7", "C:/x")),
    ],
)
def test_a_target_is_read_as_people_write_it(target: str, push: PushTarget) -> None:
    assert read(form("", False, {}, parse_push(target))).push == push


@pytest.mark.parametrize(
    "target",
    ["", "pc:22:results", "ana@pc", "ana@2001:db8::7", "ana@pc:70000:x", "ana@-oProxyCommand=x:22:y", "-l@pc:22:y"],
)
def test_a_target_that_cannot_be_reached_is_refused(target: str) -> None:
    with pytest.raises(AccountError):
        form("", False, {}, parse_push(target))


@pytest.mark.parametrize(
    "content",
    ["", 'comment = "Ana"\n', '# mine\ncomment = "Ana"\n\n[limits]\nrunning = 4\n', "[limits]\nrunning = 4\n"],
)
def test_disabling_and_enabling_leaves_the_rest_of_a_file_as_it_was(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ana-silva.toml"
    file.write_text(content)
    for _ in range(2):
        set_disabled(file, True)
        assert account_file(file).disabled
    set_disabled(file, False)
    assert file.read_text() == content
    assert not account_file(file).disabled


def test_what_is_sent_to_a_researcher_has_all_they_need() -> None:
    access = GatewayAccess("lab.example.org", 2222, (("ED25519", "SHA256:abc"),))
    sent = text("ana-silva", access, "ana-silva-key")
    for part in ("HostName lab.example.org", "Port 2222", "User ana-silva", "~/.ssh/ana-silva-key", "SHA256:abc"):
        assert part in sent
    assert max(map(len, sent.splitlines())) <= 80


def test_a_pipe_in_the_place_of_an_account_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ana-silva.toml")
    with pytest.raises(ConfigError, match="is not a file"):
        account_file(tmp_path / "ana-silva.toml")
