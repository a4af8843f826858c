from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.mounts import parse
from labd.common.octal import octal_decoded


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        (r"\303\244", "ä"),
        (r"with\040space\134and\012line", "with space\\and\nline"),
        (r"\377", "\udcff"),
        (r"\40", r"\40"),
        (r"\389 \8", r"\389 \8"),
        ("\\", "\\"),
        (r"\\303", "\\Ã".encode("latin-1").decode(errors="surrogateescape")),
        ("ä \\303\\244 \udcff", "ä ä \udcff"),
    ],
)
def test_octal_digits_are_bytes_again(text: str, decoded: str) -> None:
    assert octal_decoded(text) == decoded


@given(st.binary())
def test_every_name_of_a_file_survives(name: bytes) -> None:
    written = "".join(f"\\{byte:03o}" for byte in name)
    assert os.fsencode(octal_decoded(written)) == name
    assert os.fsencode(octal_decoded(written.replace("\\", "\\#"), "\\#")) == name


def test_another_mark_leaves_backslashes_as_they_are() -> None:
    assert octal_decoded(r"a\\b\303\#303\#244\#", "\\#") == r"a\\b\303ä\#"


def test_a_line_of_mountinfo_has_spaces_and_line_ends_in_octal() -> None:
    mount = parse(r"36 35 98:0 / /mnt/my\040disk\134\012x rw,noexec master:1 - ext3 /dev/root rw,lowerdir=/a\040b")
    assert mount.point == "/mnt/my disk\\\nx"
    assert mount.details.endswith("lowerdir=/a b")
