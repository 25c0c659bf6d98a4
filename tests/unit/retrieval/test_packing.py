"""Frames as bits without gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.packing import words


def test_words_hold_each_tokens_bits_in_their_place() -> None:
    tokens_NHW = np.random.default_rng(0).integers(2**18, size=(3, 16, 16), dtype=np.uint32)
    bit_ND = np.unpackbits(words(tokens_NHW).view(np.uint8), axis=1, bitorder="little")
    token_NP = (bit_ND.reshape(3, 256, 18).astype(np.uint32) << np.arange(18, dtype=np.uint32)).sum(2)
    assert np.array_equal(token_NP, tokens_NHW.reshape(3, 256))
    assert words(tokens_NHW).shape == (3, 72)


def test_words_of_small_frames_end_in_zeros() -> None:
    word_NW = words(np.full((2, 1, 3), 2**18 - 1, np.uint32))
    assert word_NW.tolist() == [[2**54 - 1] + [0] * 8] * 2


@given(token=st.integers(0, 2**18 - 1), place=st.integers(0, 255), other=st.integers(0, 2**18 - 1))
def test_frames_differ_in_as_many_bits_as_their_tokens(token: int, place: int, other: int) -> None:
    tokens_NHW = np.zeros((2, 16, 16), np.uint32)
    tokens_NHW[:, place // 16, place % 16] = token, other
    left_W, right_W = words(tokens_NHW)
    assert int(np.bitwise_count(left_W ^ right_W).sum()) == (token ^ other).bit_count()
