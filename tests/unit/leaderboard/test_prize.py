"""Who was first below the prize line: of private data only, and of those who may win."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.protocol.regimes import Regime
from harness.results.fairness import Fairness
from harness.results.withdrawals import Move, Withdrawal
from leaderboard.exports import grade_to_json, to_json
from leaderboard.grade_pages import grade_pages
from leaderboard.ladder import announce
from leaderboard.prize import Bar
from leaderboard.render import render, render_grade
from leaderboard.standings import standings

TTF = Regime.TEMPORALLY_TEACHER_FORCED


def crossing(reports, withdrawn=()):
    announced = announce(
        reports,
        decisions=[
            Withdrawal(
                move=Move.WITHDRAWN,
                grade_id=report.grade_id,
                by="rita",
                reason="a mistake",
                at="2025-02-01T00:00:00+00:00",
            )
            for report in withdrawn
        ],
    )
    (board,) = standings(reports, announced).boards
    return board.crossing and board.crossing.report.entry.user_name


def test_the_first_below_the_line_is_named_not_the_best(grades):
    reports = [
        grades.graded(user="a", loss=8.3),
        grades.graded(user="b", loss=7.9),
        grades.graded(user="c", loss=7.1),
    ]
    assert crossing(reports) == "b"
    shown = standings(reports, announce(reports))
    text = text_of(render(shown))
    assert "First below 8.0:" in text
    assert "2025-01-01, 7.90 (95% interval 7.85 to 7.95)" in text
    first = to_json(shown)["boards"][0]["first_below_prize_loss"]
    assert (first["user"], first["loss"], first["loss_ci"]) == ("b", 7.9, [7.85, 7.95])


def test_the_mean_decides_as_it_is_published(grades):
    assert crossing([grades.graded(loss=7.99)]) == "ada", "although its interval reaches over the line"
    assert crossing([grades.graded(loss=7.996)]) is None, "it is published as 8.00"
    assert crossing([grades.graded(loss=8.0)]) is None


def test_an_earlier_grade_of_the_same_entry_counts_although_a_later_one_stands(grades):
    reports = [
        grades.graded(user="a", loss=7.9),
        grades.graded(user="b", loss=7.8),
        grades.graded(user="a", loss=7.2),
    ]
    assert crossing(reports) == "a"


def test_public_data_has_no_prize(grades):
    """The control is `is_private`; the same grade on private data is its twin."""
    reports = [grades.graded(loss=7.0, provenance={"data_name": "val"})]
    assert crossing(reports) is None
    assert crossing([grades.graded(loss=7.0)]) == "ada"
    html = text_of(render(standings(reports, announce(reports))))
    assert "Nothing here wins the prize, below 8.0 or not: everybody has this data." in html
    assert "No prize:" not in html, "the line above the table says it for all rows"


UNFIT = {
    "forbidden_reference": {"facts": {"forbidden_reference": True}},
    "wants_none": {"facts": {"eligible_for_prize": False}},
    "self_run": {"provenance": {"sandbox": "process"}},
    "order_leaks": {"provenance": {"order_leaks": True}},
    "some_windows": {"provenance": {"max_windows": 24}},
}


@pytest.mark.parametrize("unfit", [*UNFIT.values(), {"provenance": {"order_leaks": None}}])
def test_who_may_not_win_is_passed_over(grades, unfit):
    """The control is `prize.bars`, one condition each; the twin is the same grade without what makes it unfit."""
    assert crossing([grades.graded(user="eve", loss=7.0), grades.graded(user="ada", loss=7.5)]) == "eve"
    assert (
        crossing([grades.graded(user="eve", loss=7.0, **unfit), grades.graded(user="ada", loss=7.5)]) == "ada"
    )


@pytest.mark.parametrize("name", UNFIT)
def test_the_row_and_the_page_of_a_loss_below_the_line_say_why_it_cannot_win(grades, name):
    reports = [grades.graded(loss=7.0, **UNFIT[name])]
    shown = standings(reports, announced := announce(reports))
    (board,) = to_json(shown)["boards"]
    assert board["rows"][0]["prize"]["barred_by"] == [name]
    html = text_of(render(shown))
    assert f"No prize: {Bar(name).reason}" in html
    assert "1 below 8.0 cannot win; its row says why." in html
    (page,) = grade_pages(reports, shown, announced=announced)
    assert f"It cannot win the prize: {Bar(name).reason}." in text_of(render_grade(page))
    assert grade_to_json(page)["prize"]["barred_by"] == [name]


def test_a_loss_above_the_line_needs_no_reason(grades):
    reports = [grades.graded(loss=8.5, **UNFIT["self_run"])]
    shown = standings(reports, announced := announce(reports))
    (page,) = grade_pages(reports, shown, announced=announced)
    assert "No prize" not in text_of(render(shown)) + text_of(render_grade(page))


def test_the_page_of_who_may_win_says_whether_it_was_first(grades):
    reports = [grades.graded(user="a", loss=7.9), grades.graded(user="b", loss=7.1)]
    shown = standings(reports, announced := announce(reports))
    first, second = (text_of(render_grade(page)) for page in grade_pages(reports, shown, announced=announced))
    assert "It was the first so on this private data" in first
    assert "It may win, but first by a was first, on 2025-01-01." in second


def text_of(html):
    return " ".join(re.sub("<[^>]+>", "", html).split())


def test_a_withdrawn_grade_is_passed_over(grades):
    """The control is `announced.withdrawn` in `prize.bars`."""
    eve, ada = grades.graded(user="eve", loss=7.0), grades.graded(user="ada", loss=7.5)
    assert crossing([eve, ada]) == "eve"
    assert crossing([eve, ada], withdrawn=[eve]) == "ada"


def test_the_organisers_own_entry_is_passed_over(grades):
    """The control is `announced.own` in `prize.bars`; without `organisers` the same grade is the first."""
    reports = [grades.graded(user="Host", loss=7.0), grades.graded(user="ada", loss=7.5)]
    for rules, first in ((Fairness(), "Host"), (Fairness(organisers=("host",)), "ada")):
        (board,) = standings(reports, announce(reports, rules)).boards
        assert board.crossing.report.entry.user_name == first


def test_a_grade_that_is_not_announced_crosses_nothing(grades):
    """8.03 is announced, and 7.985 does not leave its interval: `standings` passes on what is announced alone, and
    what is not has no figures in publishable form. The twin is the same grade without the one before it."""
    reports = [grades.graded(entry="one", loss=8.03), grades.graded(entry="two", loss=7.985)]
    assert crossing(reports) is None
    assert crossing(reports[1:]) == "ada"


def test_reservations_stand_beside_the_name(grades):
    reports = [grades.graded(loss=7.5, carried_state=True)]
    html = render(standings(reports, announce(reports)))
    assert "With reservations: carried state" in " ".join(html.split())


def test_where_nobody_is_below_the_page_says_so(grades):
    reports = [grades.graded(loss=8.5)]
    html = render(standings(reports, announce(reports)))
    assert "no eligible entry has been below 8.0" in " ".join(html.split())


def test_whoever_wants_no_prize_is_marked_and_ranked(grades):
    report = grades.graded(loss=7.5, facts={"eligible_for_prize": False})
    shown = standings([report], announce([report]))
    assert [(row.rank, row.unranked, [mark.value for mark in row.marks]) for row in shown.boards[0].rows] == [
        (1, None, ["no_prize"])
    ]
    assert replace(report.entry, eligible_for_prize=True).eligible_for_prize


def scored_again(grades, report, loss):
    """A later record that scores the same answers."""
    return replace(grades.graded(user=report.entry.user_name, loss=loss), regrade_of=report.grade_id)


def test_a_mistake_that_was_corrected_crosses_nothing(grades):
    """The control is `Bar.SCORED_AGAIN`: without it eve's 7.90 would stay the first although it is known to be 8.40."""
    eve, ada = grades.graded(user="eve", loss=7.90), grades.graded(user="ada", loss=7.95)
    again = scored_again(grades, eve, 8.40)
    assert crossing([eve, ada]) == "eve"
    assert crossing([eve, ada, again]) == "ada"
    shown = standings([eve, ada, again], announced := announce([eve, ada, again]))
    page = next(iter(grade_pages([eve, ada, again], shown, announced=announced)))
    assert "It cannot win the prize: its answers were scored again, and that counts." in text_of(
        render_grade(page)
    )
    assert crossing([eve, ada, again], withdrawn=[again]) == "eve", "a withdrawn correction corrects nothing"


