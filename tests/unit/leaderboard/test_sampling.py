"""The sampling track ranks by LPIPS alone, and only what was measured the same way."""

from __future__ import annotations

import re

import pytest

from harness.protocol.regimes import Regime
from harness.scoring.perceptual import Metric
from leaderboard.marks import Mark
from leaderboard.measured import measured
from leaderboard.render import render, render_sampling
from leaderboard.standings import standings


def names(board):
    return [row.report.entry.entry_name for row in board.rows]


def test_the_lowest_lpips_ranks_first_whatever_the_loss_and_psnr(grades):
    reports = [
        grades.seen(0.3, entry="a", loss=8.0, psnr=30.0),
        grades.seen(0.2, entry="b", loss=10.0, psnr=10.0),
        grades.seen(0.25, entry="c", loss=9.0),
    ]
    (board,) = standings(reports).sampling
    assert names(board) == ["b", "c", "a"]
    assert [row.rank for row in board.rows] == [1, 2, 3]
    assert board.is_ranked
    assert board.why_unranked == ()


def test_equal_published_lpips_share_a_rank(grades):
    lpips = {"a": 0.20001, "b": 0.20002, "c": 0.3}
    (board,) = standings(grades.seen(value, entry=name) for name, value in lpips.items()).sampling
    assert [row.rank for row in board.rows] == [1, 1, 3]


def test_several_draws_rank_by_their_mean_and_never_by_the_best(grades):
    reports = [grades.seen(0.3, entry="lucky", draws=8), grades.seen(0.28, entry="steady")]
    (board,) = standings(reports).sampling
    assert names(board) == ["steady", "lucky"]
    lucky = board.rows[1].lpips
    assert (lucky.mean, lucky.best_of_k, lucky.draws) == (0.3, 0.25, 8)
    assert board.rows[1].report.regimes[Regime.FULLY_AUTOREGRESSIVE].lpips == 0.33, "of the first draw alone"
    assert (board.rows[0].lpips.best_of_k, board.rows[0].lpips.draws) == (None, 1)


def test_the_teacher_forced_lpips_stands_beside_it(grades):
    (board,) = standings([grades.seen(0.3, draws=3)]).sampling
    assert board.rows[0].lpips_forced.mean == 0.3
    (board,) = standings([grades.seen(0.3, regimes=(Regime.FULLY_AUTOREGRESSIVE,))]).sampling
    assert board.rows[0].lpips_forced is None


def test_without_lpips_nobody_has_a_rank_and_the_order_is_that_of_names(grades):
    reports = [grades.seen(None, entry="b", psnr=30.0), grades.seen(None, entry="a", psnr=10.0)]
    shown = standings(reports)
    (board,) = shown.sampling
    assert [(row.rank, row.report.entry.entry_name, row.psnr.mean) for row in board.rows] == [
        (None, "a", 10.0),
        (None, "b", 30.0),
    ]
    assert not board.is_ranked
    assert board.why_unranked == ("the weights of LPIPS are not there",)
    assert shown.unseen == ()


@pytest.mark.parametrize(
    "other",
    [
        {"provenance": {"codec_sha256": "99" * 32}},
        {"provenance": {"lpips_sha256": "99" * 32}},
        {"provenance": {"data_sha256": "99" * 32}},
        {"provenance": {"schedule": "upstream"}},
        {"windows": 8},
    ],
    ids=["codec", "weights", "clip", "schedule", "windows"],
)
def test_what_was_measured_differently_is_never_ranked_together(grades, other):
    reports = [grades.seen(0.3, entry="a"), grades.seen(0.2, entry="b", **other), grades.seen(0.4, entry="c")]
    boards = standings(reports).sampling
    assert [names(board) for board in boards] == [["a", "c"], ["b"]]
    assert boards[1].rows[0].rank == 1


