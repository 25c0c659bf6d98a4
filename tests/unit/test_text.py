"""Text from strangers cannot steer a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.text import printable, spelled_out


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\t", "\u202e", "\u2028", "\x00", "\ud800"]
)
def test_nothing_that_steers_a_terminal_is_shown(hostile: str) -> None:
    shown = printable(f"before{hostile}after")
    assert shown.startswith("before ")
    assert shown.endswith("after")
    assert shown.isprintable()


def test_letters_of_all_scripts_and_line_breaks_stay() -> None:
    assert printable("grüße\n世界 1") == "grüße\n世界 1"


@given(st.text() | st.binary())
def test_what_is_spelled_out_is_one_line_without_escapes(text: str | bytes) -> None:
    assert spelled_out(text).isprintable()


def test_spelling_out_leaves_plain_text_alone_and_cuts_long_text() -> None:
    assert spelled_out("grüße/a.py") == "grüße/a.py"
    assert spelled_out("x" * 100) == "x" * 80 + "... (100 characters)"
