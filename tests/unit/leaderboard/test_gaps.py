"""A gap compares the same frames, or it would measure the frames and not the regimes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.protocol.regimes import Regime
from leaderboard.gaps import gaps

AR, TTF, FTF = Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED, Regime.FULLY_TEACHER_FORCED


def with_losses(report, regime, losses):
    return replace(
        report,
        regimes={**report.regimes, regime: replace(report.regimes[regime], loss_by_frame=tuple(losses))},
    )


def test_only_the_frames_of_both_regimes_are_compared(grades):
    report = with_losses(grades.graded(), TTF, [100.0] * 7 + [8.0] * 8)
    report = with_losses(report, AR, [8.0, 8.5] * 4)
    (gap,) = gaps(report)
    assert (gap.first, gap.last) == (8, 15)
    assert (gap.loss, gap.base_loss, gap.difference) == (8.25, 8.0, 0.25)
    assert (gap.at_first, gap.at_last) == (0.0, 0.5)


def test_an_entry_that_gains_from_true_tokens_has_a_gap_below_zero(grades):
    report = with_losses(grades.graded(regimes=tuple(Regime)), FTF, [7.0] * 15)
    report = with_losses(report, TTF, [8.0] * 15)
    by_regime = {gap.regime: gap.difference for gap in gaps(report)}
    assert by_regime[FTF] == -1.0
    assert set(by_regime) == {AR, FTF}


@pytest.mark.parametrize("regimes", [(), (AR,), (TTF,), (AR, FTF)])
def test_without_two_regimes_to_compare_there_is_no_gap(grades, regimes):
    assert gaps(grades.graded(regimes=regimes)) == ()


def test_a_gap_tells_no_digit_that_is_not_published(grades):
    report = with_losses(grades.graded(), TTF, [8.0] * 7 + [8.123456] * 8)
    (gap,) = gaps(with_losses(report, AR, [8.654321] * 8))
    assert (gap.loss, gap.base_loss) == (8.6543, 8.1235)
    assert (gap.at_first, gap.at_last) == (0.53, 0.53)
