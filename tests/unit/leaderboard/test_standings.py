"""Only what can be compared is ranked together, and nothing is ranked that should not be."""

from __future__ import annotations

import pytest

from harness.errors import Blame
from harness.protocol.regimes import Regime
from harness.spec import CHALLENGE
from leaderboard.marks import Mark
from leaderboard.references import PRIZE, UNIFORM
from leaderboard.standings import standings


def names(board):
    return [row.report.entry.entry_name for row in board.rows]


def test_an_empty_store_has_no_boards():
    empty = standings([])
    assert (empty.boards, empty.failed, empty.not_ranked, empty.latest) == ((), (), 0, None)


def test_the_lowest_loss_ranks_first(grades):
    (board,) = standings(grades.graded(entry=f"e{loss}", loss=loss) for loss in (9.5, 8.5, 9.0)).boards
    assert names(board) == ["e8.5", "e9.0", "e9.5"]
    assert [row.rank for row in board.rows] == [1, 2, 3]


def test_equal_published_losses_share_a_rank_and_the_next_one_is_skipped(grades):
    losses = {"a": 9.00001, "b": 9.00002, "c": 9.2}
    (board,) = standings(grades.graded(entry=name, loss=loss) for name, loss in losses.items()).boards
    assert [(row.rank, row.result.loss) for row in board.rows] == [(1, 9.0), (1, 9.0), (3, 9.2)]


def test_the_latest_grade_of_an_entry_counts_even_if_it_is_worse(grades):
    (board,) = standings([grades.graded(loss=8.5), grades.graded(loss=9.5)]).boards
    assert [row.result.loss for row in board.rows] == [9.5]


def test_the_same_entry_name_of_two_users_is_two_entries(grades):
    (board,) = standings([grades.graded(user="ada"), grades.graded(user="bob")]).boards
    assert len(board.rows) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"provenance": {"data_sha256": "99" * 32}},
        {"provenance": {"schedule": "upstream", "order_leaks": True}},
        {"provenance": {"spec_version": "2"}},
        {"windows": 8},
    ],
    ids=["clip", "schedule", "spec", "windows"],
)
def test_grades_of_different_windows_are_never_ranked_together(grades, other):
    reports = [grades.graded(loss=9.0), grades.graded(loss=8.0, **other), grades.graded(entry="b", loss=9.5)]
    boards = standings(reports).boards
    assert [names(board) for board in boards] == [["first", "b"], ["first"]]
    assert [row.rank for row in boards[1].rows] == [1]


def test_a_clip_that_was_renamed_is_still_the_same_data(grades):
    reports = [
        grades.graded(provenance={"data_name": "old"}),
        grades.graded(user="b", provenance={"data_name": "new"}),
    ]
    (board,) = standings(reports).boards
    assert (board.data_name, len(board.rows)) == ("new", 2)


def test_a_failure_does_not_take_an_earlier_grade_away(grades):
    shown = standings([grades.graded(), grades.failed(blame=Blame.OPERATOR, code="sandbox.failed")])
    assert len(shown.boards[0].rows) == 1
    assert shown.boards[0].rows[0].report.entry.entry_name == "first"


@pytest.mark.parametrize("blame", list(Blame))
def test_only_what_an_entry_did_is_on_the_page(grades, blame):
    shown = standings([grades.failed(blame=blame)])
    charged = blame is Blame.ENTRY
    assert (len(shown.failed), shown.not_charged) == ((1, 0) if charged else (0, 1))
    assert (shown.latest is not None) is charged


def sent_from(digit):
    return {"email_sha256": digit * 64}


def test_another_address_replaces_nobodys_row_and_is_marked(grades):
    reports = [grades.graded(loss=8.5, facts=sent_from("1")), grades.graded(loss=12.0, facts=sent_from("2"))]
    (board,) = standings(reports).boards
    assert [(row.result.loss, row.marks) for row in board.rows] == [(8.5, ()), (12.0, (Mark.OTHER_SENDER,))]


