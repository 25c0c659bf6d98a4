"""The score sheet: complete or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.protocol.host import Prediction
from harness.scoring.sheet import ScoreSheet


@pytest.fixture
def prediction(logits_for: Any) -> Any:
    def make(windows: list[int], t: int, *, right: bool) -> Prediction:
        target = np.random.default_rng(t).integers(1 << 18, size=(len(windows), 16, 16), dtype=np.uint32)
        tokens = target if right else target ^ 1  # the other value of one bit of the first factor
        return Prediction(
            windows_B=np.array(windows),
            t=t,
            target_BHW=target,
            logits_BHWFV=logits_for(target, strength=1e4)
            if right
            else np.zeros((*target.shape, 2, 512), "<f4"),
            tokens_BHW=tokens,
        )

    return make


def test_means_are_taken_over_windows_frames_and_positions(prediction: Any) -> None:
    sheet = ScoreSheet(num_windows=2, targets=range(14, 16))
    sheet.record(prediction([0, 1], 14, right=True))
    sheet.record(prediction([1], 15, right=True))
    sheet.record(prediction([0], 15, right=False))
    scores = sheet.total(np.random.default_rng(0))
    uniform = 2 * np.log(512)
    assert scores.loss == pytest.approx(uniform / 4)
    assert scores.loss_by_frame == pytest.approx((0, uniform / 2))
    assert scores.token_accuracy == pytest.approx(0.75)
    assert scores.windows == 2
    assert scores.loss_ci == pytest.approx((0, uniform / 2))
    np.testing.assert_allclose(sheet.window_losses_B, [uniform / 2, 0], atol=1e-12)


def test_one_wrong_factor_makes_the_token_wrong(prediction: Any) -> None:
    sheet = ScoreSheet(num_windows=1, targets=range(1, 2))
    sheet.record(prediction([0], 1, right=False))
    assert sheet.total(np.random.default_rng(0)).token_accuracy == 0


def test_a_partial_sheet_has_no_score(prediction: Any) -> None:
    sheet = ScoreSheet(num_windows=2, targets=range(1, 2))
    sheet.record(prediction([0], 1, right=True))
    with pytest.raises(ValueError, match="1 of 2 windows"):
        sheet.total(np.random.default_rng(0))


def test_a_sheet_of_two_draws_is_two_sheets(prediction: Any) -> None:
    both = ScoreSheet(num_windows=4, targets=range(15, 16))
    both.record(prediction([0, 3], 15, right=True))
    both.record(prediction([1, 2], 15, right=False))
    first, second = both.split(2)
    uniform = 2 * np.log(512)
    np.testing.assert_allclose(first.window_losses_B, [0, uniform], atol=1e-12)
    np.testing.assert_allclose(second.window_losses_B, [uniform, 0], atol=1e-12)
    for sheet in (first, second):
        scores = sheet.total(np.random.default_rng(0))
        assert (scores.windows, scores.token_accuracy) == (2, 0.5)
    np.testing.assert_array_equal(np.concatenate([first.tokens_BTHW, second.tokens_BTHW]), both.tokens_BTHW)
