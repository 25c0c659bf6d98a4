"""Training frames found again by their content, in 14 to 20 bytes of memory a frame.

A filter says of 64 bits whether some frame's key may begin with them, seldom wrongly: it is what makes every offset of
a file worth asking about. A sorted list of digests says which frame it is, and the split itself has the last word: no
frame is found that is not equal to the last bit.

Axes: N training frames, C frames asked about, P tokens of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.progress import Progress
from harness.retrieval.frame_layouts import KEY_BEGIN, KEY_TOKENS, PACKED, packed_key_words
from harness.spec import CHALLENGE

_BLOCK_FRAMES = 4096
_FILTER_BITS_PER_KEY = 16
_LEAST_FILTER_BITS = 1 << 16
_PROBES = tuple(np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03))
_MULTIPLIERS = np.random.default_rng(18).integers(
    1 << 63, size=CHALLENGE.tokens_per_frame // 2, dtype=np.uint64
) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True, kw_only=True)
class FrameIndex:
    """Where in a training split a frame lies.

    Attributes:
        tokens_NP: the split itself, a memory map.
        filter_bits: uint8, a bit for every hashed beginning of a packed frame's key.
        places_N: uint64, sorted: the upper bits of a frame's digest, then the frame's number.
    """

    tokens_NP: NDArray[np.uint32]
    filter_bits: NDArray[np.uint8]
    places_N: NDArray[np.uint64]

    def may_begin_a_key(self, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """False where no frame's key begins with these bits, in any packed layout; true elsewhere in 1.4 of 100."""
        may = self._is_marked(words, 0)
        (left,) = np.nonzero(may)
        may[left] = self._is_marked(words[left], 1)
        return may

    def find(self, tokens_CP: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The first training frame equal to each of these, -1 where there is none.

        One frame in a hundred thousand of the largest split hides behind another's digest and is not found.
        """
        digest_C = _digests(tokens_CP) & ~self._number_mask
        place_C = np.searchsorted(self.places_N, digest_C)
        place_C[place_C == len(self.places_N)] = 0
        found_C = self.places_N[place_C]
        frame_C = (found_C & self._number_mask).astype(np.int64)
        (alike,) = np.nonzero(found_C & ~self._number_mask == digest_C)
        is_equal = (self.tokens_NP[frame_C[alike]] == tokens_CP[alike]).all(1)
        result_C = np.full(len(tokens_CP), -1, np.int64)
        result_C[alike[is_equal]] = frame_C[alike[is_equal]]
        return result_C

    @property
    def _number_mask(self) -> np.uint64:
        return np.uint64((1 << len(self.places_N).bit_length()) - 1)

    def _is_marked(self, words: NDArray[np.uint64], probe: int) -> NDArray[np.bool_]:
        bit = _filter_places(words, probe, self.filter_bits.size)
        marks = self.filter_bits.take((bit >> np.uint64(3)).view(np.int64), mode="clip")
        marks >>= bit.astype(np.uint8) & 7
        marks &= 1
        return marks.view(np.bool_)


def index_frames(train: Clip, *, progress: Progress) -> FrameIndex:
    """The index of all frames of a split, made in one walk over it."""
    frames = train.num_frames
    tokens_NP = train.tokens_NHW.reshape(frames, -1)
    wanted = max(_LEAST_FILTER_BITS, _FILTER_BITS_PER_KEY * len(PACKED) * frames)
    filter_bits = np.zeros(1 << (wanted - 1).bit_length() - 3, np.uint8)
    places_N = np.empty(frames, np.uint64)
    with progress.step("indexing the training split for the scan of the entry", total=frames) as advance:
        for begin in range(0, frames, _BLOCK_FRAMES):
            block_CP = np.ascontiguousarray(tokens_NP[begin : begin + _BLOCK_FRAMES])
            places_N[begin : begin + _BLOCK_FRAMES] = _digests(block_CP)
            _mark(filter_bits, block_CP[:, KEY_BEGIN : KEY_BEGIN + KEY_TOKENS])
            advance(len(block_CP))
    number_mask = np.uint64((1 << frames.bit_length()) - 1)
    places_N &= ~number_mask
    places_N |= np.arange(frames, dtype=np.uint64)
    places_N.sort()
    return FrameIndex(tokens_NP=tokens_NP, filter_bits=filter_bits, places_N=places_N)


def _mark(filter_bits: NDArray[np.uint8], key_CK: NDArray[np.uint32]) -> None:
    for words in packed_key_words(key_CK):
        for probe in range(len(_PROBES)):
            bit = _filter_places(words, probe, filter_bits.size)
            byte, number = (bit >> np.uint64(3)).astype(np.int64), bit.astype(np.uint8) & 7
            for each in range(8):  # one bit at a time: a byte that comes twice keeps both
                filter_bits[byte[number == each]] |= 1 << each


def _filter_places(words: NDArray[np.uint64], probe: int, filter_bytes: int) -> NDArray[np.uint64]:
    product = words * _PROBES[probe]
    product >>= np.uint64(64 - 2 - filter_bytes.bit_length())
    return product


def _digests(tokens_CP: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """64 bits of every frame: a multilinear hash, its upper bits stirred in."""
    digest_C = np.ascontiguousarray(tokens_CP).view(np.uint64) @ _MULTIPLIERS
    digest_C ^= digest_C >> np.uint64(32)
    return digest_C * _PROBES[0]
