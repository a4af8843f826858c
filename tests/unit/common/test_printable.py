from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.printable import for_terminal, one_line, printable, well_formed

ANYTHING = st.text(alphabet=st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("straße 東京 😀", "straße 東京 😀"),
        ("a\x00b\x07c\x1b[31md\x7fe\x9bf", "a?b?c?[31md?e?f"),
        ("two\nlines\r\n\tand a tab", "two?lines???and a tab"),
        ("two\u2028lines\u2029and\x85more\x0bto\x0ccome", "two?lines?and?more?to?come"),
        ("report\u202efdp.exe", "report?fdp.exe"),
        ("\u2066isolated\u2069 \u200eleft\u200f", "?isolated? ?left?"),
        ("no-utf-8-\udcff\udc80", "no-utf-8-??"),
        ("half of a pair \ud83d", "half of a pair ?"),
        ("zero\u200bwidth\ufeff", "zero?width?"),
    ],
)
def test_what_is_no_text_has_a_mark_in_its_place(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text, " ") == "".join(" " if mark == "?" else mark for mark in shown)


@given(ANYTHING)
def test_whatever_comes_one_line_of_the_same_length_goes_out(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert shown.encode().decode() == shown
    assert printable(shown) == shown


def test_very_long_text_stays_as_long_as_it_is() -> None:
    assert printable("x" * 1_000_000) == "x" * 1_000_000
    assert printable("\x1b" * 1_000_000) == "?" * 1_000_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [(" a\n", "a"), ("a\tb", "a b"), ("a\u202eb", "a b"), ("a\udcff", "a"), (7, "7"), (None, "None")],
)
def test_a_cell_of_a_table_is_one_line_without_spaces_around_it(text: object, shown: str) -> None:
    assert one_line(text) == shown


@given(ANYTHING)
def test_output_of_programs_can_colour_a_terminal_and_do_nothing_else_to_it(text: str) -> None:
    shown = re.sub(r"\x1b\[[\d;]*m", "", for_terminal(text))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\r\n", "plain\ttext\r\n"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2Jgone", "gone"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[?25lhidden", "hidden"),
        ("\x9b2Jgone", "2Jgone"),
        ("report\u202efdp.exe\u202c", "reportfdp.exe"),
        ("שלום\u200f!", "שלום\u200f!"),
        ("\udcff", ""),
    ],
)
def test_sequences_that_control_a_terminal_are_taken_out(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(b"plain", "plain"), ("ä".encode(), "ä"), (b"\xff", "\ufffd"), ("ä".encode()[1:] + b"b", "\ufffdb")],
)
def test_bytes_that_are_no_text_have_the_mark_of_unicode(raw: bytes, shown: str) -> None:
    assert well_formed(raw.decode(errors="surrogateescape")) == shown


def test_a_letter_that_was_cut_in_two_is_whole_again() -> None:
    first, second = (part.decode(errors="surrogateescape") for part in (b"stra\xc3", b"\x9fe"))
    assert well_formed(first + second) == "straße"
