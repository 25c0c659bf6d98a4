"""How sure a mean over windows is. Frames and tokens of one window are not independent; windows are the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95


def mean_interval(values_B: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean, windows drawn with replacement.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. One window gives a zero-width interval.
    """
    counts_RB = rng.multinomial(len(values_B), np.full(len(values_B), 1 / len(values_B)), size=RESAMPLES)
    means_R = counts_RB @ values_B / len(values_B)
    low, high = np.quantile(means_R, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
