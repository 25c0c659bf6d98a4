"""Means of picture metrics over windows, frames and draws."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.perceptual_scores import sampled_score, score

SEED = (3, 1)


def test_means_are_taken_over_windows_and_frames() -> None:
    values_BT = np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]])
    found = score(values_BT, SEED)
    assert found.mean == 4
    assert found.by_frame == (3, 4, 5)
    assert found.ci == (2, 6), "of two windows a resample holds one, the other, or both"


def test_frames_of_one_window_do_not_narrow_the_interval() -> None:
    values_B = np.random.default_rng(0).random(20)
    once, often = (score(np.repeat(values_B[:, None], frames, axis=1), SEED) for frames in (1, 15))
    assert once.ci == pytest.approx(often.ci)


def test_the_same_seed_resamples_the_same_windows_for_every_metric() -> None:
    values_BT = np.random.default_rng(0).random((20, 8))
    plain, scaled = score(values_BT, SEED), score(values_BT * 10, SEED)
    assert scaled.ci == pytest.approx(tuple(10 * end for end in plain.ci))


def test_the_best_draw_is_chosen_window_by_window_and_not_frame_by_frame() -> None:
    values_KBT = np.array([[[1.0, 4.0], [9.0, 9.0]], [[3.0, 3.0], [2.0, 4.0]]])  # means: 2.5, 9 and 3, 3
    low = sampled_score(values_KBT, SEED, higher_is_better=False)
    assert low.best_of_k_by_frame == (1.5, 4)
    assert low.best_of_k == 2.75
    high = sampled_score(values_KBT, SEED, higher_is_better=True)
    assert high.best_of_k_by_frame == (6, 6)
    assert high.best_of_k == 6
    assert low.mean == high.mean == values_KBT.mean()
    assert low.mean_by_frame == (3.75, 5)


def test_draws_that_do_not_differ_have_the_same_mean_and_best() -> None:
    values_BT = np.random.default_rng(0).random((6, 8))
    one, several = (
        score(values_BT, SEED),
        sampled_score(np.stack([values_BT] * 3), SEED, higher_is_better=True),
    )
    assert (several.best_of_k, several.best_of_k_ci) == (one.mean, one.ci)
    assert several.mean == pytest.approx(one.mean)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_more_draws_never_make_the_best_of_them_worse(higher_is_better: bool) -> None:
    values_KBT = np.random.default_rng(0).random((5, 7, 8))
    bests = [
        sampled_score(values_KBT[:k], SEED, higher_is_better=higher_is_better).best_of_k for k in range(1, 6)
    ]
    assert bests == sorted(bests, reverse=not higher_is_better)
    assert len(set(bests)) > 1
