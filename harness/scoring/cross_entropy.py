"""Nats per token: the cross-entropy of each factor, in float64, summed over the factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.protocol.log_softmax import LogSoftmax


def token_nats(log_softmax: LogSoftmax, target_factors: NDArray[np.int64]) -> NDArray[np.float64]:
    """-log p(target) under a softmax per factor, for factors `[..., F]` in the logits' order -> float64 `[...]`.

    A host-side log-softmax makes whatever an entry sends a normalised, factorised distribution. The sum over
    factors is 1X's loss (`facts.md`, Metrics); zero logits give F ln V.
    """
    targets_R = target_factors.reshape(-1)
    logprobs_R = log_softmax.at(np.arange(len(targets_R)), targets_R)
    nats: NDArray[np.float64] = 0.0 - logprobs_R.reshape(target_factors.shape).sum(
        -1
    )  # certainty costs 0, not -0
    return nats
