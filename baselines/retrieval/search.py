"""The training frames nearest to what was observed, of those with a successor.

Axes: B windows, N frames of the shard, X words of a packed frame, D pooled values of a frame, K neighbours.
"""

from __future__ import annotations

import numpy as np
from bits import FRAME_BITS, distances, pooled
from knobs import STRIDE, Knobs

FOUR = 4
FALL = 4.0
"""`by_distance`: a frame twice as far away as the nearest weighs exp(-FALL) of it."""


class Search:
    """Remembers what each window showed, as distances to the whole shard."""

    def __init__(self, frames_NX: np.ndarray, segments_N: np.ndarray, knobs: Knobs) -> None:
        self._knobs = knobs
        self._frames_NX = frames_NX
        self._segments_N = segments_N
        self.ahead = STRIDE // knobs.step
        if not has_later(segments_N, self.ahead).any():
            raise ValueError("the shard has no frame with a successor: its segments are too short")
        self._ends_N = ~has_later(segments_N, self.ahead)
        self._recent: list[np.ndarray] = []
        if knobs.metric == "coarse":
            self._pooled_ND = pooled(frames_NX)
            self._norm_N = (self._pooled_ND**2).sum(1)

    def reset(self) -> None:
        """Forget the last windows."""
        self._recent = []

    def observe(self, words_BX: np.ndarray) -> None:
        """The windows' next frame, packed."""
        kept = FOUR - 1 if self._knobs.metric == "last_four" else 0
        self._recent = [*self._recent[len(self._recent) - kept :], self._distances(words_BX)]

    def nearest(self, *, without_segments_B: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Places in the shard int64 [B,K], the nearest first, of equals the first, and weights [B,K] that sum to 1.

        `without_segments_B`: one training segment for each window in which nothing is looked up.
        """
        distance_BN = self._summed()
        ends_BN = np.broadcast_to(self._ends_N, distance_BN.shape)
        if without_segments_B is not None:
            ends_BN = ends_BN | (self._segments_N == without_segments_B[:, None])
        count = min(self._knobs.neighbours, int((~ends_BN).sum(1).min()))
        key_BN = np.where(
            ends_BN, np.iinfo(np.int64).max, distance_BN * distance_BN.shape[1] + _places(distance_BN)
        )
        place_BK = np.argpartition(key_BN, count - 1, axis=1)[:, :count]
        order_BK = np.argsort(np.take_along_axis(key_BN, place_BK, 1), axis=1)
        place_BK = np.take_along_axis(place_BK, order_BK, 1)
        return place_BK, self._weights(np.take_along_axis(distance_BN, place_BK, 1))

    def _weights(self, distance_BK: np.ndarray) -> np.ndarray:
        weight_BK = np.ones(distance_BK.shape)
        if self._knobs.weights == "by_distance":
            nearest_B1 = distance_BK[:, :1]
            weight_BK = np.exp(-FALL * (distance_BK - nearest_B1) / np.maximum(nearest_B1, 1))
        return weight_BK / weight_BK.sum(1, keepdims=True)

    def _distances(self, words_BX: np.ndarray) -> np.ndarray:
        if self._knobs.metric != "coarse":
            return distances(words_BX, self._frames_NX)
        pooled_BD = pooled(words_BX)
        squared_BN = (pooled_BD**2).sum(1)[:, None] - 2 * pooled_BD @ self._pooled_ND.T + self._norm_N
        return squared_BN.astype(np.int32)  # whole numbers, and small enough that float32 has them exactly

    def _summed(self) -> np.ndarray:
        """Int64 [B,N]: over the frames that count, each a stride before the other, here as there.

        Where a training segment has no earlier frame, it counts as one that has nothing to do with the window.
        """
        total_BN = self._recent[-1].astype(np.int64)
        for back, distance_BN in enumerate(self._recent[-2::-1], start=1):
            shift = back * self.ahead
            earlier_BN = np.full(total_BN.shape, FRAME_BITS // 2, np.int64)
            earlier_BN[:, shift:] = np.where(
                has_later(self._segments_N, shift)[:-shift], distance_BN[:, :-shift], FRAME_BITS // 2
            )
            total_BN += earlier_BN
        return total_BN


def has_later(segments_N: np.ndarray, ahead: int) -> np.ndarray:
    """Which frames have one `ahead` places later in the same segment: bool [N]."""
    found_N = np.zeros(len(segments_N), bool)
    if ahead < len(segments_N):
        found_N[:-ahead] = segments_N[:-ahead] == segments_N[ahead:]
    return found_N


def _places(distance_BN: np.ndarray) -> np.ndarray:
    return np.arange(distance_BN.shape[1], dtype=np.int64)
