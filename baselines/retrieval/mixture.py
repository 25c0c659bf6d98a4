"""Honest counts and copied values as one distribution, and the shares under which it is the most likely.

p(v) = position's share * p(v | position) + before's * p(v | the same cell one frame ago) + copied's * p(v | copies).

Axes: H rows, W columns, F the two factors of a token, U the value that is known, V the value that is predicted, L the
components: position, before, copied; M samples, D bits of a factor that differ (0 to 9).
"""

from __future__ import annotations

import numpy as np

REPEATS = 15.0
"""Frames within half a second are nearly one: so many observations are worth one."""
FLIPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
HONEST = {"unigram": 1, "ngram": 2}
"""How many of the components each honest model has."""

_EM_STEPS = 50
_VALUES = np.arange(512)
_DIFFERENT_UV = np.array([bin(bits).count("1") for bits in _VALUES])[_VALUES[:, None] ^ _VALUES]


def smoothed(counts_V: np.ndarray, prior_V: np.ndarray) -> np.ndarray:
    """Distributions float32 behind counts [...,V], smoothed towards `prior_V` (Witten-Bell)."""
    imagined = REPEATS * np.maximum((counts_V > 0).sum(-1, keepdims=True), 1)
    total = counts_V.sum(-1, keepdims=True)
    return ((counts_V + imagined * prior_V) / (total + imagined)).astype(np.float32)


def honest_tables(position_HWFV: np.ndarray, before_FUV: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From counts to p(v | position) [H,W,F,V] and p(v | before) [F,U,V]."""
    pooled_FV = position_HWFV.sum((0, 1)) + 1.0
    pooled_FV /= pooled_FV.sum(-1, keepdims=True)
    return smoothed(position_HWFV, pooled_FV), smoothed(before_FUV, pooled_FV[:, None])


def kernel(flip: float) -> np.ndarray:
    """p(v | a copy says u), float32 [U,V]: each of the nine bits is wrong with probability `flip`."""
    return (flip**_DIFFERENT_UV * (1 - flip) ** (9 - _DIFFERENT_UV)).astype(np.float32)


def different_bits(copied: np.ndarray, true: np.ndarray) -> np.ndarray:
    """In how many of nine bits two values of a factor differ."""
    return _DIFFERENT_UV[copied, true]


def copied_probability(share_FMD: np.ndarray, flip: float) -> np.ndarray:
    """What the copies say of samples [F,M], of which these shares of the copies' weight are D bits away."""
    wrong_D = np.arange(10)
    return share_FMD @ (flip**wrong_D * (1 - flip) ** (9 - wrong_D))


def fit(p_FML: np.ndarray) -> tuple[np.ndarray, float]:
    """The shares [F,L] under which the samples are most likely (EM), and their loss in nats per token."""
    share_FL = np.full((len(p_FML), p_FML.shape[-1]), 1 / p_FML.shape[-1])
    for _ in range(_EM_STEPS):
        by_FML = p_FML * share_FL[:, None]
        by_FML /= by_FML.sum(-1, keepdims=True)
        share_FL = by_FML.mean(1)
    return share_FL, float(-np.log((p_FML * share_FL[:, None]).sum(-1)).mean(1).sum())
