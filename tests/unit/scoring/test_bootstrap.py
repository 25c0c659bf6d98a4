"""The intervals of a mean over windows, and of the difference of two."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from harness.scoring import bootstrap
from harness.scoring.bootstrap import Pairs, difference_interval, mean_interval, paired_low


def test_the_interval_agrees_with_the_normal_one_on_many_windows() -> None:
    values = np.random.default_rng(0).normal(8.0, 1.0, size=2000)
    low, high = mean_interval(values, np.random.default_rng(1))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_equal_windows_leave_no_doubt() -> None:
    assert mean_interval(np.full(7, 3.5), np.random.default_rng(0)) == (3.5, 3.5)


def test_a_seed_fixes_the_interval() -> None:
    values = np.random.default_rng(5).normal(size=50)
    first, second, other = (mean_interval(values, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == second != other


def test_pieces_of_any_size_give_one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).normal(size=50)
    whole = mean_interval(values, np.random.default_rng(0))
    for counts in (1, 50 * 3333, 50 * bootstrap.RESAMPLES):
        monkeypatch.setattr(bootstrap, "_CHUNK_COUNTS", counts)
        assert mean_interval(values, np.random.default_rng(0)) == pytest.approx(whole, rel=1e-12)


def test_many_windows_need_no_more_memory_than_few() -> None:
    tracemalloc.start()
    try:
        mean_interval(np.zeros(2_000), np.random.default_rng(0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20  # all resamples at once would be 160 MB and as much again in float64


def test_it_covers_the_truth_about_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)  # enough for a band this wide
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        low, high = mean_interval(rng.exponential(size=60), rng)
        hits += low <= 1.0 <= high
    assert 0.85 <= hits / 200 <= 0.99


def test_the_interval_of_a_difference_agrees_with_the_normal_one() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(9.0, 1.0, size=2000), rng.normal(8.0, 3.0, size=500)
    low, high = difference_interval(left, right, np.random.default_rng(1))
    half = 1.96 * np.sqrt(left.var() / len(left) + right.var() / len(right))
    difference = left.mean() - right.mean()
    assert low == pytest.approx(difference - half, abs=0.1 * half)
    assert high == pytest.approx(difference + half, abs=0.1 * half)


def test_a_difference_from_a_sample_without_doubt_has_the_others_interval() -> None:
    values = np.random.default_rng(5).normal(size=50)
    alone = mean_interval(values, np.random.default_rng(0))
    assert difference_interval(values, np.zeros(3), np.random.default_rng(0)) == alone
    assert difference_interval(np.full(4, 2.5), np.full(7, 1.0), np.random.default_rng(0)) == (1.5, 1.5)


def test_both_samples_of_a_difference_are_drawn_on_their_own() -> None:
    """Drawn together, equal samples would leave no doubt at all."""
    values = np.random.default_rng(5).normal(size=50)
    low, high = difference_interval(values, values, np.random.default_rng(0))
    assert low < -0.2
    assert high > 0.2


def test_a_paired_bound_sees_what_the_spread_of_windows_hides() -> None:
    rng = np.random.default_rng(0)
    windows = rng.normal(8.5, 0.6, 200)
    better = windows - 0.05 + rng.normal(0, 0.05, 200)
    low = paired_low(windows, better, np.random.default_rng(1), chance=0.025)
    half = 1.96 * (windows - better).std(ddof=1) / np.sqrt(200)
    assert low == pytest.approx((windows - better).mean() - half, abs=0.2 * half)
    assert difference_interval(windows, better, np.random.default_rng(1))[0] < 0 < low


def test_a_smaller_chance_needs_a_larger_difference() -> None:
    rng = np.random.default_rng(0)
    left = rng.normal(0.3, 1, 100)
    bounds = [
        paired_low(left, np.zeros(100), np.random.default_rng(1), chance=chance)
        for chance in (0.4, 0.1, 0.01, 1e-7)
    ]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > 0 > bounds[-1], "1e-7 is further out than ten thousand resamples reach"


def test_one_window_shows_no_improvement() -> None:
    assert paired_low(np.array([9.0]), np.array([1.0]), np.random.default_rng(0), chance=0.025) == -np.inf
    assert paired_low(np.full(9, 9.0), np.full(9, 8.0), np.random.default_rng(0), chance=0.025) == 1.0


def test_many_pairs_have_the_bounds_of_each_alone() -> None:
    rng = np.random.default_rng(0)
    values_BN = rng.normal(9.0, 0.5, (150, 1)) + rng.normal([0.0, 0.02, 0.4], 0.1, (150, 3))
    pairs = Pairs(values_BN, np.random.default_rng(1))
    for left, right in ((1, 0), (2, 0), (2, 1), (0, 2)):
        alone = paired_low(values_BN[:, left], values_BN[:, right], np.random.default_rng(1), chance=0.01)
        assert pairs.low(left, right, chance=0.01) == pytest.approx(alone, abs=0.003)
    assert pairs.low(2, 0, chance=0.01) > 0 > pairs.low(0, 2, chance=0.01)
