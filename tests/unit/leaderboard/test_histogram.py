"""The windows' deltas as bars: none is lost, lines stand at their values, and it can be read without being seen."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.report import RetrievalReport, Thresholds, Verdict
from leaderboard.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from leaderboard.histogram import histogram

HONEST = Thresholds(
    delta_max=0.25, delta_sd=0.05, delta_copied=0.4, window_delta=0.8, window_rate=0.01, windows_p=0.001,
    train_gap=None, near_bits=300, near_share=0.001, honest=5,
)  # fmt: skip


def drawn(*deltas, thresholds=HONEST, delta=None):
    found = RetrievalReport(verdict=Verdict.CLEAR, delta=delta, delta_by_window=deltas, thresholds=thresholds)
    return histogram(found)


def corners(bar):
    return [float(number) for number in re.findall(r"[\d.]+", bar.path)]


def test_without_windows_there_is_none():
    assert drawn() is None
    assert drawn(math.nan) is None


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=60))
def test_every_window_is_in_the_bar_of_its_delta_and_every_bar_in_the_drawing(deltas):
    chart = drawn(*deltas)
    assert sum(bar.windows for bar in chart.bars) == len(deltas)
    for value in deltas:
        assert any(bar.low - 1e-6 <= value <= bar.high + 1e-6 for bar in chart.bars)
    for bar in chart.bars:
        left, bottom, up, right, _ = corners(bar)
        assert LEFT - 0.1 <= left < right <= WIDTH - RIGHT + 0.1
        assert TOP <= up < bottom == HEIGHT - BOTTOM


def test_bars_are_as_high_as_their_windows_are_many():
    chart = drawn(*[0.01] * 4, 0.51, 0.52)
    heights = {bar.windows: corners(bar)[1] - corners(bar)[2] for bar in chart.bars}
    assert heights[4] == pytest.approx(2 * heights[2])


def test_lines_stand_at_their_values_among_the_bars():
    chart = drawn(0.0, 2.0, delta=0.5)
    at = {line.kind: line.at for line in chart.lines}
    assert list(at) == ["mean", "honest", "copied", "window"]
    per_nat = (at["window"] - at["copied"]) / 0.4
    assert at["mean"] == pytest.approx(at["copied"] + 0.1 * per_nat, abs=0.2)
    assert at["honest"] == pytest.approx(at["copied"] - 0.15 * per_nat, abs=0.2)


def test_bars_beyond_the_line_of_single_windows_are_flagged_and_counted():
    chart = drawn(0.1, 0.79, 0.81, 1.5)
    assert [bar.flagged for bar in chart.bars] == [False, False, True, True]
    assert chart.flagged == 2
    assert "2 beyond the line of single windows" in chart.in_words


def test_without_a_panel_no_bar_is_flagged():
    chart = drawn(0.1, 5.0, thresholds=None, delta=0.2)
    assert not any(bar.flagged for bar in chart.bars)
    assert chart.flagged is None
    assert "beyond" not in chart.in_words


def test_it_says_in_words_what_it_draws():
    assert drawn(-0.1, 0.2, 0.3, delta=0.15, thresholds=None).in_words == (
        "Delta of 3 windows: from \N{MINUS SIGN}0.100 to +0.300, half of them below +0.200. "
        "Lines: all windows together +0.150. All figures are in the table below."
    )


@pytest.mark.parametrize("deltas", [(0.5,), (0.5, 0.5), (0.0,), (-3.0, 40.0)])
def test_ticks_are_in_order_and_in_the_drawing(deltas):
    chart = drawn(*deltas, thresholds=None)
    for ticks in (chart.across, chart.up):
        assert len({tick.label for tick in ticks}) == len(ticks) >= 2
    places = [tick.at for tick in chart.across]
    assert places == sorted(places)
    assert LEFT <= places[0] <= places[-1] <= WIDTH - RIGHT
    assert all("." not in tick.label for tick in chart.up)
