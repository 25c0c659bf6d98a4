"""From counts to probabilities; training fits the mixture's weights on the same tables that are used to predict.

Axes: H rows, W columns, F the two factors of a token, U the value that is known, V the value that is predicted,
K the components of the mixture: position, the same cell one frame ago, the left neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """What training saw: values by position, after the same cell's last value, after the left neighbour's."""

    position_HWFV: np.ndarray
    before_FUV: np.ndarray
    left_FUV: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.position_HWFV + other.position_HWFV,
            self.before_FUV + other.before_FUV,
            self.left_FUV + other.left_FUV,
        )


@dataclass(frozen=True)
class Tables:
    """Conditional distributions over V, float32."""

    position_HWFV: np.ndarray
    before_FUV: np.ndarray
    left_FUV: np.ndarray


def tables(counts: Counts, smoothing: float) -> Tables:
    """The distributions behind `counts`, each smoothed towards that of its factor alone.

    A context that was followed by k different values gets `smoothing * k` imaginary observations of the factor's
    own distribution (Witten-Bell; neighbouring frames repeat each other, so more than one per kind is right).
    """
    pooled_FV = counts.position_HWFV.sum((0, 1)) + 1.0
    pooled_FV /= pooled_FV.sum(-1, keepdims=True)

    def smoothed(counts_V: np.ndarray, prior_V: np.ndarray) -> np.ndarray:
        weight = smoothing * np.maximum((counts_V > 0).sum(-1, keepdims=True), 1)
        total = counts_V.sum(-1, keepdims=True)
        return ((counts_V + weight * prior_V) / (total + weight)).astype(np.float32)

    return Tables(
        smoothed(counts.position_HWFV, pooled_FV),
        smoothed(counts.before_FUV, pooled_FV[:, None]),
        smoothed(counts.left_FUV, pooled_FV[:, None]),
    )
