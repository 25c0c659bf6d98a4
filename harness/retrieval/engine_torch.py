"""Differing bits as a matrix product on a GPU.

With bits as -1 and 1 the product of two frames is the number of bits less twice those that differ. int8 products are
summed in int32, so that nothing is rounded.

Axes: Q query frames, N frames of a split, W words of a packed frame, D bits of it, K nearest, M hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.packing import WORD_BITS
from harness.retrieval.shortlist import Closest

if TYPE_CHECKING:
    import torch

_ROWS = 32
"""Products take a multiple of this many rows on either side; rows of zeros fill it."""
_PLACE_BITS = 32
"""Of a sort key; the distance is above them."""


@dataclass(frozen=True, kw_only=True)
class TorchEngine:
    """int8 products on a GPU, where the k nearest of a tile are sorted out as well."""

    device: str = "cuda"
    name: str = "torch"
    threads: int = 2
    tile_frames: int = 1 << 14
    tile_queries: int = 1 << 12

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Differing bits of every pair: uint16 `[Q, N]`, laid out frame after frame."""
        import torch

        distance_NQ = self._differing(frames_NW, queries_QW).to(torch.int16).cpu().numpy().view(np.uint16)
        return distance_NQ.T

    def closest(
        self,
        queries_QW: NDArray[np.uint64],
        frames_NW: NDArray[np.uint64],
        bound_Q: NDArray[np.int32],
        k: int,
    ) -> Closest:
        """What is below its query's bound, or each query's k nearest of it; equals in the frames' order."""
        import torch

        distance_QN = self._differing(queries_QW, frames_NW)
        places_N = torch.arange(len(frames_NW), device=self.device)
        key_QN = (
            distance_QN.long() << _PLACE_BITS | places_N
        )  # no two are equal, and the first of equals is least
        key_QK = torch.topk(key_QN, min(k, len(frames_NW)), largest=False).values.cpu().numpy()
        distance_QK = key_QK >> _PLACE_BITS
        query_M, place_M = np.nonzero(distance_QK < bound_Q[:, None])
        frame_M = key_QK[query_M, place_M] & ((1 << _PLACE_BITS) - 1)
        return frame_M, query_M, distance_QK[query_M, place_M].astype(np.uint16)

    def _differing(self, left_QW: NDArray[np.uint64], right_NW: NDArray[np.uint64]) -> torch.Tensor:
        """Differing bits of every pair: int32 `[Q, N]` on the device."""
        import torch

        product_QN = torch._int_mm(self._signs(left_QW), self._signs(right_NW).T)
        bits = left_QW.shape[1] * WORD_BITS
        differing_QN: torch.Tensor = (bits - product_QN[: len(left_QW), : len(right_NW)]) // 2
        return differing_QN

    def _signs(self, words_NW: NDArray[np.uint64]) -> torch.Tensor:
        """Bits as -1 and 1, rows filled up: int8 `[N, D]` on the device."""
        import torch

        missing = -len(words_NW) % _ROWS
        byte_NC = np.pad(words_NW, ((0, missing), (0, 0))).view(np.uint8)
        packed_NC = torch.from_numpy(byte_NC).to(self.device)
        places = torch.arange(8, dtype=torch.uint8, device=self.device)
        bit_ND = ((packed_NC[..., None] >> places) & 1).flatten(1)
        return bit_ND.to(torch.int8) * 2 - 1
