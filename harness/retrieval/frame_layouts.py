"""How frames may lie in a file: raw integers as `video.bin` has them, or their tokens' bits without gaps.

Axes: C frames, P tokens of a frame, K the key's tokens (4), G groups of four tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.packing import TOKEN_BITS
from harness.spec import CHALLENGE

KEY_TOKENS = 4
KEY_BEGIN = CHALLENGE.tokens_per_frame // 2 + KEY_TOKENS
"""A frame's key is four tokens near the middle of the picture: corners stay the same for long. A multiple of four, so
that it begins with a byte in every layout."""

WORD_BYTES = 8
_GROUP_BYTES = KEY_TOKENS * TOKEN_BITS // 8

_Decode = Callable[[NDArray[np.uint8]], NDArray[np.uint32]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way to write a frame down.

    Attributes:
        name: goes into reports.
        token_bits: of one token.
        decode: bytes `[C, frame_bytes]` -> tokens `[C, P]`; what is no token becomes `CHALLENGE.vocab`.
    """

    name: str
    token_bits: int
    decode: _Decode

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return CHALLENGE.tokens_per_frame * self.token_bits // 8

    @property
    def key_offset(self) -> int:
        """Where in a frame its key begins, in bytes."""
        return KEY_BEGIN * self.token_bits // 8


def key_words(key_CK: NDArray[np.integer]) -> NDArray[np.uint64]:
    """The first 64 of a key's 72 bits, as they lie in `packed18`."""
    key = key_CK.astype(np.uint64)
    word_C = key[:, 0].copy()
    for i in range(1, KEY_TOKENS):
        word_C |= key[:, i] << np.uint64(TOKEN_BITS * i)
    return word_C


def packed_key_words(key_CK: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], ...]:
    """The little-endian word that a key begins with in each packed layout."""
    low_first, high_first = key_words(key_CK), key_words(_reversed_tokens()[key_CK])
    return low_first, _with_bytes_reversed(low_first), _with_bytes_reversed(high_first)


def _with_bytes_reversed(word_C: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return _reversed_bytes()[word_C.astype("<u8").view(np.uint8)].view("<u8")


def _integers(data_CB: NDArray[np.uint8], *, dtype: str) -> NDArray[np.uint32]:
    tokens: NDArray[np.uint32] = np.minimum(data_CB.view(dtype), CHALLENGE.vocab).astype(np.uint32)
    return tokens


def _unpacked(data_CB: NDArray[np.uint8], *, high_bit_first: bool, from_top: bool) -> NDArray[np.uint32]:
    if from_top:
        data_CB = _reversed_bytes()[data_CB]
    byte_CGB = data_CB.reshape(len(data_CB), -1, _GROUP_BYTES)
    low_CG = np.ascontiguousarray(byte_CGB[..., :WORD_BYTES]).view("<u8")[..., 0]
    high_CG = byte_CGB[..., WORD_BYTES].astype(np.uint64) << np.uint64(64 - (KEY_TOKENS - 1) * TOKEN_BITS)
    token_CGK = np.empty((*low_CG.shape, KEY_TOKENS), np.uint32)
    mask = np.uint64(CHALLENGE.vocab - 1)
    for i in range(KEY_TOKENS):
        bits_CG = low_CG >> np.uint64(i * TOKEN_BITS)
        token_CGK[..., i] = (bits_CG | high_CG if i == KEY_TOKENS - 1 else bits_CG) & mask
    token_CP = token_CGK.reshape(len(data_CB), -1)
    return _reversed_tokens()[token_CP] if high_bit_first else token_CP


@cache
def _reversed_bytes() -> NDArray[np.uint8]:
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return np.packbits(bits[:, ::-1], axis=1)[:, 0]


@cache
def _reversed_tokens() -> NDArray[np.uint32]:
    token = np.arange(CHALLENGE.vocab, dtype=np.uint32)
    turned = np.zeros_like(token)
    for i in range(TOKEN_BITS):
        turned |= (token >> i & 1) << (TOKEN_BITS - 1 - i)
    return turned


INTEGERS = (
    Layout(name="uint32", token_bits=32, decode=partial(_integers, dtype="<u4")),
    Layout(name="uint64", token_bits=64, decode=partial(_integers, dtype="<u8")),
)
"""Little-endian; signed ones are the same bytes."""

PACKED = (
    Layout(
        name="packed18",
        token_bits=TOKEN_BITS,
        decode=partial(_unpacked, high_bit_first=False, from_top=False),
    ),
    Layout(
        name="packed18, bytes from the top",
        token_bits=TOKEN_BITS,
        decode=partial(_unpacked, high_bit_first=False, from_top=True),
    ),
    Layout(
        name="packed18, big-endian",
        token_bits=TOKEN_BITS,
        decode=partial(_unpacked, high_bit_first=True, from_top=True),
    ),
)
"""18 bits a token: bit 0 first into a byte's lowest bit; bit 0 first into its highest, as `numpy.packbits` does it; and
bit 17 first into its highest."""
