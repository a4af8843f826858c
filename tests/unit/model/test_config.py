from __future__ import annotations

import re
from pathlib import Path

import pytest

from labd.common.errors import ConfigError
from labd.model.config import Config, bundled, for_user, load


def write(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text)
    return file


def test_the_commented_default_is_the_default() -> None:
    assert load(bundled("config.toml")) == Config()


def test_every_line_that_is_commented_out_is_valid_and_stands_for_the_default(tmp_path: Path) -> None:
    text = bundled("config.toml").read_text()
    opened = re.sub(r"^# (?=\w+ = (?!\"…\"))", "", text, flags=re.MULTILINE)
    opened = re.sub(r"^pip_conf = .*$", "", opened, flags=re.MULTILINE)
    opened = re.sub(r"^name = .*$", "", opened, flags=re.MULTILINE)
    assert opened.count("\n#") < text.count("\n#") - 20
    assert load(write(tmp_path, opened)) == Config()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[inbxo]", "no option `inbxo`", "inbox"),
        ("[inbox]\nsetle = 3", "no option `inbox.setle`", "settle"),
        ("[inbox]\nsettle = 'soon'", "inbox.settle is 'soon'; expected is a duration", ""),
        ("[machine]\ncpus = 'all'", "machine.cpus is 'all'; expected is a number", ""),
        ("[languages.python]\ndefault = '2.7'\nversions = { '3.11' = 'x' }", "default version 2.7 is not among", ""),
        ("[languages.python]\nversions = {}", "languages.python.default` is missing", ""),
        ("[[accounts]]\nname = 'a b'", "'a b' is no account name", ""),
        ("[[accounts]]\nname = 'a'\n[[accounts]]\nname = 'a'", "stands there twice", ""),
        ("x = [", "not valid TOML", ""),
    ],
)
def test_a_mistake_names_the_key_what_was_found_and_the_nearest_key(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no"):
        load(tmp_path / "none.toml")


def test_two_labs_on_one_machine_have_two_names_in_docker(tmp_path: Path) -> None:
    names = {
        Config().instance,
        for_user(Config(), tmp_path / "a").instance,
        for_user(Config(), tmp_path / "b").instance,
    }
    assert len(names) == 3
    assert Config().instance == "labd"
