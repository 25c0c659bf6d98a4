"""Strokes stay inside their boxes and mean the same in every row."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.protocol.regimes import Regime
from leaderboard.charts import HEIGHT, SPARK_WIDTH, WIDTH, Scale, scales
from leaderboard.standings import standings


def points(path):
    """The corners of a relative path."""
    begin, *steps = re.findall(r"(-?[0-9.]+),?(-?[0-9.]+)", path)
    x, y = map(float, begin)
    corners = [(x, y)]
    for dx, dy in steps:
        x, y = x + float(dx), y + float(dy)
        corners.append((x, y))
    return corners


def test_an_axis_begins_at_its_smallest_loss_and_clamps_what_lies_outside():
    scale = Scale(low=8.0, high=10.0)
    assert [scale.along(loss, 100) for loss in (7.0, 8.0, 9.0, 10.0, 11.0)] == [2.0, 2.0, 50.0, 98.0, 98.0]
    assert Scale(low=8.0, high=8.0).along(8.0, 100) == 50.0


def test_whiskers_are_ordered_and_the_prize_is_drawn_only_where_it_fits(grades):
    near, far = grades.graded(loss=8.02), grades.graded(loss=11.0, provenance={"data_sha256": "9" * 64})
    boards = standings([near, far]).boards
    for board, shows_prize in zip(
        sorted(boards, key=lambda b: b.rows[0].result.loss), (True, False), strict=True
    ):
        whisker = scales(board).whisker(board.rows[0].result)
        assert 0 <= whisker.low < whisker.mean < whisker.high <= WIDTH
        assert (scales(board).prize is not None) is shows_prize


@pytest.mark.parametrize(
    ("regime", "frames"), [(Regime.FULLY_AUTOREGRESSIVE, 8), (Regime.TEMPORALLY_TEACHER_FORCED, 15)]
)
def test_a_sparkline_has_a_point_per_frame_and_starts_at_its_first(grades, regime, frames):
    (board,) = standings([grades.graded()]).boards
    drawn = points(scales(board).sparkline(board.rows[0].report.regimes[regime]))
    assert len(drawn) == frames
    assert all(0 <= x <= SPARK_WIDTH and 0 <= y <= HEIGHT for x, y in drawn)
    assert drawn[0][0] == pytest.approx(2.0 if frames == 15 else 37.0)
    assert drawn[-1][0] == pytest.approx(72.0)
    assert drawn[0][1] < drawn[-1][1], "a falling loss falls: y points down"


def test_one_absurd_loss_leaves_the_others_their_charts(grades):
    def honest_rows(*reports):
        (board,) = standings(reports).boards
        rows = [row for row in board.rows if row.report.entry.user_name == "ada"]
        return [(scales(board).whisker(row.result), scales(board).sparkline(row.result)) for row in rows]

    honest = [grades.graded(loss=8.5), grades.graded(entry="b", loss=9.5)]
    first, second = honest_rows(*honest, grades.graded(user="eve", loss=1e38))
    assert second[0].mean - first[0].mean > 5.0, "a nat is still a visible step"
    assert honest_rows(*honest)[0][1] == first[1], "its level sparkline stretches nobody's"


def test_a_board_of_absurd_losses_only_is_drawn(grades):
    (board,) = standings([grades.graded(loss=1e38)]).boards
    whisker = scales(board).whisker(board.rows[0].result)
    assert 0 <= whisker.low <= whisker.mean <= whisker.high <= WIDTH


def test_a_sparkline_of_equal_losses_is_level(grades):
    (board,) = standings([grades.graded()]).boards
    result = replace(board.rows[0].result, loss_by_frame=(9.0,) * 15)
    assert {y for _, y in points(scales(board).sparkline(result))} == {HEIGHT / 2}
