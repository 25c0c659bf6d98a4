"""How sure a mean over windows is. Frames and tokens of one window are not independent; windows are the sample."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
_CHUNK_COUNTS = 1 << 21  # held at once, 16 MiB; all resamples of 100,000 windows would be 8 GB


def mean_interval(values_B: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean, windows drawn with replacement.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. One window gives a zero-width interval.
    """
    return _interval(_resampled_means(values_B, rng))


def difference_interval(
    left_B: NDArray[np.float64], right_B: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    """The same of mean(left) - mean(right): two independent samples, of any two sizes, each drawn from on its own.

    Efron & Tibshirani (1993), section 8.3.
    """
    return _interval(_resampled_means(left_B, rng) - _resampled_means(right_B, rng))


def paired_low(
    left_B: NDArray[np.float64], right_B: NDArray[np.float64], rng: np.random.Generator, *, chance: float
) -> float:
    """A bound that mean(left - right), one value of each per window, lies below with this chance at most.

    The lower of two: the quantile of resampled means, which cannot reach far out and is too narrow for few windows,
    and the normal one by the spread of the differences. Where that one is not above zero it is the answer, and nothing
    is resampled: no improvement is shown. Fewer than two windows show none.
    """
    normal = _normal_low(left_B - right_B, chance)
    if normal <= 0:
        return normal
    return min(normal, float(np.quantile(_resampled_means(left_B - right_B, rng), chance)))


class Pairs:
    """Bounds as `paired_low` gives them, for many pairs of N entries: all are resampled once, with the same draws."""

    def __init__(self, values_BN: NDArray[np.float64], rng: np.random.Generator) -> None:
        self._values_NB = np.ascontiguousarray(values_BN.T)
        self._means_NR = np.ascontiguousarray(_resampled_means(values_BN, rng).T)

    def low(self, left: int, right: int, *, chance: float) -> float:
        """`paired_low` of these two columns."""
        normal = _normal_low(self._values_NB[left] - self._values_NB[right], chance)
        if normal <= 0:
            return normal
        return min(normal, float(np.quantile(self._means_NR[left] - self._means_NR[right], chance)))


def _normal_low(differences_B: NDArray[np.float64], chance: float) -> float:
    """Where the mean of these would lie, by their spread, with this chance at most; of fewer than two, anywhere."""
    if len(differences_B) < 2:
        return -math.inf
    spread = float(differences_B.std(ddof=1)) / math.sqrt(len(differences_B))
    return float(differences_B.mean()) + NormalDist().inv_cdf(chance) * spread


def _resampled_means(values_B: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """`[RESAMPLES]`; of values `[B, N]`, `[RESAMPLES, N]`."""
    chance_B = np.full(len(values_B), 1 / len(values_B))
    rows = max(1, _CHUNK_COUNTS // len(values_B))
    means_R = np.empty((RESAMPLES, *values_B.shape[1:]))
    for start in range(0, RESAMPLES, rows):
        counts_CB = rng.multinomial(len(values_B), chance_B, size=min(rows, RESAMPLES - start))
        means_R[start : start + rows] = counts_CB @ values_B / len(values_B)
    return means_R


def _interval(statistics_R: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(statistics_R, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
