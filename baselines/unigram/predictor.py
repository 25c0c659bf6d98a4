"""How often each factor value occurs at each position of the training clip; blind to what it is shown.

Axes: B windows, H rows, W columns, F the two factors of a token, V values of a factor, S raw rows of actions,
A action columns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

COUNTS = Path(__file__).with_name("counts.npz")
REPEATS = 15.0
"""Frames within half a second are nearly one: so many observations are worth one."""


def probabilities(counts_HWFV: np.ndarray) -> np.ndarray:
    """Each position's distribution [H,W,F,V], smoothed towards that of all positions together (Witten-Bell)."""
    pooled_FV = counts_HWFV.sum((0, 1)) + 1.0
    pooled_FV /= pooled_FV.sum(-1, keepdims=True)
    imagined_HWF1 = REPEATS * np.maximum((counts_HWFV > 0).sum(-1, keepdims=True), 1)
    total_HWF1 = counts_HWFV.sum(-1, keepdims=True)
    return (counts_HWFV + imagined_HWF1 * pooled_FV) / (total_HWF1 + imagined_HWF1)


class Predictor:
    """The same log-probabilities for every frame."""

    def __init__(self, counts: Path = COUNTS) -> None:
        with np.load(counts) as file:
            p_HWFV = probabilities(file["unigram_HWFV"])
        self._log_p_HWFV = np.log(p_HWFV).astype(np.float32)
        best_HWF = p_HWFV.argmax(-1)
        self._tokens_HW = (best_HWF[..., 0] + 512 * best_HWF[..., 1]).astype(np.uint32)

    def reset(self, batch: int) -> None:
        """Lay out the answer, which is the same for all frames of the batch."""
        shape = (batch, *self._log_p_HWFV.shape)
        self._logits_BHWFV = np.ascontiguousarray(np.broadcast_to(self._log_p_HWFV, shape))
        self._tokens_BHW = np.ascontiguousarray(np.broadcast_to(self._tokens_HW, shape[:3]))

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
        """Nothing to learn from a frame."""

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B,16,16,2,512] and tokens [B,16,16] of the next frame."""
        return self._logits_BHWFV, self._tokens_BHW
