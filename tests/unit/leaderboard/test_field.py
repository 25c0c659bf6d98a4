"""The whole field of a board in two charts."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.curves import HEIGHT, LEFT, RIGHT, WIDTH
from leaderboard.field import field_charts
from leaderboard.render import render
from leaderboard.standings import standings


def charts_of(reports):
    (board,) = standings(reports).boards
    return {chart.name: chart for chart in field_charts(board)}


def test_one_entry_is_no_field(grades):
    assert charts_of([grades.graded()]) == {}


def test_the_line_goes_through_those_that_nothing_cheaper_beats(grades):
    spent = {"a": (1e18, 9.0), "b": (1e19, 9.5), "c": (1e20, 8.5), "d": (1e21, 8.7)}
    reports = [
        grades.graded(user=name, loss=loss, facts={"training_flops": flops})
        for name, (flops, loss) in spent.items()
    ]
    chart = charts_of(reports)["effort"]
    assert [dot.row.report.entry.user_name for dot in chart.dots] == ["a", "b", "c", "d"]
    assert [dot.row.report.entry.user_name for dot in chart.best] == ["a", "c"]
    assert [tick.label for tick in chart.across] == ["1e18", "1e19", "1e20", "1e21"]
    assert (chart.dots[0].x, chart.dots[-1].x) == (LEFT, WIDTH - RIGHT)


def test_equal_effort_counts_its_best_alone(grades):
    reports = [grades.graded(user=name, loss=loss) for name, loss in (("a", 9.0), ("b", 8.0), ("c", 8.5))]
    chart = charts_of(reports)["effort"]
    assert [dot.row.report.entry.user_name for dot in chart.best] == ["b"]


def test_what_is_not_declared_has_no_place_and_is_counted(grades):
    reports = [grades.graded(user=name, loss=9) for name in "ab"]
    reports.append(grades.graded(user="c", loss=7, facts={"training_flops": 0.0}))
    assert charts_of(reports)["effort"].unknown == 1


def test_over_time_the_line_never_rises(grades):
    reports = [grades.graded(user=name, loss=loss) for name, loss in (("a", 9.0), ("b", 9.5), ("c", 8.5))]
    days = (
        replace(each, finished_at=f"2025-01-{day:02}T10:00:00+00:00") for day, each in enumerate(reports, 1)
    )
    chart = charts_of(list(days))["progress"]
    assert [dot.row.report.entry.user_name for dot in chart.best] == ["a", "c"]
    heights = [float(point.split(",")[1]) for point in chart.front.split()]
    assert heights == sorted(heights)
    assert all(0 <= height <= HEIGHT for height in heights)


def test_a_forbidden_reference_is_no_part_of_the_field(grades):
    reports = [grades.graded(user=name, loss=9) for name in "ab"]
    reports.append(grades.graded(user="c", loss=1, facts={"forbidden_reference": True}))
    for chart in charts_of(reports).values():
        assert [dot.row.report.entry.user_name for dot in chart.dots] == ["a", "b"]


def test_the_prize_line_is_drawn_where_it_is_on_the_chart(grades):
    near = [grades.graded(user=name, loss=loss) for name, loss in (("a", 9.0), ("b", 7.9))]
    far = [grades.graded(user=name, loss=loss) for name, loss in (("a", 12.0), ("b", 11.9))]
    assert charts_of(near)["progress"].prize is not None
    assert charts_of(far)["progress"].prize is None


def test_an_absurd_loss_does_not_flatten_the_chart(grades):
    reports = [grades.graded(user=name, loss=loss) for name, loss in (("a", 9.0), ("b", 1e30))]
    (_, highest) = charts_of(reports)["progress"].up[0], charts_of(reports)["progress"].up[-1]
    assert float(highest.label) <= 30


def test_the_page_shows_both_with_their_figures(grades):
    html = render(standings([grades.graded(user=name, loss=loss) for name, loss in (("a", 9.0), ("b", 8.0))]))
    assert html.count('class="front"') == 2
    assert "Loss by training" in html
    assert "Loss over time" in html
