"""The whole field of a board in two charts."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import datetime, timedelta

from leaderboard.curves import HEIGHT, LEFT, RIGHT, WIDTH
from leaderboard.field import Field, field_of
from leaderboard.render import render
from leaderboard.standings import standings


def drawn(reports):
    (board,) = standings(reports).boards
    return field_of(board)


def charts_of(reports):
    return {chart.name: chart for chart in drawn(reports).charts}


def on_days(grades, losses, *, days=None):
    """A grade of an entry of its own for each loss, on the days from 1 January 2025 on, or on these."""
    return [
        replace(
            grades.graded(user=f"u{index}", loss=loss),
            finished_at=(datetime(2025, 1, 1, 10) + timedelta(days=day)).isoformat() + "+00:00",
        )
        for index, (loss, day) in enumerate(zip(losses, days or range(len(losses)), strict=True))
    ]


def test_one_entry_is_no_field(grades):
    assert drawn([grades.graded()]) == Field(charts=(), worse=0, only_day=None)


def test_grades_of_one_day_have_no_course_over_time_and_the_page_says_so(grades):
    reports = on_days(grades, [9.0, 8.5, 8.0], days=[3, 3, 3])
    assert "progress" not in charts_of(reports)
    assert drawn(reports).only_day == "2025-01-04"
    html = " ".join(re.sub("<[^>]+>", "", render(standings(reports))).split())
    assert "All grades are of one day, 2025-01-04: no course over time yet." in html


def test_two_grades_are_one_step_between_two_days(grades):
    chart = charts_of(on_days(grades, [9.0, 8.0], days=[0, 40]))["progress"]
    assert [(dot.x, dot.is_best) for dot in chart.dots] == [(LEFT, True), (WIDTH - RIGHT, True)]
    assert len(chart.front.split()) == 4, "across, and down"
    assert [tick.label for tick in chart.across] == ["1 Jan", "11 Jan", "21 Jan", "31 Jan", "10 Feb"]
    assert chart.across_title == "day of the grade, 2025"


def test_200_grades_of_two_years_have_few_ticks_on_whole_days(grades):
    rng = random.Random(1)
    losses = [9.5 - 0.005 * index + rng.random() for index in range(200)]
    chart = charts_of(on_days(grades, losses, days=[3 * index for index in range(200)]))["progress"]
    assert len(chart.dots) == 200
    assert len(chart.across) <= 5
    assert len({tick.label for tick in chart.across}) == len(chart.across)
    assert chart.across[0].label == "Jan 2025"
    assert chart.across_title == "day of the grade, 2025 to 2026"


def test_what_is_worse_than_guessing_is_counted_and_not_drawn(grades):
    """One such loss would flatten every other one."""
    found = drawn(on_days(grades, [9.0, 8.0, 12.9]))
    assert found.worse == 1
    assert {len(chart.dots) for chart in found.charts} == {2}
    assert drawn(on_days(grades, [12.9, 13.0])).worse == 0, "where all are, all are drawn"


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
    reports = on_days(grades, [9.0, 9.0])
    reports.append(grades.graded(user="c", loss=1, facts={"forbidden_reference": True}))
    for chart in charts_of(reports).values():
        assert [dot.row.report.entry.user_name for dot in chart.dots] == ["u0", "u1"]


def test_the_prize_line_is_drawn_where_it_is_on_the_chart(grades):
    near, far = on_days(grades, [9.0, 7.9]), on_days(grades, [12.0, 11.9])
    assert charts_of(near)["progress"].prize is not None
    assert charts_of(far)["progress"].prize is None


def test_an_absurd_loss_does_not_flatten_the_chart(grades):
    reports = on_days(grades, [12.9, 1e30])
    (_, highest) = charts_of(reports)["progress"].up[0], charts_of(reports)["progress"].up[-1]
    assert float(highest.label) <= 30


def test_the_page_shows_both_with_their_figures(grades):
    html = render(standings(on_days(grades, [9.0, 8.0])))
    assert html.count('class="front"') == 2
    assert "Loss by training" in html
    assert "Loss over time" in html