def test_of_a_chain_of_corrections_only_the_last_counts(grades):
    eve, ada = grades.graded(user="eve", loss=7.90), grades.graded(user="ada", loss=7.95)
    second = scored_again(grades, eve, 7.85)
    third = scored_again(grades, second, 8.40)
    assert crossing([eve, ada, second]) == "eve"
    assert crossing([eve, ada, second, third]) == "ada"


def test_a_correction_counts_from_the_day_of_the_grade_that_it_corrects(grades):
    """The control is `by_run` in `first_below`: by the time of its record the correction would come after ada's."""
    eve = grades.graded(user="eve", loss=8.20)
    ada = replace(grades.graded(user="ada", loss=7.95), finished_at="2025-02-01T00:00:00+00:00")
    again = replace(scored_again(grades, eve, 7.80), finished_at="2025-03-01T00:00:00+00:00")
    reports = [eve, ada, again]
    assert crossing([eve, ada]) == "ada"
    assert crossing(reports) == "eve"
    shown = standings(reports, announce(reports))
    assert "First below 8.0: first by eve, 2025-01-01, 7.80" in text_of(render(shown))
    assert to_json(shown)["boards"][0]["first_below_prize_loss"]["counts_from"][:10] == "2025-01-01"


def test_a_correction_of_what_was_never_announced_counts_from_its_own_day(grades):
    """Else a figure that nobody was told of would take the first place from somebody who was."""
    first, held_back = grades.graded(user="eve", loss=8.03), grades.graded(user="eve", loss=7.985)
    ada, again = grades.graded(user="ada", loss=7.5), scored_again(grades, held_back, 7.0)
    assert crossing([first, held_back, ada, again]) == "ada"
    assert crossing([first, held_back, again]) == "eve"