def test_a_user_name_is_taken_with_every_entry_name_and_spelling(grades):
    reports = [
        grades.graded(facts=sent_from("1")),
        grades.graded(user="Ada", entry="better", loss=8.0, facts=sent_from("2")),
        grades.graded(user="bob", facts=sent_from("2")),
    ]
    (board,) = standings(reports).boards
    marked = {row.report.entry.user_name: row.marks for row in board.rows}
    assert marked == {"ada": (), "Ada": (Mark.OTHER_SENDER,), "bob": ()}


def test_a_grade_from_before_addresses_were_kept_is_its_owners(grades):
    (board,) = standings([grades.graded(loss=9.0), grades.graded(loss=8.5, facts=sent_from("1"))]).boards
    assert [(row.result.loss, row.marks) for row in board.rows] == [(8.5, ())]


def test_a_grade_without_a_sandbox_never_replaces_one_in_a_sandbox(grades):
    alone = {"sandbox": "process"}
    docker, process = grades.graded(loss=9.0), grades.graded(loss=8.0, provenance=alone)
    for reports in ([docker, process], [process, docker]):
        (board,) = standings(reports).boards
        assert [row.report.provenance.sandbox for row in board.rows] == ["docker"]
    newer = grades.graded(loss=8.2, provenance=alone)
    assert standings([process, newer]).boards[0].rows[0].result.loss == 8.2


def test_failures_are_listed_latest_first_without_their_messages(grades):
    shown = standings([grades.failed(entry="one", message="SECRET"), grades.failed(entry="two")])
    assert [failed.entry for failed in shown.failed] == ["two", "one"]
    assert "SECRET" not in repr(shown)


def test_what_does_not_say_whose_it_is_is_no_row(grades):
    shown = standings([grades.failed(entry="one"), grades.failed(user=None, entry=None)])
    assert [failed.entry for failed in shown.failed] == ["one"]
    assert (shown.of_nobody, shown.not_charged) == (1, 0)


def test_a_grade_without_the_ranking_regime_is_counted_not_ranked(grades):
    shown = standings([grades.graded(regimes=(Regime.FULLY_AUTOREGRESSIVE,))])
    assert (shown.boards, shown.not_ranked) == ((), 1)
    assert shown.latest


def test_the_lines_stand_at_their_places(grades):
    losses = (7.99996, 8.0, 9.0, CHALLENGE.uniform_loss, 12.6)
    (board,) = standings(grades.graded(entry=str(loss), loss=loss) for loss in losses).boards
    order = [
        item.name if item in (PRIZE, UNIFORM) else item.report.entry.entry_name for item in board.listing
    ]
    assert order == ["7.99996", "prize", "8.0", "9.0", "uniform", str(CHALLENGE.uniform_loss), "12.6"]


@pytest.mark.parametrize(
    ("made", "marks"),
    [
        ({}, ()),
        ({"provenance": {"sandbox": "process"}}, (Mark.SELF_RUN,)),
        ({"provenance": {"order_leaks": True}}, (Mark.ORDER_LEAKS,)),
        ({"carried_state": True}, (Mark.CARRIED_STATE,)),
        ({"probe_failure": "guest.closed"}, (Mark.PROBE_UNFINISHED,)),
        ({"depends_on_neighbours": True}, (Mark.BATCH_DEPENDENT,)),
        ({"depends_on_neighbours": None}, ()),
        ({"carried_state": True, "depends_on_neighbours": True}, (Mark.CARRIED_STATE,)),
    ],
)
def test_a_grade_with_a_reservation_is_marked(grades, made, marks):
    (board,) = standings([grades.graded(**made)]).boards
    assert board.rows[0].marks == marks


def test_what_is_published_is_rounded(grades):
    row = standings([grades.graded(loss=9.123456789)]).boards[0].rows[0]
    assert row.result.loss == 9.1235
    assert row.result.loss_ci == (9.0722, 9.1722)
    assert (row.result.token_accuracy, row.result.seconds_per_frame) == (0.032, 0.075)
    assert all(value == round(value, 4) for value in row.result.loss_by_frame)
