"""Entrant text loses what hides or reorders, and nothing else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.plain_text import one_line, paragraphs


@pytest.mark.parametrize(
    "text", ["Genie 35M, muP", "מודל ראשון", "Café Ångström", "模型 №1", "a<b & 'c' \"d\""]
)
def test_ordinary_text_of_any_script_is_kept_as_it_is(text):
    assert one_line(text, limit=64) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\u2066b\u2069c\u200f", "abc"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("red\x1b[31m\x07", "red [31m"),
        ("two\r\nlines\u2028three", "two lines three"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("\u00a0 \t spaced  out ", "spaced out"),
        (None, ""),
        ("\u200b", ""),
    ],
)
def test_controls_and_direction_tricks_are_removed(text, shown):
    assert one_line(text, limit=64) == shown


def test_piled_up_marks_do_not_climb_over_other_lines():
    assert one_line("a" + "\u0301" * 50 + "b", limit=64) == "a" + "\u0301" * 3 + "b"


def test_a_long_text_is_cut_at_its_limit():
    assert one_line("x" * 65, limit=64) == "x" * 63 + "…"
    assert one_line("x" * 64, limit=64) == "x" * 64


def test_paragraphs_keep_their_line_breaks_but_not_empty_pages():
    assert paragraphs("\n\none\ntwo\n\n\n\n\nthree\u202e\n", limit=2000) == "one\ntwo\n\nthree"
    assert len(paragraphs("y\n" * 5000, limit=2000)) <= 2000


@given(st.text(alphabet=st.characters(), max_size=200))
def test_whatever_comes_in_prints_and_encodes(text):
    for shown, breaks in ((one_line(text, limit=64), ""), (paragraphs(text, limit=2000), "\n")):
        shown.encode()  # raises on a lone surrogate
        assert all(unicodedata.category(c)[0] != "C" or c in breaks for c in shown)
