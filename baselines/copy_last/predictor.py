"""The next frame is the last one, each of a token's 18 bits flipped with the same probability.

Axes: B windows, H rows, W columns, F the two 9-bit factors of a token, V and U values of a factor, S raw rows of
actions, A action columns.
"""

from __future__ import annotations

import numpy as np

FLIP = 0.3
"""How likely a bit changes within half a second: between 0.22 and 0.33 on first-person video. A guess, not a fit."""


class Predictor:
    """Log-probabilities that fall with the Hamming distance to the last frame."""

    def __init__(self) -> None:
        value_V = np.arange(512)
        distance_UV = np.array([bin(bits).count("1") for bits in value_V])[value_V[:, None] ^ value_V]
        table_UV = distance_UV * np.log(FLIP) + (9 - distance_UV) * np.log(1 - FLIP)
        self._table_UV = table_UV.astype(np.float32)

    def reset(self, batch: int) -> None:
        """Forget the last batch."""
        self._logits_BHWFV = np.zeros((batch, 16, 16, 2, 512), np.float32)

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:  # noqa: ARG002 - blind to actions
        """Remember the frame."""
        self._last_BHW = frame_BHW

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B,16,16,2,512] and tokens [B,16,16] of the next frame."""
        factor_BHWF = np.stack([self._last_BHW % 512, self._last_BHW // 512], -1)
        np.take(self._table_UV, factor_BHWF, axis=0, out=self._logits_BHWFV, mode="clip")
        return self._logits_BHWFV, self._last_BHW
