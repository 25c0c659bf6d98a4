"""What is copied: the frames a stride after those that were found, with noise where that is wanted.

Axes: B windows, N frames of the shard, M different ones that are copied, X words of a packed frame, K neighbours,
H rows, W columns; K after W are the 18 bits of a token.
"""

from __future__ import annotations

import numpy as np
from bits import FRAME_BITS, tokens_of, unpack_bits

_SEED = 5


def copies(frames_NX: np.ndarray, place_BK: np.ndarray, noise: float) -> np.ndarray:
    """Tokens uint32 [B,K,H,W] of these frames, each with its own `noise`, the same wherever it is copied."""
    place_M, again_BK = np.unique(place_BK, return_inverse=True)
    bits_MHWK = unpack_bits(frames_NX[place_M])
    if noise:
        for nth, place in enumerate(place_M):
            dice = np.random.default_rng([_SEED, int(place)])
            bits_MHWK[nth] ^= (dice.random(FRAME_BITS) < noise).reshape(16, 16, 18)
    return tokens_of(bits_MHWK)[again_BK.reshape(place_BK.shape)]
