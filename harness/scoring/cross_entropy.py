"""Nats per token: the cross-entropy of each factor, in float64, summed over the factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 128  # of factor_vocab float64: the working set stays in the cache


def token_nats(logits: NDArray[np.floating], target_factors: NDArray[np.int64]) -> NDArray[np.float64]:
    """-log p(target) under a softmax per factor: logits `[..., F, V]`, factors `[..., F]` -> float64 `[...]`.

    A host-side log-softmax makes whatever an entry sends a normalised, factorised distribution. The sum over
    factors is 1X's loss (`facts.md`, Metrics); zero logits give F ln V.
    """
    vocab = logits.shape[-1]
    logits_RV = logits.reshape(-1, vocab)
    targets_R = target_factors.reshape(-1)
    nats_R = np.empty(len(targets_R))
    for begin in range(0, len(targets_R), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        nats_R[rows] = _softmax_nats(logits_RV[rows].astype(np.float64), targets_R[rows])
    nats: NDArray[np.float64] = nats_R.reshape(target_factors.shape).sum(-1)
    return nats


def _softmax_nats(logits_RV: NDArray[np.float64], targets_R: NDArray[np.int64]) -> NDArray[np.float64]:
    logits_RV -= logits_RV.max(axis=1, keepdims=True)
    chosen_R = logits_RV[np.arange(len(targets_R)), targets_R]
    nats_R: NDArray[np.float64] = np.log(np.exp(logits_RV, out=logits_RV).sum(axis=1)) - chosen_R
    return nats_R
