from __future__ import annotations

import subprocess
import sys

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from labd.common.toml_files import as_toml, with_key

WORDS = st.text(alphabet=st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)
ADMINISTRATORS = (
    "",
    'comment = "Ana"\n',
    "# mine",
    '# mine\ncomment = "Ana" # a colleague\n\n# of the year\n[limits]\nrunning = 4\n',
    "\n\n[limits] # see below\nrunning = 4\ncpus = 2.50\n\n[push]\nuser = 'ana'\n",
    "# Windows\r\n\r\n[limits]\r\nrunning = 4\r\n",
    'comment = """\ndisabled = true\n[not a table]\n"""\nhome = "/x"\n',
    'zeta = 1\nalpha   =   2\nlist = [\n  1, # one\n  2,\n]\n"quoted key" = 1\n',
)


@given(st.dictionaries(WORDS, VALUES, max_size=4))
def test_what_is_written_reads_as_the_same(values: dict[str, object]) -> None:
    assert tomli.loads(as_toml(values)) == values


def test_what_is_none_is_left_out() -> None:
    assert tomli.loads(as_toml({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


@pytest.mark.parametrize("text", ADMINISTRATORS)
def test_a_key_comes_and_goes_and_all_else_stays_as_it_was_written(text: str) -> None:
    changed = with_key(text.encode(), "disabled", True)
    assert tomli.loads(changed.decode()) == {**tomli.loads(text), "disabled": True}
    assert changed.decode().endswith(text)
    assert with_key(changed, "disabled", True) == changed
    assert with_key(changed, "disabled", None).decode() == text


def test_a_key_that_is_there_is_changed_where_it_stands() -> None:
    text = '# mine\n"disabled" = false # since May\ncomment = "Ana"\n[limits]\n'
    assert with_key(text.encode(), "disabled", True).decode() == text.replace("false", "true")
    assert with_key(text.encode(), "disabled", None).decode() == '# mine\ncomment = "Ana"\n[limits]\n'


def test_a_key_of_the_same_name_in_a_table_is_another_one() -> None:
    text = "[limits]\ndisabled = true\n"
    assert with_key(text.encode(), "disabled", None).decode() == text
    assert with_key(text.encode(), "disabled", True).decode() == f"disabled = true\n{text}"


def test_a_mark_at_the_beginning_does_not_come_between_two_keys() -> None:
    changed = with_key('\ufeffcomment = "Ana"\n'.encode(), "disabled", True)
    assert changed.decode() == 'disabled = true\ncomment = "Ana"\n'


@pytest.mark.parametrize("content", [b"[limits\n", b'comment = "\xff"\n'])
def test_what_is_not_toml_is_not_changed(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        with_key(content, "disabled", True)


@pytest.mark.parametrize("program", ["labd.gateway.questions", "labd.daemon.process", "labd.daemon.loop"])
def test_neither_the_gateway_nor_the_daemon_loads_what_writes_toml(program: str) -> None:
    code = f"import sys, {program}; sys.exit('tomlkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
