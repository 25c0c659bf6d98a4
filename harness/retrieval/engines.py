"""Who counts the bits in which frames differ: numpy everywhere.

A frame is its tokens' bits packed into 64-bit words. Every engine gives the same numbers.

Axes: Q query frames, N frames of a split, W words of a packed frame, G groups of 32 tokens.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.spec import CHALLENGE

TOKEN_BITS = (CHALLENGE.vocab - 1).bit_length()
_GROUP_WORDS = math.lcm(TOKEN_BITS, 64) // 64
_GROUP_TOKENS = 64 * _GROUP_WORDS // TOKEN_BITS


def words(tokens_NHW: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The bits of each frame's tokens without gaps: uint64 `[N, W]`, 72 words for the challenge's frames.

    Token i's bits are bits 18 i to 18 i + 17 of the frame, counted from the first word's lowest; what is left of the
    last group of words is zero.
    """
    frames, tokens = len(tokens_NHW), math.prod(tokens_NHW.shape[1:])
    groups = -(-tokens // _GROUP_TOKENS)
    padded_NP = np.zeros((frames, groups * _GROUP_TOKENS), np.uint64)
    padded_NP[:, :tokens] = np.asarray(tokens_NHW).reshape(frames, tokens)
    token_NGI = padded_NP.reshape(frames, groups, _GROUP_TOKENS)
    word_NGK = np.zeros((frames, groups, _GROUP_WORDS), np.uint64)
    for i in range(_GROUP_TOKENS):
        word, shift = divmod(i * TOKEN_BITS, 64)
        word_NGK[..., word] |= token_NGI[..., i] << np.uint64(shift)
        if shift + TOKEN_BITS > 64:
            word_NGK[..., word + 1] |= token_NGI[..., i] >> np.uint64(64 - shift)
    return word_NGK.reshape(frames, groups * _GROUP_WORDS)


def all_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine(Protocol):
    """Counts differing bits, many pairs at once, from several threads.

    Attributes:
        name: goes into records.
        threads: how many tiles it works on side by side.
        tile_frames, tile_queries: frames and queries of a tile that suit its caches.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    @property
    def threads(self) -> int: ...  # noqa: D102

    @property
    def tile_frames(self) -> int: ...  # noqa: D102

    @property
    def tile_queries(self) -> int: ...  # noqa: D102

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Differing bits of every pair: uint16 `[Q, N]`, in any order in memory."""
        ...


@dataclass(frozen=True, kw_only=True)
class NumpyEngine:
    """A query at a time against frames that stay in the cache; there is nothing to install."""

    name: str = "numpy"
    threads: int = field(default_factory=all_cores)
    tile_frames: int = 2048
    tile_queries: int = 512

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Differing bits of every pair: uint16 `[Q, N]`."""
        distance_QN = np.empty((len(queries_QW), len(frames_NW)), np.uint16)
        for query_W, distance_N in zip(queries_QW, distance_QN, strict=True):
            np.bitwise_count(frames_NW ^ query_W).sum(1, dtype=np.uint16, out=distance_N)
        return distance_QN


def best_engine() -> Engine:
    """The fastest engine that this machine has."""
    return NumpyEngine()
