"""Curves lie inside their chart, mean what its axes say, and can be read without seeing them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curve, Part, chart


def curve(*values, first=8, name="this entry", part=Part.OWN):
    return Curve(name=name, part=part, first_frame=first, values=values)


def drawn(*curves, **options):
    settings = {"name": "x", "title": "LPIPS", "unit": "distance", "better": "lower is better", "decimals": 2}
    return chart(curves, **(settings | options))


def test_there_is_no_chart_of_nothing():
    assert drawn() is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=15))
def test_every_point_lies_inside_and_between_the_first_tick_and_the_last(values):
    shown = drawn(curve(*values))
    ups = [tick.at for tick in shown.up]
    assert 2 <= len(ups) <= 7
    for stroke in shown.strokes:
        for x, y in stroke.dots:
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP - 0.1 <= ups[-1] - 0.1 <= y <= ups[0] + 0.1 <= HEIGHT - BOTTOM + 0.2


def test_a_larger_value_is_drawn_higher_and_ticks_are_round_numbers():
    shown = drawn(curve(0.21, 0.29, 0.34))
    (stroke,) = shown.strokes
    assert [y for _, y in stroke.dots] == sorted((y for _, y in stroke.dots), reverse=True)
    assert [tick.label for tick in shown.up] == ["0.20", "0.25", "0.30", "0.35"]
    assert [tick.label for tick in shown.across] == ["8", "9", "10"]


def test_a_point_at_a_tick_is_drawn_at_the_tick():
    shown = drawn(curve(7.0, 9.0, 10.0))
    places = {float(tick.label): tick.at for tick in shown.up}
    assert [y for _, y in shown.strokes[0].dots] == [places[7.0], places[9.0], places[10.0]]


def test_equal_values_still_have_an_axis():
    shown = drawn(curve(8.5, 8.5))
    assert len({tick.label for tick in shown.up}) == len(shown.up) >= 2


def test_curves_of_different_frames_share_the_axis():
    shown = drawn(curve(1.0, 2.0, 3.0, first=1), curve(4.0, first=3, name="late", part=Part.OWN_SECOND))
    assert list(shown.frames) == [1, 2, 3]
    late = next(stroke for stroke in shown.strokes if stroke.curve.name == "late")
    assert late.dots[0][0] == shown.across[-1].at
    assert list(shown.cells(shown.curves[1])) == ["", "", "4.00"]


def test_the_entrys_own_curves_are_drawn_above_the_others_and_named_first():
    shown = drawn(curve(1.0, 2.0), curve(1.5, 1.6, name="rival", part=Part.RIVAL))
    assert [stroke.curve.name for stroke in shown.strokes] == ["rival", "this entry"]
    assert shown.curves[0].name == "this entry"


@pytest.mark.parametrize(("others", "beside"), [(0, ""), (1, "; beside 1 other"), (3, "; beside 3 others")])
def test_the_chart_is_said_in_words(others, beside):
    rivals = [curve(1.0, 1.0, name=f"r{n}", part=Part.RIVAL) for n in range(others)]
    assert drawn(curve(0.2, 0.35), *rivals).in_words == (
        f"LPIPS by frame (distance): this entry from 0.20 at frame 8 to 0.35 at frame 9{beside}. "
        "All figures are in the table below."
    )
