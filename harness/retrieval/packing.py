"""Frames as bits without gaps.

Axes: N frames, P tokens of a frame, W words of a packed frame, G groups of tokens that fill whole words, I tokens and
K words of a group.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.spec import CHALLENGE

TOKEN_BITS = (CHALLENGE.vocab - 1).bit_length()
WORD_BITS = 64

_GROUP_WORDS = math.lcm(TOKEN_BITS, WORD_BITS) // WORD_BITS
_GROUP_TOKENS = math.lcm(TOKEN_BITS, WORD_BITS) // TOKEN_BITS


def words(tokens_NHW: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The bits of each frame's tokens: uint64 `[N, W]`, 72 words for the challenge's frames.

    Token i's bits are bits 18 i to 18 i + 17 of the frame, counted from the first word's lowest; the rest of the last
    group of 9 words is zero.
    """
    frames, tokens = len(tokens_NHW), math.prod(tokens_NHW.shape[1:])
    groups = -(-tokens // _GROUP_TOKENS)
    padded_NP = np.zeros((frames, groups * _GROUP_TOKENS), np.uint64)
    padded_NP[:, :tokens] = np.asarray(tokens_NHW).reshape(frames, tokens)
    token_NGI = padded_NP.reshape(frames, groups, _GROUP_TOKENS)
    word_NGK = np.zeros((frames, groups, _GROUP_WORDS), np.uint64)
    for i in range(_GROUP_TOKENS):
        word, shift = divmod(i * TOKEN_BITS, WORD_BITS)
        word_NGK[..., word] |= token_NGI[..., i] << np.uint64(shift)
        if shift + TOKEN_BITS > WORD_BITS:
            word_NGK[..., word + 1] |= token_NGI[..., i] >> np.uint64(WORD_BITS - shift)
    return word_NGK.reshape(frames, groups * _GROUP_WORDS)
