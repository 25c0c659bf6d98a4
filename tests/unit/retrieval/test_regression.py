"""The fit from sums: what least squares over all rows would give, and an honest interval."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.retrieval.regression import Sums, quadratic


def rows_of(
    rng: np.random.Generator, windows: int, rows: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Columns `[B, R, K]`, what two references explain `[B, R]`, and which rows are from the source."""
    references_MBR = rng.uniform(-9, 0, size=(2, windows, rows))
    is_source_BR = rng.random((windows, rows)) < 0.3
    x_BRK = np.stack(
        [np.column_stack([quadratic(references_MBR[:, b]), is_source_BR[b]]) for b in range(windows)]
    )
    first_BR, second_BR = references_MBR
    return x_BRK, 0.7 * first_BR - 0.02 * first_BR * second_BR - 1, is_source_BR


def sums_of(x_BRK: NDArray[np.float64], y_BR: NDArray[np.float64]) -> Sums:
    sums = Sums.zeros(len(x_BRK), x_BRK.shape[2])
    for b, (x_RK, y_R) in enumerate(zip(x_BRK, y_BR, strict=True)):
        sums.add(b, x_RK[:50], y_R[:50])
        sums.add(b, x_RK[50:], y_R[50:])
    return sums


def test_two_references_have_six_columns() -> None:
    """1, a, b, aa, ab, bb, all of size one."""
    columns_RK = quadratic(np.array([[-16.0, -8], [-4, 0]]))
    np.testing.assert_allclose(columns_RK, [[1, -1, -0.25, 1, 0.25, 0.0625], [1, -0.5, 0, 0.25, 0, 0]])


def test_sums_give_what_all_rows_together_give() -> None:
    rng = np.random.default_rng(0)
    x_BRK, expected_BR, is_source_BR = rows_of(rng, 4, 300)
    y_BR = expected_BR + 0.5 * is_source_BR + rng.normal(size=is_source_BR.shape)
    slow_K = np.linalg.lstsq(x_BRK.reshape(1200, -1), y_BR.ravel())[0]
    sums = sums_of(x_BRK, y_BR)
    np.testing.assert_allclose(sums.coefficients(), slow_K, rtol=1e-5)
    left_R = y_BR.ravel() - x_BRK.reshape(1200, -1) @ slow_K
    assert sums.spread(sums.coefficients()) == pytest.approx(np.sqrt(np.mean(left_R**2)))
    residual_BR = y_BR - x_BRK[..., :-1] @ slow_K[:-1]
    slow_excess = [
        residual[source].mean() - residual[~source].mean()
        for residual, source in zip(residual_BR, is_source_BR, strict=True)
    ]
    np.testing.assert_allclose(sums.excess(slow_K), slow_excess)


def test_predictions_of_a_window_add_up() -> None:
    x_BRK, expected_BR, _ = rows_of(np.random.default_rng(1), 6, 100)
    by_window = sums_of(x_BRK, expected_BR).by_window(2)
    together = sums_of(x_BRK.reshape(2, 300, -1), expected_BR.reshape(2, 300))
    np.testing.assert_allclose(by_window.xx_GKK, together.xx_GKK)
    np.testing.assert_allclose(by_window.xy_GK, together.xy_GK)


def test_references_that_agree_do_no_harm() -> None:
    reference_R = np.random.default_rng(2).uniform(-9, 0, size=400)
    is_source_R = np.arange(400) % 3 == 0
    x_1RK = np.column_stack([quadratic(np.stack([reference_R] * 4)), is_source_R])[None]
    delta = sums_of(x_1RK, (0.7 * reference_R - 1 + 0.4 * is_source_R)[None]).coefficients()[-1]
    assert delta == pytest.approx(0.4, abs=1e-5)


def test_without_sources_or_without_others_there_is_no_excess() -> None:
    x_BRK, expected_BR, _ = rows_of(np.random.default_rng(3), 2, 100)
    x_BRK[0, :, -1], x_BRK[1, :, -1] = 0, 1
    np.testing.assert_array_equal(sums_of(x_BRK, expected_BR).excess(np.zeros(x_BRK.shape[2])), 0)
    assert (Sums.zeros(3, 7).coefficients() == 0).all()


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of 200 intervals of 95%, over 40 windows whose nats differ: few windows make them a little narrow."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x_BRK, expected_BR, is_source_BR = rows_of(rng, 40, 60)
        nats_B1 = rng.normal(1, 0.5, size=(40, 1))
        y_BR = expected_BR + nats_B1 * is_source_BR + rng.normal(size=is_source_BR.shape)
        low, high = np.quantile(sums_of(x_BRK, y_BR).drawn_deltas(rng, draws=200), (0.025, 0.975))
        held += low <= 1 <= high
    assert 0.9 * 200 <= held < 200
