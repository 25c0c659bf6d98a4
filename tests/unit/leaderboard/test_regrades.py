"""Regrades on the leaderboard: a correction counts, and counts where the grade that it corrects stood."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.results.report import GradeReport
from leaderboard.counting import by_run
from leaderboard.standings import standings


def regrade_of(report: GradeReport, grade_id: str, loss: float) -> GradeReport:
    regimes = {regime: result and replace(result, loss=loss) for regime, result in report.regimes.items()}
    return replace(report, grade_id=grade_id, regrade_of=report.grade_id, regimes=regimes)


def counted(*reports: GradeReport) -> list[str]:
    return [row.report.grade_id for board in standings(reports).boards for row in board.rows]


def test_the_latest_of_a_chain_of_regrades_counts(grades: Any) -> None:
    first = grades.graded(loss=8.0)
    second = regrade_of(first, "second", 8.1)
    third = regrade_of(second, "third", 8.2)
    assert counted(first, second, third) == ["third"]


def test_a_regrade_of_an_old_grade_does_not_take_the_place_of_the_latest(grades: Any) -> None:
    """Control: the order of runs. By the order of records the regrade would count."""
    old, new = grades.graded(loss=8.0), grades.graded(loss=8.5)
    late = regrade_of(old, "late", 7.0)
    assert counted(old, new) == [new.grade_id]
    assert counted(old, new, late) == [new.grade_id]


def test_reports_without_regrades_keep_their_order(grades: Any) -> None:
    reports = [grades.graded(loss=8.0 + number) for number in range(4)]
    assert by_run(reports) == reports
    late = regrade_of(reports[1], "late", 7.0)
    assert by_run([*reports, late]) == [*reports[:2], late, *reports[2:]]


def test_a_regrade_of_a_grade_that_is_not_there_stands_where_it_is(grades: Any) -> None:
    first, second = grades.graded(loss=8.0), grades.graded(loss=8.5)
    lost = replace(regrade_of(first, "lost", 7.0), regrade_of="gone")
    assert by_run([second, lost]) == [second, lost]