def test_ranked_boards_come_before_those_without_a_rank(grades):
    reports = [grades.seen(None, entry=name) for name in "abc"] + [grades.seen(0.3, entry="d")]
    assert [board.is_ranked for board in standings(reports).sampling] == [True, False]


@pytest.mark.parametrize("ranked_first", [True, False])
def test_who_is_ranked_does_not_stand_without_a_rank_beside_it(grades, ranked_first):
    lpips = {False: None, True: 0.3}
    reports = [grades.seen(lpips[ranked == ranked_first]) for ranked in (True, False)]
    reports.append(grades.seen(None, entry="b"))
    assert [(board.is_ranked, names(board)) for board in standings(reports).sampling] == [
        (True, ["first"]),
        (False, ["b"]),
    ]
    (board,) = standings(reports[:2]).sampling
    assert (board.is_ranked, names(board)) == (True, ["first"])
    elsewhere = grades.seen(None, provenance={"data_sha256": "99" * 32})
    assert [names(board) for board in standings([*reports[:2], elsewhere]).sampling] == [["first"], ["first"]]


def test_two_codecs_without_lpips_are_two_boards(grades):
    reports = [grades.seen(None), grades.seen(None, provenance={"codec_sha256": "99" * 32})]
    assert [names(board) for board in standings(reports).sampling] == [["first"], ["first"]]


def test_the_latest_grade_of_an_entry_counts(grades):
    (board,) = standings([grades.seen(0.2), grades.seen(0.4)]).sampling
    assert [row.lpips.mean for row in board.rows] == [0.4]


def test_grades_without_any_picture_are_counted_with_their_reason(grades):
    blind = {"lpips": None, "psnr": None}
    reports = [
        grades.graded(entry="old"),
        grades.seen(**blind, entry="a", missing="no codec at /srv/private/codec.npz"),
        grades.seen(**blind, entry="b", missing="no codec at /srv/private/codec.npz"),
        grades.seen(**blind, entry="b", missing="no codec at /srv/private/codec.npz"),
    ]
    shown = standings(reports)
    assert shown.sampling == ()
    assert {(each.reason, each.entries) for each in shown.unseen} == {
        ("graded before pictures were measured", 1),
        ("no codec at codec.npz", 2),
    }


def test_an_entry_that_was_seen_in_another_grade_is_not_called_unseen(grades):
    shown = standings([grades.graded(), grades.seen(0.3)])
    assert [names(board) for board in shown.sampling] == [["first"]]
    assert shown.unseen == ()


def test_a_grade_without_the_imagined_frames_is_not_in_the_track(grades):
    shown = standings([grades.seen(0.3, regimes=(Regime.TEMPORALLY_TEACHER_FORCED,))])
    assert (shown.sampling, shown.unseen) == ((), ())


def test_reservations_stand_in_this_track_too(grades):
    (board,) = standings([grades.seen(0.3, provenance={"sandbox": "process"})]).sampling
    assert board.rows[0].marks == (Mark.SELF_RUN,)


def test_a_metric_that_was_not_measured_is_none(grades):
    report = grades.seen(None)
    result = report.regimes[Regime.FULLY_AUTOREGRESSIVE]
    assert measured(result, Metric.LPIPS) is None
    assert measured(result, Metric.SSIM) is None
    assert measured(None, Metric.PSNR) is None
    assert measured(result, Metric.PSNR).by_frame == result.psnr_by_frame


def test_without_lpips_the_page_has_no_column_that_is_empty(grades):
    shown = standings([grades.seen(None, entry="a"), grades.seen(None, user="b", entry="b")])
    html = render_sampling(shown)
    assert 'class="board sampling"' not in html
    heads = re.findall('<th scope="col"[^>]*>(.*?)</th>', html)
    assert heads == ["Entry", "PSNR", "AR loss", "s/frame", "Date"], "SSIM was not measured either"
    assert "nobody has a rank here" in html
    assert "wmc data pull --lpips" in html
    assert "without LPIPS nobody has a rank" in render(shown)
