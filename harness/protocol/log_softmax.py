"""The host's own log-softmax of what an entry sends: looked up where it is needed, never made whole.

Axes: R cells (a position's factor, all leading axes of the logits in order), V values of a factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 128  # of factor_vocab float64: the working set stays in the cache


@dataclass(frozen=True, kw_only=True)
class LogSoftmax:
    """A normalised distribution per cell, whatever the entry sent; nats, float64.

    The normaliser is kept in two parts: beside a logit of 1e30 its logarithm would vanish, and with it the loss.

    Attributes:
        logits_RV: as they were sent, finite.
        largest_R: each cell's largest logit.
        log_sums_R: log sum exp(logits - largest), at least 0.
    """

    logits_RV: NDArray[np.floating]
    largest_R: NDArray[np.float64]
    log_sums_R: NDArray[np.float64]

    def at(self, cells: NDArray[np.integer], values: NDArray[np.integer]) -> NDArray[np.float64]:
        """The log-probabilities of these values in these cells, at most 0: `[...]` -> `[...]`."""
        cells = cells.astype(np.int64, copy=False)
        flat = cells * self.logits_RV.shape[1] + values  # taking by it is twice as fast as by cell and value
        chosen = self.logits_RV.reshape(-1).take(flat)
        logprobs: NDArray[np.float64] = (chosen - self.largest_R.take(cells)) - self.log_sums_R.take(cells)
        return logprobs


def log_softmax(logits: NDArray[np.floating]) -> LogSoftmax:
    """The log-softmax over the last axis of `[..., V]`; the logits are read again at every look-up."""
    logits_RV = logits.reshape(-1, logits.shape[-1])
    largest_R, log_sums_R = np.empty((2, len(logits_RV)))
    for begin in range(0, len(logits_RV), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        shifted_RV = logits_RV[rows].astype(np.float64)
        largest_R[rows] = shifted_RV.max(axis=1)
        shifted_RV -= largest_R[rows, None]
        log_sums_R[rows] = np.log(np.exp(shifted_RV, out=shifted_RV).sum(axis=1))
    return LogSoftmax(logits_RV=logits_RV, largest_R=largest_R, log_sums_R=log_sums_R)
